//! The kill matrix as one page: no script, no network, no other file.
//!
//! Whatever comes from a run is escaped; the page's policy forbids whatever would still be
//! loaded or run.

use std::collections::BTreeSet;

use kforge_mutate::Fate;
use kforge_planner::report::{STYLE, escape};

use super::{KindRow, Report, text::controls};

const OWN_STYLE: &str = include_str!("page.css");
/// Columns that are no checks.
const OTHERS: [&str; 3] = ["equivalent", "not built", "escaped"];
/// Checks that the gate has; one that killed nothing stands in the matrix, too.
const CHECKS: [&str; 9] = [
    "Validation",
    "Program",
    "NumericMismatch",
    "Poison",
    "Determinism",
    "Undecided",
    "Execution",
    "Timing",
    "RegressionCase",
];

pub(super) fn page(report: &Report) -> String {
    let body = [
        head(report),
        wrong(report),
        matrix(report),
        programs(report),
        equivalents(report),
        not_built(report),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Mutation testing of the gate</title>\n<style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n\
         <body>\n{}</body>\n</html>\n",
        body.concat()
    )
}

fn head(report: &Report) -> String {
    let totals = &report.totals;
    let fact = |name: &str, value: String| {
        format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(&value))
    };
    let bound = report.escape_rate_bound;
    let bound = bound.map_or_else(|| "-".into(), |it| format!("below {:.3} %", 100.0 * it));
    let facts = [
        fact("killed", format!("{} of {}", totals.killed, totals.mutants)),
        fact("escaped", totals.escaped.to_string()),
        fact("equivalent", totals.equivalent.to_string()),
        fact("not built", totals.not_built.to_string()),
        fact("controls", controls(totals)),
        fact("escape rate, 95 %", bound),
        fact(
            "time",
            format!("{:.0} s, {:.0} a minute", report.seconds, report.per_minute),
        ),
    ];
    format!(
        "<h1>Mutation testing of the gate</h1>\n<p>{} ({}), seed {}</p>\n<dl>\n{}</dl>\n",
        escape(&report.device),
        escape(&report.driver),
        report.seed,
        facts.concat()
    )
}

fn wrong(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .wrong()
        .map(|record| {
            let what = match &record.judged.fate {
                Fate::Refused(kill) => {
                    format!("control refused ({}): {}", kill.reason, kill.detail)
                }
                Fate::Accepted { note: Some(note) } => note.clone(),
                _ => String::new(),
            };
            vec![
                record.instance.place.name().into(),
                record.instance.kind.clone(),
                record.program.clone(),
                record.instance.kernel.clone().unwrap_or_default(),
                record.instance.at.to_string(),
                what,
            ]
        })
        .collect();
    match rows.is_empty() {
        true => {
            "<h2>Escapes</h2>\n<p>None: every mutant was refused, every control accepted.</p>\n"
                .into()
        }
        false => format!(
            "<h2>Escapes</h2>\n{}",
            table(
                &["place", "kind", "program", "kernel", "site", "what"],
                &rows
            )
        ),
    }
}

/// The checks that are columns: those the gate has, and any other that killed.
fn columns(report: &Report) -> Vec<String> {
    let mut columns: Vec<String> = CHECKS.map(Into::into).to_vec();
    let seen: BTreeSet<&String> = report
        .kinds
        .iter()
        .flat_map(|row| row.checks.keys())
        .collect();
    for name in seen {
        if !columns.contains(name) && !OTHERS.contains(&name.as_str()) {
            columns.push(name.clone());
        }
    }
    columns.extend(OTHERS.map(Into::into));
    columns
}

fn matrix(report: &Report) -> String {
    let columns = columns(report);
    let cell = |row: &KindRow, column: &String| match row.checks.get(column) {
        None => "<td></td>".to_owned(),
        Some(count) => {
            let class = match column.as_str() {
                "escaped" => "bad",
                "equivalent" | "not built" => "aside",
                _ => "kill",
            };
            format!("<td class=\"{class}\">{count}</td>")
        }
    };
    let rows = report.kinds.iter().map(|row| {
        let cells: String = columns.iter().map(|column| cell(row, column)).collect();
        let (place, kind) = (escape(&row.place), escape(&row.kind));
        format!("<tr><th>{place}</th><th>{kind}</th>{cells}</tr>\n")
    });
    let totals = columns.iter().map(|column| {
        let all = report.kinds.iter();
        let count: usize = all.filter_map(|row| row.checks.get(column)).sum();
        let class = match count == 0 && !OTHERS.contains(&column.as_str()) {
            true => " class=\"idle\"",
            false => "",
        };
        format!("<td{class}>{count}</td>")
    });
    let head: String = columns
        .iter()
        .map(|column| format!("<th>{}</th>", escape(column)))
        .collect();
    format!(
        "<h2>Kill matrix</h2>\n<p>Instances of each kind by the check that refused them. A check \
         that refused nothing is marked in the last line.</p>\n\
         <div class=\"wide\"><table class=\"matrix\">\n<tr><th>place</th><th>kind</th>{head}</tr>\n{}\
         <tr class=\"sum\"><th></th><th>all</th>{}</tr>\n</table></div>\n",
        rows.collect::<String>(),
        totals.collect::<String>()
    )
}

fn programs(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .programs
        .iter()
        .map(|(name, totals)| {
            vec![
                name.clone(),
                totals.killed.to_string(),
                totals.escaped.to_string(),
                totals.equivalent.to_string(),
                totals.not_built.to_string(),
                totals.controls_passed.to_string(),
            ]
        })
        .collect();
    let head = [
        "program",
        "killed",
        "escaped",
        "equivalent",
        "not built",
        "controls",
    ];
    format!("<h2>Programs</h2>\n{}", table(&head, &rows))
}

fn equivalents(report: &Report) -> String {
    let rows = report.records.iter().filter_map(|record| {
        let Fate::Equivalent { rule, argument } = &record.judged.fate else {
            return None;
        };
        Some(vec![
            format!(
                "{} {}@{}",
                record.program, record.instance.kind, record.instance.at
            ),
            rule.clone(),
            argument.clone(),
        ])
    });
    let rows: Vec<_> = rows.collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<h2>Equivalent mutants</h2>\n<details><summary>{} with their arguments</summary>\n{}</details>\n",
            rows.len(),
            table(&["mutant", "rule", "argument"], &rows)
        ),
    }
}

fn not_built(report: &Report) -> String {
    let rows = report.records.iter().filter_map(|record| {
        let Fate::NotBuilt { because } = &record.judged.fate else {
            return None;
        };
        let line: String = because
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        let mutant = format!(
            "{} {}@{}",
            record.program, record.instance.kind, record.instance.at
        );
        Some(vec![mutant, line])
    });
    let rows: Vec<_> = rows.collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<h2>Not built</h2>\n<details><summary>{} that no compiler accepts</summary>\n{}</details>\n",
            rows.len(),
            table(&["mutant", "why"], &rows)
        ),
    }
}

/// A table; cells are escaped here, so callers pass text.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head
        .iter()
        .map(|it| format!("<th>{}</th>", escape(it)))
        .collect();
    let rows = rows.iter().map(|row| {
        let cells: String = row
            .iter()
            .map(|it| format!("<td>{}</td>", escape(it)))
            .collect();
        format!("<tr>{cells}</tr>\n")
    });
    format!(
        "<div class=\"wide\"><table>\n<tr>{head}</tr>\n{}</table></div>\n",
        rows.collect::<String>()
    )
}
