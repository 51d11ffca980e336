//! Built kernels put into packages: one of their own, or that of a whole function, in the
//! place of the kernels that computed a stage there.

use std::collections::{BTreeMap, BTreeSet};

use kforge_oracle::{Program, ValueId};
use kforge_runtime::{
    Package,
    manifest::{
        Buffer, BufferId, Dispatch, Entry, Expr, FORMAT, Manifest, Port, Role, Step, Unit,
        VerifierSettings,
    },
};

use super::{
    build::{Built, Slot},
    dims::{self, Problem},
};
use crate::convert;

/// The text of a kernel's file, and where a package keeps it.
pub(super) struct File<'f> {
    pub path: &'f str,
    pub text: &'f str,
}

/// Buffers of a package that stand for a program's inputs and outputs.
struct Buffers {
    inputs: Vec<BufferId>,
    outputs: Vec<BufferId>,
    scratch: Vec<BufferId>,
}

impl Buffers {
    fn of(&self, slot: Slot) -> BufferId {
        match slot {
            Slot::Operand(index) => self.inputs[index],
            Slot::Result(index) => self.outputs[index],
            Slot::Scratch(index) => self.scratch[index],
        }
    }
}

/// A package of nothing but these launches, with `entry` as its function, and the buffers of
/// the program's inputs.
pub(super) fn alone(
    entry: &str,
    stage: &str,
    program: &Program,
    problem: &Problem,
    built: &Built,
    file: &File,
) -> (Package, Vec<BufferId>) {
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: Vec::new(),
        kernels: BTreeMap::new(),
        entries: BTreeMap::new(),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    let (mut inputs, mut outputs) = (vec![None; program.inputs.len()], Vec::new());
    for tensor in &problem.tensors {
        let shape = tensor.ty.shape.iter().map(|size| size_expr(*size));
        let dtype = convert::dtype(tensor.ty.dtype);
        let role = match tensor.what {
            dims::Role::Operand(_) => Role::Input,
            dims::Role::Result(_) => Role::Output,
        };
        let id = add_buffer(
            &mut package,
            Buffer::dense(&tensor.name, dtype, shape, role),
        );
        match tensor.what {
            dims::Role::Operand(index) => inputs[index] = Some(id),
            dims::Role::Result(_) => outputs.push(id),
        }
    }
    let inputs: Vec<BufferId> = inputs.into_iter().flatten().collect();
    let ports = |ids: &[BufferId]| -> Vec<Port> {
        let port = |id: &BufferId| {
            let buffer = &package.manifest.buffers[id.0 as usize];
            Port {
                name: buffer.name.clone(),
                buffer: *id,
                dtype: buffer.dtype,
                shape: buffer.shape.clone(),
            }
        };
        ids.iter().map(port).collect()
    };
    let mut main = Entry {
        inputs: ports(&inputs),
        outputs: ports(&outputs),
        steps: Vec::new(),
    };
    let buffers = Buffers {
        scratch: add_scratch(&mut package, built),
        inputs,
        outputs,
    };
    main.steps = add_launches(&mut package, built, &buffers, file);
    let unit = unit(entry, stage, program, built, &buffers, 0);
    package.manifest.entries.insert(entry.to_owned(), main);
    package.program = Some(serde_json::json!({ "function": program, "units": [unit] }));
    (package, buffers.inputs)
}

/// Puts the launches in the place of unit `index` of all `units`, which stay sorted by their
/// steps. Kernels that nothing launches any more leave the package.
pub(super) fn replace(
    package: &mut Package,
    units: &mut [Unit],
    index: usize,
    program: &Program,
    built: &Built,
    file: &File,
) {
    let old = units[index].clone();
    let buffers = Buffers {
        inputs: old.inputs.clone(),
        outputs: old.outputs.clone(),
        scratch: add_scratch(package, built),
    };
    let steps = add_launches(package, built, &buffers, file);
    let count = steps.len();
    units[index] = unit(
        &old.entry,
        &old.stage,
        program,
        built,
        &buffers,
        old.steps.start,
    );
    if let Some(entry) = package.manifest.entries.get_mut(&old.entry) {
        entry.steps.splice(old.steps.clone(), steps);
    }
    let removed = old.steps.len();
    for unit in units.iter_mut().filter(|unit| unit.entry == old.entry) {
        if unit.steps.start >= old.steps.end {
            let moved = |step: usize| step + count - removed;
            unit.steps = moved(unit.steps.start)..moved(unit.steps.end);
        }
    }
    drop_unused(package);
}

