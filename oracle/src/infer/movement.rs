//! Types of the ops that move or gather elements: transpose, broadcast, slice, concat, reduce.

use super::{Inferred, same};
use crate::dtype::DType;
use crate::program::TensorType;

pub(super) fn transpose(x: &TensorType, permutation: &[usize]) -> Inferred {
    let mut seen = vec![false; x.shape.len()];
    for &p in permutation {
        match seen.get_mut(p) {
            Some(s) if !*s => *s = true,
            _ => return Err(format!("permutation {permutation:?} does not permute {x}")),
        }
    }
    if permutation.len() != x.shape.len() {
        return Err(format!("permutation {permutation:?} does not permute {x}"));
    }
    let shape = permutation.iter().map(|&p| x.shape[p]).collect();
    Ok(TensorType {
        dtype: x.dtype,
        shape,
    })
}

pub(super) fn broadcast(x: &TensorType, dimensions: &[usize], declared: &TensorType) -> Inferred {
    let rank = declared.shape.len();
    let distinct = (0..rank).filter(|d| dimensions.contains(d)).count();
    if distinct != dimensions.len() || rank != x.shape.len() + distinct {
        return Err(format!(
            "dimensions {dimensions:?} do not extend {x} to {declared}"
        ));
    }
    let mut kept = x.shape.iter();
    let shape = (0..rank)
        .map(|d| match dimensions.contains(&d) {
            true => declared.shape[d],
            false => kept.next().copied().unwrap_or(0),
        })
        .collect();
    Ok(TensorType {
        dtype: x.dtype,
        shape,
    })
}

pub(super) fn slice(
    x: &TensorType,
    offsets: &[usize],
    sizes: &[usize],
    strides: &[usize],
) -> Result<(), String> {
    let rank = x.shape.len();
    if offsets.len() != rank || sizes.len() != rank || strides.len() != rank {
        return Err(format!(
            "offsets, sizes and strides must have {rank} entries for {x}"
        ));
    }
    for d in 0..rank {
        let (offset, size, stride) = (offsets[d], sizes[d], strides[d]);
        let last = size
            .checked_sub(1)
            .map(|s| s.checked_mul(stride).and_then(|s| s.checked_add(offset)));
        let fits = match last {
            None => offset <= x.shape[d],
            Some(last) => last.is_some_and(|l| l < x.shape[d]),
        };
        if !fits || stride == 0 {
            return Err(format!(
                "slice offset {offset}, size {size}, stride {stride} leaves dimension {d} of {x}"
            ));
        }
    }
    Ok(())
}

pub(super) fn concat(types: &[&TensorType], axis: usize) -> Inferred {
    let Some(first) = types.first() else {
        return Err("no operands".to_owned());
    };
    if axis >= first.shape.len() {
        return Err(format!("axis {axis} is outside type {first}"));
    }
    let mut result = TensorType {
        dtype: first.dtype,
        shape: first.shape.clone(),
    };
    result.shape[axis] = 0;
    for ty in types {
        let agrees = ty.dtype == first.dtype
            && ty.shape.len() == first.shape.len()
            && (0..ty.shape.len()).all(|d| d == axis || ty.shape[d] == first.shape[d]);
        if !agrees {
            return Err(format!(
                "{ty} does not concatenate with {first} along {axis}"
            ));
        }
        result.shape[axis] = result.shape[axis].saturating_add(ty.shape[axis]);
    }
    Ok(result)
}

pub(super) fn reduce(x: &TensorType, init: Option<&TensorType>, axes: &[usize]) -> Inferred {
    if x.dtype == DType::Bool {
        return Err(format!("x is {x}, must be a float or integer tensor"));
    }
    let ascending = axes.windows(2).all(|w| w[0] < w[1]);
    if !ascending || axes.last().is_some_and(|&a| a >= x.shape.len()) {
        return Err(format!("axes {axes:?} must ascend and lie inside {x}"));
    }
    let kept = (0..x.shape.len())
        .filter(|d| !axes.contains(d))
        .map(|d| x.shape[d])
        .collect();
    let result = TensorType {
        dtype: x.dtype,
        shape: kept,
    };
    if let Some(init) = init {
        same(init, &result, "init", "the result")?;
    }
    Ok(result)
}
