//! What a run found, for a reader: as text, as JSON, as one page.
//!
//! ```no_run
//! use kforge_planner::report::{Report, Run, html};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run: Run = serde_json::from_str(&std::fs::read_to_string("run.json")?)?;
//! std::fs::write("run.html", html(&Report::of(&run)))?;
//! # Ok(())
//! # }
//! ```
//!
//! Pure functions of the run: the same run gives the same bytes. Names, reasons and
//! messages of a run are foreign text; the page escapes them and the terminal never
//! sees their control characters. A refused plan has no time anywhere.

mod compare;
mod curve;
pub mod draw;
mod effect;
mod factor;
mod html;
mod impact;
mod number;
mod stability;
mod summary;
mod svg;
mod text;

pub use compare::{CompareError, Compared, Comparison, compare};
pub use curve::Point;
pub use effect::{Effect, Group, PERMUTATIONS, effect};
pub use factor::settings;
pub use html::{STYLE, escape, html};
pub use impact::{Impact, Value};
pub use number::{digits, ticks};
pub use stability::Stability;
pub use summary::{Planner, Ranked, Refusals, TOP};
pub use text::text;

use std::collections::BTreeMap;

use kforge_runtime::DeviceDescription;
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{Attempt, Outcome},
    budget::Ended,
    problem::Problem,
};

/// One run of the loop, as `kforge optimize --json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The module and its ops.
    pub problem: Problem,
    /// Where it was measured.
    pub device: DeviceDescription,
    /// Who proposed.
    pub planner: String,
    /// The default knobs, from the last comparison.
    #[serde(default)]
    pub baseline: Option<Attempt>,
    /// The accepted plan, from the last comparison.
    #[serde(default)]
    pub best: Option<Attempt>,
    /// Attempts of earlier runs that the planner learnt from.
    #[serde(default)]
    pub prior: usize,
    /// Every plan, in order.
    pub attempts: Vec<Attempt>,
    /// The rule that ended the run; `None` if it does not say.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// Wall-clock seconds in which they were tried.
    pub seconds: f64,
    /// Wall-clock seconds of the last comparison, with every case.
    #[serde(default)]
    pub acceptance_seconds: f64,
    /// Shortest and longest of an attempt's timed runs by its id, where known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spread: BTreeMap<String, Spread>,
    /// What speedups are relative to, if not to the default knobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Time and speedup at each size by an attempt's id, where there are several sizes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sizes: BTreeMap<String, Vec<SizeTime>>,
    /// The least milliseconds that arithmetic and memory of the device allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roofline_ms: Option<f64>,
}

/// Where a report's figures come from, for who was handed one.
const SOURCE: &str =
    "figures and verdicts are those of the run's file; kforge verify-plan verifies a plan anew";

impl Run {
    /// What of it no run can have found; `None` if it can be. A file may come from anywhere:
    /// this finds what is damaged, not what is made up.
    pub fn impossible(&self) -> Option<String> {
        let accepted = [&self.baseline, &self.best];
        let mut all = self.attempts.iter().chain(accepted.into_iter().flatten());
        all.find_map(|attempt| {
            let message = match attempt.id == attempt.plan.id() {
                true => attempt.outcome.impossible()?,
                false => "its plan is another".into(),
            };
            let id: String = attempt.id.chars().take(64).collect();
            Some(format!("attempt '{}': {message}", id.escape_debug()))
        })
    }
}

/// Shortest and longest of the timed runs of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Milliseconds.
    pub min: f64,
    /// Milliseconds.
    pub max: f64,
}

/// A plan's time at one of several sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeTime {
    /// The size.
    pub workload: String,
    /// Milliseconds.
    pub ms: f64,
    /// The baseline's time there by its own.
    pub speedup: f64,
}

/// A run, counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was optimised.
    pub workload: String,
    /// The device's name.
    pub device: String,
    /// Its API.
    pub backend: String,
    /// Who proposed.
    pub planner: String,
    /// Plans tried.
    pub attempts: usize,
    /// Those that were refused.
    pub refused: usize,
    /// Wall-clock seconds in which they were tried.
    pub seconds: f64,
    /// Wall-clock seconds of the last comparison, with every case.
    pub acceptance_seconds: f64,
    /// Why the run ended, in a sentence.
    pub ended: String,
    /// Milliseconds of the default knobs.
    pub baseline_ms: Option<f64>,
    /// The peer that speedups are relative to, if not the default knobs.
    pub peer: Option<String>,
    /// The best plan's share of the roofline.
    pub roofline_share: Option<f64>,
    /// The accepted plan.
    pub best: Option<Ranked>,
    /// Every attempt's time and the best until then.
    pub curve: Vec<Point>,
    /// What settings had to do with the time, most first.
    pub impact: Vec<Impact>,
    /// The fastest plans.
    pub top: Vec<Ranked>,
    /// Refused plans by reason, most first.
    pub refusals: Vec<Refusals>,
    /// What each planner's plans came to, best first.
    pub planners: Vec<Planner>,
    /// Plans at every size, where there are several.
    pub stability: Vec<Stability>,
    /// This run beside others at equal budget, where they were given.
    pub comparison: Option<Comparison>,
}

impl Report {
    /// Counts a run.
    pub fn of(run: &Run) -> Self {
        // An accepted plan that is refused is none.
        let accepted = run.best.as_ref();
        Self {
            workload: run.problem.workload.clone(),
            device: run.device.name.clone(),
            backend: run.device.backend.clone(),
            planner: run.planner.clone(),
            attempts: run.attempts.len(),
            refused: run
                .attempts
                .iter()
                .filter(|it| matches!(it.outcome, Outcome::Refused { .. }))
                .count(),
            seconds: run.seconds,
            acceptance_seconds: run.acceptance_seconds,
            ended: run
                .ended
                .map_or_else(|| "not said".into(), |it| it.to_string()),
            baseline_ms: baseline_ms(run),
            peer: run.peer.clone(),
            roofline_share: accepted
                .and_then(time)
                .zip(run.roofline_ms)
                .map(|(ms, least)| least / ms),
            best: accepted.and_then(|it| summary::ranked(run, it)),
            curve: curve::of(&run.attempts),
            impact: impact::of(&run.attempts),
            top: summary::top(run),
            refusals: summary::refusals(&run.attempts),
            planners: summary::planners(run),
            stability: stability::of(run),
            comparison: None,
        }
    }
}

impl Report {
    /// The default knobs' own speedup: 1, but over a peer what they reach.
    fn baseline_speedup(&self) -> Option<f64> {
        let ms = self.baseline_ms?;
        match (&self.peer, &self.best) {
            (None, _) => Some(1.0),
            (Some(_), Some(best)) => Some(best.speedup * best.ms / ms),
            (Some(_), None) => None,
        }
    }
}

/// The report as JSON, ending in a line break.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// A time that can be compared: of a verified plan, finite and above 0.
fn time(attempt: &Attempt) -> Option<f64> {
    attempt.ms().filter(|ms| ms.is_finite() && *ms > 0.0)
}

/// The default knobs' time from the last comparison.
fn baseline_ms(run: &Run) -> Option<f64> {
    run.baseline.as_ref().and_then(time)
}
