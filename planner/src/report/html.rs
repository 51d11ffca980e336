//! The report as one page: no script, no network, no other file.
//!
//! Everything that comes from the run passes [`escape`]; the page's policy forbids
//! whatever would still be loaded or run.

use super::{
    Compared, Planner, Refusals, Report, SOURCE, Spread, Stability,
    number::{digits, factor, known},
    svg,
};

/// The style of a page, for whoever makes another one.
pub const STYLE: &str = include_str!("page.css");

/// The report as a page of HTML.
pub fn html(report: &Report) -> String {
    let title = escape(&report.workload);
    let body = [
        head(report),
        curve(report),
        top(report),
        roofline(report),
        impact(report),
        stability(report),
        planners(report),
        comparison(report),
        refusals(report),
        format!("<p>{}</p>\n", escape(SOURCE)),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        body.concat()
    )
}

/// Text as it may stand in an element or a quoted attribute. Control characters but
/// line breaks and tabs, which HTML does not allow, become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn head(report: &Report) -> String {
    let best = report.best.as_ref();
    let fact = |name: &str, value: String| {
        let value = escape(&value);
        format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n")
    };
    let share = report
        .roofline_share
        .map_or_else(|| "-".to_owned(), |it| format!("{:.1} %", 100.0 * it));
    let over = report.peer.as_ref();
    let over = over.map_or_else(String::new, |peer| format!(" over {peer}"));
    let facts = [
        fact("speedup", factor(best.map(|it| it.speedup)) + &over),
        fact("best", known(best.map(|it| it.ms)) + " ms"),
        fact("default knobs", known(report.baseline_ms) + " ms"),
        fact("of the roofline", share),
        fact(
            "plans",
            format!("{}, {} refused", report.attempts, report.refused),
        ),
        fact(
            "time",
            format!(
                "{:.0} s, accepted in {:.0} s",
                report.seconds, report.acceptance_seconds
            ),
        ),
    ];
    let verified = best.map_or_else(
        || "<p>No plan was accepted.</p>\n".to_owned(),
        |it| {
            let levels = escape(&it.levels.join(", "));
            let (worst, pipeline) = (digits(it.worst_ratio), escape(&it.pipeline));
            format!(
                "<p>The best plan was verified ({levels}); its worst error was {worst} of its bound.</p>\n\
                 <pre>{pipeline}</pre>\n"
            )
        },
    );
    format!(
        "<h1>{}</h1>\n<p>{} ({}), planned by {}; ended: {}</p>\n<dl>\n{}</dl>\n{verified}",
        escape(&report.workload),
        escape(&report.device),
        escape(&report.backend),
        escape(&report.planner),
        escape(&report.ended),
        facts.concat(),
    )
}

fn curve(report: &Report) -> String {
    let drawing = svg::curve(&report.curve, report.baseline_ms);
    let shown = match drawing.is_empty() {
        true => "<p>No attempt has a time.</p>".to_owned(),
        false => format!(
            "<figure>{drawing}<figcaption>Milliseconds, logarithmic. <b class=\"best\">Line</b>: best so far. \
             <b class=\"tried\">Dots</b>: verified attempts. <b class=\"refused\">Ticks below</b>: refused ones. \
             <b class=\"default\">Dashed</b>: default knobs.</figcaption></figure>"
        ),
    };
    format!("<h2>Learning curve</h2>\n{shown}\n")
}

fn top(report: &Report) -> String {
    if report.top.is_empty() {
        return String::new();
    }
    let spread = |it: Spread| format!("{} to {}", digits(it.min), digits(it.max));
    let rows = report.top.iter().map(|it| {
        vec![
            it.attempt.map_or_else(String::new, |it| format!("#{it}")),
            digits(it.ms),
            it.spread.map_or_else(|| "-".to_owned(), spread),
            factor(Some(it.speedup)),
            it.planner.clone(),
            it.chosen.clone(),
        ]
    });
    let caption = match report.top.iter().any(|it| it.spread.is_some()) {
        true => "Median of the timed runs; bars reach from the shortest to the longest.",
        false => "Median of the timed runs; their spread was not kept.",
    };
    format!(
        "<h2>Fastest plans</h2>\n<figure>{}<figcaption>{caption}</figcaption></figure>\n{}",
        svg::times(&report.top, report.baseline_ms),
        table(
            &["attempt", "ms", "spread", "speedup", "planner", "plan"],
            rows.collect()
        )
    )
}

/// A drawing of bars under its words; nothing without bars.
fn figure(title: &str, words: &str, rows: &[(String, f64, String)]) -> String {
    match svg::bars(title, rows) {
        bars if bars.is_empty() => String::new(),
        bars => format!("<figure>{bars}<figcaption>{words}</figcaption></figure>\n"),
    }
}

