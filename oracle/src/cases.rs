//! The case generator: inputs that catch wrong kernels.
//!
//! Every element is a function of (program inputs, values, seed) alone: no thread count, no
//! platform, no library version changes it, so a package stores seeds instead of tensors.
//! Values are rounded to the input's type; subnormals become 0, because a device may flush
//! them. In programs with f16 values magnitudes are capped so that no sum of products
//! overflows (`role::amplitude`); for half precision the tiny case is 1e-2.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::array::Array;
use crate::dtype::DType;
use crate::eval::EvalOptions;
use crate::program::{Program, TensorType};
use crate::validate::ProgramError;

pub(crate) mod rng;
pub(crate) mod role;
mod shapes;

pub use shapes::{
    AttentionShape, RopeShape, attention_shapes, chain_shapes, matmul_shapes, mlp_shapes,
    rope_shapes, row_shapes,
};

use rng::{hash, normal};
use role::Role;

/// A family of input values.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Standard normal.
    Normal,
    /// Integers so small that every partial sum is exact.
    SmallIntegers,
    /// Normal, with 1 element in 97 at ±1000, every fourth of them at ±30000.
    Outliers,
    /// 30 times normal.
    Large30,
    /// 1e-4 times normal.
    Tiny1e4,
    /// Normal around 100.
    Offset100,
    /// Normal around -10000: a maximum that starts at 0 or at a mask value shows.
    NearMinus1e4,
    /// One normal value per row: variance 0. The first row of a mask is all absent.
    ConstantRows,
    /// Alternate inputs have a single 1 per row; the others count, so that an index path
    /// shows as a wrong integer.
    OneHot,
    /// Signed powers of two from 2^-4 to 2^4.
    PowersOfTwo,
    /// Of magnitudes from 20000 to 100000, the largest of each row at a place that walks: a
    /// value that is clamped at 10000 shows, and a softmax that subtracts less than its
    /// maximum. Positions are as large, and so are scores of attention, beyond a half's range,
    /// of one product each, since the rounding of a long sum would hide them.
    Beyond1e4,
}

/// How many cases.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The seven that catch most.
    Quick,
    /// Every family; the random ones twice, one-hot in both parities.
    Full,
}

/// Why no inputs were made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaseError {
    /// The program breaks a rule.
    #[error("invalid program: {source}")]
    Program {
        /// The rule.
        #[from]
        source: ProgramError,
    },
    /// More input elements than an evaluation takes.
    #[error("program '{program}' has {elements} input elements, limit {limit}")]
    TooLarge {
        /// Program name.
        program: String,
        /// Sum over the inputs.
        elements: usize,
        /// The default of `EvalOptions::max_elements`.
        limit: usize,
    },
}

/// The cases of a level: a family and a salt to add to the run's seed.
pub fn standard_cases(level: Level) -> Vec<(Values, u64)> {
    use Values::*;
    match level {
        Level::Quick => vec![
            (Normal, 0),
            (SmallIntegers, 0),
            (Outliers, 0),
            (Beyond1e4, 0),
            (NearMinus1e4, 0),
            (ConstantRows, 0),
            (OneHot, 0),
        ],
        Level::Full => vec![
            (Normal, 0),
            (SmallIntegers, 0),
            (Outliers, 0),
            (Beyond1e4, 0),
            (NearMinus1e4, 0),
            (ConstantRows, 0),
            (OneHot, 0),
            (OneHot, 1),
            (Large30, 0),
            (Tiny1e4, 0),
            (Offset100, 0),
            (PowersOfTwo, 0),
            (Normal, 1),
            (SmallIntegers, 1),
        ],
    }
}

/// The cases of a level for `program`: where all of them are asked for and it has a softmax of
/// fewer rows than a row has elements, the largest element of a row walks on, so that it is at
/// every place once, or at one of every few in eight cases.
pub fn cases_of(program: &Program, level: Level) -> Vec<(Values, u64)> {
    let mut cases = standard_cases(level);
    if level == Level::Full {
        let more = 1..role::peak_cases(program);
        cases.extend(more.map(|salt| (Values::Beyond1e4, salt)));
    }
    cases
}

