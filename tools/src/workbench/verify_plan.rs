//! `kforge verify-plan`: holds a plan against its problem, and its kernels against the
//! reference.

use std::io::{self, Write};

use kforge_oracle::Level;
use kforge_planner::{
    Plan, Problem, check,
    plan::{Violation, to_json, to_transform},
};
use kforge_runtime::device::Target;
use serde_json::{Value, json};

use super::{
    Failure,
    chosen::Chosen,
    device::DeviceArgument,
    kept::RegressionCorpus,
    shrink::{Gate, Refused, Shrinking},
    workload::Workload,
};
use crate::{
    measure::{MeasuredResult, Time},
    optimize::{Checked, Checks, Optimizer, Settings, check_plan},
};

/// Check a plan, verify what it compiles to, and time it beside the default plan
///
/// With a plan alone, every violation is listed and nothing is built. With a module or
/// a kernel, too, the plan is compiled and its kernels are compared with the reference on
/// the device; what refused kernels shrink to is written to reduced/ beside the regression
/// corpus. Exit code 2: the plan is refused; 1: its kernels are.
///
/// Examples:
///   kforge verify-plan --plan plan.json
///   kforge verify-plan layer.mlir --plan plan.json --time
///   kforge verify-plan --kernel matmul --set tile-m=128 thread-m=8 --time
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    device: DeviceArgument,
    /// Cases of verification: quick, or full for every kind of values and shapes
    #[arg(long, value_name = "CASES", default_value = "quick", value_parser = ["quick", "full"])]
    cases: String,
    /// Time it and the default plan: the median of so many runs of each
    #[arg(long, value_name = "RUNS", num_args = 0..=1, require_equals = true, default_missing_value = "10", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time: Option<u32>,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    corpus: RegressionCorpus,
    #[command(flatten)]
    shrinking: Shrinking,
    /// Print the checked plan in this form and build nothing
    #[arg(long, value_name = "FORM", value_parser = ["pipeline", "json", "transform"])]
    print: Option<String>,
    /// Print the verdict as JSON
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    if arguments.chosen.is_file() && !arguments.workload.is_given() {
        let plan = arguments.readable(arguments.chosen.alone(), None)?;
        return plan.map_or(Ok(()), |plan| arguments.alone(&plan));
    }
    let device = arguments.device.choice(target)?.unwrap_or_default();
    let settings = Settings {
        device: device.to_string(),
        repeats: arguments.time.unwrap_or(1) as usize,
        seed: arguments.seed,
        corpus: arguments.corpus.path(),
        ..Settings::default()
    };
    let source = arguments.workload.source()?;
    let optimizer = Optimizer::new(source.clone(), settings)?;
    let problem = optimizer.problem();
    let plan = arguments.chosen.plan(problem, optimizer.device());
    let plan = arguments.readable(plan, Some(problem))?;
    arguments.checked(&plan, Some(optimizer.problem()))?;
    if arguments.print.is_some() {
        return arguments.form(&plan);
    }
    let cases = match arguments.cases.as_str() {
        "full" => Level::Full,
        _ => Level::Quick,
    };
    let compare = arguments.time.is_some();
    let checked = check_plan(&optimizer, &plan, Checks { cases, compare })?;
    let report = match arguments.json {
        true => pretty(&json!(checked))?,
        false => summary(&arguments.chosen.name(), &checked, compare),
    };
    io::stdout().write_all(report.as_bytes())?;
    let MeasuredResult::Refused(refusal) = checked.result else {
        return Ok(());
    };
    if let Some(folder) = arguments.corpus.reduced() {
        let refused = Refused {
            name: plan.id(),
            module: source.text().to_owned(),
            pipeline: Some(plan.text()),
            reason: refusal.reason,
            cases: arguments.cases.clone(),
        };
        let gate = Gate {
            device: device.to_string(),
            seed: arguments.seed,
        };
        let shrinking = &arguments.shrinking;
        shrinking.shrink([refused], &gate, &folder, None)?;
    }
    Err(Failure::Reported("the plan's kernels are refused"))
}

