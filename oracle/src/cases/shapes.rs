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

/// (rows, row length) around the invocations of a row and the rows of a workgroup.
pub fn row_shapes(invocations: usize, rows: usize) -> Vec<(usize, usize)> {
    let (wg, side) = (invocations.max(1), rows.max(1));
    let several = [
        (2 * side + 1, wg),
        (side - 1, wg + 1),
        (3 * side - 1, 2),
        (4 * side, 2 * wg),
    ];
    let one = [
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
    ];
    let shapes = one.into_iter();
    distinct(
        shapes
            .chain(several.into_iter().filter(|_| side > 1))
            .collect(),
    )
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

/// Sizes of one rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RopeShape {
    /// B.
    pub batch: usize,
    /// H.
    pub heads: usize,
    /// S.
    pub sequence: usize,
    /// D, even.
    pub size: usize,
}

/// (rows, input, hidden, output) of an mlp around the tile (M, N, K) of its matmuls.
pub fn mlp_shapes(tile: (usize, usize, usize)) -> Vec<(usize, usize, usize, usize)> {
    let (m, n, k) = (tile.0.max(1), tile.1.max(1), tile.2.max(1));
    distinct(vec![
        (1, 1, 1, 1),
        (m, k, n, n),
        (
            next_prime(m),
            next_prime(k),
            next_prime(n),
            next_prime(n + 2),
        ),
        (m + 1, k, n, n),
        (1, 4 * k + 1, 2 * n + 3, n),
        (m, k + 1, n, n),
        (2 * m - 1, 2 * k, n + 1, 2 * n - 1),
        (m, k, n + 1, n),
        (2, 3, 3 * n, 1),
        (m, k, n, n + 1),
        (next_prime(2 * m), k.div_ceil(2), 3, 2 * n),
        (3 * m, 1, n.div_ceil(2), 5),
    ])
}

/// Rotary embeddings around a workgroup size: few and many rows, and head sizes of every
/// vector width and of none.
pub fn rope_shapes(workgroup: usize) -> Vec<RopeShape> {
    let wg = workgroup.max(1);
    let shape = |batch, heads, sequence, size| RopeShape {
        batch,
        heads,
        sequence,
        size,
    };
    distinct(vec![
        shape(1, 1, 1, 2),
        shape(1, 1, 1, 64),
        shape(3, 2, 5, 4),
        shape(1, 1, 7, 8),
        shape(5, 1, next_prime(wg), 6),
        shape(1, 4, (wg - 1).max(1), 2),
        shape(1, 2, wg + 1, 8),
        shape(3, 1, 13, 16),
        shape(1, 5, 3, 20),
        shape(5, 1, wg, 2),
        shape(3, 3, 2, 128),
        shape(2, 3, 11, 10),
    ])
}

/// Sizes of the `count` dimensions that an elementwise chain leaves free, outermost first,
/// around a workgroup of `workgroup` elements or vectors of four.
pub fn chain_shapes(count: usize, workgroup: usize) -> Vec<Vec<usize>> {
    let wg = workgroup.max(1);
    let last = [
        (1, 1),
        (2, 2),
        (3, wg + 1),
        (1, wg),
        (2, 4 * wg),
        (wg + 1, 1),
        (5, (wg - 1).max(1)),
        (4, 3),
        (next_prime(wg), 4),
        (3, 4 * wg + 4),
        (1, next_prime(4 * wg)),
        (7, next_prime(wg)),
    ];
    let sizes = |(number, (outer, inner)): (usize, (usize, usize))| {
        let size = |dim: usize| match count - dim {
            1 => inner,
            2 => outer,
            // Neighbours differ, so that sizes put in the wrong place show.
            _ if number == 0 => 1,
            _ => [2, 3, 1][(number + dim) % 3],
        };
        (0..count).map(size).collect()
    };
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for sizes in last.into_iter().enumerate().map(sizes) {
        if !kept.contains(&sizes) {
            kept.push(sizes);
        }
    }
    kept
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
        let lengths: Vec<usize> = row_shapes(256, 1).iter().map(|s| s.1).collect();
        for n in [1, 2, 255, 256, 257] {
            assert!(lengths.contains(&n), "{n}");
        }
        assert!(row_shapes(1, 1).iter().all(|&(r, n)| r > 0 && n > 0));
        // Workgroups that are not full, alone and after full ones.
        let rows: Vec<usize> = row_shapes(32, 8).iter().map(|s| s.0).collect();
        assert!(rows.iter().any(|r| *r < 8) && rows.iter().any(|r| *r > 8 && r % 8 != 0));
    }

    #[test]
    fn layers_have_tails_in_every_dimension() {
        let (m, n, k) = (16, 8, 4);
        let shapes = mlp_shapes((m, n, k));
        assert!(shapes.contains(&(1, 1, 1, 1)) && shapes.contains(&(17, 5, 11, 11)));
        for wanted in [
            [false, true, true, true],
            [true, false, true, true],
            [true, true, false, true],
            [true, true, true, false],
        ] {
            let aligned = |s: &(usize, usize, usize, usize)| {
                [s.0 % m, s.1 % k, s.2 % n, s.3 % n].map(|rest| rest == 0)
            };
            assert!(shapes.iter().any(|s| aligned(s) == wanted), "{wanted:?}");
        }
    }

    #[test]
    fn rotated_heads_are_even() {
        let shapes = rope_shapes(64);
        assert!(shapes.iter().all(|s| s.size % 2 == 0));
        assert!(shapes.iter().any(|s| s.sequence == 1 && s.heads == 1));
        assert!(shapes.iter().any(|s| s.batch > 1 && s.batch % 2 == 1));
    }

    #[test]
    fn chains_surround_the_workgroup() {
        let lengths: Vec<usize> = chain_shapes(1, 256).iter().map(|s| s[0]).collect();
        for n in [1, 255, 256, 257, 1031] {
            assert!(lengths.contains(&n), "{n}");
        }
        assert_eq!(chain_shapes(0, 256), vec![Vec::<usize>::new()]);
        assert!(chain_shapes(4, 256).iter().all(|s| s.len() == 4));
        assert_eq!(chain_shapes(4, 256)[0], [1; 4]);
    }

    #[test]
    fn attention_heads_divide() {
        for s in attention_shapes(32, 64) {
            assert_eq!(s.heads % s.kv_heads, 0);
        }
    }
}
