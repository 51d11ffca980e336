//! Elementwise ops: arith and math on tensors, comparison, selection, casts.
//!
//! # Bounds
//! Operand errors go through the function itself, at the worst end of the interval
//! [x - δ, x + δ]; the function's own error is WGSL's (`model.rs`), on top of that end.
//! Floor, ceil, comparison and float-to-integer casts jump: where the interval contains a
//! jump the bound is the height of the jump, elsewhere 0. A function that leaves its domain
//! inside the interval (log, sqrt, division across 0) has an infinite bound.
//! Integers and bools are exact and wrap as two's complement.

use rayon::prelude::*;

use super::EvalError;
use crate::array::Array;
use crate::dtype::DType;
use crate::model::{ERF_ABSOLUTE, LOG_ABSOLUTE, Model, TANH_ABSOLUTE};
use crate::op::{BinaryKind, Predicate, UnaryKind};
use crate::program::{Node, TensorType};

/// Below this many elements a parallel task is not worth its start.
const MIN_TASK: usize = 4096;

type Pair = (f64, f64);

pub(crate) fn map(
    x: &Array,
    ty: &TensorType,
    model: &Model,
    f: impl Fn(f64, f64) -> Pair + Sync,
) -> Array {
    let pairs = (&x.value, &x.bound)
        .into_par_iter()
        .with_min_len(MIN_TASK)
        .map(|(&x, &d)| {
            let (y, error) = f(x, d);
            model.store(ty.dtype, y, error)
        })
        .collect();
    Array::from_pairs(ty.clone(), pairs)
}

pub(crate) fn zip2(
    a: &Array,
    b: &Array,
    ty: &TensorType,
    model: &Model,
    f: impl Fn(Pair, Pair) -> Pair + Sync,
) -> Array {
    let pairs = (&a.value, &a.bound, &b.value, &b.bound)
        .into_par_iter()
        .with_min_len(MIN_TASK)
        .map(|(&a, &da, &b, &db)| {
            let (y, error) = f((a, da), (b, db));
            model.store(ty.dtype, y, error)
        })
        .collect();
    Array::from_pairs(ty.clone(), pairs)
}

pub(crate) fn unary(
    x: &Array,
    kind: UnaryKind,
    node: &Node,
    model: &Model,
) -> Result<Array, EvalError> {
    if node.ty.dtype.is_float() {
        return Ok(map(x, &node.ty, model, |x, d| {
            unary_float(kind, x, d, model)
        }));
    }
    let value = x.value.iter().enumerate().map(|(i, &x)| {
        let x = x as i64;
        let y = if kind == UnaryKind::Neg {
            x.wrapping_neg()
        } else {
            x.wrapping_abs()
        };
        representable(wrap(y, node.ty.dtype), i, node)
    });
    Ok(Array::exact(
        node.ty.clone(),
        value.collect::<Result<_, _>>()?,
    ))
}

