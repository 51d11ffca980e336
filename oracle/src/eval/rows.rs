//! Walks the lines of a tensor along one axis.

use rayon::prelude::*;

use crate::array::Array;
use crate::infer::axis_index;

/// Values and bounds of one line along the axis.
pub(crate) struct Row<'a> {
    pub value: &'a [f64],
    pub bound: &'a [f64],
}

/// Applies `f` to every line of `x` along `axis`; `f` writes (value, bound) per element.
pub(crate) fn map_rows(x: &Array, axis: i64, f: impl Fn(Row, &mut [(f64, f64)]) + Sync) -> Array {
    let axis = axis_index(axis, &x.ty).unwrap_or(0);
    let n = x.ty.shape.get(axis).copied().unwrap_or(1);
    let inner: usize = x.ty.shape.iter().skip(axis + 1).product();
    let mut out = vec![(0.0, 0.0); x.value.len()];
    if out.is_empty() {
        return Array::exact(x.ty.clone(), Vec::new());
    }
    out.par_chunks_mut(n * inner)
        .enumerate()
        .for_each(|(outer, chunk)| {
            let base = outer * n * inner;
            let mut value = vec![0.0; n];
            let mut bound = vec![0.0; n];
            let mut line = vec![(0.0, 0.0); n];
            for i in 0..inner {
                for j in 0..n {
                    value[j] = x.value[base + j * inner + i];
                    bound[j] = x.bound[base + j * inner + i];
                }
                f(
                    Row {
                        value: &value,
                        bound: &bound,
                    },
                    &mut line,
                );
                for j in 0..n {
                    chunk[j * inner + i] = line[j];
                }
            }
        });
    Array::from_pairs(x.ty.clone(), out)
}
