//! What is verified: a package with the programs that say what it must compute.

use kforge_oracle::Program;
use kforge_runtime::{
    Package, PackageError,
    cpu::NativeKernels,
    manifest::{BufferId, Role, UNIT_ENTRY, Unit},
};

use crate::{
    compose::{ComposeError, compose},
    verdict::OwnShapeOnly,
};

/// Something that runs on the device, and the program it must agree with.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// What reports call it.
    pub stage: String,
    /// The package.
    pub package: Package,
    /// Its entry.
    pub entry: String,
    /// What the entry must compute; its outputs are the entry's first ones.
    pub program: Program,
    /// The buffer of each input of the program.
    pub arguments: Vec<BufferId>,
    /// Functions of its own native kernels; else those of the whole run count.
    pub native: NativeKernels,
    /// Kernels that somebody else wrote.
    pub foreign: bool,
}

/// A unit of the same knobs at another shape.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The unit.
    pub unit: Runnable,
    /// Stages of the subject whose own kernels the same generator made with the same knobs.
    pub of: Vec<String>,
}

/// Everything about one entry that the gate checks.
#[derive(Debug)]
pub struct Subject {
    /// The whole function.
    pub function: Runnable,
    /// Its units.
    pub units: Vec<Runnable>,
    /// Its kernels' knobs at other shapes.
    pub variants: Vec<Variant>,
    /// Units that have no variants, and why.
    pub own_shape_only: Vec<OwnShapeOnly>,
    /// The units' programs put together.
    pub composed: Result<Program, ComposeError>,
}

/// Why a package cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// There is nothing to hold it against.
    #[error("package has no reference program for entry '{0}', so it cannot be verified")]
    NoProgram(String),
    /// A unit without a program.
    #[error("unit '{0}' does not say what it computes (no kforge.spec), so it cannot be verified")]
    NoSpec(String),
    /// The reference is no program.
    #[error("program.json is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// The program is not valid.
    #[error("program of '{0}': {1}")]
    Program(String, kforge_oracle::ProgramError),
    /// A unit does not fit the package.
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl Runnable {
    /// A unit of `package`.
    pub fn unit(package: &Package, unit: &Unit) -> Result<Self, SubjectError> {
        let program = unit
            .program
            .clone()
            .ok_or_else(|| SubjectError::NoSpec(unit.stage.clone()))?;
        let program = read(&unit.stage, program)?;
        let package = package.unit(unit)?;
        let entry = package.manifest.entries.get(UNIT_ENTRY);
        let ports = entry.map_or(&[][..], |entry| &entry.inputs);
        let arguments = ports.iter().map(|port| port.buffer).collect();
        Ok(Self {
            stage: unit.stage.clone(),
            package,
            entry: UNIT_ENTRY.into(),
            program,
            arguments,
            native: NativeKernels::default(),
            foreign: false,
        })
    }

    /// The name under which input `index` of the program is bound as a weight;
    /// `None` where it is passed.
    pub fn weight(&self, index: usize) -> Option<&str> {
        let buffer = self.package.manifest.buffer(*self.arguments.get(index)?)?;
        (buffer.role == Role::Weight).then_some(buffer.name.as_str())
    }
}

/// The buffer of each input of an entry's program: a weight by its name, any
/// other the next that the entry is passed.
fn arguments(package: &Package, entry: &str, program: &Program) -> Option<Vec<BufferId>> {
    let buffers = &package.manifest.buffers;
    let weight = |name: &str| {
        buffers
            .iter()
            .position(|buffer| buffer.role == Role::Weight && buffer.name == name)
    };
    let mut ports = package.manifest.entries.get(entry)?.inputs.iter();
    let buffer = |input: &kforge_oracle::Input| match weight(&input.name) {
        Some(index) => Some(BufferId(u32::try_from(index).ok()?)),
        None => ports.next().map(|port| port.buffer),
    };
    program.inputs.iter().map(buffer).collect()
}

fn read(stage: &str, program: serde_json::Value) -> Result<Program, SubjectError> {
    let program: Program = serde_json::from_value(program)?;
    program
        .validate()
        .map_err(|error| SubjectError::Program(stage.into(), error))?;
    Ok(program)
}

impl Subject {
    /// Reads the reference and the units of `entry` from a package.
    pub fn of_package(package: &Package, entry: &str) -> Result<Self, SubjectError> {
        let missing = || SubjectError::NoProgram(entry.to_owned());
        let stored = package.program.as_ref().ok_or_else(missing)?;
        let one = stored
            .get("function")
            .filter(|_| package.manifest.entries.len() == 1);
        let of_several = || {
            stored
                .get("functions")
                .and_then(|functions| functions.get(entry))
        };
        let program = read(entry, one.or_else(of_several).ok_or_else(missing)?.clone())?;
        let function = Runnable {
            stage: entry.to_owned(),
            package: package.clone(),
            entry: entry.to_owned(),
            arguments: arguments(package, entry, &program).ok_or_else(missing)?,
            native: NativeKernels::default(),
            program,
            foreign: false,
        };
        let listed: Vec<Unit> = package
            .units()?
            .into_iter()
            .filter(|unit| unit.entry == entry)
            .collect();
        let units: Vec<Runnable> = listed
            .iter()
            .map(|unit| Runnable::unit(package, unit))
            .collect::<Result<_, _>>()?;
        let programs: Vec<(&Unit, &Program)> = listed
            .iter()
            .zip(units.iter().map(|unit| &unit.program))
            .collect();
        let composed = compose(&function, &programs);
        Ok(Self {
            function,
            units,
            variants: Vec::new(),
            own_shape_only: Vec::new(),
            composed,
        })
    }
}
