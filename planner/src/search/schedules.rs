//! The knob values of [`crate::space`] that fit one op and the device, less those that a
//! software device or a processor's compiler takes minutes to compile.
//!
//! Knobs are chosen one after the other, and a beginning that nothing can complete
//! is left at once: of a matmul's 67 million combinations some 10^5 are looked at,
//! none is stored. A beginning is judged by the schedule's own relations, with the
//! open knobs at values that no relation can find easier.

use std::borrow::Cow;

use fastrand::Rng;
use kforge_dialect::device::{Device, Target};

use super::Grid;
use crate::{plan::fits, problem::OpShape, space};

/// The value of a knob that is not chosen yet: what asks least of the device.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    /// A number.
    At(i64),
    /// As large as the largest of products of knobs before it, and at least 1.
    As(&'static [&'static [&'static str]]),
}

/// Knobs in the order of choice. Tiles follow their shares, so that the least tile is
/// one share; what every relation leaves free comes last.
const MATMUL: &[(&str, Open)] = &[
    ("matrix-unit", Open::At(0)),
    ("vector-width", Open::At(1)),
    ("slice-k", Open::At(1)),
    ("thread-m", Open::As(&[&["matrix-unit"]])),
    ("thread-n", Open::As(&[&["vector-width"], &["matrix-unit"]])),
    ("tile-m", Open::As(&[&["thread-m"]])),
    ("tile-n", Open::As(&[&["thread-n"]])),
    ("subgroups", Open::At(0)),
    (
        "tile-k",
        Open::As(&[&["vector-width", "slice-k"], &["matrix-unit"]]),
    ),
    ("stages", Open::At(1)),
    ("prefetch", Open::At(0)),
    ("unroll", Open::At(0)),
    ("group-m", Open::At(1)),
    ("split-k", Open::At(1)),
];

const ATTENTION: &[(&str, Open)] = &[
    ("block-q", Open::At(1)),
    ("block-kv", Open::At(1)),
    ("split-head", Open::At(1)),
    ("slice-kv", Open::At(1)),
    ("split-kv", Open::At(1)),
    ("matrix-unit", Open::At(0)),
    ("prefetch", Open::At(0)),
];

const ROWS: &[(&str, Open)] = &[
    ("vector-width", Open::At(1)),
    ("workgroup-size", Open::At(1)),
    ("rows", Open::At(1)),
    ("shuffle", Open::At(0)),
    ("block-size", Open::At(1)),
];

/// Knobs that no relation is about: all their values fit if one does.
const FREE: &[&str] = &["group-m", "split-k"];

/// The values of a knob that give kernels of their own. A number of subgroups changes no
/// kernel, it asks for some of them; where none is asked for, all are there already.
fn distinct(knob: &str, values: Cow<'static, [i64]>) -> Cow<'static, [i64]> {
    match knob == "subgroups" && values.contains(&0) {
        true => Cow::Borrowed(&[0]),
        false => values,
    }
}

/// Multiply-adds in the body of a matmul's inner loop beyond which a software device is
/// not asked: lavapipe's compiler takes a minute and more for 1,024 of them (2026-11-28).
const SOFTWARE_BODY: i64 = 512;
/// The same of a processor: for 16,384 LLVM takes minutes, for this many seconds (2026-11-29).
const PROCESSOR_BODY: i64 = 4096;

/// Attempts to draw a schedule before the legal ones are counted and one is numbered.
pub const DRAWS: usize = 1 << 14;

/// Knob values of one schedule, in the order of [`Schedules::knobs`].
pub type Values = Vec<i64>;

/// The schedules of an op that a search tries on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedules {
    shape: OpShape,
    device: Device,
    axes: Vec<Axis>,
    /// Most multiply-adds of a matmul's inner body.
    body: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Axis {
    knob: &'static str,
    values: Cow<'static, [i64]>,
    open: Open,
}

impl Schedules {
    /// Those of an op of this shape.
    pub fn new(shape: OpShape, device: Device) -> Self {
        let order = match shape {
            OpShape::Matmul { .. } => MATMUL,
            OpShape::Attention { .. } => ATTENTION,
            OpShape::Softmax(_) | OpShape::LayerNorm(_) | OpShape::RmsNorm(_) => ROWS,
        };
        let values = |knob: &str| space::axes(&shape).iter().find(|axis| axis.0 == knob);
        let axis = |(knob, open): &(&str, Open)| {
            values(knob).map(|(knob, values)| Axis {
                knob,
                values: distinct(knob, Cow::Borrowed(*values)),
                open: *open,
            })
        };
        let axes = order.iter().filter_map(axis).collect();
        let body = match device.target {
            Target::Cpu => PROCESSOR_BODY,
            Target::Gpu if device.is_software() => SOFTWARE_BODY,
            Target::Gpu => i64::MAX,
        };
        Self {
            shape,
            device,
            axes,
            body,
        }
    }

    /// What they are for.
    pub fn shape(&self) -> &OpShape {
        &self.shape
    }

    /// The knobs in the order of choice.
    pub fn knobs(&self) -> impl Iterator<Item = &'static str> {
        self.axes.iter().map(|axis| axis.knob)
    }

    /// The values that the `axis`-th knob may take, smallest first.
    pub fn axis(&self, axis: usize) -> &[i64] {
        self.axes.get(axis).map_or(&[], |axis| &axis.values)
    }

    /// Those with a grid's values, however long they take to compile, and for a knob that
    /// it does not name the value of `usual`.
    pub(super) fn narrowed(mut self, grid: &Grid, usual: &[i64]) -> Self {
        for (axis, usual) in self.axes.iter_mut().zip(usual) {
            let values = grid.values(axis.knob).map(<[i64]>::to_vec);
            let values = values.unwrap_or_else(|| vec![*usual]);
            axis.values = distinct(axis.knob, values.into());
        }
        self.body = i64::MAX;
        self
    }

    /// Knobs with their values.
    pub fn named(&self, values: &[i64]) -> Vec<(&'static str, i64)> {
        self.knobs().zip(values.iter().copied()).collect()
    }

    /// The values of a schedule that is given by name.
    pub fn read(&self, mut knob: impl FnMut(&str) -> Option<i64>) -> Option<Values> {
        self.knobs().map(&mut knob).collect()
    }

    /// The value of one knob.
    pub fn value(&self, values: &[i64], knob: &str) -> Option<i64> {
        let axis = self.axes.iter().position(|axis| axis.knob == knob)?;
        values.get(axis).copied()
    }

    /// The schedule of the grid that gives the kernel of one off it.
    pub(super) fn on_grid(&self, mut values: Values) -> Values {
        for (axis, value) in self.axes.iter().zip(&mut values) {
            if axis.knob == "subgroups" && axis.values[..] == [0] {
                *value = 0;
            }
        }
        values
    }

    /// Whether a schedule fits, on the grid or off it.
    pub fn is_legal(&self, values: &[i64]) -> bool {
        values.len() == self.axes.len() && self.fits(values)
    }

    /// Whether a search tries it: it fits, and a software device or a processor's compiler is
    /// done with it soon.
    pub fn is_candidate(&self, values: &[i64]) -> bool {
        values.len() == self.axes.len() && self.can_begin(values)
    }

    /// Whether some schedule that begins like this may be a candidate; exact once all knobs are
    /// chosen.
    fn can_begin(&self, chosen: &[i64]) -> bool {
        self.body(chosen) <= self.body && self.fits(chosen)
    }

    /// Whether some schedule that begins like this may fit.
    fn fits(&self, chosen: &[i64]) -> bool {
        let mut all = chosen.to_vec();
        for axis in &self.axes[chosen.len()..] {
            let value = match axis.open {
                Open::At(value) => value,
                Open::As(products) => {
                    let value = |knob: &&str| self.value(&all, knob).unwrap_or(1);
                    let product = |knobs: &&[&str]| knobs.iter().map(value).product();
                    products.iter().map(product).fold(1, i64::max)
                }
            };
            all.push(value);
        }
        fits(self.shape, |knob| self.value(&all, knob), &self.device)
    }

    /// Multiply-adds in a matmul's inner body, with open knobs at what gives the least.
    fn body(&self, chosen: &[i64]) -> i64 {
        let knob = |name| self.value(chosen, name).unwrap_or(1);
        let steps = match self.value(chosen, "unroll") {
            // As in `MatmulSchedule::steps`.
            _ if knob("slice-k") > 1 => knob("tile-k") / knob("slice-k"),
            Some(0) => knob("tile-k"),
            Some(steps) => steps,
            None => knob("vector-width"),
        };
        let product = knob("thread-m").saturating_mul(knob("thread-n"));
        product.saturating_mul(steps)
    }

    /// The first one.
    pub fn first(&self) -> Option<Values> {
        self.next(Vec::new(), self.axes.len())
    }

    /// The one after `values`, which must be of the grid.
    pub fn after(&self, values: &[i64]) -> Option<Values> {
        let mut values = values.to_vec();
        self.step(&mut values)
            .then(|| self.next(values, self.axes.len()))?
    }

    /// All of them, the last knob fastest.
    pub fn iter(&self) -> impl Iterator<Item = Values> {
        std::iter::successors(self.first(), |values| self.after(values))
    }

    /// How many there are. Looks at every choice of the knobs that relations are about.
    pub fn count(&self) -> u64 {
        let bound = self
            .axes
            .iter()
            .take_while(|axis| !FREE.contains(&axis.knob));
        let bound = bound.count();
        let free: u64 = self.axes[bound..]
            .iter()
            .map(|axis| axis.values.len() as u64)
            .product();
        let mut found = 0;
        let mut at = self.next(Vec::new(), bound);
        while let Some(mut values) = at {
            found += 1;
            at = match self.step(&mut values) {
                true => self.next(values, bound),
                false => None,
            };
        }
        found * free
    }

    /// One of them, each as likely as any other, found within `draws` draws or else by
    /// its number.
    pub fn sample(&self, rng: &mut Rng, draws: usize) -> Option<Values> {
        let draw = |rng: &mut Rng| {
            let mut values = Vec::with_capacity(self.axes.len());
            for axis in &self.axes {
                values.push(*rng.choice(axis.values.iter())?);
                if !self.can_begin(&values) {
                    return None;
                }
            }
            Some(values)
        };
        if let Some(values) = (0..draws).find_map(|_| draw(rng)) {
            return Some(values);
        }
        match self.count() {
            0 => None,
            count => self.iter().nth(rng.u64(0..count) as usize),
        }
    }

    /// Chooses the first values that fit until `depth` knobs are chosen, going back
    /// where none does.
    fn next(&self, mut values: Values, depth: usize) -> Option<Values> {
        loop {
            if !self.can_begin(&values) {
                if !self.step(&mut values) {
                    return None;
                }
            } else if values.len() == depth {
                return Some(values);
            } else {
                values.push(self.axes[values.len()].values[0]);
            }
        }
    }

    /// The next value of the last knob that has one.
    fn step(&self, values: &mut Values) -> bool {
        while let Some(last) = values.pop() {
            let list = &self.axes[values.len()].values;
            let next = list.iter().position(|value| *value == last);
            if let Some(value) = next.and_then(|at| list.get(at + 1)) {
                values.push(*value);
                return true;
            }
        }
        false
    }
}
