//! What a run of the optimiser shows on the way: a bar on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kforge_planner::{Attempt, Outcome, Plan, budget::Progress, plan::Step, space};

use crate::optimize::Event;

/// Candidates of a run, as they are tried.
pub(super) struct Watch {
    limit: u64,
    /// On a terminal.
    bar: Option<ProgressBar>,
    refusals: BTreeMap<String, u64>,
    best_ms: Option<f64>,
}

impl Watch {
    /// For a run of at most `limit` candidates, on standard error.
    pub(super) fn new(limit: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(limit));
        Self {
            limit,
            bar,
            refusals: BTreeMap::new(),
            best_ms: None,
        }
    }

    /// Shows an event.
    pub(super) fn see(&mut self, event: &Event<'_>) {
        if let Event::Tried { attempt, progress } = event {
            if let Outcome::Refused { reason, .. } = &attempt.outcome {
                *self.refusals.entry(reason.clone()).or_default() += 1;
            }
            let better = progress.best_ms != self.best_ms;
            self.best_ms = progress.best_ms;
            if let Some(bar) = &self.bar {
                bar.set_position(progress.iterations);
                bar.set_message(state(progress, &self.refusals));
                // The others are in the bar's counts.
                if !better {
                    return;
                }
            }
        }
        let line = line(event, self.limit);
        match &self.bar {
            Some(bar) => bar.println(line),
            // A progress line nobody can read changes nothing.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(limit: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(limit), ProgressDrawTarget::stderr());
    let template = "{bar:24} {pos}/{len}  {elapsed} eta {eta}  {wide_msg}";
    let style = ProgressStyle::with_template(template);
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(500));
    bar
}

/// The best so far, its share of the roofline, and refusals by reason.
fn state(progress: &Progress, refusals: &BTreeMap<String, u64>) -> String {
    let best = progress.best_ms.zip(progress.best_speedup);
    let mut parts: Vec<String> = best
        .map(|(ms, speedup)| format!("best {ms:.4} ms {speedup:.2}x"))
        .into_iter()
        .collect();
    parts.extend(share(progress));
    let refused = refusals.iter();
    let refused: Vec<String> = refused
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    if !refused.is_empty() {
        parts.push(format!("refused: {}", refused.join(", ")));
    }
    parts.join("  ")
}

/// The best one's share of the roofline.
fn share(progress: &Progress) -> Option<String> {
    let share = progress.roofline_share()?;
    Some(format!("{:.1} % of the roofline", 100.0 * share))
}

fn line(event: &Event<'_>, limit: u64) -> String {
    match event {
        Event::Tried { attempt, progress } => {
            let best = progress.best_ms.map(|ms| format!("best {ms:.4} ms"));
            let parts = [Some(told(attempt)), best, share(progress)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("[{}/{limit}] {}", progress.iterations, parts.join("  "))
        }
        Event::Asking { planner } => format!("asking '{planner}' for a plan"),
        Event::Warning(text) => format!("warning: {text}"),
        Event::Dropped { attempt } => format!("with every case: {}", told(attempt)),
    }
}

fn told(attempt: &Attempt) -> String {
    match &attempt.outcome {
        Outcome::Verified { ms, speedup, .. } => {
            format!("{ms:.4} ms  {speedup:.2}x  {}", knobs(&attempt.plan))
        }
        Outcome::Refused { reason, detail } => {
            format!("refused ({reason}): {detail}  {}", knobs(&attempt.plan))
        }
    }
}

/// The schedules of a plan, as pipelines spell them; one for every op by its pass.
pub(super) fn knobs(plan: &Plan) -> String {
    let schedules = |step: &&Step| !space::of_pass(&step.pass).is_empty();
    let texts = plan.passes.iter().filter(schedules).map(|step| {
        let knobs = step
            .knobs
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        format!(
            "{}: {}",
            step.op.as_deref().unwrap_or(&step.pass),
            knobs.collect::<Vec<_>>().join(" ")
        )
    });
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_names_what_is_known() {
        let mut progress = Progress {
            best_ms: Some(0.5),
            best_speedup: Some(2.0),
            ..Progress::default()
        };
        assert_eq!(state(&progress, &BTreeMap::new()), "best 0.5000 ms 2.00x");
        progress.roofline_ms = Some(0.1);
        let refusals = BTreeMap::from([("too-slow".into(), 3), ("validation".into(), 1)]);
        assert_eq!(
            state(&progress, &refusals),
            "best 0.5000 ms 2.00x  20.0 % of the roofline  refused: 3 too-slow, 1 validation"
        );
        assert_eq!(state(&Progress::default(), &BTreeMap::new()), "");
    }
}