impl Arguments {
    fn alone(&self, plan: &Plan) -> Result<(), Failure> {
        self.checked(plan, None)?;
        if self.print.is_some() {
            return self.form(plan);
        }
        let workload = plan.problem.as_ref().map(|it| it.workload.as_str());
        let report = match (self.json, workload) {
            (true, _) => pretty(&json!({
                "id": plan.id(), "workload": workload, "violations": [],
            }))?,
            (false, Some(workload)) => {
                format!("{}: fits {workload}\n", self.chosen.name())
            }
            // Relations between knobs and shapes need a problem.
            (false, None) => format!(
                "{}: well formed; it states no problem, so no shape was checked\n",
                self.chosen.name()
            ),
        };
        io::stdout().write_all(report.as_bytes())?;
        Ok(())
    }

    /// Refuses what does not fit.
    fn checked(&self, plan: &Plan, problem: Option<&Problem>) -> Result<(), Failure> {
        let Err(violations) = check(plan, problem) else {
            return Ok(());
        };
        let problem = problem.or(plan.problem.as_ref());
        self.refused(Some(plan.id()), problem, &violations)
    }

    /// Refuses what cannot be read like what does not fit.
    fn readable<T>(
        &self,
        read: Result<T, Failure>,
        problem: Option<&Problem>,
    ) -> Result<T, Failure> {
        if let Err(Failure::Plan(none)) = &read {
            self.refused(None, problem, &none.violations)?;
        }
        read
    }

    /// Every reason on standard output. A plan that cannot be read has no id.
    fn refused(
        &self,
        id: Option<String>,
        problem: Option<&Problem>,
        violations: &[Violation],
    ) -> Result<(), Failure> {
        let report = match self.json {
            true => {
                let workload = problem.map(|it| &it.workload);
                pretty(&json!({
                    "id": id, "workload": workload, "violations": violations,
                }))?
            }
            false => violations.iter().map(|it| format!("{it}\n")).collect(),
        };
        io::stdout().write_all(report.as_bytes())?;
        Err(Failure::Refused {
            plan: self.chosen.name(),
            count: violations.len(),
        })
    }

    fn form(&self, plan: &Plan) -> Result<(), Failure> {
        let text = match self.print.as_deref() {
            Some("pipeline") => plan.text() + "\n",
            Some("transform") => to_transform(plan)?,
            _ => to_json(plan),
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(io::Error::from)? + "\n")
}

fn summary(name: &str, checked: &Checked, compare: bool) -> String {
    let head = format!(
        "{name}: {} on '{}'\n",
        checked.workload, checked.device.name
    );
    let body = match &checked.result {
        MeasuredResult::Refused(refusal) => {
            format!("correct  no ({}): {}\n", refusal.reason, refusal.detail)
        }
        MeasuredResult::Verified {
            levels,
            comparisons,
            worst_ratio,
            time,
            ..
        } => {
            let verdict = format!(
                "correct  yes, {} with {comparisons} comparisons, worst error {worst_ratio:.3} of its bound\n",
                levels.join("+")
            );
            let times = checked.baseline.as_ref().map(|it| times(it, time, checked));
            verdict + &times.filter(|_| compare).unwrap_or_default()
        }
    };
    head + &body
}

fn times(baseline: &MeasuredResult, own: &Time, checked: &Checked) -> String {
    let line = |name: &str, time: &Time| {
        let ms = time.ms;
        format!(
            "{name} {:.4} ms ({:.4} to {:.4})\n",
            ms.median, ms.min, ms.max
        )
    };
    let default = match baseline {
        MeasuredResult::Verified { time, .. } => line("default ", time),
        MeasuredResult::Refused(_) => String::new(),
    };
    let speedup = checked.speedup.unwrap_or_default();
    format!("{}{default}speedup  {speedup:.2}\n", line("time    ", own))
}
