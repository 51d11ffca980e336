//! Mandatory shapes: what aligned sizes hide.
//!
//! Aligned, prime, a tail in each dimension alone, sizes below the tile, all ones, long and
//! thin, odd and even tile counts. Sizes stay near the tile, so that a case costs little.

/// Sizes of one attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttentionShape {
    /// B.
    pub batch: usize,
    /// H, a multiple of `kv_heads`.
    pub heads: usize,
    /// Hkv.
    pub kv_heads: usize,
    /// Sq.
    pub queries: usize,
    /// Sk.
    pub keys: usize,
    /// D.
    pub depth: usize,
}

/// (M, N, K) around a kernel's tile; sizes of 0 in the tile count as 1.
pub fn matmul_shapes(tile: (usize, usize, usize)) -> Vec<(usize, usize, usize)> {
    let (m, n, k) = (tile.0.max(1), tile.1.max(1), tile.2.max(1));
    distinct(vec![
        (m, n, k),
        (2 * m, 2 * n, 2 * k),
        (3 * m, 2 * n, 3 * k),
        (2 * m, 3 * n, k),
        (m + 1, n, k),
        (m, n + 1, k),
        (m, n, k + 1),
        (2 * m - 1, 2 * n, 2 * k),
        (2 * m, 2 * n - 1, 2 * k),
        (2 * m, 2 * n, 2 * k - 1),
        (m + m / 2 + 1, n + n / 2 + 1, k + k / 2 + 1),
        (next_prime(m), next_prime(n), next_prime(k)),
        (next_prime(2 * m), next_prime(n), next_prime(3 * k)),
        (m, n, k.div_ceil(2)),
        (m, n, 1),
        (1, 1, 1),
        (1, n, k),
        (m, 1, k),
        (1, 2 * n + 3, 4 * k),
        (4 * m, 2, 3),
        (2, 4 * n, 3),
        (1, 1, 4 * k + 1),
    ])
}

/// (rows, row length) around a workgroup size.
pub fn row_shapes(workgroup: usize) -> Vec<(usize, usize)> {
    let wg = workgroup.max(1);
    distinct(vec![
        (1, 1),
        (3, 1),
        (4, 2),
        (3, 3),
        (2, (wg - 1).max(1)),
        (3, wg),
        (2, wg + 1),
        (1, 2 * wg),
        (2, 3 * wg),
        (5, 2 * wg + 1),
        (2, 4 * wg - 1),
        (7, next_prime(wg)),
        (1, next_prime(3 * wg)),
        (wg + 1, 5),
        (next_prime(wg), 4),
    ])
}

/// Attention sizes around a kernel's blocks of queries and keys.
pub fn attention_shapes(block_q: usize, block_kv: usize) -> Vec<AttentionShape> {
    let (q, k) = (block_q.max(1), block_kv.max(1));
    let shape = |batch, heads, kv_heads, queries, keys, depth| AttentionShape {
        batch,
        heads,
        kv_heads,
        queries,
        keys,
        depth,
    };
    distinct(vec![
        shape(1, 1, 1, 1, 1, 1),
        shape(1, 2, 2, q, k, 16),
        shape(2, 2, 1, 2 * q, 2 * k, 16),
        shape(1, 4, 2, q + 1, k, 32),
        shape(1, 2, 2, q, k + 1, 16),
        shape(1, 3, 3, q, 3 * k, 20),
        shape(1, 6, 2, next_prime(q), next_prime(k), 24),
        shape(2, 1, 1, 2 * q - 1, 2 * k - 1, 33),
        shape(1, 4, 4, 1, 2 * k + 3, 64),
        shape(1, 2, 1, 3 * q + 1, k.div_ceil(2), 8),
        shape(1, 1, 1, q, 1, 16),
        shape(3, 2, 2, 2, 3, 5),
    ])
}

fn distinct<T: PartialEq + Copy>(list: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// Smallest prime above `n`; sizes here are a few thousand at most.
fn next_prime(n: usize) -> usize {
    let is_prime = |p: &usize| {
        (2..)
            .take_while(|d| d * d <= *p)
            .all(|d| !p.is_multiple_of(d))
    };
    (n.max(1) + 1..).find(is_prime).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_has_a_tail_alone() {
        let (m, n, k) = (64, 32, 16);
        let shapes = matmul_shapes((m, n, k));
        let aligned = |s: &(usize, usize, usize)| {
            (
                s.0.is_multiple_of(m),
                s.1.is_multiple_of(n),
                s.2.is_multiple_of(k),
            )
        };
        for wanted in [
            (true, true, true),
            (false, true, true),
            (true, false, true),
            (true, true, false),
            (false, false, false),
        ] {
            assert!(shapes.iter().any(|s| aligned(s) == wanted), "{wanted:?}");
        }
        assert!(shapes.contains(&(1, 1, 1)) && shapes.contains(&(67, 37, 17)));
        assert!(shapes.iter().any(|s| s.2 < k));
    }

    #[test]
    fn rows_surround_the_workgroup() {
        let lengths: Vec<usize> = row_shapes(256).iter().map(|s| s.1).collect();
        for n in [1, 2, 255, 256, 257] {
            assert!(lengths.contains(&n), "{n}");
        }
        assert!(row_shapes(1).iter().all(|&(r, n)| r > 0 && n > 0));
    }

    #[test]
    fn attention_heads_divide() {
        for s in attention_shapes(32, 64) {
            assert_eq!(s.heads % s.kv_heads, 0);
        }
    }
}
