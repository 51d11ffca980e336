//! f64 matrix product on row-major buffers.
//!
//! ndarray's packed, register-blocked product, parallel over fixed blocks of rows: another
//! loop order than any kernel's, and independent of the thread count.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::EvalError;

/// Rows per parallel task.
const ROW_BLOCK: usize = 64;

/// a [m,k] · b [k,n].
pub(crate) fn gemm(
    m: usize,
    k: usize,
    n: usize,
    a: &[f64],
    b: &[f64],
) -> Result<Vec<f64>, EvalError> {
    let mut c = vec![0.0; m * n];
    if c.is_empty() || k == 0 {
        return Ok(c);
    }
    let b_view = view(b, k, n)?;
    view(a, m, k)?;
    c.par_chunks_mut(ROW_BLOCK * n)
        .zip(a.par_chunks(ROW_BLOCK * k))
        .try_for_each(|(c, a)| {
            let rows = a.len() / k;
            let a = view(a, rows, k)?;
            let got = c.len();
            let mut c = ArrayViewMut2::from_shape((rows, n), c).map_err(|_| EvalError::Buffer {
                got,
                rows,
                columns: n,
            })?;
            general_mat_mul(1.0, &a, &b_view, 0.0, &mut c);
            Ok::<(), EvalError>(())
        })?;
    Ok(c)
}

fn view(data: &[f64], rows: usize, columns: usize) -> Result<ArrayView2<'_, f64>, EvalError> {
    let mismatch = || EvalError::Buffer {
        got: data.len(),
        rows,
        columns,
    };
    // from_shape takes longer slices too.
    if data.len() != rows * columns {
        return Err(mismatch());
    }
    ArrayView2::from_shape((rows, columns), data).map_err(|_| mismatch())
}

/// Row-major transpose of an [rows, columns] matrix.
pub(crate) fn transposed(rows: usize, columns: usize, x: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for c in 0..columns {
        out.extend((0..rows).map(|r| x[r * columns + c]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition_across_block_edges() {
        for (m, k, n) in [
            (1, 1, 1),
            (65, 3, 7),
            (130, 17, 9),
            (64, 64, 64),
            (2, 0, 3),
            (0, 4, 4),
        ] {
            let a: Vec<f64> = (0..m * k).map(|i| (i % 13) as f64 - 6.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i % 7) as f64 - 3.0).collect();
            let c = gemm(m, k, n, &a, &b).expect("sizes fit");
            for i in 0..m {
                for j in 0..n {
                    let want: f64 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                    assert_eq!(c[i * n + j], want, "{m}x{k}x{n} at {i},{j}");
                }
            }
        }
    }

    #[test]
    fn refuses_buffers_of_another_size() {
        assert!(gemm(2, 2, 2, &[0.0; 3], &[0.0; 4]).is_err());
        assert!(gemm(2, 2, 2, &[0.0; 4], &[0.0; 5]).is_err());
    }
}
