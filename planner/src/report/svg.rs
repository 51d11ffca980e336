//! The drawings of the page, as SVG inside HTML.
//!
//! Times stand on a logarithmic axis. Points that fall on the same spot are drawn
//! once, so that a drawing of 10,000 attempts is below 100 KB. Colours are the page's.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    curve::Point,
    draw::{Scale, WIDTH, label_at, line, open},
    number::{digits, ticks},
    summary::Ranked,
};

const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 14.0;
/// Height of the curve's plot.
const PLOT: f64 = 280.0;
/// Height of one bar with its gap.
const BAR: f64 = 26.0;
/// Width of the names of bars, beside that of numbers.
const NAMES: f64 = 150.0;
/// Pixels within which points are one.
const SPOT: f64 = 2.0;

/// Every attempt's time, and the best so far as steps; empty without a time.
pub(super) fn curve(points: &[Point], baseline_ms: Option<f64>) -> String {
    let times = points.iter().filter_map(|it| it.ms).chain(baseline_ms);
    let Some(scale) = Scale::of(times, TOP + PLOT, TOP) else {
        return String::new();
    };
    let last = points.len().max(2) as f64;
    let x = |attempt: usize| LEFT + (attempt as f64 - 1.0) / (last - 1.0) * (WIDTH - LEFT - RIGHT);
    let height = TOP + PLOT + 44.0;
    let mut svg = open(height, "Time of every attempt and the best so far");
    for ms in ticks(scale.least, scale.most) {
        let (y, label) = (scale.at(ms), digits(ms));
        line(&mut svg, "grid", [LEFT, y, WIDTH - RIGHT, y]);
        label_at(&mut svg, [LEFT - 8.0, y + 4.0], "end", &label);
    }
    let each = (points.len().div_ceil(10)).max(1);
    for point in points.iter().step_by(each) {
        let at = [x(point.attempt), TOP + PLOT + 18.0];
        label_at(&mut svg, at, "middle", &point.attempt.to_string());
    }
    label_at(
        &mut svg,
        [(LEFT + WIDTH - RIGHT) / 2.0, height - 6.0],
        "middle",
        "attempt",
    );
    if let Some(y) = baseline_ms.map(|ms| scale.at(ms)) {
        line(&mut svg, "default", [LEFT, y, WIDTH - RIGHT, y]);
    }
    // Refused attempts have no time and stand as ticks on the axis.
    let refused = points.iter().filter(|it| it.ms.is_none());
    let spots: BTreeSet<i64> = refused.map(|it| (x(it.attempt) / SPOT) as i64).collect();
    let mut path = String::new();
    for spot in spots {
        let _ = write!(path, "M{} {:.0}v6", spot as f64 * SPOT, TOP + PLOT - 6.0);
    }
    let _ = write!(svg, "<path class=\"refused\" d=\"{path}\"/>");
    let spot = |it: &Point| {
        let y = scale.at(it.ms?);
        Some(((x(it.attempt) / SPOT) as i64, (y / SPOT) as i64))
    };
    let spots: BTreeSet<(i64, i64)> = points.iter().filter_map(spot).collect();
    let mut path = String::new();
    for (x, y) in spots {
        let _ = write!(path, "M{} {}h0", x as f64 * SPOT, y as f64 * SPOT);
    }
    let _ = write!(svg, "<path class=\"tried\" d=\"{path}\"/>");
    let mut path = String::new();
    let mut best = None;
    for point in points {
        let Some(ms) = point.best_ms.filter(|ms| Some(*ms) != best) else {
            continue;
        };
        let (x, y) = (x(point.attempt), scale.at(ms));
        let _ = match best {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some(_) => write!(path, "H{x:.1}V{y:.1}"),
        };
        best = Some(ms);
    }
    let _ = write!(path, "H{:.1}", x(points.len().max(1)));
    if best.is_some() {
        let _ = write!(svg, "<path class=\"best\" d=\"{path}\"/>");
    }
    svg + "</svg>"
}

/// The fastest plans' times with the spread of their runs; empty without plans.
pub(super) fn times(plans: &[Ranked], baseline_ms: Option<f64>) -> String {
    let ends = |it: &Ranked| {
        let spread = it.spread.map_or([it.ms; 2], |it| [it.min, it.max]);
        [it.ms, spread[0], spread[1]]
    };
    let all = plans.iter().flat_map(ends).chain(baseline_ms);
    let Some(scale) = Scale::of(all, LEFT, WIDTH - RIGHT - 60.0) else {
        return String::new();
    };
    let bottom = TOP + BAR * plans.len() as f64;
    let height = bottom + 44.0;
    let mut svg = open(height, "Times of the fastest plans");
    for ms in ticks(scale.least, scale.most) {
        let x = scale.at(ms);
        line(&mut svg, "grid", [x, TOP, x, bottom]);
        label_at(&mut svg, [x, bottom + 18.0], "middle", &digits(ms));
    }
    label_at(&mut svg, [WIDTH / 2.0, height - 6.0], "middle", "ms");
    if let Some(x) = baseline_ms.map(|ms| scale.at(ms)) {
        line(&mut svg, "default", [x, TOP, x, bottom]);
    }
    for (index, plan) in plans.iter().enumerate() {
        let y = TOP + BAR * (index as f64 + 0.5);
        let name = plan.attempt.map_or_else(String::new, |it| format!("#{it}"));
        label_at(&mut svg, [LEFT - 8.0, y + 4.0], "end", &name);
        let x = scale.at(plan.ms);
        let spread = plan.spread.filter(|it| it.min > 0.0 && it.max.is_finite());
        let mut end = x;
        if let Some(spread) = spread {
            let (from, to) = (scale.at(spread.min), scale.at(spread.max));
            line(&mut svg, "spread", [from, y, to, y]);
            end = end.max(to);
        }
        let _ = write!(
            svg,
            "<circle class=\"plan\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>"
        );
        label_at(&mut svg, [end + 10.0, y + 4.0], "start", &digits(plan.ms));
    }
    svg + "</svg>"
}

/// A bar from zero for each value, with its name and its text; empty without one above zero.
pub(super) fn bars(title: &str, rows: &[(String, f64, String)]) -> String {
    let longest = rows.iter().map(|it| it.1).filter(|it| it.is_finite());
    let longest = longest.fold(0.0, f64::max);
    if longest <= 0.0 {
        return String::new();
    }
    let from = LEFT + NAMES;
    let most = WIDTH - RIGHT - 120.0 - from;
    let mut svg = open(2.0 * TOP + BAR * rows.len() as f64, title);
    for (index, (name, value, shown)) in rows.iter().enumerate() {
        let y = TOP + BAR * (index as f64 + 0.5);
        let name: String = name.chars().take(40).collect();
        label_at(&mut svg, [from - 8.0, y + 4.0], "end", &name);
        let end = from + value.clamp(0.0, longest) / longest * most;
        line(&mut svg, "bar", [from, y, end, y]);
        label_at(&mut svg, [end + 8.0, y + 4.0], "start", shown);
    }
    svg + "</svg>"
}
