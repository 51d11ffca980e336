//! Programs of one op, and kernels emulated in f32: independent of the oracle's evaluation.
//!
//! Every emulation takes the options a kernel author may choose (order of summation, online or
//! not, exp or exp2) and a list of `Fault`s; without faults it is a correct kernel.
#![allow(dead_code, unused_imports)] // each test binary uses a part

pub mod emulate;

use kforge_oracle::*;

pub fn ty(dtype: DType, shape: &[usize]) -> TensorType {
    TensorType::new(dtype, shape)
}

pub fn program(inputs: &[(&str, TensorType)], op: Op, result: TensorType) -> Program {
    let inputs: Vec<Input> = inputs
        .iter()
        .map(|(name, ty)| Input {
            name: (*name).to_owned(),
            ty: ty.clone(),
        })
        .collect();
    let mut program = Program {
        name: "f".to_owned(),
        outputs: vec![ValueId(inputs.len() as u32)],
        inputs,
        nodes: Vec::new(),
    };
    let stage = op.name();
    program.push(stage, op, result);
    program
}

pub fn run(program: &Program, inputs: &[Array]) -> Array {
    let evaluation = evaluate(program, inputs, &EvalOptions::default()).expect("evaluates");
    (*evaluation.outputs()[0]).clone()
}

pub fn verdict(program: &Program, inputs: &[Array], got: &[f64]) -> Comparison {
    compare(got, &run(program, inputs), &CompareOptions::default()).expect("compares")
}

pub fn matmul_op() -> Op {
    Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    }
}

pub fn matmul_program(dtype: DType, (m, n, k): (usize, usize, usize)) -> Program {
    let inputs = [("a", ty(dtype, &[m, k])), ("b", ty(dtype, &[k, n]))];
    program(&inputs, matmul_op(), ty(dtype, &[m, n]))
}

/// Two layers of every form: gated or not, with weights stored either way.
pub fn mlp_programs(activation: ActivationKind) -> Vec<Program> {
    let of = |(gated, transpose_weights): (bool, bool)| {
        let weight = |i: usize, o: usize| if transpose_weights { [o, i] } else { [i, o] };
        let inputs = [
            ("x", ty(DType::F32, &[2, 3, 5])),
            ("up", ty(DType::F32, &weight(5, 7))),
            ("down", ty(DType::F32, &weight(7, 4))),
            ("gate", ty(DType::F32, &weight(5, 7))),
            ("up_bias", ty(DType::F32, &[7])),
            ("down_bias", ty(DType::F32, &[4])),
            ("gate_bias", ty(DType::F32, &[7])),
        ];
        let op = Op::Mlp {
            x: ValueId(0),
            up: ValueId(1),
            down: ValueId(2),
            gate: gated.then_some(ValueId(3)),
            up_bias: Some(ValueId(4)),
            down_bias: Some(ValueId(5)),
            gate_bias: gated.then_some(ValueId(6)),
            activation,
            transpose_weights,
        };
        program(&inputs, op, ty(DType::F32, &[2, 3, 4]))
    };
    [(false, false), (false, true), (true, false), (true, true)]
        .map(of)
        .to_vec()
}

/// a·b + bias, activation, residual.
pub fn fused_program(
    dtype: DType,
    (m, n, k): (usize, usize, usize),
    kind: ActivationKind,
) -> Program {
    let inputs = [
        ("a", ty(dtype, &[m, k])),
        ("b", ty(dtype, &[k, n])),
        ("bias", ty(dtype, &[n])),
        ("residual", ty(dtype, &[m, n])),
    ];
    let op = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: Some(ValueId(2)),
        residual: Some(ValueId(3)),
        transpose_a: false,
        transpose_b: false,
        activation: Some(kind),
    };
    program(&inputs, op, ty(dtype, &[m, n]))
}

pub fn softmax_program(dtype: DType, (rows, n): (usize, usize)) -> Program {
    let t = ty(dtype, &[rows, n]);
    program(
        &[("x", t.clone())],
        Op::Softmax {
            x: ValueId(0),
            axis: -1,
        },
        t,
    )
}

pub fn layer_norm_program(dtype: DType, (rows, n): (usize, usize)) -> Program {
    let t = ty(dtype, &[rows, n]);
    let inputs = [
        ("x", t.clone()),
        ("gamma", ty(dtype, &[n])),
        ("beta", ty(dtype, &[n])),
    ];
    let op = Op::LayerNorm {
        x: ValueId(0),
        gamma: Some(ValueId(1)),
        beta: Some(ValueId(2)),
        axis: -1,
        epsilon: 1e-5,
    };
    program(&inputs, op, t)
}

pub fn rms_norm_program(dtype: DType, (rows, n): (usize, usize)) -> Program {
    let t = ty(dtype, &[rows, n]);
    let inputs = [("x", t.clone()), ("gamma", ty(dtype, &[n]))];
    let op = Op::RmsNorm {
        x: ValueId(0),
        gamma: Some(ValueId(1)),
        axis: -1,
        epsilon: 1e-5,
    };
    program(&inputs, op, t)
}

pub fn attention_program(dtype: DType, s: &AttentionShape, causal: bool, mask: bool) -> Program {
    let kv = ty(dtype, &[s.batch, s.kv_heads, s.keys, s.depth]);
    let q = ty(dtype, &[s.batch, s.heads, s.queries, s.depth]);
    let mut inputs = vec![("q", q.clone()), ("k", kv.clone()), ("v", kv)];
    if mask {
        inputs.push(("mask", ty(dtype, &[s.batch, 1, s.queries, s.keys])));
    }
    let op = Op::Attention {
        q: ValueId(0),
        k: ValueId(1),
        v: ValueId(2),
        mask: mask.then_some(ValueId(3)),
        causal,
        scale: None,
    };
    program(&inputs, op, q)
}

pub fn mlp_program(dtype: DType, (rows, d, h): (usize, usize, usize), gated: bool) -> Program {
    let mut inputs = vec![
        ("x", ty(dtype, &[rows, d])),
        ("up", ty(dtype, &[d, h])),
        ("down", ty(dtype, &[h, d])),
    ];
    if gated {
        inputs.push(("gate", ty(dtype, &[d, h])));
    }
    let op = Op::Mlp {
        x: ValueId(0),
        up: ValueId(1),
        down: ValueId(2),
        gate: gated.then_some(ValueId(3)),
        up_bias: None,
        down_bias: None,
        gate_bias: None,
        activation: if gated {
            ActivationKind::Silu
        } else {
            ActivationKind::Gelu
        },
        transpose_weights: false,
    };
    program(&inputs, op, ty(dtype, &[rows, d]))
}

pub fn rope_program(dtype: DType, shape: [usize; 4], interleaved: bool) -> Program {
    let x = ty(dtype, &shape);
    let inputs = [("x", x.clone()), ("positions", ty(DType::I32, &[shape[2]]))];
    let op = Op::Rope {
        x: ValueId(0),
        positions: ValueId(1),
        inv_freq: None,
        theta: 10000.0,
        interleaved,
        rotary_dim: None,
    };
    program(&inputs, op, x)
}

pub fn activation_program(dtype: DType, n: usize, kind: ActivationKind) -> Program {
    let t = ty(dtype, &[n]);
    program(
        &[("x", t.clone())],
        Op::Activation {
            x: ValueId(0),
            kind,
        },
        t,
    )
}
