//! Sizes, names and operands: what programs are made of.

use kforge_oracle::*;

use crate::common::*;

const F: DType = DType::F32;
const I: DType = DType::I32;
const A: ValueId = ValueId(0);

#[test]
fn types_and_programs_have_a_size() {
    let sized = |shape: &[usize]| {
        let x = ty(F, shape);
        let mut program = program(&[("x", x.clone())], Op::Cast { x: A }, x);
        program.outputs = vec![A];
        program.validate().is_ok()
    };
    let most = 1 << 40;
    assert!(sized(&[most]) && !sized(&[most + 1]) && sized(&[1 << 20, 1 << 20]));
    assert!(!sized(&[most, 2]) && !sized(&[most + 1, 0]) && sized(&[most, 0]));
    assert!(sized(&[1; 16]) && !sized(&[1; 17]));
    let many = |inputs: usize| {
        let scalar = Input {
            name: String::new(),
            ty: ty(F, &[]),
        };
        let program = Program {
            name: String::new(),
            inputs: vec![scalar; inputs],
            nodes: Vec::new(),
            outputs: vec![A],
        };
        program.validate().is_ok()
    };
    assert!(many(1 << 20) && !many((1 << 20) + 1) && !many((1 << 20) + 2));
}

#[test]
fn the_hidden_layer_of_an_mlp_counts() {
    let program = mlp_program(F, (2, 3, 5), false);
    let inputs = generate(&program, Values::Normal, 1).expect("generates");
    let with = |max_elements| {
        let options = EvalOptions {
            max_elements,
            ..EvalOptions::default()
        };
        evaluate(&program, &inputs, &options).is_ok()
    };
    // x, up, down, the result, and three times the widest of two rows.
    let values = 2 * 3 + 3 * 5 + 5 * 3 + 2 * 3;
    assert!(with(values + 3 * 2 * 5) && !with(values + 3 * 2 * 5 - 1));
}

#[test]
fn ops_and_types_are_named_as_they_are_written() {
    for program in [
        matmul_program(F, (2, 3, 4)),
        softmax_program(F, (2, 3)),
        layer_norm_program(F, (2, 3)),
        rms_norm_program(F, (2, 3)),
        mlp_program(F, (2, 3, 4), true),
        rope_program(F, [1, 1, 2, 4], true),
        activation_program(F, 2, ActivationKind::Relu),
    ] {
        let op = &program.nodes[0].op;
        let written = serde_json::to_value(op).expect("serialises");
        assert_eq!(written["op"], op.name());
    }
    for dtype in [F, DType::F16, DType::Bf16, I, DType::I64, DType::Bool] {
        let written = serde_json::to_value(dtype).expect("serialises");
        assert_eq!(written, dtype.name());
        assert_eq!(
            ty(dtype, &[2, 3]).to_string(),
            format!("2x3x{}", dtype.name())
        );
    }
}

#[test]
fn an_op_put_elsewhere_takes_its_operands_along() {
    for program in [
        fused_program(F, (2, 3, 4), ActivationKind::Gelu),
        attention_program(F, &attention_shapes(2, 2)[0], true, true),
        mlp_program(F, (2, 3, 4), true),
        layer_norm_program(F, (2, 3)),
        rope_program(F, [1, 1, 2, 4], true),
        softmax_program(F, (2, 3)),
    ] {
        let op = &program.nodes[0].op;
        let moved = op.with_operands(|id| ValueId(id.0 + 10));
        let shifted: Vec<_> = op
            .operands()
            .iter()
            .map(|it| (it.0, ValueId(it.1.0 + 10)))
            .collect();
        assert_eq!(moved.operands(), shifted);
        assert_eq!(shifted.len(), program.inputs.len());
    }
}
