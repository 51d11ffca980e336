//! Checks of matrix products too large to recompute.
//!
//! [`freivalds`] compares A(Bx) with Cx: O(mk + kn + mn) per vector x.
//!
//! Integer inputs with K·max|a|·max|b| <= 2^24 leave nothing to rounding in f32. There x is
//! uniform modulo a prime, the tolerance is zero, and a wrong row passes with a probability of
//! at most 2^-60 (`modular.rs`). A half-precision row is exact where its elements are below
//! 1/u (2^11 in f16): a correct device rounds no such sum when it stores it.
//!
//! Other rows are held against seeded vectors of ±1. Every output element may be off by
//! its own bound (`eval/matmul.rs`), so a row's residual may reach Σ_j bound_ij, which is
//! gamma_K · (|A|(|B|·1))_i plus one storage spacing per element of C. An error beyond that
//! bound passes a round with probability at most 1/2.
//!
//! The bound grows with N while a single wrong element does not, so floating-point inputs
//! hide small local errors: [`check_rows`] recomputes whole rows with full bounds, the first,
//! the last and seeded ones between.

mod modular;

use rayon::prelude::*;
use thiserror::Error;

use crate::array::Array;
use crate::cases::rng::hash;
use crate::compare::{CompareError, CompareOptions, Comparison, compare};
use crate::dtype::DType;
use crate::eval::{EvalError, EvalOptions, evaluate};
use crate::model::{Model, Rounding};
use crate::op::Op;
use crate::program::{Input, Program, TensorType, ValueId};

/// c `[m,n]` = a `[m,k]` · b `[k,n]`, row-major; b is `[n,k]` when `transpose_b`.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a, T> {
    /// Rows of a and c.
    pub m: usize,
    /// Columns of b and c.
    pub n: usize,
    /// Inner dimension.
    pub k: usize,
    /// Left operand.
    pub a: &'a [T],
    /// Right operand.
    pub b: &'a [T],
    /// The device's result.
    pub c: &'a [T],
    /// b is stored `[n,k]`.
    pub transpose_b: bool,
    /// Element type of all three.
    pub dtype: DType,
}

/// Result of [`freivalds`].
#[derive(Clone, Debug, PartialEq)]
pub struct FreivaldsReport {
    /// Every row of every round is inside its bound.
    pub passed: bool,
    /// Rows that were checked without rounding, modulo a prime.
    pub exact_rows: usize,
    /// Upper bound of the probability that one given wrong row passed; for rows that are
    /// not exact, a row whose error its bound does not cover.
    pub miss: f64,
    /// Row with the largest residual in units of its bound.
    pub worst_row: usize,
    /// Its |A(Br) - Cr|; infinite when C holds NaN or Inf, or an exact row is wrong.
    pub residual: f64,
    /// Its bound.
    pub bound: f64,
    /// Rounds made for rows that are not exact.
    pub rounds: usize,
}

/// Why a product could not be checked.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FreivaldsError {
    /// A buffer of another size.
    #[error("operand {operand} has {got} elements, {rows}x{columns} expected")]
    Length {
        /// a, b or c.
        operand: &'static str,
        /// Its elements.
        got: usize,
        /// Expected rows.
        rows: usize,
        /// Expected columns.
        columns: usize,
    },
    /// Nothing would be checked.
    #[error("{what} is 0: at least 1 is needed")]
    Nothing {
        /// rounds, rows or a size.
        what: &'static str,
    },
    /// The rows could not be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The rows could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

