//! Kernels in f32, correct ones and faulty ones.

mod attention;
mod matmul;
mod rows;

use kforge_oracle::{Array, DType};

pub use attention::{AttentionArgs, attention, rope};
pub use matmul::{MatmulArgs, MlpArgs, erf, gelu, gelu_tanh, matmul, mlp, silu};
pub use rows::{SOFTMAX_STYLES, SoftmaxStyle, layer_norm, rms_norm, softmax};

/// Order of a summation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Forward,
    Reverse,
    Pairwise,
    /// Partial sums of this many terms, then their sum (split-K, tiles).
    Blocks(usize),
    /// One fused multiply-add per term.
    Fma,
}

pub const ORDERS: [Order; 5] = [
    Order::Forward,
    Order::Reverse,
    Order::Pairwise,
    Order::Blocks(8),
    Order::Fma,
];

/// What is wrong with a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    // matmul
    DropLastK,
    FirstKFrom1,
    AccStart,
    Scaled999,
    StrayRelu,
    ClampAt1e4,
    TransposedB,
    F16Accumulator,
    F16Inputs,
    BiasAlongM,
    ActivationBeforeBias,
    BiasIgnored,
    ResidualBeforeActivation,
    GeluTanhForGelu,
    LastElementOnly,
    SwappedRows,
    // any
    Zeros,
    Nan,
    LastRowMissing,
    // softmax and attention
    NoMax,
    MaxFromZero,
    OneTermShort,
    NoDivision,
    Exp2ForExp,
    Uniform,
    NoScale,
    ScaleByD,
    MaskAfterSoftmax,
    KeysShort,
    KeysLong,
    WrongHead,
    NoRescaleO,
    NoRescaleL,
    CausalShift,
    MaskIgnored,
    // norms
    NoEps,
    Eps1e3,
    DivideByNMinus1,
    MeanKept,
    MeanOfSquares,
    BetaIgnored,
    StdForInverse,
    LayerNormForRms,
    // rope and mlp
    PositionOff,
    WrongPairing,
    SinSign,
    GateIgnored,
    ReluForActivation,
}

use Fault::*;

pub fn f32s(x: &Array) -> Vec<f32> {
    x.value.iter().map(|&v| v as f32).collect()
}

/// Storage in `dtype`, rounded to nearest or, as some drivers do, towards zero.
pub fn store(dtype: DType, truncate: bool, x: &[f32]) -> Vec<f64> {
    x.iter()
        .map(|&x| {
            let x = f64::from(x);
            let r = dtype.round(x);
            if truncate && dtype != DType::F32 && r.abs() > x.abs() && x.is_finite() {
                // One step towards zero.
                let inner = x.abs() - 0.51 * dtype.spacing(x);
                dtype.round(inner.max(0.0)).copysign(x)
            } else {
                r
            }
        })
        .collect()
}

pub fn sum(terms: &[f32], order: Order) -> f32 {
    match order {
        Order::Forward | Order::Fma => terms.iter().fold(0.0, |s, t| s + t),
        Order::Reverse => terms.iter().rev().fold(0.0, |s, t| s + t),
        Order::Pairwise => match terms.len() {
            0 => 0.0,
            1 => terms[0],
            n => sum(&terms[..n / 2], order) + sum(&terms[n / 2..], order),
        },
        Order::Blocks(b) => {
            let parts: Vec<f32> = terms.chunks(b).map(|c| sum(c, Order::Forward)).collect();
            sum(&parts, Order::Reverse)
        }
    }
}

pub fn dot(a: &[f32], b: &[f32], order: Order) -> f32 {
    if order == Order::Fma {
        return a.iter().zip(b).fold(0.0, |s, (a, b)| a.mul_add(*b, s));
    }
    let terms: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
    sum(&terms, order)
}

/// Faults any kernel may have.
fn spoil(c: &mut [f32], row: usize, fault: Option<Fault>) {
    match fault {
        Some(Zeros) => c.fill(0.0),
        Some(Nan) => c.fill(f32::NAN),
        Some(LastRowMissing) => {
            let n = c.len();
            c[n - row..].fill(0.0);
        }
        _ => {}
    }
}
