//! The report for a terminal.
//!
//! Control characters of names and messages are shown escaped, since a terminal
//! would obey them. Messages are cut after 100 characters; pipelines and the
//! settings beyond the first 10 are in the JSON.

use std::fmt::Write;

use super::{
    Compared, Planner, Report, SOURCE, Stability,
    number::{digits, factor, known},
};

/// Characters of a message.
const MESSAGE: usize = 100;
/// Settings.
const SETTINGS: usize = 10;

/// The report as text, ending in a line break.
pub fn text(report: &Report) -> String {
    let mut out = format!(
        "{} on '{}' ({})\n{} plans in {:.0} s by {}, {} refused; ended: {}; accepted in {:.0} s\n",
        clean(&report.workload),
        clean(&report.device),
        clean(&report.backend),
        report.attempts,
        report.seconds,
        clean(&report.planner),
        report.refused,
        clean(&report.ended),
        report.acceptance_seconds,
    );
    let best = report.best.as_ref();
    let row = |name: &str, ms: Option<f64>, speedup: Option<f64>| {
        vec![name.to_owned(), known(ms) + " ms", factor(speedup)]
    };
    let baseline = report.baseline_ms;
    let rows = vec![
        row("default", baseline, report.baseline_speedup()),
        row("best", best.map(|it| it.ms), best.map(|it| it.speedup)),
    ];
    if let Some(peer) = &report.peer {
        let _ = writeln!(out, "speedups are relative to '{}'", clean(peer));
    }
    if let Some(share) = report.roofline_share {
        let _ = writeln!(
            out,
            "the best plan reaches {:.1} % of the roofline",
            100.0 * share
        );
    }
    section(&mut out, "result", &["", "time", "speedup"], rows);
    let rows = report.top.iter().map(|it| {
        let spread = it.spread.map_or_else(
            || "-".to_owned(),
            |it| format!("{}..{}", digits(it.min), digits(it.max)),
        );
        vec![
            it.attempt
                .map_or_else(|| "-".to_owned(), |it| it.to_string()),
            digits(it.ms),
            spread,
            factor(Some(it.speedup)),
            clean(&it.planner),
            clean(&it.chosen),
        ]
    });
    let head = ["attempt", "ms", "spread", "speedup", "planner", "plan"];
    section(&mut out, "fastest plans", &head, rows.collect());
    let rows = report.impact.iter().take(SETTINGS).map(|it| {
        let fastest = it.fastest().map_or_else(String::new, |it| clean(&it.value));
        let share = format!("{:.3}", it.eta_squared);
        let p = format!("{:.3}", it.p);
        vec![
            clean(&it.setting),
            share,
            p,
            it.plans.to_string(),
            it.values.len().to_string(),
            fastest,
        ]
    });
    let head = ["setting", "eta^2", "p", "plans", "values", "fastest"];
    section(&mut out, "impact on log time", &head, rows.collect());
    let rows = report.refusals.iter().map(|it| {
        let example = clean(&it.example.chars().take(MESSAGE).collect::<String>());
        vec![clean(&it.reason), it.count.to_string(), example]
    });
    let head = ["reason", "plans", "first message"];
    section(&mut out, "refused", &head, rows.collect());
    let rows = report
        .planners
        .iter()
        .map(|it| it.cells().map(|cell| clean(&cell)).to_vec());
    section(&mut out, "planners", &Planner::HEAD, rows.collect());
    let cells = |it: &Stability| it.cells().map(|cell| clean(&cell)).to_vec();
    let rows = report.stability.iter().map(cells).collect();
    section(&mut out, "stability across sizes", &Stability::HEAD, rows);
    if let Some(comparison) = &report.comparison {
        let cells = |it: &Compared| it.cells().map(|cell| clean(&cell)).to_vec();
        let rows = comparison.runs.iter().map(cells).collect();
        let title = format!("planners at equal budget: {} plans each", comparison.budget);
        section(&mut out, &title, &Compared::HEAD, rows);
    }
    let _ = writeln!(out, "\n{SOURCE}");
    out
}

/// A table in columns as wide as their widest cell; nothing without rows.
fn section(out: &mut String, title: &str, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let head = head.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
    let mut widths = vec![0; rows[0].len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    // Writing to a string does not fail.
    let _ = writeln!(out, "\n{title}");
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
}

/// Without what a terminal would obey: control and direction characters.
fn clean(text: &str) -> String {
    let show = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().collect::<String>()
        }
        c if c.is_control() => c.escape_default().collect(),
        c => c.into(),
    };
    text.chars().map(show).collect()
}
