//! Drawings of results as SVG files of their own: no script, no network, light and dark.

use std::fmt::Write;

use kforge_planner::report::{
    digits,
    draw::{Scale, WIDTH, label_at, line, open},
    ticks,
};
use kforge_runtime::Roofline;

use super::{Measured, Peer, Results, Row, SuiteName, Table};

const STYLE: &str = "<style>\
    text{fill:#6a737d;font:12px system-ui,sans-serif}\
    .grid{stroke:#8d96a0;stroke-opacity:.35}\
    .bar{stroke:#0969da;stroke-width:12;stroke-opacity:.75}\
    .goal{stroke:#cf222e;stroke-width:2.5}\
    path{fill:none;stroke-width:2.5}\
    .ours{stroke:#0969da;fill:#0969da}\
    .peer{stroke:#9a6700;fill:#9a6700;stroke-dasharray:6 4}\
    .roof{stroke:#6a737d;stroke-dasharray:2 4}\
    path.ours,path.peer,path.roof{fill:none}\
    </style>";

const TOP: f64 = 24.0;
const RIGHT: f64 = 20.0;
/// Width of the names of bars.
const NAMES: f64 = 250.0;
/// Width of what stands behind the longest bar.
const SHOWN: f64 = 150.0;
/// Height of a bar with its gap.
const BAR: f64 = 22.0;
/// Lines at every half of a ratio, at most.
const MOST_HALVES: u32 = 20;
/// Left of the curves.
const LEFT: f64 = 70.0;
/// Height of the curves.
const PLOT: f64 = 360.0;

/// A bar for each work beside its peer, with a mark where the goal is; empty where no work
/// has a peer's ratio.
pub fn ratios(table: &Table) -> String {
    let ratios = table.rows.iter().filter_map(|it| it.ratio);
    if ratios.clone().next().is_none() {
        return String::new();
    }
    let goals = table.rows.iter().filter_map(|it| it.goal);
    let most = ratios.chain(goals).fold(1.0, f64::max);
    let bottom = TOP + BAR * table.rows.len() as f64;
    let x = |ratio: f64| NAMES + ratio / most * (WIDTH - RIGHT - SHOWN - NAMES);
    let mut svg = file(bottom + 30.0, "Ratio of the peer's time and ours");
    let halves = (0..=MOST_HALVES).map(|it| 0.5 * f64::from(it));
    for ratio in halves.filter(|it| *it <= most) {
        line(&mut svg, "grid", [x(ratio), TOP, x(ratio), bottom]);
        let at = [x(ratio), bottom + 18.0];
        label_at(&mut svg, at, "middle", &format!("{ratio}"));
    }
    for (index, row) in table.rows.iter().enumerate() {
        bar(&mut svg, TOP + BAR * (index as f64 + 0.5), row, x);
    }
    svg + "</svg>\n"
}

fn bar(svg: &mut String, y: f64, row: &Row, x: impl Fn(f64) -> f64) {
    label_at(svg, [NAMES - 8.0, y + 4.0], "end", &row.name);
    let peer = row.peer.map_or_else(String::new, |it| it.to_string());
    let end = row.ratio.map_or(x(0.0), &x);
    line(svg, "bar", [x(0.0), y, end, y]);
    let goal = row.goal.map(&x);
    if let Some(goal) = goal {
        line(svg, "goal", [goal, y - 9.0, goal, y + 9.0]);
    }
    let shown = match row.ratio {
        Some(ratio) => format!("{ratio:.3} of {peer}"),
        None => "no ratio".to_owned(),
    };
    let end = goal.map_or(end, |goal| goal.max(end));
    label_at(svg, [end + 8.0, y + 4.0], "start", &shown);
}

