//! One plan, verified on the device, and timed beside the default knobs.

use kforge_oracle::Level;
use kforge_planner::{Plan, heuristic};
use kforge_runtime::DeviceDescription;
use serde::Serialize;

use super::{Cases, OptimizeError, Optimizer};
use crate::measure::{Ask, MeasuredResult, Refusal};

/// What became of one plan.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The plan's hash.
    pub id: String,
    /// What it is for.
    pub workload: String,
    /// Where it was verified.
    pub device: DeviceDescription,
    /// The verdict, with the time of the runs asked for if it passed.
    pub result: MeasuredResult,
    /// The default plan in the same run, if the times were to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<MeasuredResult>,
    /// The default plan's median time by this plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
}

/// Which cases a plan is verified with, and whether its time is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Kinds of values and shapes.
    pub cases: Level,
    /// Whether the default plan is measured in turns with it.
    pub compare: bool,
}

/// Checks, compiles and verifies a plan, without any planner or archive.
///
/// ```no_run
/// use kforge_oracle::Level;
/// use kforge_planner::plan::from_json;
/// use kforge_tools::{
///     compile::Source,
///     optimize::{Checks, Optimizer, Settings, check_plan},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = Source::read("matmul.mlir".as_ref())?;
/// let optimizer = Optimizer::new(source, Settings::default())?;
/// let text = std::fs::read_to_string("plan.json")?;
/// let plan = from_json(&text, Some(optimizer.problem()))?;
/// let checks = Checks { cases: Level::Full, compare: true };
/// let checked = check_plan(&optimizer, &plan, checks)?;
/// println!("{:?}, {:?} of the default plan's speed", checked.result, checked.speedup);
/// # Ok(())
/// # }
/// ```
pub fn check_plan(
    optimizer: &Optimizer,
    plan: &Plan,
    checks: Checks,
) -> Result<Checked, OptimizeError> {
    let folder = tempfile::tempdir().map_err(OptimizeError::Folder)?;
    let default = heuristic::propose(optimizer.problem(), &optimizer.device);
    let plans = [(&default, Cases::OwnShape), (plan, Cases::Of(checks.cases))];
    let mut measured = optimizer.sizes[0].measure(
        if checks.compare { &plans } else { &plans[1..] },
        Ask::default(),
        &mut optimizer.worker(),
        folder.path(),
    );
    let missing = || MeasuredResult::Refused(Refusal::new("crash", "no result"));
    let result = measured.pop().unwrap_or_else(missing);
    let baseline = measured.pop();
    if let Some(MeasuredResult::Refused(Refusal { reason, detail })) = baseline {
        return Err(OptimizeError::Baseline { reason, detail });
    }
    let median = |result: &MeasuredResult| result.time().map(|time| time.ms.median);
    let speedup = baseline
        .as_ref()
        .and_then(|baseline| Some(median(baseline)? / median(&result)?));
    Ok(Checked {
        id: plan.id(),
        workload: optimizer.problem().workload.clone(),
        device: optimizer.device.clone(),
        result,
        baseline,
        speedup,
    })
}
