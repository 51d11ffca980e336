//! Why a function takes the time it takes, kernel by kernel: `kforge explain`.
//!
//! A plan's package is verified and timed as `kforge verify` does it. Beside every kernel's
//! time stand what it must compute and move, the least time that the device's measured
//! arithmetic and memory allow for that, and what it asks of a compute unit. What bounds it is
//! said where these figures show it, and else not.

mod bounds;
mod report;

pub use bounds::Bound;
pub use report::{Explained, Stage};

use kforge_planner::Plan;
use kforge_runtime::{Device, DeviceDescription, DeviceError, Package, Roofline, RunError};
use kforge_verify::{Subject, SubjectError};

use crate::{
    benchmark::Work,
    compile::{CompileError, Session, Source},
    gate::{Gate, GateError, Work as Input},
};

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The module does not compile under the plan.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The compiler's output is no package.
    #[error("{0}")]
    Package(String),
    /// Nothing was tried.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device's rates cannot be measured.
    #[error("there is no roofline: {0}")]
    Roofline(#[from] RunError),
    /// The kernels are refused, so there is no time to explain.
    #[error("refused ({reason}): {detail}")]
    Refused {
        /// In kebab-case.
        reason: String,
        /// In a sentence.
        detail: String,
    },
}

/// Verifies, times and explains a module under a plan on the gate's device.
///
/// ```no_run
/// use kforge_tools::{compile::Source, explain, gate::Gate};
/// # use kforge_planner::Plan;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let plan: Plan = unimplemented!();
/// let source = Source::read("layer.mlir".as_ref())?;
/// let gate = Gate { repeats: 20, ..Gate::default() };
/// for stage in explain::explain(&source, &plan, &gate)?.stages {
///     println!("{}: {:?}", stage.name, stage.bound);
/// }
/// # Ok(())
/// # }
/// ```
pub fn explain(source: &Source, plan: &Plan, gate: &Gate) -> Result<Explained, ExplainError> {
    let device = Device::open(gate.device.parse()?)?;
    let (package, entry) = package(source, plan)?;
    let work = Input::of_source(source.clone()).through(plan.text());
    let report = gate.verify(&work)?;
    if let Some(refused) = report.refused {
        return Err(ExplainError::Refused {
            reason: refused.reason,
            detail: refused.detail,
        });
    }
    let roofline = Roofline::measure(&device)?;
    let dispatches = &report.dispatches;
    let units = package.units().unwrap_or_default();
    let own = units.iter().filter(|unit| unit.entry == entry);
    let subject = Subject::of_package(&package, &entry)
        .map_err(|error: SubjectError| ExplainError::Package(error.to_string()))?;
    let stages = own.zip(&subject.units).map(|(unit, runnable)| {
        let timed = dispatches.get(unit.steps.clone()).unwrap_or_default();
        let work = Work::of(&runnable.program);
        let on = On {
            device: device.description(),
            roofline: roofline.as_ref(),
        };
        Stage::of(&package, &unit.stage, timed, work, &on)
    });
    Ok(Explained {
        device: device.description().name.clone(),
        pipeline: plan.text(),
        levels: report
            .verdict
            .as_ref()
            .map_or_else(Vec::new, |verdict| verdict.levels.clone()),
        without_checks: report.verdict.is_some_and(|verdict| verdict.without_checks),
        roofline,
        time: report.time,
        stages: stages.collect(),
    })
}

/// What stages are held against.
struct On<'d> {
    device: &'d DeviceDescription,
    roofline: Option<&'d Roofline>,
}

fn package(source: &Source, plan: &Plan) -> Result<(Package, String), ExplainError> {
    let session = Session::default();
    let module = session.parse(source)?;
    let compiled = session.compile(module, &plan.text(), 0)?;
    let entry = compiled.entry()?;
    Ok((compiled.serialized.package, entry))
}