impl<T: Copy + Into<f64> + Sync> Product<'_, T> {
    fn check(&self) -> Result<(), FreivaldsError> {
        let (br, bc) = if self.transpose_b {
            (self.n, self.k)
        } else {
            (self.k, self.n)
        };
        let operands = [
            ("a", self.a.len(), self.m, self.k),
            ("b", self.b.len(), br, bc),
            ("c", self.c.len(), self.m, self.n),
        ];
        for (operand, got, rows, columns) in operands {
            if rows.checked_mul(columns) != Some(got) {
                return Err(FreivaldsError::Length {
                    operand,
                    got,
                    rows,
                    columns,
                });
            }
        }
        if self.m == 0 || self.n == 0 {
            return Err(FreivaldsError::Nothing {
                what: "the number of output elements",
            });
        }
        Ok(())
    }

    /// f(b)·r for every row of b.
    fn b_times(&self, r: &[f64], f: fn(f64) -> f64) -> Vec<f64> {
        if !self.transpose_b {
            return times(self.b, self.k, self.n, r, f);
        }
        let mut y = vec![0.0; self.k];
        for (j, &r) in r.iter().enumerate() {
            for (y, &b) in y.iter_mut().zip(&self.b[j * self.k..]) {
                *y += f(b.into()) * r;
            }
        }
        y
    }
}

/// f(x)·r of a row-major [rows, columns] matrix.
fn times<T: Copy + Into<f64> + Sync>(
    x: &[T],
    rows: usize,
    columns: usize,
    r: &[f64],
    f: fn(f64) -> f64,
) -> Vec<f64> {
    let row = |i: usize| {
        let line = &x[i * columns..(i + 1) * columns];
        line.iter().zip(r).map(|(&x, r)| f(x.into()) * r).sum()
    };
    (0..rows).into_par_iter().map(row).collect()
}

/// Freivalds' check with vectors derived from `seed`: one modulo a prime for exact rows,
/// `rounds` of signs for the others.
pub fn freivalds<T: Copy + Into<f64> + Sync>(
    product: &Product<T>,
    rounds: usize,
    seed: u64,
) -> Result<FreivaldsReport, FreivaldsError> {
    product.check()?;
    if rounds == 0 {
        return Err(FreivaldsError::Nothing { what: "rounds" });
    }
    let (m, n, k) = (product.m, product.n, product.k);
    let exact = exact_rows(product);
    let exact_rows = exact.iter().filter(|exact| **exact).count();
    let mut report = FreivaldsReport {
        passed: true,
        exact_rows,
        miss: modular::MISS,
        worst_row: 0,
        residual: 0.0,
        bound: 0.0,
        rounds: 0,
    };
    if exact_rows > 0
        && let Some(&row) = modular::wrong_rows(product, &exact, seed).first()
    {
        report.passed = false;
        (report.worst_row, report.residual) = (row, f64::INFINITY);
        return Ok(report);
    }
    if exact_rows == m {
        return Ok(report);
    }
    let bound = row_bounds(product);
    report.rounds = rounds;
    report.miss = 0.5f64.powi(rounds.min(1000) as i32).max(modular::MISS);
    let mut worst = 0.0;
    for round in 0..rounds {
        let sign = |j: usize| {
            if hash(seed, round as u64, j as u64) & 1 == 0 {
                1.0
            } else {
                -1.0
            }
        };
        let r: Vec<f64> = (0..n).map(sign).collect();
        let br = product.b_times(&r, |x| x);
        let abr = times(product.a, m, k, &br, |x| x);
        let cr = times(product.c, m, n, &r, |x| x);
        for i in (0..m).filter(|&i| !exact[i]) {
            let difference = (abr[i] - cr[i]).abs();
            let residual = if difference.is_nan() {
                f64::INFINITY
            } else {
                difference
            };
            // Infinite bounds show nothing, so they do not pass either.
            let inside = residual <= bound[i] && bound[i].is_finite();
            let ratio = match (inside, residual) {
                (true, 0.0) => 0.0,
                (_, r) if bound[i] > 0.0 && bound[i].is_finite() => r / bound[i],
                _ => f64::INFINITY,
            };
            report.passed &= inside;
            if ratio > worst {
                worst = ratio;
                (report.worst_row, report.residual, report.bound) = (i, residual, bound[i]);
            }
        }
    }
    Ok(report)
}