fn unary_float(kind: UnaryKind, x: f64, d: f64, model: &Model) -> Pair {
    use UnaryKind::*;
    let u = model.unit;
    let y = match kind {
        Neg => -x,
        Abs => x.abs(),
        Exp => x.exp(),
        Exp2 => x.exp2(),
        Log => x.ln(),
        Log2 => x.log2(),
        Sqrt => x.sqrt(),
        Rsqrt => 1.0 / x.sqrt(),
        Tanh => x.tanh(),
        Erf => libm::erf(x),
        Sin => x.sin(),
        Cos => x.cos(),
        Floor => x.floor(),
        Ceil => x.ceil(),
    };
    if !x.is_finite() {
        return (y, if d == 0.0 { 0.0 } else { f64::INFINITY });
    }
    let reach = x.abs() + d;
    let error = match kind {
        Neg | Abs => d,
        // Beyond f32 over the whole interval: an overflow, with no distance to measure.
        Exp if (x - d).exp() > f64::from(f32::MAX) => return (y.min(f64::MAX), 0.0),
        Exp2 if (x - d).exp2() > f64::from(f32::MAX) => return (y.min(f64::MAX), 0.0),
        Exp | Exp2 => {
            let (high, moved) = match kind {
                Exp => ((x + d).exp(), y * d.exp_m1()),
                _ => ((x + d).exp2(), y * (d * std::f64::consts::LN_2).exp_m1()),
            };
            moved + high * model.exp_relative(reach)
        }
        Log | Log2 => logarithm(kind, x, d, y, model),
        Sqrt if x - d < 0.0 => f64::INFINITY,
        Sqrt => (y - (x - d).sqrt()) + 9.0 * u * (x + d).sqrt(),
        Rsqrt if x - d <= 0.0 => f64::INFINITY,
        Rsqrt => {
            let high = 1.0 / (x - d).sqrt();
            high - y + 4.0 * u * high
        }
        Tanh => d.min(2.0) + model.absolute(TANH_ABSOLUTE),
        Erf => (1.13 * d).min(2.0) + model.absolute(ERF_ABSOLUTE),
        Sin | Cos => (d + 3.0 * u * reach + model.absolute(model.sin_cos)).min(2.0),
        Floor => (y - (x - d).floor()).max((x + d).floor() - y),
        Ceil => (y - (x - d).ceil()).max((x + d).ceil() - y),
    };
    (y, error)
}

fn logarithm(kind: UnaryKind, x: f64, d: f64, y: f64, model: &Model) -> f64 {
    if x - d <= 0.0 {
        return f64::INFINITY;
    }
    let base = if kind == UnaryKind::Log {
        1.0
    } else {
        std::f64::consts::LOG2_E
    };
    // The low end is the worse one: the logarithm is concave.
    let moved = -(-d / x).ln_1p() * base;
    let own = if model.device {
        let near_one = if x - d <= 2.0 && x + d >= 0.5 {
            LOG_ABSOLUTE
        } else {
            0.0
        };
        near_one.max(6.0 * model.unit * (y.abs() + moved))
    } else {
        8.0 * model.unit * (1.0 + y.abs())
    };
    moved + own
}

pub(crate) fn binary(
    a: &Array,
    b: &Array,
    kind: BinaryKind,
    node: &Node,
    model: &Model,
) -> Result<Array, EvalError> {
    if node.ty.dtype.is_float() {
        return Ok(zip2(a, b, &node.ty, model, |a, b| {
            binary_float(kind, a, b, model)
        }));
    }
    let value = a
        .value
        .iter()
        .zip(&b.value)
        .enumerate()
        .map(|(i, (&a, &b))| {
            representable(
                wrap(integer(kind, a as i64, b as i64), node.ty.dtype),
                i,
                node,
            )
        });
    let mut out = Array::exact(node.ty.clone(), value.collect::<Result<_, _>>()?);
    // Only bools can carry an error (an undecided comparison); keep it.
    for (o, (da, db)) in out.bound.iter_mut().zip(a.bound.iter().zip(&b.bound)) {
        *o = da.max(*db);
    }
    Ok(out)
}

fn binary_float(kind: BinaryKind, (a, da): Pair, (b, db): Pair, model: &Model) -> Pair {
    use BinaryKind::*;
    match kind {
        Add => (a + b, model.rounded(a + b, da + db)),
        Sub => (a - b, model.rounded(a - b, da + db)),
        Mul => (a * b, model.rounded(a * b, moved_product((a, da), (b, db)))),
        Div => {
            let y = a / b;
            let room = b.abs() - db;
            if db > 0.0 && room <= 0.0 {
                return (y, f64::INFINITY);
            }
            let moved = (da + y.abs() * db) / room;
            (y, moved + 5.0 * model.unit * (y.abs() + moved))
        }
        Maximum | Minimum if a.is_nan() || b.is_nan() => (f64::NAN, f64::INFINITY),
        Maximum | Maxnum => extreme((a, da), (b, db), 1.0),
        Minimum | Minnum => extreme((a, da), (b, db), -1.0),
        Pow => power((a, da), (b, db), model),
        // Refused by validation: bool only.
        And | Or | Xor => (f64::NAN, f64::INFINITY),
    }
}

