//! Layers over the fields: their f64 values, and equal residues of programs that mean the same.

use kforge_oracle::*;

use crate::common::*;
use crate::{agrees, lifted};

fn checked(program: &Program) {
    let inputs = generate(program, Values::Normal, 9).expect("generates");
    agrees(program, &inputs);
}

#[test]
fn products_of_every_form() {
    let kinds = [None, Some(ActivationKind::Gelu), Some(ActivationKind::Relu)];
    for transpose_a in [false, true] {
        for transpose_b in [false, true] {
            for activation in kinds {
                let stack = |batch: &[usize], rows: usize, columns: usize, turned: bool| {
                    let sides = if turned {
                        [columns, rows]
                    } else {
                        [rows, columns]
                    };
                    ty(DType::F32, &[batch, &sides].concat())
                };
                let inputs = [
                    ("a", stack(&[2, 1], 3, 5, transpose_a)),
                    ("b", stack(&[4], 5, 2, transpose_b)),
                    ("bias", ty(DType::F32, &[2])),
                    ("residual", ty(DType::F32, &[2, 4, 3, 2])),
                ];
                let op = Op::Matmul {
                    a: ValueId(0),
                    b: ValueId(1),
                    bias: Some(ValueId(2)),
                    residual: Some(ValueId(3)),
                    transpose_a,
                    transpose_b,
                    activation,
                };
                checked(&program(&inputs, op, ty(DType::F32, &[2, 4, 3, 2])));
            }
        }
    }
    checked(&matmul_program(DType::F32, (3, 4, 5)));
    let deep = [
        ("a", ty(DType::F32, &[2, 1, 2, 3, 5])),
        ("b", ty(DType::F32, &[1, 3, 2, 5, 4])),
    ];
    checked(&program(
        &deep,
        matmul_op(),
        ty(DType::F32, &[2, 3, 2, 3, 4]),
    ));
}

#[test]
fn softmax_subtracts_the_largest_whatever_its_place() {
    let program = softmax_program(DType::F32, (3, 3));
    let rows = [0.0, 2000.0, 1.0, 2000.0, 0.0, 1.0, 1999.0, 0.0, 2000.0];
    agrees(
        &program,
        &[Array::exact(ty(DType::F32, &[3, 3]), rows.to_vec())],
    );
}

#[test]
fn rows_along_any_axis() {
    let t = ty(DType::F32, &[2, 5, 3]);
    for axis in [-1, 0, 1, -2] {
        let x = [("x", t.clone())];
        checked(&program(
            &x,
            Op::Softmax {
                x: ValueId(0),
                axis,
            },
            t.clone(),
        ));
        let length = t.shape[((axis + 3) % 3) as usize];
        let weight = ty(DType::F32, &[length]);
        let inputs = [
            ("x", t.clone()),
            ("gamma", weight.clone()),
            ("beta", weight),
        ];
        let op = Op::LayerNorm {
            x: ValueId(0),
            gamma: Some(ValueId(1)),
            beta: Some(ValueId(2)),
            axis,
            epsilon: 0.125,
        };
        checked(&program(&inputs, op, t.clone()));
        let op = Op::RmsNorm {
            x: ValueId(0),
            gamma: Some(ValueId(1)),
            axis,
            epsilon: 0.125,
        };
        checked(&program(&inputs[..2], op, t.clone()));
    }
}

#[test]
fn attention_shares_masks_and_absences() {
    let (batch, heads, shared, rows, depth, width) = (2, 4, 2, 3, 4, 5);
    for keys in [2, 3, 6] {
        for causal in [false, true] {
            for mask in [None, Some(vec![rows, keys]), Some(vec![batch, 1, 1, keys])] {
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
                    let program = program(&inputs, op, result);
                    let mut inputs = generate(&program, Values::Normal, 3).expect("generates");
                    if let Some(mask) = inputs.get_mut(3) {
                        mask.value[0] = DType::F32.round(-1e9);
                        mask.value[1] = f64::NEG_INFINITY;
                        mask.value[2] = 0.5;
                    }
                    agrees(&program, &inputs);
                }
            }
        }
    }
}

#[test]
fn mlp_and_rope_of_every_form() {
    for program in mlp_programs(ActivationKind::Silu) {
        checked(&program);
    }
    for interleaved in [false, true] {
        for positions in [vec![5], vec![2, 5]] {
            for given in [false, true] {
                let mut inputs = vec![
                    ("x", ty(DType::F32, &[2, 3, 5, 8])),
                    ("positions", ty(DType::I32, &positions)),
                ];
                inputs.extend(given.then(|| ("inv_freq", ty(DType::F32, &[3]))));
                let op = Op::Rope {
                    x: ValueId(0),
                    positions: ValueId(1),
                    inv_freq: given.then_some(ValueId(2)),
                    theta: 100.0,
                    interleaved,
                    rotary_dim: Some(6),
                };
                let program = program(&inputs, op, ty(DType::F32, &[2, 3, 5, 8]));
                let mut inputs = generate(&program, Values::Normal, 3).expect("generates");
                for (at, position) in inputs[1].value.iter_mut().enumerate() {
                    *position = (at * 3 % 7) as f64;
                }
                agrees(&program, &inputs);
            }
        }
    }
}

/// softmax(x) and exp(x) / sum exp(x), with the sum along the last axis.
#[test]
fn programs_that_mean_the_same_have_equal_residues() {
    let t = ty(DType::F32, &[2, 5]);
    let soft = softmax_program(DType::F32, (2, 5));
    let mut spelled = program(
        &[("x", t.clone())],
        Op::Unary {
            x: ValueId(0),
            kind: UnaryKind::Exp,
        },
        t.clone(),
    );
    let sum = Op::Reduce {
        x: ValueId(1),
        init: None,
        kind: ReduceKind::Add,
        axes: vec![1],
    };
    let sum = spelled.push("sum", sum, ty(DType::F32, &[2]));
    let wide = Op::Broadcast {
        x: sum,
        dimensions: vec![1],
    };
    let wide = spelled.push("wide", wide, t.clone());
    let quotient = Op::Binary {
        a: ValueId(1),
        b: wide,
        kind: BinaryKind::Div,
    };
    let quotient = spelled.push("divide", quotient, t.clone());
    spelled.outputs = vec![quotient];
    let inputs = generate(&soft, Values::Normal, 1).expect("generates");
    let field = Field::new(&soft, 1);
    let of = |program: &Program| {
        let inputs = lifted(&field, &inputs);
        let results = evaluate_in_field(program, &field, &inputs).expect("evaluates");
        match results.into_iter().next() {
            Some(FieldTensor::Float(values)) => values,
            other => unreachable!("floats expected, {other:?}"),
        }
    };
    let (first, second) = (of(&soft), of(&spelled));
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(a, b)| a.equals(b) && a.is_certain())
    );
    // Without the quotient nothing is equal.
    spelled.outputs = vec![ValueId(1)];
    assert!(first.iter().zip(of(&spelled)).all(|(a, b)| !a.equals(&b)));
}
