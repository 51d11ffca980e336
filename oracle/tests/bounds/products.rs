//! Matrix products: every element's bound from its own terms, counted one by one.

use kforge_oracle::*;

use crate::activation::{KINDS, expected};
use crate::{Pair, U, X, Y, eval, eval_as, f32t, gamma, loose, same, scattered, tensor};

pub fn product(bias: bool, residual: bool, activation: Option<ActivationKind>) -> Op {
    Op::Matmul {
        a: X,
        b: Y,
        bias: bias.then_some(ValueId(2)),
        residual: residual.then_some(ValueId(if bias { 3 } else { 2 })),
        transpose_a: false,
        transpose_b: false,
        activation,
    }
}

/// One output element: what its terms are.
struct Sum<'a> {
    row: &'a [Pair],
    column: &'a [Pair],
    more: Vec<Pair>,
}

impl Sum<'_> {
    fn value(&self) -> f64 {
        let products = self.row.iter().zip(self.column).map(|(a, b)| a.0 * b.0);
        products.chain(self.more.iter().map(|it| it.0)).sum()
    }

    fn magnitude(&self) -> f64 {
        let products = self
            .row
            .iter()
            .zip(self.column)
            .map(|(a, b)| (a.0 * b.0).abs());
        products.chain(self.more.iter().map(|it| it.0.abs())).sum()
    }

    fn reach(&self) -> f64 {
        let far = |it: &Pair| it.0.abs() + it.1;
        let products = self
            .row
            .iter()
            .zip(self.column)
            .map(|(a, b)| far(a) * far(b));
        products.chain(self.more.iter().map(far)).sum()
    }

    /// Zeros without an error are no terms.
    fn terms(&self) -> usize {
        let count = |line: &[Pair]| line.iter().filter(|it| **it != (0.0, 0.0)).count();
        count(self.row).min(count(self.column)) + count(&self.more)
    }

    fn bound(&self) -> f64 {
        let reach = self.reach();
        reach - self.magnitude() + gamma(self.terms()) * reach
    }

    fn typical(&self) -> f64 {
        6.0 * (self.terms() as f64).sqrt() * U * self.magnitude()
    }
}

/// With zeros that are no terms, and zeros that are.
fn holed(n: usize, seed: u64, most: f64) -> Vec<Pair> {
    let mut pairs = loose(n, seed, most);
    for (i, pair) in pairs.iter_mut().enumerate() {
        match i % 7 {
            3 => *pair = (0.0, 0.0),
            5 => pair.0 = 0.0,
            _ => {}
        }
    }
    pairs
}

fn column(b: &[Pair], n: usize, j: usize) -> Vec<Pair> {
    b.iter().skip(j).step_by(n).copied().collect()
}

#[test]
fn every_term_counts_once() {
    let (m, k, n) = (3, 9, 4);
    for most in [0.0, 0.25] {
        let (a, b) = (holed(m * k, 1, most), holed(k * n, 2, most));
        let (bias, residual) = (holed(n, 3, most), holed(m * n, 4, most));
        for (with_bias, with_residual) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let mut inputs = vec![f32t(&[m, k], &a), f32t(&[k, n], &b)];
            inputs.extend(with_bias.then(|| f32t(&[n], &bias)));
            inputs.extend(with_residual.then(|| f32t(&[m, n], &residual)));
            let op = product(with_bias, with_residual, None);
            let y = eval(&inputs, op, DType::F32, &[m, n]);
            let typical = y.typical.clone();
            assert_eq!(typical.is_some(), most == 0.0);
            for at in 0..m * n {
                let column = column(&b, n, at % n);
                let mut more = Vec::new();
                more.extend(with_bias.then(|| bias[at % n]));
                more.extend(with_residual.then(|| residual[at]));
                let sum = Sum {
                    row: &a[at / n * k..][..k],
                    column: &column,
                    more,
                };
                assert!((y.value[at] - sum.value()).abs() < 1e-14);
                // Two sums of f64 in other orders.
                let near = |got: f64, want: f64| (got - want).abs() <= 1e-9 * want;
                // Coarse operands: some sums are exact, and must then be 0.
                let exact = y.bound[at] == 0.0;
                assert!(
                    exact || near(y.bound[at], sum.bound()),
                    "{at}: {}",
                    y.bound[at]
                );
                assert!(!exact || most == 0.0);
                if let Some(typical) = &typical {
                    let want = sum.typical().min(sum.bound());
                    assert!(exact || near(typical[at], want), "{at}");
                }
            }
        }
    }
}

#[test]
fn a_bias_without_error_makes_nothing_exact() {
    let (a, b) = (loose(6, 1, 0.25), loose(6, 2, 0.25));
    let bias = [(0.5, 0.0)];
    let inputs = [f32t(&[1, 6], &a), f32t(&[6, 1], &b), f32t(&[1], &bias)];
    let y = eval(&inputs, product(true, false, None), DType::F32, &[1, 1]);
    let sum = Sum {
        row: &a,
        column: &b,
        more: bias.to_vec(),
    };
    assert!((y.bound[0] - sum.bound()).abs() <= 1e-9 * sum.bound());
}

