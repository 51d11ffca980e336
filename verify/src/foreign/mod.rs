//! Kernels of somebody else's before the gate.
//!
//! WGSL written by hand or by a machine takes the place of an emitted kernel: it becomes a part
//! of a package and meets the checks that every package meets. Where it takes its sizes at run time, it is
//! tried at every mandatory shape around its tile (`shapes.rs`); what is compiled for one
//! shape is tried at that one, and the verdict says so.
//!
//! ```no_run
//! use kforge_oracle::{Input, Op, Program, DType, TensorType, ValueId};
//! use kforge_runtime::{Device, DeviceChoice, ExecOptions};
//! use kforge_verify::{Options, foreign::{ForeignKernel, Interface, subject}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ty = TensorType::new(DType::F32, &[64, 100]);
//! let mut program = Program {
//!     name: "softmax".into(),
//!     inputs: vec![Input { name: "x".into(), ty: ty.clone() }],
//!     nodes: Vec::new(),
//!     outputs: vec![ValueId(1)],
//! };
//! program.push("softmax", Op::Softmax { x: ValueId(0), axis: -1 }, ty);
//! let kernel = ForeignKernel {
//!     stage: "softmax".into(),
//!     name: "softmax.wgsl".into(),
//!     wgsl: std::fs::read_to_string("softmax.wgsl")?,
//!     interface: Interface::from_toml(
//!         "softmax.toml",
//!         "workgroups = [\"rows\", 1, 1]\n[sizes]\nfrom = \"uniform\"\nvalues = [\"n\"]",
//!     )?,
//! };
//! let subject = subject(&program, &kernel)?;
//! let device = Device::open(DeviceChoice::Auto)?;
//! let verdict =
//!     kforge_verify::verify(&subject, &device, &ExecOptions::default(), &Options::default());
//! println!("{}", verdict.summary());
//! # Ok(())
//! # }
//! ```

mod build;
mod dims;
mod error;
mod found;
mod interface;
#[cfg(test)]
mod named;
mod nesting;
mod place;
mod shader;
mod shapes;
#[cfg(test)]
mod tests;

pub use error::{Cause, ForeignError};
pub use interface::{
    Bound, BoundAt, Formula, Interface, Launch, Length, MAX_INTERFACE_BYTES, Number, Rule, Scratch,
    Sizes, Source,
};
pub use shader::MAX_WGSL_BYTES;

use kforge_oracle::Program;
use kforge_runtime::{Package, cpu::NativeKernels};
use serde::{Deserialize, Serialize};

use crate::{OwnShapeOnly, Runnable, Subject, Variant};
use build::{Built, build};
use dims::Problem;
use place::{File, clean};
use shader::Shader;

/// A kernel and what it takes the place of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForeignKernel {
    /// The stage: the op's name in reports.
    pub stage: String,
    /// What messages call the file.
    pub name: String,
    /// Its text.
    pub wgsl: String,
    /// How it is bound and launched.
    pub interface: Interface,
}

/// Whether a program can be given to [`subject`]: it is one op, and its inputs are the operands.
pub fn is_single(program: &Program) -> bool {
    dims::single(program).is_some()
}

/// What the gate checks of a kernel that is the whole of a program.
///
/// # Errors
/// WGSL that is not valid or not supported, and an interface that does not fit it.
pub fn subject(program: &Program, kernel: &ForeignKernel) -> Result<Subject, ForeignError> {
    let prepared = Prepared::of(program, kernel)?;
    let entry = clean(&program.name);
    let program = Program {
        name: entry.clone(),
        ..program.clone()
    };
    let (package, _) = prepared.alone(&entry, &program)?;
    let mut subject =
        Subject::of_package(&package, &entry).map_err(|error| prepared.unfit(&error))?;
    prepared.add_shapes(&program, &mut subject)?;
    mark(&mut subject, &[kernel]);
    Ok(subject)
}

