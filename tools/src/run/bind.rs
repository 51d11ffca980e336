//! Values for the arguments of an entry: files, zeros, random numbers, weights.

use std::collections::BTreeMap;

use kforge_runtime::{
    Dtype, HostTensor, Package,
    manifest::{BufferId, Entry, Expr, Port, Role, Step},
};

use super::{
    Failure,
    arguments::{Arguments, Source, Sources},
    random::{self, Spread},
    weights,
};

/// Everything a run takes.
#[derive(Debug)]
pub(super) struct Bound {
    /// In the entry's order.
    pub(super) inputs: Vec<HostTensor>,
    /// By name.
    pub(super) weights: BTreeMap<String, HostTensor>,
    pub(super) warnings: Vec<String>,
}

/// Finds a value for every input and weight of an entry.
pub(super) fn bind(
    package: &Package,
    entry: &str,
    arguments: &Arguments,
) -> Result<Bound, Failure> {
    let Some(program) = package.manifest.entries.get(entry) else {
        return Err(Failure::Input(format!("there is no entry '{entry}'")));
    };
    let mut warnings = Vec::new();
    let inputs = inputs(program, &arguments.sources()?, arguments.seed)?;
    let wanted = weight_types(package, program)?;
    let weights = match &arguments.weights {
        Some(path) => weights::read(path, &wanted)?,
        None => {
            if !wanted.is_empty() {
                warnings.push(format!(
                    "{} weights are random with seed {}; give real ones with --weights",
                    wanted.len(),
                    arguments.seed
                ));
            }
            let one = |(index, (name, (dtype, shape))): (usize, (&String, &Type))| {
                let seed = arguments.seed.wrapping_add(1000 + index as u64);
                let tensor = random::tensor(name, *dtype, shape, Spread::Weight, seed)?;
                Ok((name.clone(), tensor))
            };
            wanted
                .iter()
                .enumerate()
                .map(one)
                .collect::<Result<_, Failure>>()?
        }
    };
    Ok(Bound {
        inputs,
        weights,
        warnings,
    })
}

/// Element type and shape.
pub(super) type Type = (Dtype, Vec<usize>);

fn inputs(entry: &Entry, sources: &Sources, seed: u64) -> Result<Vec<HostTensor>, Failure> {
    let ports = &entry.inputs;
    let mut chosen: Vec<Option<&Source>> = vec![None; ports.len()];
    for (name, source) in &sources.by_name {
        let index = position(ports, name).ok_or_else(|| {
            let name = name.escape_default();
            Failure::Input(format!(
                "--arg {name}: there is no such argument; arguments are:{}",
                list(ports)
            ))
        })?;
        if chosen[index].replace(source).is_some() {
            let name = &ports[index].name;
            return Err(Failure::Input(format!("argument '{name}' is given twice")));
        }
    }
    let missing: Vec<&Port> = ports
        .iter()
        .zip(&chosen)
        .filter(|(_, source)| source.is_none() && sources.otherwise.is_none())
        .map(|(port, _)| port)
        .collect();
    if let Some(first) = missing.first() {
        return Err(Failure::Input(format!(
            "{} of {} arguments have no value, '{}' for one; give --arg N=FILE.npy, or --arg random for all. \
             Arguments are:{}",
            missing.len(),
            ports.len(),
            first.name,
            list(ports)
        )));
    }
    let mut tensors = Vec::new();
    for (index, (port, source)) in ports.iter().zip(chosen).enumerate() {
        let shape = static_shape(&port.name, &port.shape)?;
        let failed = |source| Failure::Tensor {
            path: port.name.clone(),
            source,
        };
        let tensor = match source.or(sources.otherwise.as_ref()) {
            Some(Source::File(path)) => {
                HostTensor::read_npy(path).map_err(|source| Failure::Tensor {
                    path: path.display().to_string(),
                    source,
                })?
            }
            Some(Source::Zeros) => HostTensor::zeros(port.dtype, shape.clone()).map_err(failed)?,
            Some(Source::Random) | None => {
                let seed = seed.wrapping_add(index as u64);
                random::tensor(&port.name, port.dtype, &shape, Spread::Input, seed)?
            }
        };
        if tensor.dtype() != port.dtype || tensor.shape() != shape {
            return Err(Failure::Input(format!(
                "argument '{}' is {}, given is {}",
                port.name,
                describe(port),
                tensor.describe()
            )));
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// The input that `--arg NAME=` means: its name, or the number in `argN`, or its
/// place where inputs have other names.
fn position(ports: &[Port], name: &str) -> Option<usize> {
    let called = |name: &str| ports.iter().position(|port| port.name == name);
    let numbered = ports.iter().all(|port| port.name.starts_with("arg"));
    called(name)
        .or_else(|| called(&format!("arg{name}")))
        .or_else(|| {
            let index: usize = name.parse().ok()?;
            (!numbered && index < ports.len()).then_some(index)
        })
}

fn list(ports: &[Port]) -> String {
    let line = |port: &Port| format!("\n  {}: {}", port.name, describe(port));
    match ports.is_empty() {
        true => " none".into(),
        false => ports.iter().map(line).collect(),
    }
}

fn describe(port: &Port) -> String {
    let dims: Vec<String> = port.shape.iter().map(Expr::to_string).collect();
    format!("{}[{}]", port.dtype, dims.join("x"))
}

fn static_shape(name: &str, shape: &[Expr]) -> Result<Vec<usize>, Failure> {
    let dim = |expr: &Expr| {
        let size = expr
            .as_constant()
            .and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| {
            Failure::Input(format!(
                "'{name}' has the symbolic size {expr}, which kforge-run cannot set"
            ))
        })
    };
    shape.iter().map(dim).collect()
}

/// The weights that an entry uses, or `init` before it.
fn weight_types(package: &Package, entry: &Entry) -> Result<BTreeMap<String, Type>, Failure> {
    let init = package
        .manifest
        .entries
        .get(kforge_runtime::manifest::INIT_ENTRY);
    let steps = entry
        .steps
        .iter()
        .chain(init.iter().flat_map(|init| &init.steps));
    let used: Vec<BufferId> = steps
        .flat_map(|Step::Dispatch(dispatch)| &dispatch.args)
        .map(|argument| argument.buffer)
        .chain(entry.outputs.iter().map(|port| port.buffer))
        .collect();
    let mut weights = BTreeMap::new();
    for id in used {
        let Some(buffer) = package
            .manifest
            .buffer(id)
            .filter(|it| it.role == Role::Weight)
        else {
            continue;
        };
        let shape = static_shape(&buffer.name, &buffer.shape)?;
        weights.insert(buffer.name.clone(), (buffer.dtype, shape));
    }
    Ok(weights)
}