fn moved_product((a, da): Pair, (b, db): Pair) -> f64 {
    let cross = |x: f64, d: f64| if d == 0.0 { 0.0 } else { x.abs() * d };
    cross(a, db) + cross(b, da) + cross(da, db)
}

fn extreme((a, da): Pair, (b, db): Pair, sign: f64) -> Pair {
    // Maxnum and minnum: NaN loses, which is f64::max's rule too.
    let y = sign * f64::max(sign * a, sign * b);
    if a.is_nan() || b.is_nan() {
        // WGSL lets max and min return either operand then.
        return (y, f64::INFINITY);
    }
    let clear = (a - b).abs() > da + db;
    let a_wins = sign * a >= sign * b;
    let error = match (clear, a_wins) {
        (true, true) => da,
        (true, false) => db,
        _ => da.max(db),
    };
    (y, error)
}

fn power((a, da): Pair, (b, db): Pair, model: &Model) -> Pair {
    let y = a.powf(b);
    // WGSL: inherited from exp2(b·log2(a)), defined for a > 0 (and 0 to a positive power).
    if a == 0.0 && da == 0.0 && b - db > 0.0 {
        return (y, 0.0);
    }
    if a - da <= 0.0 {
        return (y, f64::INFINITY);
    }
    let corners = [
        (a - da, b - db),
        (a - da, b + db),
        (a + da, b - db),
        (a + da, b + db),
    ];
    let (mut low, mut high, mut t) = (y, y, 0.0f64);
    for (p, q) in corners {
        let c = p.powf(q);
        (low, high) = (low.min(c), high.max(c));
        t = t.max((q * p.log2()).abs());
    }
    let log_error = model
        .absolute(LOG_ABSOLUTE)
        .max(6.0 * model.unit * (a.log2().abs() + 1.0));
    let exponent = (b.abs() + db) * log_error + 2.0 * model.unit * t;
    let relative = (exponent * std::f64::consts::LN_2).exp_m1() + model.exp_relative(t + exponent);
    (y, (high - y).max(y - low) + high * relative)
}

pub(crate) fn fma(a: &Array, b: &Array, c: &Array, ty: &TensorType, model: &Model) -> Array {
    let pairs = (&a.value, &a.bound, &b.value, &b.bound, &c.value, &c.bound)
        .into_par_iter()
        .with_min_len(MIN_TASK)
        .map(|(&a, &da, &b, &db, &c, &dc)| {
            // Two roundings unless the product is exact; a fused one is inside.
            let product = a * b;
            let dp = model.rounded(product, moved_product((a, da), (b, db)));
            let y = product + c;
            model.store(ty.dtype, y, model.rounded(y, dp + dc))
        })
        .collect();
    Array::from_pairs(ty.clone(), pairs)
}

pub(crate) fn compare(
    a: &Array,
    b: &Array,
    predicate: Predicate,
    nan: bool,
    ty: &TensorType,
) -> Array {
    let holds = |a: f64, b: f64| match predicate {
        Predicate::Eq => a == b,
        Predicate::Ne => a != b,
        Predicate::Lt => a < b,
        Predicate::Le => a <= b,
        Predicate::Gt => a > b,
        Predicate::Ge => a >= b,
        Predicate::Always => true,
    };
    let pairs = (&a.value, &a.bound, &b.value, &b.bound)
        .into_par_iter()
        .with_min_len(MIN_TASK)
        .map(|(&a, &da, &b, &db)| {
            if a.is_nan() || b.is_nan() {
                // WGSL implementations may assume that NaN does not occur.
                return (f64::from(nan), 1.0);
            }
            let slack = da + db;
            let undecided = slack > 0.0 && (a - b).abs() <= slack && predicate != Predicate::Always;
            (f64::from(holds(a, b)), f64::from(undecided))
        })
        .collect();
    Array::from_pairs(ty.clone(), pairs)
}

