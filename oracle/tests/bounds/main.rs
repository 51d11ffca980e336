//! Every bound worked out a second time, from its definition: a bound that is too small refuses
//! correct kernels, one that is too large lets wrong ones pass, so both sides are held.
//!
//! What an operand's error moves is measured by moving the operand; what a device may lose is
//! counted in roundings of 2^-24 as the tables of the module documentation say.

mod activation;
mod arithmetic;
mod attention;
#[path = "../common/mod.rs"]
mod common;
mod exact;
mod functions;
mod layers;
mod products;
mod reduce;
mod rows;
mod selection;
mod storage;

use common::*;
use kforge_oracle::*;

const X: ValueId = ValueId(0);
const Y: ValueId = ValueId(1);
const Z: ValueId = ValueId(2);

/// Unit roundoff of f32.
const U: f64 = 1.0 / 16777216.0;

/// What is flushed to zero is below this.
const TINY: f64 = f32::MIN_POSITIVE as f64;

type Pair = (f64, f64);

/// What n roundings in any order may come to, relative.
fn gamma(n: usize) -> f64 {
    n as f64 * U / (1.0 - n as f64 * U)
}

/// A tensor of values with their bounds.
fn tensor(dtype: DType, shape: &[usize], pairs: &[Pair]) -> Array {
    let mut array = Array::exact(ty(dtype, shape), pairs.iter().map(|it| it.0).collect());
    array.bound = pairs.iter().map(|it| it.1).collect();
    array
}

fn f32t(shape: &[usize], pairs: &[Pair]) -> Array {
    tensor(DType::F32, shape, pairs)
}

/// One op on the given arrays.
fn eval(inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) -> Array {
    eval_as(Rounding::Device, inputs, op, dtype, shape)
}

fn eval_as(rounding: Rounding, inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) -> Array {
    let named: Vec<(&str, TensorType)> = inputs.iter().map(|a| ("x", a.ty.clone())).collect();
    let program = program(&named, op, ty(dtype, shape));
    let options = EvalOptions {
        rounding,
        ..EvalOptions::default()
    };
    let evaluation = evaluate(&program, inputs, &options).expect("evaluates");
    let output = evaluation.outputs()[0].clone();
    assert_eq!(output.ty, ty(dtype, shape));
    let elements = output.ty.elements();
    assert_eq!(
        (output.value.len(), output.bound.len()),
        (elements, elements)
    );
    output
}

/// One op on single f32 elements.
fn one(inputs: &[Pair], op: Op) -> Pair {
    one_as(Rounding::Device, inputs, op)
}

fn one_as(rounding: Rounding, inputs: &[Pair], op: Op) -> Pair {
    let inputs: Vec<Array> = inputs.iter().map(|pair| f32t(&[1], &[*pair])).collect();
    let y = eval_as(rounding, &inputs, op, DType::F32, &[1]);
    (y.value[0], y.bound[0])
}

/// Equal but for the rounding of f64 itself.
#[track_caller]
fn same(got: f64, want: f64, what: &str) {
    let near = (got - want).abs() <= 1e-11 * want.abs();
    assert!(got == want || near, "{what}: {got:e}, want {want:e}");
}

/// Numbers without a pattern in [-1, 1), each held by f32 and f16.
fn scattered(n: usize, seed: u64) -> Vec<f64> {
    let number = |i: usize| {
        let mixed = (i as u64 + 1 + seed * 1000).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 54) as f64 - 512.0) / 512.0
    };
    (0..n).map(number).collect()
}

/// The same with bounds of up to `most`.
fn loose(n: usize, seed: u64, most: f64) -> Vec<Pair> {
    let bounds = scattered(n, seed + 77);
    let pair = |(x, d): (f64, f64)| (x, d.abs() * most);
    scattered(n, seed)
        .into_iter()
        .zip(bounds)
        .map(pair)
        .collect()
}
