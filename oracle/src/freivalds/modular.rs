//! Freivalds' check without rounding: A(Bx) = Cx modulo p = 2^61 - 1, x uniform below p.
//!
//! For rows whose elements a correct device returns as exact integers. A wrong element differs
//! by less than p, so the row's difference is not 0 modulo p, and a random x hides it with
//! probability at most 2^-60 (1/p, and the one value in 2^61 that is drawn twice as often).

use rayon::prelude::*;

use super::Product;
use crate::cases::rng::hash;

/// 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;

/// Bound of the probability that a wrong row passes.
pub(super) const MISS: f64 = 8.673617379884035e-19;

/// Keeps the draws apart from those of the signs.
const STREAM: u64 = 0x6d6f_6475_6c61_7200;

fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn mul(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // 2^61 = 1 modulo p: the high part counts as much as the low one.
    let folded = (product >> 61) as u64 + (product as u64 & PRIME);
    if folded >= PRIME {
        folded - PRIME
    } else {
        folded
    }
}

/// The residue of an integer of at most 2^53 in magnitude; `None` for anything else.
fn residue(x: f64) -> Option<u64> {
    if x.fract() != 0.0 || x.abs() > 9007199254740992.0 {
        return None;
    }
    let magnitude = x.abs() as u64;
    Some(if x < 0.0 {
        PRIME - magnitude
    } else {
        magnitude
    })
}

/// Σ line·x, or `None` where the line holds something that is no integer.
fn dot<T: Copy + Into<f64>>(line: &[T], x: &[u64]) -> Option<u64> {
    line.iter().zip(x).try_fold(0, |sum, (&value, &x)| {
        Some(add(sum, mul(residue(value.into())?, x)))
    })
}

/// The rows among `rows` that are wrong, ascending. a and b hold integers.
pub(super) fn wrong_rows<T: Copy + Into<f64> + Sync>(
    p: &Product<T>,
    rows: &[bool],
    seed: u64,
) -> Vec<usize> {
    let draw = |j: usize| match hash(seed, STREAM, j as u64) >> 3 {
        PRIME => 0,
        x => x,
    };
    let x: Vec<u64> = (0..p.n).map(draw).collect();
    let bx = b_times(p, &x);
    let wrong = |i: &usize| {
        let expected = dot(&p.a[i * p.k..(i + 1) * p.k], &bx);
        let got = dot(&p.c[i * p.n..(i + 1) * p.n], &x);
        got.is_none() || got != expected
    };
    (0..p.m)
        .into_par_iter()
        .filter(|&i| rows[i])
        .filter(wrong)
        .collect()
}

fn b_times<T: Copy + Into<f64> + Sync>(p: &Product<T>, x: &[u64]) -> Vec<u64> {
    let value = |b: &T| residue((*b).into()).unwrap_or(0);
    if !p.transpose_b {
        let row = |i: usize| {
            let line = &p.b[i * p.n..(i + 1) * p.n];
            line.iter()
                .zip(x)
                .fold(0, |sum, (b, &x)| add(sum, mul(value(b), x)))
        };
        return (0..p.k).into_par_iter().map(row).collect();
    }
    let mut y = vec![0; p.k];
    for (j, &x) in x.iter().enumerate() {
        for (y, b) in y.iter_mut().zip(&p.b[j * p.k..]) {
            *y = add(*y, mul(value(b), x));
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_agrees_with_wide_integers() {
        let samples = [0, 1, 2, 12345, PRIME / 3, PRIME - 2, PRIME - 1];
        for a in samples {
            for b in samples {
                let wide = |x: u128| (x % u128::from(PRIME)) as u64;
                assert_eq!(mul(a, b), wide(u128::from(a) * u128::from(b)), "{a} {b}");
                assert_eq!(add(a, b), wide(u128::from(a) + u128::from(b)), "{a} {b}");
            }
        }
        assert_eq!(residue(-3.0), Some(PRIME - 3));
        assert_eq!(residue(-0.0), Some(0));
        for none in [0.5, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(residue(none), None);
        }
    }
}