#[test]
fn fine_operands_are_never_exact() {
    let (m, k, n) = (2, 40, 3);
    let fine = |n: usize, seed| -> Vec<Pair> {
        let third = |x: f64| (f64::from((x / 3.0) as f32), 0.0);
        scattered(n, seed).into_iter().map(third).collect()
    };
    let (a, b) = (fine(m * k, 5), fine(k * n, 6));
    let inputs = [f32t(&[m, k], &a), f32t(&[k, n], &b)];
    let y = eval(&inputs, product(false, false, None), DType::F32, &[m, n]);
    let typical = y.typical.as_ref().expect("exact inputs");
    for at in 0..m * n {
        let column = column(&b, n, at % n);
        let sum = Sum {
            row: &a[at / n * k..][..k],
            column: &column,
            more: Vec::new(),
        };
        same(y.bound[at], sum.bound(), "bound");
        same(typical[at], sum.typical().min(sum.bound()), "typical");
        assert!(typical[at] < y.bound[at]);
    }
    // Without a device the unit is smaller, and nobody asks what is typical.
    let op = product(false, false, None);
    let none = eval_as(Rounding::None, &inputs, op, DType::F32, &[m, n]);
    assert!(none.typical.is_none());
    let ratio = none.bound[0] / y.bound[0] * U / 1e-12;
    assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
}

#[test]
fn an_activation_and_a_late_residual_follow_by_their_own_rules() {
    let (m, k, n) = (2, 5, 3);
    for kind in KINDS {
        for dtype in [DType::F32, DType::F16] {
            let (a, b) = (loose(m * k, 7, 0.125), loose(k * n, 8, 0.125));
            let (bias, residual) = (loose(n, 9, 0.125), loose(m * n, 10, 0.125));
            let inputs = [
                tensor(dtype, &[m, k], &a),
                tensor(dtype, &[k, n], &b),
                tensor(dtype, &[n], &bias),
                tensor(dtype, &[m, n], &residual),
            ];
            let y = eval(&inputs, product(true, true, Some(kind)), dtype, &[m, n]);
            for at in 0..m * n {
                let column = column(&b, n, at % n);
                let sum = Sum {
                    row: &a[at / n * k..][..k],
                    column: &column,
                    more: vec![bias[at % n]],
                };
                let (z, error) = expected(kind, sum.value(), sum.bound());
                let value = z + residual[at].0;
                let moved = error + residual[at].1;
                let mut want = moved + U * (value.abs() + moved);
                if dtype == DType::F16 {
                    let least = 6.103515625e-5;
                    want += dtype.spacing(value.abs() + want);
                    let low = value.abs() - (moved + U * (value.abs() + moved));
                    want += if low < least { least } else { 0.0 };
                }
                assert!((y.value[at] - value).abs() < 1e-13);
                let near = (y.bound[at] - want).abs() <= 1e-9 * want;
                assert!(near, "{kind:?} {dtype:?} {at}: {} {want}", y.bound[at]);
            }
        }
    }
}

#[test]
fn batches_and_transposes_find_their_operands() {
    let (m, k, n) = (2, 5, 3);
    let (a, b) = (loose(4 * m * k, 11, 0.25), loose(3 * k * n, 12, 0.25));
    let turned = |x: &[Pair], rows: usize, columns: usize| -> Vec<Pair> {
        let at = |i: usize| x[i % rows * columns + i / rows];
        (0..rows * columns).map(at).collect()
    };
    let all = |x: &[Pair], rows: usize, columns: usize| -> Vec<Pair> {
        let batch = |part: &[Pair]| turned(part, rows, columns);
        x.chunks(rows * columns).flat_map(batch).collect()
    };
    let residual = loose(12 * m * n, 13, 0.25);
    let last = f32t(&[4, 3, m, n], &residual);
    let plain = [
        f32t(&[4, 1, m, k], &a),
        f32t(&[1, 3, k, n], &b),
        last.clone(),
    ];
    let swapped = [
        f32t(&[4, 1, k, m], &all(&a, m, k)),
        f32t(&[1, 3, n, k], &all(&b, k, n)),
        last,
    ];
    let y = eval(
        &plain,
        product(false, true, None),
        DType::F32,
        &[4, 3, m, n],
    );
    let mut op = product(false, true, None);
    if let Op::Matmul {
        transpose_a,
        transpose_b,
        ..
    } = &mut op
    {
        (*transpose_a, *transpose_b) = (true, true);
    }
    let turned = eval(&swapped, op, DType::F32, &[4, 3, m, n]);
    assert_eq!((&y.value, &y.bound), (&turned.value, &turned.bound));
    for (at, last) in residual.iter().enumerate() {
        let (batch, at_i, at_j) = (at / (m * n), at / n % m, at % n);
        let a = &a[(batch / 3 * m + at_i) * k..][..k];
        let column = column(&b[batch % 3 * k * n..][..k * n], n, at_j);
        let sum = Sum {
            row: a,
            column: &column,
            more: vec![*last],
        };
        let near = (y.bound[at] - sum.bound()).abs() <= 1e-9 * sum.bound();
        assert!(near && (y.value[at] - sum.value()).abs() < 1e-14, "{at}");
    }
}