/// What the gate checks of a package's `entry` in which kernels of somebody else's compute some
/// stages; shapes are added for those alone.
///
/// # Errors
/// As [`subject`], and a stage that is not there, or there twice.
pub fn replace(
    package: &Package,
    entry: &str,
    kernels: &[ForeignKernel],
) -> Result<Subject, ForeignError> {
    let input = |place: &str, problem: String| ForeignError::new(Cause::Input, place, problem);
    let mut package = package.clone();
    let units = package
        .units()
        .map_err(|error| input(entry, error.to_string()))?;
    let mut units: Vec<_> = units;
    let mut replaced = Vec::new();
    for kernel in kernels {
        let index = find(&units, entry, kernel)?;
        let program = units[index].program.clone();
        let program: Option<Program> = program.and_then(|it| serde_json::from_value(it).ok());
        let program = program.filter(|program| program.validate().is_ok());
        let program = program.ok_or_else(|| {
            let problem = format!("stage '{}' does not say what it computes", kernel.stage);
            input(&kernel.name, problem)
        })?;
        let prepared = Prepared::of(&program, kernel)?;
        prepared.check_buffers(&package, &units[index])?;
        let path = prepared.path.clone();
        let file = File {
            path: &path,
            text: &kernel.wgsl,
        };
        place::replace(
            &mut package,
            &mut units,
            index,
            &program,
            &prepared.built,
            &file,
        );
        replaced.push((prepared, program));
    }
    let listed = serde_json::to_value(&units).map_err(|error| input(entry, error.to_string()))?;
    if let Some(stored) = package.program.as_mut().and_then(|it| it.as_object_mut()) {
        stored.insert("units".into(), listed);
    }
    let mut subject =
        Subject::of_package(&package, entry).map_err(|error| input(entry, error.to_string()))?;
    for (prepared, program) in &replaced {
        prepared.add_shapes(program, &mut subject)?;
    }
    mark(&mut subject, &kernels.iter().collect::<Vec<_>>());
    Ok(subject)
}

/// Notes which units somebody else wrote.
fn mark(subject: &mut Subject, kernels: &[&ForeignKernel]) {
    for unit in &mut subject.units {
        unit.foreign = kernels.iter().any(|kernel| kernel.stage == unit.stage);
    }
}

/// The unit of a kernel's stage.
fn find(
    units: &[kforge_runtime::manifest::Unit],
    entry: &str,
    kernel: &ForeignKernel,
) -> Result<usize, ForeignError> {
    let of_entry = || {
        units
            .iter()
            .enumerate()
            .filter(|(_, unit)| unit.entry == entry)
    };
    let found: Vec<usize> = of_entry()
        .filter(|(_, unit)| unit.stage == kernel.stage)
        .map(|(index, _)| index)
        .collect();
    let stages: Vec<&str> = of_entry().map(|(_, unit)| unit.stage.as_str()).collect();
    match found[..] {
        [index] => Ok(index),
        [] => Err(ForeignError::new(
            Cause::Input,
            &kernel.name,
            format!(
                "'{entry}' has no stage '{}'; it has {}",
                kernel.stage.escape_default(),
                stages.join(", ")
            ),
        )),
        _ => Err(ForeignError::new(
            Cause::Input,
            &kernel.name,
            format!(
                "'{entry}' has {} stages '{}'; give its ops a kforge.name of their own",
                found.len(),
                kernel.stage.escape_default()
            ),
        )),
    }
}

/// A kernel that fits its op at the op's own shape.
struct Prepared<'k> {
    kernel: &'k ForeignKernel,
    shader: Shader,
    /// In a package.
    path: String,
    built: Built,
}

impl<'k> Prepared<'k> {
    fn of(program: &Program, kernel: &'k ForeignKernel) -> Result<Self, ForeignError> {
        kernel
            .interface
            .check()
            .map_err(|problem| ForeignError::new(Cause::Input, &kernel.name, problem))?;
        let shader = Shader::read(&kernel.name, &kernel.wgsl)?;
        let path = format!("kernels/{}.user.wgsl", clean(&kernel.stage));
        let problem = Problem::of(program);
        let built = build(&kernel.stage, &path, &shader, &kernel.interface, &problem)?;
        Ok(Self {
            kernel,
            shader,
            path,
            built,
        })
    }

    fn unfit(&self, error: &dyn std::fmt::Display) -> ForeignError {
        ForeignError::new(Cause::Interface, &self.kernel.name, error.to_string())
    }

