//! Data movement: values and bounds go together, unchanged; typical sizes where one operand
//! is rearranged.

use rayon::prelude::*;

use super::scalar::broadcast_index;
use crate::array::Array;
use crate::program::TensorType;

pub(crate) fn reshape(x: &Array, ty: &TensorType) -> Array {
    Array {
        ty: ty.clone(),
        value: x.value.clone(),
        bound: x.bound.clone(),
        typical: x.typical.clone(),
    }
}

pub(crate) fn transpose(x: &Array, permutation: &[usize], ty: &TensorType) -> Array {
    let strides = row_major(&x.ty.shape);
    let strides: Vec<usize> = permutation.iter().map(|&p| strides[p]).collect();
    gather(x, 0, &strides, ty)
}

pub(crate) fn broadcast(x: &Array, dimensions: &[usize], ty: &TensorType) -> Array {
    let mut kept = row_major(&x.ty.shape).into_iter();
    let strides: Vec<usize> = (0..ty.shape.len())
        .map(|d| {
            if dimensions.contains(&d) {
                0
            } else {
                kept.next().unwrap_or(0)
            }
        })
        .collect();
    gather(x, 0, &strides, ty)
}

pub(crate) fn slice(x: &Array, offsets: &[usize], steps: &[usize], ty: &TensorType) -> Array {
    let strides = row_major(&x.ty.shape);
    let start = offsets.iter().zip(&strides).map(|(o, s)| o * s).sum();
    let strides: Vec<usize> = strides.iter().zip(steps).map(|(s, t)| s * t).collect();
    gather(x, start, &strides, ty)
}

pub(crate) fn insert_slice(
    source: &Array,
    destination: &Array,
    offsets: &[usize],
    steps: &[usize],
) -> Array {
    let mut out = destination.clone();
    out.typical = None;
    let strides = row_major(&destination.ty.shape);
    let start: usize = offsets.iter().zip(&strides).map(|(o, s)| o * s).sum();
    let strides: Vec<usize> = strides.iter().zip(steps).map(|(s, t)| s * t).collect();
    for i in 0..source.value.len() {
        let to = start + broadcast_index(i, &source.ty.shape, &strides);
        out.value[to] = source.value[i];
        out.bound[to] = source.bound[i];
    }
    out
}

pub(crate) fn concat(inputs: &[&Array], axis: usize, ty: &TensorType) -> Array {
    let outer: usize = ty.shape[..axis].iter().product();
    let mut value = Vec::with_capacity(ty.elements());
    let mut bound = Vec::with_capacity(ty.elements());
    for o in 0..outer {
        for x in inputs {
            let chunk: usize = x.ty.shape[axis..].iter().product();
            value.extend_from_slice(&x.value[o * chunk..(o + 1) * chunk]);
            bound.extend_from_slice(&x.bound[o * chunk..(o + 1) * chunk]);
        }
    }
    Array {
        ty: ty.clone(),
        value,
        bound,
        typical: None,
    }
}

/// Strides of a row-major tensor.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d].saturating_mul(shape[d]);
    }
    strides
}

/// Strides that read an operand of `shape` as if it had the (NumPy-broadcast) shape `target`.
pub(crate) fn strides_for_broadcast(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let own = row_major(shape);
    let missing = target.len() - shape.len();
    (0..target.len())
        .map(|d| match d.checked_sub(missing) {
            Some(i) if shape[i] != 1 => own[i],
            _ => 0,
        })
        .collect()
}

fn gather(x: &Array, start: usize, strides: &[usize], ty: &TensorType) -> Array {
    let take = |data: &[f64]| {
        (0..ty.elements())
            .into_par_iter()
            .with_min_len(4096)
            .map(|i| data[start + broadcast_index(i, &ty.shape, strides)])
            .collect()
    };
    Array {
        ty: ty.clone(),
        value: take(&x.value),
        bound: take(&x.bound),
        typical: x.typical.as_deref().map(take),
    }
}
