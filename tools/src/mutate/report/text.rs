//! The report in lines.

use std::fmt::Write;

use kforge_mutate::Fate;

use super::Report;
use crate::mutate::record::Totals;

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut out);
    out
}

/// Harmless changes by what became of them.
pub(super) fn controls(totals: &Totals) -> String {
    let late = match totals.controls_late {
        0 => String::new(),
        late => format!(", {late} without a verdict in time"),
    };
    format!(
        "{} accepted, {} refused{late}",
        totals.controls_passed, totals.controls_refused
    )
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let totals = &report.totals;
    writeln!(out, "device      '{}' ({})", report.device, report.driver)?;
    for (name, place) in &report.places {
        writeln!(
            out,
            "{name:<12}{} killed, {} escaped, {} equivalent, {} not built",
            place.killed, place.escaped, place.equivalent, place.not_built
        )?;
    }
    writeln!(
        out,
        "all         {} of {} mutants killed, {} escaped, {} equivalent, {} not built",
        totals.killed, totals.mutants, totals.escaped, totals.equivalent, totals.not_built
    )?;
    writeln!(out, "controls    {}", controls(totals))?;
    if let Some(bound) = report.escape_rate_bound {
        writeln!(
            out,
            "escapes     at 95 %: a rate below {:.3} % (1 - 0.05^(1/{}))",
            100.0 * bound,
            totals.mutants
        )?;
    }
    writeln!(
        out,
        "time        {:.0} s, {:.0} instances a minute",
        report.seconds, report.per_minute
    )?;
    for why in &report.skipped {
        writeln!(out, "skipped: {why}")?;
    }
    for record in report.wrong() {
        let what = match &record.judged.fate {
            Fate::Accepted { note } => match note {
                Some(note) => format!("escaped ({note})"),
                None => "escaped".to_owned(),
            },
            Fate::Refused(kill) => format!("refused ({}): {}", kill.reason, kill.detail),
            _ => continue,
        };
        let kernel = record.instance.kernel.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{what}: {} {}@{} of '{}', kernel {kernel}",
            record.instance.place, record.instance.kind, record.instance.at, record.program
        )?;
    }
    Ok(())
}
