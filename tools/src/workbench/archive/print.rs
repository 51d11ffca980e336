//! What `kforge archive` found, in words and tables.
//!
//! Names and messages come from files of anyone's making: control characters in them are
//! shown as escapes, so that they cannot move a terminal's cursor.

use std::{
    fmt::Write as _,
    time::{Duration, UNIX_EPOCH},
};

use kforge_planner::{
    Outcome,
    archive::{Collected, Entry, Import, Shown, Stats, Verification},
};

use super::measured::MeasuredImport;

/// Characters of a refusal's message in a table.
const DETAIL: usize = 80;

/// The fastest plans.
pub(super) fn best(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no verified plan\n".into();
    }
    let rows = entries.iter().map(|entry| {
        let Outcome::Verified {
            ms,
            speedup,
            levels,
            ..
        } = &entry.attempt.outcome
        else {
            return Vec::new();
        };
        vec![
            plain(&entry.key.problem.workload),
            plain(&entry.key.adapter.name),
            format!("{ms:.4}"),
            format!("{speedup:.2}x"),
            levels.join("+"),
            plain(&entry.attempt.plan.provenance.planner),
            date(entry.evidence.created),
            entry.attempt.id.clone(),
        ]
    });
    let columns = [
        "WORKLOAD", "DEVICE", ">MS", ">SPEEDUP", "VERIFIED", "PLANNER", "WHEN", "ID",
    ];
    // It may have come with an import, and a driver may have changed since.
    table(&columns, rows.collect())
        + "what the archive says; a plan is verified again before it is used\n"
}

/// The latest attempts.
pub(super) fn history(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no attempts\n".into();
    }
    let rows = entries.iter().map(|entry| {
        let (ms, speedup, outcome) = match &entry.attempt.outcome {
            Outcome::Verified {
                ms,
                speedup,
                levels,
                ..
            } => (
                format!("{ms:.4}"),
                format!("{speedup:.2}x"),
                format!("verified {}", levels.join("+")),
            ),
            Outcome::Refused { reason, detail } => {
                let text = format!("refused ({reason}): {}", clipped(detail));
                (String::new(), String::new(), text)
            }
        };
        vec![
            date(entry.evidence.created),
            entry.attempt.id.clone(),
            plain(&entry.key.problem.workload),
            plain(&entry.key.adapter.name),
            ms,
            speedup,
            outcome,
        ]
    });
    let columns = [
        "WHEN", "ID", "WORKLOAD", "DEVICE", ">MS", ">SPEEDUP", "OUTCOME",
    ];
    table(&columns, rows.collect())
}

/// Counts.
pub(super) fn stats(stats: &Stats) -> String {
    let mut rows = vec![
        ("attempts".into(), stats.attempts.to_string()),
        ("verified".into(), stats.verified.to_string()),
    ];
    let refused = stats.refused.iter();
    rows.extend(refused.map(|(reason, count)| (format!("refused ({reason})"), count.to_string())));
    rows.push(("problems and devices".into(), stats.keys.to_string()));
    let factor = |it: Option<f64>| it.map_or_else(|| "-".into(), |it| format!("{it:.2}x"));
    rows.push(("best speedup".into(), factor(stats.best_speedup)));
    rows.push(("median speedup".into(), factor(stats.median_speedup)));
    let devices = stats.devices.iter();
    rows.extend(devices.map(|(name, count)| (format!("on {}", plain(name)), count.to_string())));
    rows.push(("damaged".into(), stats.damaged.to_string()));
    list(&rows)
}

/// One attempt: what it was for, what came of it, its plan and shaders.
pub(super) fn shown(shown: &Shown) -> String {
    let Entry {
        hash,
        key,
        attempt,
        evidence,
    } = &shown.entry;
    let adapter = &key.adapter;
    let outcome = match &attempt.outcome {
        Outcome::Verified {
            ms,
            speedup,
            levels,
            worst_ratio,
        } => format!(
            "{ms:.4} ms, {speedup:.2}x, verified {}, worst error {worst_ratio:.3} of its bound",
            levels.join("+")
        ),
        Outcome::Refused { reason, detail } => format!("refused ({reason}): {}", plain(detail)),
    };
    let mut rows = vec![
        ("attempt".into(), attempt.id.clone()),
        ("row".into(), hash.clone()),
        ("workload".into(), plain(&key.problem.workload)),
        ("module".into(), plain(&key.problem.module)),
        (
            "device".into(),
            plain(&format!(
                "{} ({}, {} {})",
                adapter.name, adapter.backend, adapter.driver, adapter.driver_info
            )),
        ),
        (
            "versions".into(),
            plain(&format!(
                "kforge {}, verifier {}, wgpu {}, naga {}",
                key.versions.kforge, key.versions.verifier, key.versions.wgpu, key.versions.naga
            )),
        ),
        ("when".into(), date(evidence.created)),
        ("seed".into(), evidence.seed.to_string()),
        ("outcome".into(), outcome),
        ("planner".into(), plain(&attempt.plan.provenance.planner)),
        ("pipeline".into(), plain(&attempt.plan.text())),
    ];
    rows.extend(shown.level_4.iter().map(|elsewhere| {
        let device = format!(
            "the same kernels hold level 3 on {} ({} {}) as well, says the archive",
            elsewhere.name, elsewhere.driver, elsewhere.driver_info
        );
        ("level 4".into(), plain(&device))
    }));
    let mut text = list(&rows);
    for shader in &shown.shaders {
        let lines: Vec<String> = shader.wgsl.lines().map(plain).collect();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n// kernel {}\n{}\n",
            plain(&shader.kernel),
            lines.join("\n")
        );
    }
    text
}