/// Inputs of one family for `program`, bounds 0. Add a case's salt to the seed.
pub fn generate(program: &Program, values: Values, seed: u64) -> Result<Vec<Array>, CaseError> {
    program.validate()?;
    let elements = program
        .inputs
        .iter()
        .fold(0usize, |n, i| n.saturating_add(i.ty.elements()));
    let limit = EvalOptions::default().max_elements;
    if elements > limit {
        return Err(CaseError::TooLarge {
            program: program.name.clone(),
            elements,
            limit,
        });
    }
    let contraction = role::largest_contraction(program);
    let cap = role::amplitude(program);
    let chained = role::contractions(program) > 1;
    // Families must not share numbers, else Large30 were Normal again, scaled.
    let family = (values as u64) << 32;
    let values = match values {
        // Where so much would overflow there is no clamp to be seen.
        Values::Beyond1e4 if cap < 2e4 || role::computes_scores(program) => Values::Normal,
        values => values,
    };
    let roles = role::roles(program);
    let arrays = program
        .inputs
        .iter()
        .zip(roles)
        .enumerate()
        .map(|(index, (input, role))| {
            let stream = family | index as u64;
            let family = Family {
                values,
                ty: &input.ty,
                seed,
                stream,
                index,
                contraction,
                cap,
                chained,
            };
            let value = (0..input.ty.elements())
                .into_par_iter()
                .with_min_len(4096)
                .map(|i| storable(input.ty.dtype, family.element(role, i)))
                .collect();
            Array::exact(input.ty.clone(), value)
        });
    Ok(arrays.collect())
}

fn storable(dtype: DType, x: f64) -> f64 {
    let rounded = dtype.round(x);
    if dtype.is_float() && rounded.abs() < dtype.min_normal() {
        0.0
    } else {
        rounded
    }
}

/// Most cases in which the largest element of a row walks.
const PEAK_CASES: u64 = 8;

/// Keys of attention in `Beyond1e4`, beyond a clamp themselves; queries make up for it.
const KEY: f64 = 4e4;

struct Family<'a> {
    values: Values,
    ty: &'a TensorType,
    seed: u64,
    stream: u64,
    index: usize,
    contraction: usize,
    cap: f64,
    chained: bool,
}

