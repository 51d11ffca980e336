//! Which sums of products are exact, which errors are typical, and which sums may overflow.

use kforge_oracle::*;

use crate::products::product;
use crate::{Pair, eval, eval_as, f32t, gamma, same};

/// Bound of Σ a_i·b_i + bias without errors.
fn dot(a: &[f64], b: &[f64], bias: Option<f64>) -> f64 {
    let pairs = |x: &[f64]| x.iter().map(|x| (*x, 0.0)).collect::<Vec<Pair>>();
    let mut inputs = vec![
        f32t(&[1, a.len()], &pairs(a)),
        f32t(&[b.len(), 1], &pairs(b)),
    ];
    inputs.extend(bias.map(|bias| f32t(&[1], &[(bias, 0.0)])));
    let op = product(bias.is_some(), false, None);
    eval(&inputs, op, DType::F32, &[1, 1]).bound[0]
}

#[test]
fn sums_within_24_bits_of_a_common_power_are_exact() {
    let top = 16777216.0;
    assert_eq!(dot(&[top - 1.0, 1.0], &[1.0, 1.0], None), 0.0);
    same(
        dot(&[top, 1.0], &[1.0, 1.0], None),
        gamma(2) * (top + 1.0),
        "25 bits",
    );
    // Signs cancel in the value, not in the partial sums.
    same(
        dot(&[top, -1.0], &[1.0, 1.0], None),
        gamma(2) * (top + 1.0),
        "25 bits",
    );
    // The power is that of the products.
    let (eighth, quarter) = (0.125, 0.25);
    let low = top * eighth * quarter;
    assert_eq!(
        dot(&[eighth, low / quarter - eighth], &[quarter; 2], None),
        0.0
    );
    let over = dot(&[eighth, low / quarter], &[quarter; 2], None);
    same(over, gamma(2) * (low + eighth * quarter), "beyond");
    // A bias has its own power and its own magnitude.
    assert_eq!(dot(&[top - 2.0, 1.0], &[1.0; 2], Some(1.0)), 0.0);
    same(
        dot(&[top - 1.0, 1.0], &[1.0; 2], Some(1.0)),
        gamma(3) * (top + 1.0),
        "bias",
    );
    same(
        dot(&[top - 2.0, 1.0], &[1.0; 2], Some(0.5)),
        gamma(3) * (top - 0.5),
        "finer bias",
    );
    // A zero has every power.
    assert_eq!(dot(&[top - 1.0, 1.0], &[1.0; 2], Some(0.0)), 0.0);
    // Large powers are powers too, on either side.
    let unit = 1024.0;
    let large = [(top - 1.0) * unit, unit];
    assert_eq!(dot(&large, &[unit; 2], None), 0.0);
    assert_eq!(dot(&[unit; 2], &large, Some(0.0)), 0.0);
    // Below 2^-126 a device may flush: no grid is fine enough.
    let (tiny, tinier) = (2f64.powi(-100), 2f64.powi(-27));
    assert!(dot(&[tiny, tiny], &[2f64.powi(-26); 2], None) == 0.0);
    assert!(dot(&[tiny, tiny], &[tinier; 2], None) > 0.0);
}

#[test]
fn a_single_term_rounds_only_where_f32_cannot_hold_it() {
    let third = f64::from(1.0f32 / 3.0);
    assert_eq!(dot(&[third, 0.0], &[1.0, third], None), 0.0);
    same(
        dot(&[third, 0.0], &[1.75, 1.0], None),
        gamma(1) * third * 1.75,
        "one",
    );
    same(
        dot(&[third, 0.0], &[1.0, 1.0], Some(third)),
        gamma(2) * third * 2.0,
        "two",
    );
}

#[test]
fn equal_terms_round_alike_so_the_bound_is_typical() {
    let k = 64;
    let third = f64::from(1.0f32 / 3.0);
    let typical = |a: &[f64], b: &[f64]| {
        let pairs = |x: &[f64]| x.iter().map(|x| (*x, 0.0)).collect::<Vec<Pair>>();
        let inputs = [f32t(&[1, k], &pairs(a)), f32t(&[k, 1], &pairs(b))];
        let y = eval(&inputs, product(false, false, None), DType::F32, &[1, 1]);
        (y.typical.expect("exact inputs")[0], y.bound[0])
    };
    let constant = vec![third; k];
    let (usual, bound) = typical(&constant, &constant);
    assert_eq!(usual, bound);
    // One other element, first, last or between, and on one side alone, is enough.
    for at in [0, 1, k - 1] {
        let mut other = constant.clone();
        other[at] = f64::from(0.3f32);
        for (a, b) in [(&other, &constant), (&constant, &other)] {
            let (usual, bound) = typical(a, b);
            assert!(usual < bound, "{at}");
        }
    }
}

#[test]
fn partial_sums_beyond_f32_may_be_infinite() {
    let big = 2f64.powi(100);
    assert_eq!(dot(&[big, -big], &[2f64.powi(28); 2], None), f64::INFINITY);
    assert!(dot(&[big, -big], &[2f64.powi(26); 2], None).is_finite());
    // The largest number itself is one.
    let most = f64::from(f32::MAX);
    let half = 2f64.powi(127);
    assert!(dot(&[half, most - half], &[1.0; 2], None).is_finite());
    let inputs = [(big, -big), (2f64.powi(28), 2f64.powi(28))].map(|(x, y)| [(x, 0.0), (y, 0.0)]);
    let inputs = [f32t(&[1, 2], &inputs[0]), f32t(&[2, 1], &inputs[1])];
    let op = product(false, false, None);
    let y = eval_as(Rounding::None, &inputs, op, DType::F32, &[1, 1]);
    assert!(y.bound[0].is_finite());
}
