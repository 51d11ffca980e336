//! softmax, layer_norm and rms_norm by their definitions, row by row.

use kforge_oracle::*;

use crate::{Pair, TINY, U, X, Y, Z, eval, eval_as, f32t, gamma, loose};

/// Softmax of scores with errors; `None` means absent.
pub fn softmax(scores: &[Option<Pair>]) -> Vec<Pair> {
    let seen: Vec<Pair> = scores.iter().flatten().copied().collect();
    let n = seen.len() as f64;
    let max = seen.iter().map(|it| it.0).fold(f64::MIN, f64::max);
    let widest = seen.iter().map(|it| it.1).fold(0.0, f64::max);
    let total: f64 = seen.iter().map(|it| (it.0 - max).exp()).sum();
    let share = |x: f64| (x - max).exp() / total;
    // Argument and function of one exponential, the device's argument being `e` further off.
    let exponential = |x: f64, e: f64| (6.0 + 8.0 * ((x - max).abs() + e)) * U;
    let shift = seen
        .iter()
        .map(|it| share(it.0) * it.1.exp())
        .sum::<f64>()
        .ln();
    let average: f64 = seen
        .iter()
        .map(|it| share(it.0) * exponential(it.0, widest))
        .sum();
    let of = |score: &Option<Pair>| {
        let Some((x, e)) = *score else {
            return (0.0, 0.0);
        };
        let (p, t) = (share(x), e + shift);
        let high = (p * t.exp()).min(1.0);
        let moved = (high - p).max(p - p * (-t).exp());
        let own = exponential(x, widest + e) + (2.0 * n + 8.0) * U + average;
        (p, moved + high.max(p) * own + n * TINY)
    };
    scores.iter().map(of).collect()
}

#[track_caller]
fn agree(got: &Array, want: &[Pair], tolerance: f64) {
    for (at, (value, bound)) in want.iter().enumerate() {
        let (y, d) = (got.value[at], got.bound[at]);
        assert!(
            (y - value).abs() < 1e-13 * (1.0 + value.abs()),
            "{at}: {y} {value}"
        );
        assert!(
            (d - bound).abs() <= tolerance * bound,
            "{at}: {d:e} {bound:e}"
        );
    }
}

#[test]
fn softmax_moves_with_its_neighbours() {
    for (most, scale) in [
        (0.0, 4.0),
        (0.0, 20.0),
        (0.25, 4.0),
        (0.875, 2.0),
        (3.0, 4.0),
    ] {
        let rows: Vec<Pair> = loose(3 * 7, 21, most)
            .into_iter()
            .map(|(x, d)| (x * scale, d))
            .collect();
        let y = eval(
            &[f32t(&[3, 7], &rows)],
            Op::Softmax { x: X, axis: -1 },
            DType::F32,
            &[3, 7],
        );
        let want: Vec<Pair> = rows
            .chunks(7)
            .flat_map(|row| softmax(&row.iter().copied().map(Some).collect::<Vec<_>>()))
            .collect();
        agree(&y, &want, 1e-9);
    }
}

#[test]
fn softmax_leaves_out_the_absent_and_spoils_rows_with_unknowns() {
    let absent = (f64::NEG_INFINITY, 0.0);
    let of = |row: &[Pair]| {
        let shape = [1, row.len()];
        eval(
            &[f32t(&shape, row)],
            Op::Softmax { x: X, axis: 1 },
            DType::F32,
            &shape,
        )
    };
    let row = [(0.5, 0.25), absent, (1.25, 0.0), absent];
    let seen: Vec<Option<Pair>> = row
        .iter()
        .map(|it| (*it != absent).then_some(*it))
        .collect();
    agree(&of(&row), &softmax(&seen), 1e-9);
    for spoiled in [(f64::NAN, 0.0), (1.0, f64::INFINITY), (f64::INFINITY, 0.0)] {
        for at in 0..3 {
            let mut row = [(0.5, 0.0), (0.25, 0.125), (-1.0, 0.0)];
            row[at] = spoiled;
            let y = of(&row);
            assert!(
                y.bound.iter().all(|b| *b == f64::INFINITY),
                "{spoiled:?} {at}"
            );
            if spoiled.1 == 0.0 {
                assert!(y.value.iter().any(|y| y.is_nan()), "{spoiled:?} {at}");
            } else {
                let clean: Vec<Option<Pair>> = row.iter().map(|it| Some((it.0, 0.0))).collect();
                for (y, want) in y.value.iter().zip(softmax(&clean)) {
                    assert!((y - want.0).abs() < 1e-14);
                }
            }
        }
    }
}