/// Time against n of the products n x n x n, ours and PyTorch's, both axes logarithmic, with
/// the least time that arithmetic and memory allow where that is known; empty for another
/// suite, and with fewer than two sizes that have a time.
pub fn growth(results: &Results) -> String {
    if results.suite != SuiteName::Growth {
        return String::new();
    }
    let square = |it: &Measured| Some((it.work.op.square()? as f64, it.clone()));
    let mut works: Vec<(f64, Measured)> = results.works.iter().filter_map(square).collect();
    works.sort_by(|a, b| a.0.total_cmp(&b.0));
    let series = |ms: &dyn Fn(&Measured) -> Option<f64>| {
        let point = |(n, it): &(f64, Measured)| Some((*n, ms(it)?));
        works.iter().filter_map(point).collect::<Vec<(f64, f64)>>()
    };
    let roofline = results.roofline.map(Roofline::from);
    let ours = series(&|it| Some(it.time()?.ms.median));
    let peer = series(&|it| Some(it.peer_ms(Peer::Torch)?.median));
    let roof = series(&|it| {
        let (flops, bytes) = (it.work.flops as f64, it.work.bytes as f64);
        Some(roofline?.milliseconds(flops, bytes))
    });
    let all = [("ours", &ours), ("peer", &peer), ("roof", &roof)];
    let points = || all.iter().flat_map(|it| it.1.iter());
    let sizes = Scale::of(points().map(|it| it.0), LEFT, WIDTH - RIGHT);
    let times = Scale::of(points().map(|it| it.1), TOP + PLOT, TOP);
    let (Some(sizes), Some(times), 2..) = (sizes, times, ours.len()) else {
        return String::new();
    };
    let mut svg = file(TOP + PLOT + 48.0, "Time of a product n x n x n");
    axes(&mut svg, &sizes, &times);
    let names = ["kforge", "PyTorch", "roofline"];
    for (index, ((class, points), name)) in all.into_iter().zip(names).enumerate() {
        if points.is_empty() {
            continue;
        }
        curve(&mut svg, class, points, &sizes, &times);
        let y = TOP + 14.0 + 18.0 * index as f64;
        let from = LEFT + 16.0;
        let _ = write!(svg, "<path class=\"{class}\" d=\"M{from} {y}h30\"/>");
        label_at(&mut svg, [from + 38.0, y + 4.0], "start", name);
    }
    svg + "</svg>\n"
}

fn axes(svg: &mut String, sizes: &Scale, times: &Scale) {
    for ms in ticks(times.least, times.most) {
        let y = times.at(ms);
        line(svg, "grid", [LEFT, y, WIDTH - RIGHT, y]);
        let shown = digits(ms);
        let shown = match shown.contains('.') {
            true => shown.trim_end_matches('0').trim_end_matches('.'),
            false => &shown,
        };
        label_at(svg, [LEFT - 8.0, y + 4.0], "end", shown);
    }
    let powers = (0..40).map(|it| 2_f64.powi(it));
    for n in powers.filter(|it| (sizes.least..=sizes.most).contains(it)) {
        let x = sizes.at(n);
        line(svg, "grid", [x, TOP, x, TOP + PLOT]);
        label_at(svg, [x, TOP + PLOT + 18.0], "middle", &format!("{n}"));
    }
    let below = [(LEFT + WIDTH - RIGHT) / 2.0, TOP + PLOT + 40.0];
    label_at(svg, below, "middle", "n");
    label_at(svg, [LEFT - 8.0, TOP - 8.0], "end", "ms");
}

fn curve(svg: &mut String, class: &str, points: &[(f64, f64)], sizes: &Scale, times: &Scale) {
    let mut path = String::new();
    for (index, (n, ms)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", sizes.at(*n), times.at(*ms));
    }
    let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    if class == "roof" {
        return;
    }
    for (n, ms) in points {
        let (x, y) = (sizes.at(*n), times.at(*ms));
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
        );
    }
}

/// The start of a drawing that is a file.
fn file(height: f64, label: &str) -> String {
    let own = "<svg xmlns=\"http://www.w3.org/2000/svg\" ";
    open(height, label).replacen("<svg ", own, 1) + STYLE
}