/// The least time that arithmetic and memory allow, by the times of plans.
fn roofline(report: &Report) -> String {
    let best = report.best.as_ref().zip(report.roofline_share);
    let Some(least) = best.map(|(best, share)| best.ms * share) else {
        return String::new();
    };
    let row = |name: String, ms: f64| {
        let share = least / ms;
        (name, share, format!("{:.1} %", 100.0 * share))
    };
    let default = report.baseline_ms.map(|ms| row("default knobs".into(), ms));
    let accepted = report.best.as_ref().map(|it| row("accepted".into(), it.ms));
    let tops = report.top.iter().filter_map(|it| {
        let name = format!("#{}", it.attempt?);
        Some(row(name, it.ms))
    });
    let rows: Vec<_> = default.into_iter().chain(accepted).chain(tops).collect();
    let words = format!(
        "Share of the roofline: {} ms, the least that this device's arithmetic and memory allow, by \
         each time.",
        digits(least)
    );
    let drawing = figure("Share of the roofline", &words, &rows);
    format!("<h2>Share of the roofline</h2>\n{drawing}")
}

fn impact(report: &Report) -> String {
    if report.impact.is_empty() {
        return "<h2>Impact of settings</h2>\n<p>No setting changed among verified plans of \
                different times.</p>\n"
            .to_owned();
    }
    let rows = report.impact.iter().map(|it| {
        let values = it.values.iter();
        let values = values.map(|it| format!("{}: {} ({})", it.value, digits(it.ms), it.plans));
        vec![
            it.setting.clone(),
            format!("{:.3}", it.eta_squared),
            known(it.f),
            format!("{:.3}", it.p),
            it.plans.to_string(),
            values.collect::<Vec<_>>().join(", "),
        ]
    });
    format!(
        "<h2>Impact of settings</h2>\n<p>One analysis of variance per setting on the logarithm of the time. \
         η² is the share of the spread that goes with the setting; p is the share of random orders of the \
         times that explain as much, each setting tested alone. A search does not draw settings \
         independently: this says where to look, not what is the cause.</p>\n{}{}",
        figure(
            "Impact of settings",
            "η² of each setting.",
            &report
                .impact
                .iter()
                .map(|it| {
                    let shown = format!("{:.3}, p {:.3}", it.eta_squared, it.p);
                    (it.setting.clone(), it.eta_squared, shown)
                })
                .collect::<Vec<_>>()
        ),
        table(
            &[
                "setting",
                "η²",
                "F",
                "p",
                "plans",
                "value: geometric mean ms (plans)"
            ],
            rows.collect()
        )
    )
}

/// A drawing of bars over the table that it is of; nothing without rows.
fn section(
    title: &str,
    words: &str,
    bars: &[(String, f64, String)],
    head: &[&str],
    rows: Vec<Vec<String>>,
) -> String {
    match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<h2>{title}</h2>\n{}{}",
            figure(title, words, bars),
            table(head, rows)
        ),
    }
}

fn planners(report: &Report) -> String {
    let rows = report.planners.iter().map(|it| it.cells().to_vec());
    let bar = |it: &Planner| {
        let speedup = it.speedup?;
        Some((it.planner.clone(), speedup, factor(it.speedup)))
    };
    let bars: Vec<_> = report.planners.iter().filter_map(bar).collect();
    let words = "Greatest speedup of a single measurement by who proposed.";
    section("Planners", words, &bars, &Planner::HEAD, rows.collect())
}

fn stability(report: &Report) -> String {
    let rows = report.stability.iter().map(|it| it.cells().to_vec());
    let bar = |it: &Stability| {
        let name = it.attempt.map_or("accepted".into(), |it| format!("#{it}"));
        let shown = format!("{} to {}", factor(Some(it.least)), factor(Some(it.most)));
        (name, it.least, shown)
    };
    let bars: Vec<_> = report.stability.iter().map(bar).collect();
    section(
        "Stability across sizes",
        "Least speedup of a size.",
        &bars,
        &Stability::HEAD,
        rows.collect(),
    )
}

fn comparison(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return String::new();
    };
    let rows = comparison.runs.iter().map(|it| it.cells().to_vec());
    let bar = |it: &Compared| {
        let accepted = it.accepted?;
        Some((it.planner.clone(), accepted, factor(it.accepted)))
    };
    let accepted: Vec<_> = comparison.runs.iter().filter_map(bar).collect();
    format!(
        "<h2>Planners at equal budget</h2>\n{}<p>Each run counted up to {} plans. Speedups are over \
         the run's own baseline: of single measurements, and as accepted after all of its \
         plans, in turns with the baseline.</p>\n{}",
        figure("Planners at equal budget", "Accepted speedups.", &accepted),
        comparison.budget,
        table(&Compared::HEAD, rows.collect())
    )
}

fn refusals(report: &Report) -> String {
    let row = |it: &Refusals| vec![it.reason.clone(), it.count.to_string(), it.example.clone()];
    let bar = |it: &Refusals| {
        let (reason, count) = (it.reason.clone(), it.count);
        (reason, count as f64, count.to_string())
    };
    let bars: Vec<_> = report.refusals.iter().map(bar).collect();
    section(
        "Refused plans",
        "Plans by reason.",
        &bars,
        &["reason", "plans", "first message"],
        report.refusals.iter().map(row).collect(),
    )
}

/// A table; cells are escaped here, so callers pass text.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let cells = |tag: &str, row: Vec<String>| {
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text));
        let cells: Vec<String> = row.iter().map(cell).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let head = cells("th", head.iter().map(ToString::to_string).collect());
    let rows: Vec<String> = rows.into_iter().map(|row| cells("td", row)).collect();
    format!(
        "<div class=\"wide\"><table>\n{head}{}</table></div>\n",
        rows.concat()
    )
}