    /// The package of a program that has the kernel's op at its own or another shape.
    fn alone(
        &self,
        entry: &str,
        program: &Program,
    ) -> Result<(Package, Vec<kforge_runtime::manifest::BufferId>), ForeignError> {
        let problem = Problem::of(program);
        let interface = &self.kernel.interface;
        let built = build(
            &self.kernel.stage,
            &self.path,
            &self.shader,
            interface,
            &problem,
        )?;
        let file = File {
            path: &self.path,
            text: &self.kernel.wgsl,
        };
        let stage = &self.kernel.stage;
        Ok(place::alone(entry, stage, program, &problem, &built, &file))
    }

    /// Adds the op at other shapes, or why there are none.
    fn add_shapes(&self, program: &Program, subject: &mut Subject) -> Result<(), ForeignError> {
        let own_only = |because: String| OwnShapeOnly {
            stage: self.kernel.stage.clone(),
            because,
        };
        if !self.takes_sizes(program) {
            let because = "its sizes are compiled in: the interface names no source of them";
            subject.own_shape_only.push(own_only(because.into()));
            return Ok(());
        }
        let workgroup = self.built.launches.first();
        let workgroup = workgroup.map_or([1; 3], |launch| launch.kernel.workgroup_size);
        let programs = shapes::programs(program, &self.kernel.interface, workgroup);
        if programs.is_empty() {
            let because = match dims::single(program) {
                Some(op) => format!("[shapes] leaves no other shape of {}", op.name()),
                None => format!("it computes {} ops at once", program.nodes.len()),
            };
            subject.own_shape_only.push(own_only(because));
            return Ok(());
        }
        for mut program in programs {
            let sizes = program
                .name
                .split_once(" at ")
                .map_or("", |(_, sizes)| sizes);
            let stage = format!("{} at {sizes}", self.kernel.stage);
            program.name = kforge_runtime::manifest::UNIT_ENTRY.to_owned();
            let (package, arguments) =
                self.alone(&program.name, &program)
                    .map_err(|error| ForeignError {
                        problem: format!("for {stage}: {}", error.problem),
                        ..error
                    })?;
            subject.variants.push(Variant {
                unit: Runnable {
                    stage,
                    package,
                    entry: program.name.clone(),
                    program,
                    arguments,
                    native: NativeKernels::default(),
                    foreign: true,
                },
                // One text at every size.
                of: vec![self.kernel.stage.clone()],
            });
        }
        Ok(())
    }

    /// Whether anything that the kernel is given depends on the sizes, or its author says
    /// which ones it takes.
    fn takes_sizes(&self, program: &Program) -> bool {
        let interface = &self.kernel.interface;
        let sizes = Problem::of(program).sizes;
        let depends = |number: &Number| match number {
            Number::Formula(formula) => sizes.keys().any(|name| build::uses(&formula.0, name)),
            Number::Float(_) => false,
        };
        let given = interface.sizes.iter();
        let mut given = given.flat_map(|it| it.values.iter().chain(it.constants.values()));
        given.any(depends) || interface.length.is_some() || !interface.shapes.is_empty()
    }

    /// A kernel of somebody else's sees tensors as they are: dense, and each once.
    fn check_buffers(
        &self,
        package: &Package,
        unit: &kforge_runtime::manifest::Unit,
    ) -> Result<(), ForeignError> {
        let buffers = unit.inputs.iter().chain(&unit.outputs);
        for id in buffers {
            let buffer = package.manifest.buffer(*id);
            if let Some(buffer) = buffer.filter(|buffer| !buffer.strides.is_empty()) {
                let name = &buffer.name;
                return Err(self.unfit(&format!(
                    "buffer '{name}' is padded, which is not supported"
                )));
            }
        }
        let twice = (1..unit.inputs.len()).any(|at| unit.inputs[..at].contains(&unit.inputs[at]));
        if twice && self.built.launches.len() > 1 {
            let problem = format!(
                "stage '{}' is given one tensor twice, and kernels of several dispatches must be \
                 given each once",
                unit.stage
            );
            return Err(self.unfit(&problem));
        }
        Ok(())
    }
}