impl Family<'_> {
    fn element(&self, role: Role, i: usize) -> f64 {
        match role {
            Role::Mask => self.mask(i),
            Role::Positions { sequence } => self.position(i, sequence),
            Role::InvFreq { theta } => {
                let half = self.ty.elements().max(1);
                theta.powf(-((i % half) as f64) / half as f64)
            }
            Role::Gamma if self.values == Values::SmallIntegers => 1.0 + (i % 2) as f64,
            Role::Gamma if self.values == Values::Beyond1e4 => self.plain(i, 0),
            Role::Gamma => 1.0 + 0.125 * self.normal(i),
            Role::Plain { .. } if self.ty.dtype == DType::Bool => (self.bits(i) & 1) as f64,
            Role::Plain { .. } if self.ty.dtype.is_integer() => (self.bits(i) % 8) as f64,
            Role::Query { scale } if self.values == Values::Beyond1e4 => {
                let axis = self.ty.shape.len() - 1;
                let (row, at) = self.row(i, axis);
                let n = self.ty.shape[axis];
                let size = (1e5 / (KEY * scale)).min(self.cap);
                f64::from(row % n == at) * self.sign(i) * size
            }
            Role::Key if self.values == Values::Beyond1e4 => self.sign(i) * self.share(i) * KEY,
            Role::Query { .. } | Role::Key => self.plain(i, self.ty.shape.len() - 1),
            Role::Plain { axis } => self.plain(i, axis),
        }
    }

    fn sign(&self, i: usize) -> f64 {
        if self.bits(i) & 1 == 0 { 1.0 } else { -1.0 }
    }

    /// From 0.2 to 0.95.
    fn share(&self, i: usize) -> f64 {
        0.2 + 0.75 * ((self.bits(i) >> 1) % 1024) as f64 / 1023.0
    }

    fn plain(&self, i: usize, axis: usize) -> f64 {
        let half = matches!(self.ty.dtype, DType::F16 | DType::Bf16);
        let sign = self.sign(i);
        match self.values {
            Values::Normal => self.normal(i),
            Values::SmallIntegers => {
                let range = self.integer_range();
                (self.bits(i) % (2 * range + 1)) as f64 - range as f64
            }
            Values::Outliers => match (self.bits(i) >> 1) % 97 {
                // A value that is clamped at 1e4 would pass everything below.
                0 if (self.bits(i) >> 20).is_multiple_of(4) => sign * 3e4f64.min(self.cap),
                0 => sign * 1e3f64.min(self.cap),
                _ => self.normal(i),
            },
            Values::Large30 => 30f64.min(self.cap) * self.normal(i),
            Values::Tiny1e4 => (if half { 1e-2 } else { 1e-4 }) * self.normal(i),
            Values::Offset100 => 100f64.min(self.cap) + self.normal(i),
            Values::Beyond1e4 if self.is_peak(i, axis) => 1e5f64.min(self.cap),
            Values::Beyond1e4 => sign * self.share(i) * 1e5f64.min(self.cap),
            Values::NearMinus1e4 => -(1e4f64.min(self.cap)) + self.normal(i),
            Values::ConstantRows => self.normal(self.row(i, axis).0),
            Values::OneHot => self.one_hot(i, axis),
            Values::PowersOfTwo => sign * 2f64.powi(((self.bits(i) >> 1) % 9) as i32 - 4),
        }
    }

    fn bits(&self, i: usize) -> u64 {
        hash(self.seed, self.stream, i as u64) >> 8
    }

    fn normal(&self, i: usize) -> f64 {
        normal(self.seed, self.stream, i as u64)
    }

    /// Row number and position along `axis`.
    fn row(&self, i: usize, axis: usize) -> (usize, usize) {
        let inner: usize = self.ty.shape.iter().skip(axis + 1).product();
        let n = self.ty.shape.get(axis).copied().unwrap_or(1);
        (i / (n * inner) * inner + i % inner, i / inner % n)
    }

    /// Largest r with K·r² <= 2^22 (room for bias and residual), at most 8; for half
    /// precision also r²·√K <= 2^9, so that most results are below 2^11 and thus exact.
    fn integer_range(&self) -> u64 {
        let k = self.contraction as f64;
        let exact = (4194304.0 / k).sqrt();
        let range = match self.ty.dtype {
            DType::F32 => exact,
            DType::F16 => exact.min((512.0 / k.sqrt()).sqrt()).min(self.cap),
            _ => exact.min((64.0 / k.sqrt()).sqrt()),
        };
        range.clamp(1.0, 8.0) as u64
    }

    /// Whether an element is the one of its row: rows walk along the axis; fewer rows than
    /// positions spread from the first position to the last.
    fn is_hot(&self, i: usize, axis: usize) -> bool {
        let n = self.ty.shape.get(axis).copied().unwrap_or(1).max(1);
        let (row, at) = self.row(i, axis);
        let rows = self.ty.elements() / n;
        let step = if rows < n {
            (n - 1) / rows.saturating_sub(1).max(1)
        } else {
            1
        };
        let hot = if row + 1 == rows && rows < n {
            n - 1
        } else {
            row * step % n
        };
        hot == at
    }

    /// Whether an element is its row's largest: as `is_hot`, but where rows are few they have
    /// it in turns from the beginning and from the end, which tails of tiles are made of, and
    /// the next seed goes on from there.
    fn is_peak(&self, i: usize, axis: usize) -> bool {
        let n = self.ty.shape.get(axis).copied().unwrap_or(1).max(1);
        let (row, at) = self.row(i, axis);
        let rows = self.ty.elements() / n;
        if rows >= n {
            return self.is_hot(i, axis);
        }
        let step = (n / (rows * PEAK_CASES as usize)).max(1);
        let turn = self.seed as usize % PEAK_CASES as usize * rows + row;
        let place = turn / 2 * step % n;
        at == if turn % 2 == 1 { n - 1 - place } else { place }
    }

    fn one_hot(&self, i: usize, axis: usize) -> f64 {
        if (self.index as u64 + self.seed) & 1 == 0 {
            return f64::from(self.is_hot(i, axis));
        }
        // A prime period: neighbours in any direction differ. Exact in f16 (< 2^11), bf16
        // (< 2^8). Products of counts in a chain of half-precision matmuls would overflow.
        let chained = self.chained && self.ty.dtype == DType::F16;
        let period = match self.ty.dtype {
            _ if chained => 2 * (self.cap.clamp(1.0, 15.0) as usize) + 1,
            DType::Bf16 => 251,
            _ => 1999,
        };
        ((i + 1) % period) as f64 - (period / 2) as f64
    }

    /// Zeros and absent keys, one in four; key 0 stays visible in every row, except that
    /// `ConstantRows` masks the whole first row and the last. `Outliers` adds finite values to the mix.
    fn mask(&self, i: usize) -> f64 {
        let absent = match self.ty.dtype {
            DType::F16 => -6e4,
            // The nearest bf16 to -1e9 lies above it.
            DType::Bf16 => -1073741824.0,
            _ => -1e9,
        };
        let keys = self.ty.shape.last().copied().unwrap_or(1).max(1);
        // The first row, and the last, which sees keys also where the op is causal.
        let is_edge = i < keys || i + keys >= self.ty.elements();
        if self.values == Values::ConstantRows && is_edge {
            return absent;
        }
        match self.bits(i) % 8 {
            0 | 1 if !i.is_multiple_of(keys) => absent,
            2 if self.values == Values::Outliers => self.normal(i),
            _ => 0.0,
        }
    }

    /// 0, 1, 2, ... along the sequence; scattered over twice its length (at most 4096) where
    /// the order must not matter.
    fn position(&self, i: usize, sequence: usize) -> f64 {
        let sequence = sequence.max(1);
        match self.values {
            // Where the reduction of an angle counts.
            Values::Beyond1e4 => (20_000 + self.bits(i) % 80_000) as f64,
            Values::SmallIntegers | Values::Outliers | Values::OneHot => {
                (self.bits(i) % (2 * sequence).min(4096) as u64) as f64
            }
            _ => (i % sequence) as f64,
        }
    }
}