/// Errors of 1/√(v + ε), and of what is scaled, weighted and shifted by it.
fn normalised(
    (centred, variance, dvariance): (&[Pair], f64, f64),
    weights: &[(Pair, Pair)],
    epsilon: f64,
) -> Vec<Pair> {
    let w = variance + epsilon;
    let root = 1.0 / w.sqrt();
    let least = epsilon * (1.0 - 2.0 * U);
    let lowest = (w - dvariance - U * (w + dvariance) - TINY).max(least);
    let high = 1.0 / lowest.sqrt();
    let droot = high - root + 14.0 * U * high;
    let element = |(&(c, dc), &((g, dg), (b, db))): (&Pair, &(Pair, Pair))| {
        let y = c * root * g + b;
        let dz = dc * (root + droot) + c.abs() * droot;
        let product = ((c * root).abs() + dz) * (g.abs() + dg);
        let moved = product - (c * root * g).abs();
        let own = 3.0 * U * product + 2.0 * U * (y.abs() + moved + db);
        (y, moved + db + own)
    };
    centred.iter().zip(weights).map(element).collect()
}

fn mean(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

fn layer_norm(row: &[Pair], weights: &[(Pair, Pair)], epsilon: f64) -> Vec<Pair> {
    let n = row.len();
    let mu = mean(row.iter().map(|it| it.0), n);
    let dmu = mean(row.iter().map(|it| it.1), n)
        + gamma(n + 5) * mean(row.iter().map(|it| it.0.abs() + it.1), n);
    let centre = |&(x, d): &Pair| (x - mu, d + dmu + U * ((x - mu).abs() + d + dmu));
    let centred: Vec<Pair> = row.iter().map(centre).collect();
    let variance = mean(centred.iter().map(|it| it.0 * it.0), n);
    // The mean's own error has no first-order effect: the differences add up to nothing.
    let first = row.iter().zip(&centred).map(|((_, d), (c, _))| {
        let c = c.abs();
        2.0 * c * (d + U * (c + d + dmu))
    });
    let dvariance = mean(first, n)
        + mean(centred.iter().map(|it| it.1 * it.1), n)
        + gamma(n + 6) * mean(centred.iter().map(|it| (it.0.abs() + it.1).powi(2)), n);
    normalised((&centred, variance, dvariance), weights, epsilon)
}

fn rms_norm(row: &[Pair], weights: &[(Pair, Pair)], epsilon: f64) -> Vec<Pair> {
    let n = row.len();
    let square = mean(row.iter().map(|it| it.0 * it.0), n);
    let far = |it: &Pair| (it.0.abs() + it.1).powi(2);
    let moved = mean(row.iter().map(|it| far(it) - it.0 * it.0), n);
    let dsquare = moved + gamma(n + 6) * mean(row.iter().map(far), n);
    normalised((row, square, dsquare), weights, epsilon)
}

#[test]
fn norms_carry_every_error_to_every_element() {
    let (rows, n) = (2, 6);
    // Small elements with large errors leave epsilon alone at the low end.
    for (most, scale, epsilon) in [
        (0.0, 3.0, 0.5f32),
        (0.03125, 3.0, 0.5),
        (0.03125, 3.0, 0.0625),
        (0.5, 3.0, 0.25),
        (0.5, 0.25, 0.5),
    ] {
        let x: Vec<Pair> = loose(rows * n, 31, most)
            .into_iter()
            .map(|(x, d)| (scale * x + 0.5, d))
            .collect();
        let (gamma, beta) = (loose(n, 32, most), loose(n, 33, most));
        let inputs = [f32t(&[rows, n], &x), f32t(&[n], &gamma), f32t(&[n], &beta)];
        let op = Op::LayerNorm {
            x: X,
            gamma: Some(Y),
            beta: Some(Z),
            axis: -1,
            epsilon,
        };
        let weights: Vec<(Pair, Pair)> = gamma.iter().copied().zip(beta).collect();
        let y = eval(&inputs, op, DType::F32, &[rows, n]);
        let of = |row: &[Pair]| layer_norm(row, &weights, f64::from(epsilon));
        agree(&y, &x.chunks(n).flat_map(of).collect::<Vec<_>>(), 1e-8);
        let op = Op::RmsNorm {
            x: X,
            gamma: Some(Y),
            axis: -1,
            epsilon,
        };
        let weights: Vec<(Pair, Pair)> = gamma.iter().map(|it| (*it, (0.0, 0.0))).collect();
        let y = eval(&inputs[..2], op, DType::F32, &[rows, n]);
        let of = |row: &[Pair]| rms_norm(row, &weights, f64::from(epsilon));
        agree(&y, &x.chunks(n).flat_map(of).collect::<Vec<_>>(), 1e-8);
    }
}

#[test]
fn a_row_of_zeros_leaves_epsilon_alone() {
    let op = |epsilon| Op::RmsNorm {
        x: X,
        gamma: None,
        axis: -1,
        epsilon,
    };
    // What a device reads as 0 below the square's own flush: 1/√ε, of which 14 units are its own.
    let small = 2f64.powi(-12);
    let y = eval(
        &[f32t(&[1, 1], &[(small, 0.0)])],
        op(1e-37),
        DType::F32,
        &[1, 1],
    );
    let want = rms_norm(
        &[(small, 0.0)],
        &[((1.0, 0.0), (0.0, 0.0))],
        f64::from(1e-37f32),
    );
    agree(&y, &want, 1e-8);
    let tiny = 2f64.powi(-61);
    let y = eval(
        &[f32t(&[1, 1], &[(tiny, 0.0)])],
        op(0.0),
        DType::F32,
        &[1, 1],
    );
    let want = rms_norm(&[(tiny, 0.0)], &[((1.0, 0.0), (0.0, 0.0))], 0.0);
    agree(&y, &want, 1e-8);
    let y = eval(
        &[f32t(&[1, 2], &[(0.0, 0.0); 2])],
        op(1e-37),
        DType::F32,
        &[1, 2],
    );
    assert_eq!(y.value, [0.0, 0.0]);
    assert!(y.bound.iter().all(|it| *it < 1e-30), "{:?}", y.bound);
}

#[test]
fn squares_beyond_f32_are_unknown_on_a_device_alone() {
    let op = Op::RmsNorm {
        x: X,
        gamma: None,
        axis: -1,
        epsilon: 1.0,
    };
    let of = |rounding, x: f64| {
        let input = [f32t(&[1, 1], &[(x, 0.0)])];
        eval_as(rounding, &input, op.clone(), DType::F32, &[1, 1]).bound[0]
    };
    let (large, larger) = (2f64.powi(63), 2f64.powi(64));
    assert!(of(Rounding::Device, large) < 1e-5);
    assert_eq!(of(Rounding::Device, larger), f64::INFINITY);
    assert!(of(Rounding::None, larger) < 1e-9);
    // Without a device nothing is flushed either.
    let tiny = eval_as(
        Rounding::None,
        &[f32t(&[1, 2], &[(0.5, 0.0), (0.25, 0.0)])],
        Op::Softmax { x: X, axis: -1 },
        DType::F32,
        &[1, 2],
    );
    assert!(tiny.bound.iter().all(|it| *it < 4e-11), "{:?}", tiny.bound);
}

#[test]
fn an_inner_axis_is_walked_line_by_line() {
    let (outer, n, inner) = (2, 5, 3);
    let x = loose(outer * n * inner, 41, 0.25);
    let shape = [outer, n, inner];
    let y = eval(
        &[f32t(&shape, &x)],
        Op::Softmax { x: X, axis: 1 },
        DType::F32,
        &shape,
    );
    for line in 0..outer * inner {
        let at = |j: usize| (line / inner * n + j) * inner + line % inner;
        let row: Vec<Option<Pair>> = (0..n).map(|j| Some(x[at(j)])).collect();
        for (j, (value, bound)) in softmax(&row).into_iter().enumerate() {
            assert!((y.value[at(j)] - value).abs() < 1e-14);
            assert!((y.bound[at(j)] - bound).abs() < 1e-9 * bound);
        }
    }
}
