//! A plain kernel takes the steps of its own type, in order, on the right operands.

use kforge_oracle::*;

use crate::common::*;

fn plainly(program: &Program, inputs: &[Array]) -> Plain {
    plain(program, inputs, &EvalOptions::default()).expect("evaluates")
}

fn exact(dtype: DType, shape: &[usize], value: &[f64]) -> Array {
    Array::exact(ty(dtype, shape), value.to_vec())
}

fn one(inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) -> (Program, Plain) {
    let named: Vec<(&str, TensorType)> = inputs.iter().map(|a| ("x", a.ty.clone())).collect();
    let program = program(&named, op, ty(dtype, shape));
    let plain = plainly(&program, inputs);
    (program, plain)
}

/// In f32 the plain kernel is a correct one: inside every bound, wherever operands are shared,
/// broadcast, masked or of other widths.
#[test]
fn every_operand_is_found() {
    let (batch, heads, shared, rows, depth, width) = (2, 4, 2, 3, 4, 5);
    for keys in [2, 3, 6] {
        for causal in [false, true] {
            for mask in [
                None,
                Some(vec![rows, keys]),
                Some(vec![batch, 1, 1, keys]),
                Some(vec![heads, rows, keys]),
            ] {
                for scale in [None, Some(-0.75)] {
                    let mut inputs = vec![
                        ("q", ty(DType::F32, &[batch, heads, rows, depth])),
                        ("k", ty(DType::F32, &[batch, shared, keys, depth])),
                        ("v", ty(DType::F32, &[batch, shared, keys, width])),
                    ];
                    inputs.extend(mask.as_ref().map(|shape| ("mask", ty(DType::F32, shape))));
                    let op = Op::Attention {
                        q: ValueId(0),
                        k: ValueId(1),
                        v: ValueId(2),
                        mask: mask.as_ref().map(|_| ValueId(3)),
                        causal,
                        scale,
                    };
                    let result = ty(DType::F32, &[batch, heads, rows, width]);
                    check(&program(&inputs, op, result));
                }
            }
        }
    }
    for program in mlp_programs(ActivationKind::Gelu) {
        check(&program);
    }
    let batches = [
        ("a", ty(DType::F32, &[2, 1, 3, 5])),
        ("b", ty(DType::F32, &[4, 5, 2])),
    ];
    check(&program(
        &batches,
        matmul_op(),
        ty(DType::F32, &[2, 4, 3, 2]),
    ));
}

fn check(program: &Program) {
    let mut inputs = generate(program, Values::Normal, 7).expect("generates");
    if let (Op::Attention { .. }, Some(mask)) = (&program.nodes[0].op, inputs.get_mut(3)) {
        let seen = mask.value.iter_mut().filter(|it| **it == 0.0);
        seen.enumerate().for_each(|(at, it)| *it = (at % 3) as f64);
    }
    let got = plainly(program, &inputs);
    let c = verdict(program, &inputs, &got.outputs[0]);
    assert!(c.passed, "{:?}: {c:?}", program.nodes[0].op);
}

#[test]
fn sums_are_rounded_after_every_term() {
    let f16 = DType::F16;
    // 2048 + 1 is a tie that goes down, twice; in f64 the sum is 2050.
    let line = [2048.0, 1.0, 1.0];
    let inputs = [exact(f16, &[1, 3], &line), exact(f16, &[3, 1], &[1.0; 3])];
    assert_eq!(
        one(&inputs, matmul_op(), f16, &[1, 1]).1.outputs,
        [[2048.0]]
    );
    // 4096 ones add up to 2048.
    let n = 4096;
    let input = [exact(f16, &[1, n], &vec![0.0; n])];
    let (_, soft) = one(
        &input,
        Op::Softmax {
            x: ValueId(0),
            axis: -1,
        },
        f16,
        &[1, n],
    );
    assert_eq!(soft.outputs[0][7], 1.0 / 2048.0);
    let op = Op::RmsNorm {
        x: ValueId(0),
        gamma: None,
        axis: -1,
        epsilon: 0.0,
    };
    let input = [exact(f16, &[1, n], &vec![1.0; n])];
    let (_, norm) = one(&input, op, f16, &[1, n]);
    assert_eq!(norm.outputs[0][7], f16.round(2f64.sqrt()));
    // Scores of 2050 and 2048 become equal.
    let inputs = [
        exact(f16, &[1, 1, 1, 3], &line),
        exact(f16, &[1, 1, 2, 3], &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
        exact(f16, &[1, 1, 2, 1], &[1.0, 0.0]),
    ];
    let op = Op::Attention {
        q: ValueId(0),
        k: ValueId(1),
        v: ValueId(2),
        mask: None,
        causal: false,
        scale: Some(1.0),
    };
    assert_eq!(one(&inputs, op, f16, &[1, 1, 1, 1]).1.outputs, [[0.5]]);
}

#[test]
fn an_empty_contraction_gives_zeros() {
    let inputs = [
        exact(DType::F16, &[2, 0], &[]),
        exact(DType::F16, &[0, 3], &[]),
    ];
    let (_, got) = one(&inputs, matmul_op(), DType::F16, &[2, 3]);
    assert_eq!(got.outputs, [[0.0; 6]]);
}

#[test]
fn a_quarter_of_the_range_is_room_for_every_value() {
    let relu = |x: ValueId| Op::Activation {
        x,
        kind: ActivationKind::Relu,
    };
    let roomy = |dtype: DType, largest: f64| {
        let input = [exact(dtype, &[2], &[1.0, largest])];
        let mut program = program(&[("x", ty(dtype, &[2]))], relu(ValueId(0)), ty(dtype, &[2]));
        let none = Op::Binary {
            a: ValueId(1),
            b: ValueId(1),
            kind: BinaryKind::Sub,
        };
        // Small values later do not make up for a large one.
        program.push("zero", none, ty(dtype, &[2]));
        plainly(&program, &input).roomy
    };
    assert!(roomy(DType::F16, 16368.0));
    assert!(!roomy(DType::F16, 16376.0) && !roomy(DType::F16, 65504.0));
    assert!(roomy(DType::Bf16, 2f64.powi(125)) && !roomy(DType::Bf16, 2f64.powi(126)));
    // f32 has no need of room.
    assert!(roomy(DType::F32, 2f64.powi(127)));
}
