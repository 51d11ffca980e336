//! Elementwise ops, comparisons and casts against hand-computed values.

use kforge_oracle::*;

use crate::{X, eval, f32t, near, tensor};

#[test]
fn elementwise_values() {
    let unary = |kind, x: f64| {
        eval(
            &[f32t(&[1], &[x])],
            Op::Unary { x: X, kind },
            DType::F32,
            &[1],
        )
    };
    near(&unary(UnaryKind::Exp, 1.0), &[std::f64::consts::E]);
    near(&unary(UnaryKind::Exp2, 3.0), &[8.0]);
    near(&unary(UnaryKind::Log, 1.0), &[0.0]);
    near(&unary(UnaryKind::Log2, 8.0), &[3.0]);
    near(&unary(UnaryKind::Sqrt, 2.0), &[std::f64::consts::SQRT_2]);
    near(&unary(UnaryKind::Rsqrt, 4.0), &[0.5]);
    near(&unary(UnaryKind::Erf, 1.0), &[0.842700792949715]);
    near(&unary(UnaryKind::Tanh, 0.5), &[0.462117157260010]);
    near(&unary(UnaryKind::Sin, 0.5), &[0.479425538604203]);
    near(&unary(UnaryKind::Cos, 0.5), &[0.877582561890373]);
    near(&unary(UnaryKind::Floor, -1.5), &[-2.0]);
    near(&unary(UnaryKind::Ceil, -1.5), &[-1.0]);
    near(&unary(UnaryKind::Neg, 1.5), &[-1.5]);
    near(&unary(UnaryKind::Abs, -1.5), &[1.5]);
    let binary = |kind, a: f64, b: f64| {
        let op = Op::Binary {
            a: X,
            b: ValueId(1),
            kind,
        };
        eval(&[f32t(&[1], &[a]), f32t(&[1], &[b])], op, DType::F32, &[1])
    };
    near(&binary(BinaryKind::Sub, 5.0, 7.0), &[-2.0]);
    near(&binary(BinaryKind::Div, 1.0, 4.0), &[0.25]);
    near(&binary(BinaryKind::Pow, 2.0, 10.0), &[1024.0]);
    near(&binary(BinaryKind::Minimum, 2.0, 10.0), &[2.0]);
    near(&binary(BinaryKind::Maxnum, f64::NAN, 10.0), &[10.0]);
    assert!(binary(BinaryKind::Maximum, f64::NAN, 10.0).value[0].is_nan());
    assert_eq!(binary(BinaryKind::Add, 1.0, 2.0).bound, [0.0]);
    assert!(binary(BinaryKind::Add, 1.0, 1e-9f32 as f64).bound[0] > 0.0);
}

#[test]
fn jumps_bound_the_jump_and_domains_are_left_with_infinite_bounds() {
    let with = |kind, x: f64, bound: f64| {
        let mut a = f32t(&[1], &[x]);
        a.bound = vec![bound];
        eval(&[a], Op::Unary { x: X, kind }, DType::F32, &[1]).bound[0]
    };
    assert_eq!(with(UnaryKind::Floor, 2.5, 0.25), 0.0);
    assert_eq!(with(UnaryKind::Floor, 2.0, 0.25), 1.0);
    assert_eq!(with(UnaryKind::Log, 1.0, 2.0), f64::INFINITY);
    assert_eq!(with(UnaryKind::Sqrt, 1.0, 2.0), f64::INFINITY);
    assert!(with(UnaryKind::Exp, 1.0, 0.5) >= 1f64.exp() * 0.5f64.exp_m1());
    // An overflow is recognised as such.
    let big = eval(
        &[f32t(&[1], &[1e4])],
        Op::Unary {
            x: X,
            kind: UnaryKind::Exp,
        },
        DType::F32,
        &[1],
    );
    let inf = compare(&[f64::INFINITY], &big, &CompareOptions::default()).expect("length");
    let one = compare(&[1.0], &big, &CompareOptions::default()).expect("length");
    assert!(inf.passed && !one.passed);
}

#[test]
fn comparison_selection_and_casts() {
    let mut a = f32t(&[3], &[1., 2., 3.]);
    a.bound = vec![0.0, 0.5, 0.0];
    let b = f32t(&[3], &[2., 2.25, 2.]);
    let op = Op::Compare {
        a: X,
        b: ValueId(1),
        predicate: Predicate::Lt,
        nan: false,
    };
    let c = eval(&[a, b], op, DType::Bool, &[3]);
    assert_eq!(
        (&c.value[..], &c.bound[..]),
        (&[1., 1., 0.][..], &[0., 1., 0.][..])
    );
    let op = Op::Select {
        condition: X,
        on_true: ValueId(1),
        on_false: ValueId(2),
    };
    let y = eval(
        &[c, f32t(&[3], &[1.; 3]), f32t(&[3], &[5.; 3])],
        op,
        DType::F32,
        &[3],
    );
    assert_eq!(
        (&y.value[..], &y.bound[..]),
        (&[1., 1., 5.][..], &[0., 4., 0.][..])
    );
    let cast = |x: Array, to| eval(&[x], Op::Cast { x: X }, to, &[1]);
    let half = cast(f32t(&[1], &[2049.0]), DType::F16);
    assert_eq!((half.value[0], half.bound[0]), (2049.0, 2.0));
    assert_eq!(cast(f32t(&[1], &[-2.75]), DType::I32).value, [-2.0]);
    let wide = tensor(DType::I64, &[1], &[4294967297.0]);
    assert_eq!(cast(wide, DType::I32).value, [1.0]);
    assert!(cast(tensor(DType::I32, &[1], &[16777217.0]), DType::F32).bound[0] >= 1.0);
    assert_eq!(
        cast(tensor(DType::Bool, &[1], &[1.0]), DType::F32).value,
        [1.0]
    );
    let mul = Op::Binary {
        a: X,
        b: X,
        kind: BinaryKind::Mul,
    };
    let y = eval(
        &[tensor(DType::I32, &[1], &[65537.0])],
        mul,
        DType::I32,
        &[1],
    );
    assert_eq!(y.value, [131073.0]);
    let op = Op::Fma { a: X, b: X, c: X };
    assert_eq!(
        eval(&[f32t(&[1], &[3.0])], op, DType::F32, &[1]).value,
        [12.0]
    );
}