fn add_buffer(package: &mut Package, mut buffer: Buffer) -> BufferId {
    let buffers = &mut package.manifest.buffers;
    while buffers.iter().any(|other| other.name == buffer.name) {
        buffer.name.push('_');
    }
    buffers.push(buffer);
    BufferId(buffers.len() as u32 - 1)
}

fn add_scratch(package: &mut Package, built: &Built) -> Vec<BufferId> {
    let mut ids = Vec::new();
    for scratch in &built.scratch {
        let size = [Expr::Constant(scratch.elements)];
        let buffer = Buffer::dense(clean(&scratch.name), scratch.dtype, size, Role::Scratch);
        ids.push(add_buffer(package, buffer));
    }
    ids
}

fn add_launches(package: &mut Package, built: &Built, buffers: &Buffers, file: &File) -> Vec<Step> {
    package
        .files
        .insert(file.path.to_owned(), file.text.as_bytes().to_vec());
    let mut steps = Vec::new();
    for launch in &built.launches {
        let stage = clean(&launch.kernel.stage);
        let entry_point = clean(&launch.kernel.entry_point);
        let mut name = format!("{stage}.{entry_point}");
        while package
            .manifest
            .kernels
            .get(&name)
            .is_some_and(|other| *other != launch.kernel)
        {
            name.push('_');
        }
        package
            .manifest
            .kernels
            .insert(name.clone(), launch.kernel.clone());
        steps.push(Step::Dispatch(Dispatch {
            kernel: name,
            workgroups: launch.workgroups.map(Expr::Constant),
            args: launch
                .slots
                .iter()
                .map(|slot| buffers.of(*slot).into())
                .collect(),
            immediates: launch.immediates.clone(),
            shape: Vec::new(),
        }));
    }
    steps
}

/// The unit of these launches, with its inputs in the order in which they are read.
fn unit(
    entry: &str,
    stage: &str,
    program: &Program,
    built: &Built,
    buffers: &Buffers,
    first: usize,
) -> Unit {
    let mut order: Vec<usize> = Vec::new();
    for slot in built.launches.iter().flat_map(|launch| &launch.slots) {
        match slot {
            Slot::Operand(index) if !order.contains(index) => order.push(*index),
            _ => {}
        }
    }
    let program = with_inputs(program, &order);
    Unit {
        stage: stage.to_owned(),
        entry: entry.to_owned(),
        steps: first..first + built.launches.len(),
        inputs: order.iter().map(|index| buffers.inputs[*index]).collect(),
        outputs: buffers.outputs.clone(),
        program: serde_json::to_value(program).ok(),
        spec: None,
    }
}

/// The program with its inputs in another order, which names each once.
fn with_inputs(program: &Program, order: &[usize]) -> Program {
    let place = |id: ValueId| {
        let new = order.iter().position(|old| *old == id.0 as usize);
        new.map_or(id, |new| ValueId(new as u32))
    };
    let mut other = program.clone();
    other.inputs = order
        .iter()
        .map(|old| program.inputs[*old].clone())
        .collect();
    for node in &mut other.nodes {
        node.op = node.op.with_operands(place);
    }
    other.outputs = program.outputs.iter().map(|id| place(*id)).collect();
    other
}

fn drop_unused(package: &mut Package) {
    let entries = package.manifest.entries.values();
    let launched: BTreeSet<String> = entries
        .flat_map(|entry| &entry.steps)
        .map(|Step::Dispatch(dispatch)| dispatch.kernel.clone())
        .collect();
    let kernels = &mut package.manifest.kernels;
    kernels.retain(|name, _| launched.contains(name));
    let files: BTreeSet<&str> = kernels.values().filter_map(|it| it.code.file()).collect();
    package
        .files
        .retain(|path, _| files.contains(path.as_str()));
    package.manifest.hashes.clear();
}

fn size_expr(size: usize) -> Expr {
    Expr::Constant(i64::try_from(size).unwrap_or(i64::MAX))
}

/// A name that packages and file systems take.
pub(super) fn clean(name: &str) -> String {
    let keep = |c: char| match c.is_ascii_alphanumeric() || c == '_' {
        true => c,
        false => '_',
    };
    let cleaned: String = name.chars().take(80).map(keep).collect();
    match cleaned.is_empty() {
        true => "kernel".into(),
        false => cleaned,
    }
}