/// What an export brought.
pub(super) fn import(import: &Import) -> String {
    let mut rows = vec![
        ("added".into(), import.added.to_string()),
        ("known before".into(), import.known.to_string()),
    ];
    let refused = import.refused.iter();
    rows.extend(refused.map(|(why, count)| (format!("left out ({why})"), count.to_string())));
    if import.refused_shaders > 0 {
        rows.push((
            "shaders left out".into(),
            import.refused_shaders.to_string(),
        ));
    }
    list(&rows)
}

/// What measured candidates brought.
pub(super) fn measured(import: &MeasuredImport) -> String {
    let mut rows = vec![
        ("added".into(), import.added.to_string()),
        ("known before".into(), import.known.to_string()),
    ];
    let refused = import.refused.iter();
    rows.extend(refused.map(|(why, count)| (format!("left out ({why})"), count.to_string())));
    rows.extend(
        import
            .impossible
            .clone()
            .map(|why| ("impossible".into(), why)),
    );
    list(&rows)
}

/// Whether all is as it was stored.
pub(super) fn verification(report: &Verification) -> String {
    let mut rows = vec![
        ("attempts".into(), report.attempts.to_string()),
        ("intact".into(), report.intact.to_string()),
    ];
    let damaged = report.damaged.iter();
    rows.extend(damaged.map(|(why, count)| (format!("damaged ({why})"), count.to_string())));
    rows.push(("lost shaders".into(), report.lost_shaders.to_string()));
    let named = report.damaged_rows.iter();
    rows.extend(named.map(|hash| ("row".into(), plain(hash))));
    rows.extend(report.file.iter().map(|it| ("file".into(), plain(it))));
    list(&rows)
}

/// What was removed.
pub(super) fn collected(collected: &Collected) -> String {
    let compacted = match collected.compacted {
        true => "yes",
        false => "no: in use by another process, or no space",
    };
    list(&[
        ("damaged rows removed".into(), collected.damaged.to_string()),
        ("attempts removed".into(), collected.attempts.to_string()),
        ("problems removed".into(), collected.keys.to_string()),
        ("shaders removed".into(), collected.shaders.to_string()),
        ("file made smaller".into(), compacted.into()),
    ])
}

/// Rows under a header; a column whose name begins with `>` is aligned to the right.
fn table(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let name = |column: &str| column.trim_start_matches('>').to_owned();
    let header: Vec<String> = columns.iter().map(|it| name(it)).collect();
    let width = |index: usize| {
        let cells = rows
            .iter()
            .chain([&header])
            .filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths);
        let cells = cells.map(|((cell, column), width)| match column.starts_with('>') {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let cells: Vec<String> = cells.collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    [&header].into_iter().chain(&rows).map(line).collect()
}

/// Names with values.
fn list(rows: &[(String, String)]) -> String {
    let rows = rows
        .iter()
        .map(|(name, value)| vec![name.clone(), value.clone()]);
    let text = table(&["", ""], rows.collect());
    text.trim_start_matches('\n').to_owned()
}

fn clipped(text: &str) -> String {
    let line = plain(text.lines().next().unwrap_or_default());
    match line.char_indices().nth(DETAIL) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

fn plain(text: &str) -> String {
    let shown = |c: char| match c.is_control() {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

fn date(seconds: u64) -> String {
    // The archive believes no time after the year 9999, which is the library's limit too.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_end_together() {
        let rows = vec![
            vec!["a".into(), "1.5".into(), "x".into()],
            vec!["longer".into(), "10.25".into(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", ">MS", "END"], rows),
            "NAME       MS  END\na         1.5  x\nlonger  10.25\n"
        );
    }

    #[test]
    fn a_name_moves_no_cursor_and_a_message_stays_on_its_line() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}"), "a\\u{1b}[2Jb\\u{9b}");
        let long = clipped(&format!("{}\nsecond", "ü".repeat(200)));
        assert_eq!(long, format!("{}...", "ü".repeat(DETAIL)));
    }

    #[test]
    fn dates_are_of_the_calendar() {
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
