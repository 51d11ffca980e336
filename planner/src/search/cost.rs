//! The cost model: a random forest that predicts the logarithm of a plan's time.
//!
//! Learnt from what was measured, here and on near problems whose ops are of the same
//! kinds in the same order. Times are taken per unit of arithmetic, so that a large
//! and a small matmul can be learnt from together; a refused plan counts as slower
//! than every measured one. Features are binary logarithms: sizes, knobs, and what
//! follows from both (invocations, workgroup memory, workgroups, padding), and the
//! device's limits.

use smartcore::{
    ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters},
    linalg::basic::matrix::DenseMatrix,
};

use super::{
    evidence::{self, Observation},
    schedules::Schedules,
    space::{Point, Space},
};
use crate::{attempt::Attempt, heuristic::FUSE, problem::OpShape};

/// Verified observations below which nothing is learnt.
pub(super) const FEWEST: usize = 8;
/// Rows learnt from at most; the nearest problems' come first.
const MOST: usize = 512;
/// Trees of the forest.
const TREES: usize = 40;
/// Added to the slowest time for a refused plan: a factor of 4.
const REFUSED: f64 = 1.386;

type Forest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// A fitted model of one space.
pub(super) struct Cost {
    forest: Forest,
}

impl Cost {
    /// Learns from the history; `None` while it holds too little.
    pub fn learn(space: &Space, history: &[Attempt], seed: u64) -> Option<Self> {
        let mut rows = Vec::new();
        let mut times = Vec::new();
        let mut verified = 0;
        for (space, observations) in groups(space, history) {
            let work = space.problem().flops().max(1.0).ln();
            let measured = observations.iter().filter_map(|it| it.ms);
            let slowest = measured.clone().fold(f64::NEG_INFINITY, f64::max).ln();
            verified += measured.count();
            if slowest.is_infinite() {
                continue;
            }
            for Observation { point, ms } in observations {
                rows.push(features(&space, &point));
                times.push(ms.map_or(slowest + REFUSED, f64::ln) - work);
            }
            if rows.len() >= MOST {
                break;
            }
        }
        rows.truncate(MOST);
        times.truncate(MOST);
        if verified < FEWEST {
            return None;
        }
        let columns = rows.first().map_or(0, Vec::len);
        let parameters = RandomForestRegressorParameters::default()
            .with_n_trees(TREES)
            .with_m((columns / 2).max(1))
            .with_seed(seed);
        let rows = DenseMatrix::from_2d_vec(&rows).ok()?;
        let forest = Forest::fit(&rows, &times, parameters).ok()?;
        Some(Self { forest })
    }

    /// Costs of points, comparable with each other; `None` where the model has none.
    pub fn of(&self, space: &Space, points: &[Point]) -> Option<Vec<f64>> {
        if points.is_empty() {
            return Some(Vec::new());
        }
        let rows: Vec<Vec<f64>> = points.iter().map(|it| features(space, it)).collect();
        let rows = DenseMatrix::from_2d_vec(&rows).ok()?;
        self.forest.predict(&rows).ok()
    }
}

/// Observations by problem and device: this space's own, then the nearest problems'.
fn groups(space: &Space, history: &[Attempt]) -> Vec<(Space, Vec<Observation>)> {
    let own = evidence::observations(space, history);
    let mut groups = vec![(space.clone(), own)];
    let others = history
        .iter()
        .filter(|attempt| !space.is_for(&attempt.plan));
    for attempt in others {
        let plan = &attempt.plan;
        if groups.iter().any(|(known, _)| known.is_for(plan)) {
            continue;
        }
        let Some(other) = Space::of(plan).filter(|other| is_like(space, other)) else {
            continue;
        };
        let observations = evidence::observations(&other, history);
        groups.push((other, observations));
    }
    groups[1..].sort_by(|a, b| {
        let apart = |it: &Space| evidence::apart(space.problem(), it.problem());
        apart(&a.0).total_cmp(&apart(&b.0))
    });
    groups
}

/// Whether the features of both mean the same.
fn is_like(a: &Space, b: &Space) -> bool {
    let kinds = |space: &Space| -> Vec<&'static str> {
        let ops = space.ops().iter();
        ops.map(|op| op.shape().kind()).collect()
    };
    kinds(a) == kinds(b)
}

fn features(space: &Space, point: &Point) -> Vec<f64> {
    let device = space.device();
    let mut row = vec![
        log(device.max_invocations()),
        log(device.tile_memory()),
        log(device.max_vector()),
        log(device.subgroup_size as i64),
        log(device.cores as i64),
    ];
    let passes = space.passes(&point.on);
    let fusions = FUSE.iter().chain([&super::space::MLP]);
    row.extend(fusions.map(|pass| f64::from(u8::from(passes.contains(pass)))));
    for (op, values) in space.ops().iter().zip(&point.schedules) {
        row.extend(evidence::sizes(op.shape()));
        row.push(op.shape().element().bytes() as f64);
        row.push(f64::from(u8::from(values.is_some())));
        let values = values.clone();
        let values = values.unwrap_or_else(|| vec![1; op.knobs().count()]);
        row.extend(values.iter().map(|value| log(*value)));
        row.extend(derived(op, &values));
    }
    row
}

/// The logarithm of one more, since 0 is a value of some knobs.
fn log(value: i64) -> f64 {
    (value.max(0) as f64 + 1.0).log2()
}

/// What follows from sizes and knobs together.
fn derived(op: &Schedules, values: &[i64]) -> Vec<f64> {
    let knob = |name: &str| op.value(values, name).unwrap_or(1).max(1) as f64;
    let parts = |whole: u64, part: f64| (whole as f64 / part).ceil().max(1.0);
    let features = match *op.shape() {
        OpShape::Matmul {
            batch,
            m,
            n,
            k,
            element,
            ..
        } => {
            let (tile_m, tile_n, tile_k) = (knob("tile-m"), knob("tile-n"), knob("tile-k"));
            let share = knob("thread-m") * knob("thread-n");
            let (rows, columns) = (parts(m, tile_m), parts(n, tile_n));
            let loaded = tile_m + tile_n;
            vec![
                tile_m * tile_n / share * knob("slice-k"),
                share,
                knob("stages") * loaded * tile_k * element.bytes() as f64,
                rows * columns * batch as f64 * knob("split-k"),
                rows * tile_m * columns * tile_n / (m as f64 * n as f64).max(1.0),
                tile_m * tile_n / loaded,
                parts(k, tile_k * knob("split-k")),
            ]
        }
        OpShape::Attention {
            heads,
            queries,
            keys,
            head,
            value_head,
            element,
        } => {
            let (block_q, block_kv) = (knob("block-q"), knob("block-kv"));
            let blocks = parts(queries, block_q);
            vec![
                blocks * heads as f64,
                blocks * block_q / queries.max(1) as f64,
                block_kv * (head + value_head) as f64 * element.bytes() as f64,
                parts(keys, block_kv),
            ]
        }
        OpShape::Softmax(rows) | OpShape::LayerNorm(rows) | OpShape::RmsNorm(rows) => {
            let step = knob("workgroup-size") * knob("vector-width");
            let block = knob("block-size");
            vec![
                step,
                (block / step).ceil(),
                parts(rows.n, block),
                parts(rows.n, block) * block / rows.n.max(1) as f64,
            ]
        }
    };
    features.into_iter().map(f64::log2).collect()
}
