//! Each op against hand-computed values.

#[path = "../common/mod.rs"]
mod common;
mod elementwise;
mod layers;
mod movement;

use common::*;
use kforge_oracle::*;

const X: ValueId = ValueId(0);

fn tensor(dtype: DType, shape: &[usize], value: &[f64]) -> Array {
    Array::exact(ty(dtype, shape), value.to_vec())
}

fn f32t(shape: &[usize], value: &[f64]) -> Array {
    tensor(DType::F32, shape, value)
}

/// Evaluates one op whose operands are the given arrays in order.
fn eval(inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) -> Array {
    let named: Vec<(&str, TensorType)> = inputs.iter().map(|a| ("x", a.ty.clone())).collect();
    run(&program(&named, op, ty(dtype, shape)), inputs)
}

fn near(got: &Array, want: &[f64]) {
    assert_eq!(got.value.len(), want.len());
    for (g, w) in got.value.iter().zip(want) {
        assert!(
            (g - w).abs() < 1e-12 * (1.0 + w.abs()),
            "{:?} want {want:?}",
            got.value
        );
    }
}
