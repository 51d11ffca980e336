//! Values for the arguments of an entry: files, zeros, random numbers, weights.

use std::collections::BTreeMap;

use kforge_runtime::{
    Dtype, HostTensor, Package, TensorError,
    manifest::{BufferId, Entry, Expr, Port, Role, Step, Symbols},
};

use super::{
    Failure,
    arguments::{Arguments, Source, Sources},
    random::{self, Spread},
    sizes, weights,
};

/// Everything a run takes.
#[derive(Debug)]
pub(super) struct Bound {
    /// In the entry's order.
    pub(super) inputs: Vec<HostTensor>,
    /// By name.
    pub(super) weights: BTreeMap<String, HostTensor>,
    /// Of the sizes that the package leaves open.
    pub(super) sizes: Symbols,
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
    let ports = &program.inputs;
    let sources = choose(ports, &arguments.sources()?)?;
    let files = files(ports, &sources)?;
    let given: Vec<(&Port, &HostTensor)> = ports
        .iter()
        .zip(&files)
        .filter_map(|(port, file)| Some((port, file.as_ref()?)))
        .collect();
    let sizes = sizes::bind(&package.manifest, &arguments.sizes()?, &given)?;
    let inputs = inputs(ports, sources, files, &sizes, arguments.seed)?;
    let wanted = weight_types(package, program, &sizes)?;
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
        sizes,
        warnings,
    })
}

/// Element type and shape.
pub(super) type Type = (Dtype, Vec<usize>);

/// Where the value of each input comes from.
fn choose(ports: &[Port], sources: &Sources) -> Result<Vec<Source>, Failure> {
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
    let or_default = |source: Option<&Source>| source.or(sources.otherwise.as_ref()).cloned();
    Ok(chosen.into_iter().filter_map(or_default).collect())
}

/// The inputs that come from files, of the right type and rank; a size may follow
/// from their shapes.
fn files(ports: &[Port], sources: &[Source]) -> Result<Vec<Option<HostTensor>>, Failure> {
    let read = |(port, source): (&Port, &Source)| {
        let Source::File(path) = source else {
            return Ok(None);
        };
        let tensor = HostTensor::read_npy(path).map_err(|source| match source {
            TensorError::Io { path, source } => Failure::Read { path, source },
            source => Failure::Tensor {
                path: path.display().to_string(),
                source,
            },
        })?;
        if tensor.dtype() != port.dtype || tensor.shape().len() != port.shape.len() {
            return Err(mismatch(port, &tensor));
        }
        Ok(Some(tensor))
    };
    ports.iter().zip(sources).map(read).collect()
}

fn mismatch(port: &Port, given: &HostTensor) -> Failure {
    Failure::Input(format!(
        "argument '{}' is {}, given is {}",
        port.name,
        describe(port),
        given.describe()
    ))
}

fn inputs(
    ports: &[Port],
    sources: Vec<Source>,
    files: Vec<Option<HostTensor>>,
    sizes: &Symbols,
    seed: u64,
) -> Result<Vec<HostTensor>, Failure> {
    let mut tensors = Vec::new();
    for (index, ((port, source), file)) in ports.iter().zip(sources).zip(files).enumerate() {
        let shape = shape(&port.name, &port.shape, sizes)?;
        let failed = |source| Failure::Tensor {
            path: port.name.clone(),
            source,
        };
        let tensor = match (file, source) {
            (Some(file), _) => file,
            (None, Source::Zeros) => {
                HostTensor::zeros(port.dtype, shape.clone()).map_err(failed)?
            }
            (None, _) => {
                let seed = seed.wrapping_add(index as u64);
                random::tensor(&port.name, port.dtype, &shape, Spread::Input, seed)?
            }
        };
        if tensor.shape() != shape {
            return Err(mismatch(port, &tensor));
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

fn shape(name: &str, shape: &[Expr], sizes: &Symbols) -> Result<Vec<usize>, Failure> {
    let dim = |expr: &Expr| {
        let size = expr
            .evaluate(sizes)
            .map_err(|error| Failure::Input(format!("shape of '{name}': {error}")))?;
        usize::try_from(size).map_err(|_| {
            Failure::Input(format!(
                "shape of '{name}': {expr} is {size}, less than the least size 0"
            ))
        })
    };
    shape.iter().map(dim).collect()
}

/// The weights that an entry uses, or `init` before it.
fn weight_types(
    package: &Package,
    entry: &Entry,
    sizes: &Symbols,
) -> Result<BTreeMap<String, Type>, Failure> {
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
        let shape = shape(&buffer.name, &buffer.shape, sizes)?;
        weights.insert(buffer.name.clone(), (buffer.dtype, shape));
    }
    Ok(weights)
}
