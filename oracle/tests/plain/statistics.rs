//! Which elements are vacuous, and what their errors are held against: counted by hand.

use kforge_oracle::*;

use crate::common::*;

/// 64 is the fewest that statistics are made of.
const FEWEST: usize = 64;

fn reference(pairs: &[(f64, f64)]) -> Array {
    let mut array = Array::exact(
        ty(DType::F16, &[pairs.len()]),
        pairs.iter().map(|it| it.0).collect(),
    );
    array.bound = pairs.iter().map(|it| it.1).collect();
    array
}

fn with(n: usize, element: (f64, f64), more: &[(f64, f64)]) -> Array {
    let mut pairs = vec![element; n];
    pairs.extend(more);
    reference(&pairs)
}

#[test]
fn a_bound_beyond_the_root_mean_square_is_vacuous() {
    let vacuous = |pairs: &[(f64, f64)]| is_vacuous(&reference(pairs));
    assert!(vacuous(&[(2.0, 2.125); FEWEST]) && !vacuous(&[(2.0, 2.125); FEWEST - 1]));
    assert!(!vacuous(&[(2.0, 2.0); FEWEST]));
    assert!(!vacuous(&[(-2.0, 1.5); FEWEST]) && vacuous(&[(-2.0, 2.5); FEWEST]));
    // The root mean square of as many 1 as 7 is 5.
    let mixed = |bound: f64| -> Vec<(f64, f64)> {
        let pair = |i: usize| (if i.is_multiple_of(2) { 1.0 } else { -7.0 }, bound);
        (0..FEWEST).map(pair).collect()
    };
    assert!(vacuous(&mixed(5.25)) && !vacuous(&mixed(4.75)));
    // What is out of range neither counts nor is counted.
    assert!(is_vacuous(&with(
        FEWEST,
        (2.0, 2.125),
        &[(7e4, f64::INFINITY); 9]
    )));
    assert!(!is_vacuous(&with(
        FEWEST - 1,
        (2.0, 2.125),
        &[(7e4, f64::INFINITY)]
    )));
    assert!(!vacuous(&[]));
}

/// Compares with a plain kernel that is `off`.
fn held(reference: &Array, got: &[f64], off: f64, roomy: bool) -> Option<PlainComparison> {
    let plain = Plain {
        outputs: vec![reference.value.iter().map(|x| x + off).collect()],
        roomy,
    };
    compare_plain(got, reference, &plain, 0)
}

fn shifted(reference: &Array, by: f64) -> Vec<f64> {
    reference.value.iter().map(|x| x + by).collect()
}

#[test]
fn errors_may_be_three_times_those_of_a_plain_kernel() {
    let array = with(FEWEST, (2.0, 3.0), &[(2.0, f64::INFINITY); 4]);
    let said = |by: f64, off: f64| held(&array, &shifted(&array, by), off, true).expect("enough");
    let fine = said(0.75, 0.25);
    assert_eq!((fine.passed, fine.elements, fine.decided), (true, 68, 4));
    assert_eq!((fine.max, fine.rms), ((0.75, 0.75), (0.75, 0.75)));
    assert!(!said(0.8125, 0.25).passed && said(-0.75, 0.25).passed);
    // One spacing of the largest value is always allowed, three times.
    let lucky = said(0.0, 0.0);
    let spacing = 3.0 * 2.0 / 1024.0;
    assert_eq!((lucky.max, lucky.rms), ((0.0, spacing), (0.0, spacing)));
    // A single large error fails by its size, many by their mean square.
    let mut got = array.value.clone();
    got[5] += 1.0;
    let said = held(&array, &got, 0.25, true).expect("enough");
    assert!(!said.passed && said.max == (1.0, 0.75));
    assert_eq!(said.rms.0, (1.0f64 / 68.0).sqrt());
    let mut plain = Plain {
        outputs: vec![array.value.clone()],
        roomy: true,
    };
    plain.outputs[0][9] += 0.5;
    let said = compare_plain(&shifted(&array, 0.5), &array, &plain, 0).expect("enough");
    assert!(!said.passed && said.max == (0.5, 1.5) && said.rms.0 == 0.5);
    assert_eq!(said.rms.1, 3.0 * (0.25f64 / 68.0).sqrt());
}

