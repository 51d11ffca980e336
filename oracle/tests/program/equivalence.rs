//! Constants: one unit for those that only one of two programs holds, none for the others.

use kforge_oracle::*;

use crate::common::*;

/// x · c, with `also` among the program's constants though nothing uses it.
fn scaled(constant: ConstantData, also: Option<ConstantData>) -> Program {
    let t = ty(DType::F32, &[2]);
    let mut program = program(
        &[("x", t.clone())],
        Op::Constant { data: constant },
        t.clone(),
    );
    let product = Op::Binary {
        a: ValueId(0),
        b: ValueId(1),
        kind: BinaryKind::Mul,
    };
    let y = program.push("scale", product, t.clone());
    if let Some(data) = also {
        program.push("unused", Op::Constant { data }, t);
    }
    program.outputs = vec![y];
    program
}

fn equal(reference: &Program, other: &Program) -> bool {
    let x = [Array::exact(ty(DType::F32, &[2]), vec![1.0, 3.0])];
    compare_programs(reference, other, &x)
        .expect("compares")
        .equal
}

#[test]
fn a_constant_of_one_program_alone_may_be_rounded() {
    let splat = |x: f64| ConstantData::Splat(x);
    let dense = |x: f64| ConstantData::Dense(vec![x, 0.5]);
    for kind in [&splat as &dyn Fn(f64) -> ConstantData, &dense] {
        // Neighbours are 2u apart here; each side's unit is 1.9u.
        let first = f64::from(1.9f32);
        let second = f64::from(1.9f32.next_up());
        assert!(equal(
            &scaled(kind(first), None),
            &scaled(kind(second), None)
        ));
        // Where one side knows both there is a unit for one of them alone: not enough.
        let both = scaled(kind(first), Some(kind(second)));
        assert!(!equal(&both, &scaled(kind(second), None)));
        assert!(!equal(&scaled(kind(second), None), &both));
        // Where both know both there is none.
        assert!(!equal(&both, &scaled(kind(second), Some(kind(first)))));
        assert!(equal(&both, &scaled(kind(first), None)));
        // Two neighbours further on is more than both units.
        let third = f64::from(1.9f32.next_up().next_up());
        assert!(!equal(
            &scaled(kind(first), None),
            &scaled(kind(third), None)
        ));
        // A unit is one of the constant's own size.
        let (small, other) = (f64::from(0.3f32), f64::from(0.3f32.next_up().next_up()));
        assert!(!equal(
            &scaled(kind(small), None),
            &scaled(kind(other), None)
        ));
    }
}

#[test]
fn outputs_of_other_types_are_no_outputs_to_compare() {
    let cast = |to| {
        let x = Op::Cast { x: ValueId(0) };
        program(&[("x", ty(DType::F32, &[2]))], x, ty(to, &[2]))
    };
    let x = [Array::exact(ty(DType::F32, &[2]), vec![1.0, 3.0])];
    let of = |a, b| compare_programs(&cast(a), &cast(b), &x);
    assert!(of(DType::F32, DType::F32).is_ok());
    let error = of(DType::F16, DType::Bf16).expect_err("types differ");
    let EquivalenceError::Signature {
        reference, other, ..
    } = error
    else {
        unreachable!("another error: {error}");
    };
    assert_eq!((&reference[..], &other[..]), ("2xf16", "2xbf16"));
}

#[test]
fn values_beyond_the_range_of_f32_are_values_without_a_device() {
    // No storage, no flush: a subnormal keeps its bound of 0, and its value.
    let t = ty(DType::F32, &[2]);
    let op = Op::Activation {
        x: ValueId(0),
        kind: ActivationKind::Relu,
    };
    let program = program(&[("x", t.clone())], op, t.clone());
    let options = EvalOptions {
        rounding: Rounding::None,
        ..EvalOptions::default()
    };
    let tiny = f64::from(f32::MIN_POSITIVE) / 2.0;
    let x = [Array::exact(t, vec![tiny, 1.0])];
    let evaluation = evaluate(&program, &x, &options).expect("evaluates");
    assert_eq!(evaluation.outputs()[0].bound, [0.0, 0.0]);
}
