//! What happened, as a table for people and for the documentation.

use crate::{kind::Flaw, runner::Ran};

/// One line per kind: in Markdown, sorted as they ran.
pub(crate) fn table(results: &[Ran]) -> String {
    let mut text = String::from(
        "\n| kind | injected | runs | what happened | lost | false verdicts | panics |\n|---|---|---|---|---|---|---|\n",
    );
    for ran in results {
        let count = |flaw: Flaw| ran.broken.iter().filter(|it| it.flaw == flaw).count();
        let mut happened: Vec<String> = ran
            .happened
            .iter()
            .map(|(what, count)| match ran.happened.len() {
                1 => what.clone(),
                _ => format!("{what} ({count})"),
            })
            .collect();
        if let Some(why) = &ran.skipped {
            happened.push(format!("skipped: {why}"));
        }
        let other = count(Flaw::Other);
        if other > 0 {
            happened.push(format!("BROKEN otherwise ({other})"));
        }
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            ran.name,
            ran.injected,
            ran.runs,
            happened.join("; "),
            count(Flaw::Lost),
            count(Flaw::FalseVerdict),
            count(Flaw::Panic),
        );
    }
    let runs: usize = results.iter().map(|it| it.runs).sum();
    let broken: usize = results.iter().map(|it| it.broken.len()).sum();
    let seconds: f64 = results.iter().map(|it| it.seconds).sum();
    text + &format!(
        "\n{} kinds, {runs} runs in {seconds:.0} s, {broken} broken\n",
        results.len()
    )
}