#[test]
fn only_vacuous_elements_that_a_plain_kernel_has_are_compared() {
    let array = with(FEWEST, (2.0, 3.0), &[(2.0, 1.0); 9]);
    let mut got = array.value.clone();
    got[FEWEST] = 50.0;
    got[FEWEST + 1] = f64::NAN;
    let said = held(&array, &got, 0.25, true).expect("enough");
    assert_eq!(
        (said.passed, said.elements, said.nan_or_inf),
        (true, FEWEST, 0)
    );
    let mut plain = Plain {
        outputs: vec![array.value.clone()],
        roomy: true,
    };
    plain.outputs[0][0] = f64::INFINITY;
    assert!(compare_plain(&got, &array, &plain, 0).is_none());
    // Other lengths, and outputs that are not there.
    plain.outputs[0][0] = 2.0;
    assert!(compare_plain(&got, &array, &plain, 0).is_some());
    assert!(compare_plain(&got, &array, &plain, 1).is_none());
    assert!(compare_plain(&got[1..], &array, &plain, 0).is_none());
    plain.outputs[0].pop();
    assert!(compare_plain(&got, &array, &plain, 0).is_none());
}

#[test]
fn strays_are_faults_where_the_plain_kernel_has_room() {
    let array = with(FEWEST, (2.0, 3.0), &[]);
    let mut got = array.value.clone();
    got[3] = f64::NAN;
    got[4] = f64::INFINITY;
    let said = held(&array, &got, 0.25, true).expect("strays count");
    assert_eq!(
        (said.passed, said.elements, said.nan_or_inf),
        (false, FEWEST - 2, 2)
    );
    // Without room they are left out, and too few remain.
    assert!(held(&array, &got, 0.25, false).is_none());
    let more = with(FEWEST + 2, (2.0, 3.0), &[]);
    let mut got = more.value.clone();
    (got[3], got[4]) = (f64::NAN, f64::NEG_INFINITY);
    let said = held(&more, &got, 0.25, false).expect("enough");
    assert_eq!(
        (said.passed, said.elements, said.nan_or_inf),
        (true, FEWEST, 0)
    );
    let few = with(FEWEST - 1, (2.0, 3.0), &[]);
    assert!(held(&few, &few.value, 0.25, true).is_none());
}

#[test]
fn programs_that_jump_or_have_no_halves_are_not_judged() {
    let smooth = |from: DType, op: Op, to: DType| {
        let inputs = [("x", ty(from, &[2])), ("y", ty(from, &[2]))];
        is_smooth_half(&program(&inputs, op, ty(to, &[2])))
    };
    let x = ValueId(0);
    let compare = |a| Op::Compare {
        a,
        b: ValueId(1),
        predicate: Predicate::Lt,
        nan: false,
    };
    let unary = |kind| Op::Unary { x, kind };
    let (f16, bf16, f32, i32) = (DType::F16, DType::Bf16, DType::F32, DType::I32);
    assert!(smooth(f16, unary(UnaryKind::Exp), f16) && smooth(bf16, unary(UnaryKind::Exp), bf16));
    assert!(!smooth(f32, unary(UnaryKind::Exp), f32));
    assert!(!smooth(f16, unary(UnaryKind::Floor), f16));
    assert!(!smooth(f16, unary(UnaryKind::Ceil), f16));
    assert!(!smooth(f16, compare(x), DType::Bool));
    assert!(!smooth(i32, compare(x), DType::Bool));
    // On one side alone is enough; a cast of floats does not jump, one to integers does.
    assert!(smooth(f16, Op::Cast { x }, f32) && smooth(f32, Op::Cast { x }, f16));
    assert!(!smooth(f16, Op::Cast { x }, i32));
    assert!(smooth(i32, Op::Cast { x }, f16) && !smooth(i32, Op::Cast { x }, DType::I64));
    // Integers beside halves may be compared and cast: they carry no error.
    let mut mixed = program(
        &[
            ("x", ty(i32, &[2])),
            ("y", ty(i32, &[2])),
            ("z", ty(f16, &[2])),
        ],
        compare(x),
        ty(DType::Bool, &[2]),
    );
    mixed.push("wide", Op::Cast { x }, ty(DType::I64, &[2]));
    assert!(is_smooth_half(&mixed));
}