pub(crate) fn select(
    condition: &Array,
    on_true: &Array,
    on_false: &Array,
    ty: &TensorType,
) -> Array {
    let pairs = (0..condition.value.len())
        .into_par_iter()
        .with_min_len(MIN_TASK)
        .map(|i| {
            let (t, f) = (
                (on_true.value[i], on_true.bound[i]),
                (on_false.value[i], on_false.bound[i]),
            );
            let (taken, other) = if condition.value[i] != 0.0 {
                (t, f)
            } else {
                (f, t)
            };
            if condition.bound[i] == 0.0 {
                return taken;
            }
            let apart = if taken.0 == other.0 {
                0.0
            } else {
                (taken.0 - other.0).abs()
            };
            let bound = apart + taken.1.max(other.1);
            (taken.0, if bound.is_nan() { f64::INFINITY } else { bound })
        })
        .collect();
    Array::from_pairs(ty.clone(), pairs)
}

pub(crate) fn cast(x: &Array, node: &Node, model: &Model) -> Result<Array, EvalError> {
    let (from, to) = (x.ty.dtype, node.ty.dtype);
    if to.is_float() {
        // Through f32, as kernels do; 64-bit integers and f64 values may round there.
        return Ok(map(x, &node.ty, model, |x, d| {
            let error = if from.is_float() {
                d
            } else {
                model.rounded(x, d)
            };
            let unrounded = to == DType::F32 && error == 0.0 && !to.holds(x);
            (
                x,
                if unrounded {
                    model.rounded(x, 0.0)
                } else {
                    error
                },
            )
        }));
    }
    let value = x.value.iter().enumerate().map(|(i, &v)| match to {
        DType::Bool => Ok(f64::from(v as i64 & 1 == 1)),
        _ if from.is_float() => representable(v.trunc() as i64, i, node),
        _ => representable(wrap(v as i64, to), i, node),
    });
    let mut out = Array::exact(node.ty.clone(), value.collect::<Result<_, _>>()?);
    for (i, bound) in out.bound.iter_mut().enumerate() {
        let (v, d) = (x.value[i], x.bound[i]);
        *bound = if from.is_float() {
            let inside = (v.abs() + d) <= to.max_finite();
            let ends = (v.trunc() - (v - d).trunc()).max((v + d).trunc() - v.trunc());
            // Out of range, or NaN: arith.fptosi gives poison.
            if inside { ends } else { f64::INFINITY }
        } else {
            d
        };
    }
    Ok(out)
}

/// Wraps to the width of an integer type; bool keeps its lowest bit.
pub(crate) fn wrap(x: i64, dtype: DType) -> i64 {
    match dtype {
        DType::I32 => i64::from(x as i32),
        DType::Bool => x & 1,
        _ => x,
    }
}

/// Integer arithmetic in 64 bits, wrapping.
pub(crate) fn integer(kind: BinaryKind, a: i64, b: i64) -> i64 {
    match kind {
        BinaryKind::Add => a.wrapping_add(b),
        BinaryKind::Sub => a.wrapping_sub(b),
        BinaryKind::Mul => a.wrapping_mul(b),
        BinaryKind::Maximum | BinaryKind::Maxnum => a.max(b),
        BinaryKind::Minimum | BinaryKind::Minnum => a.min(b),
        BinaryKind::And => a & b,
        BinaryKind::Or => a | b,
        BinaryKind::Xor => a ^ b,
        // Refused by validation: floats only.
        BinaryKind::Div | BinaryKind::Pow => 0,
    }
}

/// The integer as f64, refused where f64 has gaps.
pub(crate) fn representable(x: i64, element: usize, node: &Node) -> Result<f64, EvalError> {
    if x.unsigned_abs() <= 1 << 53 {
        Ok(x as f64)
    } else {
        Err(EvalError::IntegerRange {
            stage: node.stage.clone(),
            element,
        })
    }
}