/// Rows whose every sum is an exact integer on a correct device, whatever the order. A row
/// with NaN is none, so that its residual shows.
fn exact_rows<T: Copy + Into<f64> + Sync>(p: &Product<T>) -> Vec<bool> {
    let largest = |x: &[T]| {
        x.iter().try_fold(0.0f64, |m, &x| {
            let x: f64 = x.into();
            (x.fract() == 0.0).then_some(m.max(x.abs()))
        })
    };
    let sums = match (largest(p.a), largest(p.b)) {
        (Some(a), Some(b)) => a * b * p.k as f64 <= 16777216.0,
        _ => false,
    };
    if !sums || p.dtype == DType::F32 {
        return vec![sums; p.m];
    }
    let stored = 1.0 / p.dtype.unit();
    let small = |&c: &T| {
        let c: f64 = c.into();
        c.abs() < stored
    };
    let row = |row: &[T]| row.iter().all(small);
    p.c.chunks(p.n).map(row).collect()
}

fn row_bounds<T: Copy + Into<f64> + Sync>(p: &Product<T>) -> Vec<f64> {
    let model = Model::new(Rounding::Device);
    let magnitude = times(
        p.a,
        p.m,
        p.k,
        &p.b_times(&vec![1.0; p.n], f64::abs),
        f64::abs,
    );
    let gamma = model.gamma(p.k + 1);
    let flush = p.n as f64 * (p.k + 1) as f64 * p.dtype.min_normal().min(1e-30);
    (0..p.m)
        .map(|i| {
            let row = &p.c[i * p.n..(i + 1) * p.n];
            let storage: f64 = match p.dtype {
                DType::F32 => 0.0,
                // C was stored, so its own spacing is the spacing of the rounding (or the
                // next wider one, when it rounded up to a power of two).
                dtype => row.iter().map(|&c| dtype.spacing(c.into())).sum(),
            };
            gamma * magnitude[i] * (1.0 + 1e-9) + storage + flush
        })
        .collect()
}

/// Recomputes `rows` rows (all of them when there are fewer) and compares with full bounds.
pub fn check_rows<T: Copy + Into<f64> + Sync>(
    product: &Product<T>,
    rows: usize,
    seed: u64,
    tolerance: &CompareOptions,
) -> Result<Comparison, FreivaldsError> {
    product.check()?;
    if rows == 0 {
        return Err(FreivaldsError::Nothing { what: "rows" });
    }
    let (m, n, k) = (product.m, product.n, product.k);
    let chosen = choose_rows(m, rows, seed);
    let cut = |x: &[T], width: usize| -> Vec<f64> {
        let line = |&i: &usize| x[i * width..(i + 1) * width].iter().map(|&v| v.into());
        chosen.iter().flat_map(line).collect()
    };
    let b_shape = if product.transpose_b { [n, k] } else { [k, n] };
    let (a_ty, b_ty) = (
        TensorType::new(product.dtype, &[chosen.len(), k]),
        TensorType::new(product.dtype, &b_shape),
    );
    let mut program = Program {
        name: "rows".to_owned(),
        inputs: vec![
            Input {
                name: "a".to_owned(),
                ty: a_ty.clone(),
            },
            Input {
                name: "b".to_owned(),
                ty: b_ty.clone(),
            },
        ],
        nodes: Vec::new(),
        outputs: vec![ValueId(2)],
    };
    let op = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: product.transpose_b,
        activation: None,
    };
    program.push(
        "rows",
        op,
        TensorType::new(product.dtype, &[chosen.len(), n]),
    );
    let b = product.b.iter().map(|&x| x.into()).collect();
    let inputs = [Array::exact(a_ty, cut(product.a, k)), Array::exact(b_ty, b)];
    let opts = EvalOptions {
        max_elements: usize::MAX,
        ..EvalOptions::default()
    };
    let evaluation = evaluate(&program, &inputs, &opts)?;
    let outputs = evaluation.outputs();
    Ok(compare(&cut(product.c, n), outputs[0], tolerance)?)
}

/// First and last row, then seeded distinct ones, ascending.
fn choose_rows(m: usize, rows: usize, seed: u64) -> Vec<usize> {
    if rows >= m {
        return (0..m).collect();
    }
    let mut chosen = std::collections::BTreeSet::from([m - 1]);
    if rows > 1 {
        chosen.insert(0);
    }
    let mut draw = 0;
    while chosen.len() < rows {
        chosen.insert((hash(seed, u64::MAX, draw) % m as u64) as usize);
        draw += 1;
    }
    chosen.into_iter().collect()
}
