//! Programs whose inputs are pinned: every role, every way to grow, every type.

use kforge_oracle::*;

use crate::common::*;

fn push(program: &mut Program, op: Op, shape: &[usize], dtype: DType) -> ValueId {
    let id = program.push("more", op, ty(dtype, shape));
    program.outputs = vec![id];
    id
}

/// x · w three times, each result being the next one's left operand.
fn products(dtype: DType, n: usize) -> Program {
    let mut program = matmul_program(dtype, (n, n, n));
    for _ in 0..2 {
        let mut op = matmul_op();
        if let Op::Matmul { a, .. } = &mut op {
            *a = program.outputs[0];
        }
        push(&mut program, op, &[n, n], dtype);
    }
    program
}

/// Mask and weights that are moved and cast before they are used.
fn moved() -> Program {
    let inputs = [
        ("x", ty(DType::F32, &[6, 4])),
        ("gamma", ty(DType::F16, &[2, 2])),
        ("part", ty(DType::F32, &[1, 4])),
        ("whole", ty(DType::F32, &[3, 4])),
        ("other", ty(DType::F32, &[4, 6])),
    ];
    let x = ValueId(0);
    let softmax = |x| Op::Softmax { x, axis: 0 };
    let mut program = program(&inputs, softmax(x), ty(DType::F32, &[6, 4]));
    let flat = push(
        &mut program,
        Op::Reshape { x: ValueId(1) },
        &[4],
        DType::F16,
    );
    let gamma = push(&mut program, Op::Cast { x: flat }, &[4], DType::F32);
    let norm = Op::LayerNorm {
        x: ValueId(5),
        gamma: Some(gamma),
        beta: None,
        axis: -1,
        epsilon: 1e-5,
    };
    push(&mut program, norm, &[6, 4], DType::F32);
    let insert = Op::InsertSlice {
        source: ValueId(2),
        destination: ValueId(3),
        offsets: vec![1, 0],
        sizes: vec![1, 4],
        strides: vec![1, 1],
    };
    let inserted = push(&mut program, insert, &[3, 4], DType::F32);
    push(&mut program, softmax(inserted), &[3, 4], DType::F32);
    let joined = Op::Concat {
        inputs: vec![ValueId(3), ValueId(2)],
        axis: 0,
    };
    let joined = push(&mut program, joined, &[4, 4], DType::F32);
    push(&mut program, softmax(joined), &[4, 4], DType::F32);
    let turned = Op::Transpose {
        x: ValueId(4),
        permutation: vec![1, 0],
    };
    let turned = push(&mut program, turned, &[6, 4], DType::F32);
    push(&mut program, softmax(turned), &[6, 4], DType::F32);
    program
}

/// Products of elements in half precision, whose range an input must leave room for.
fn elementwise(kind: usize) -> Program {
    let t = ty(DType::F16, &[3, 5]);
    let weight = ty(DType::F16, &[5]);
    let inputs = [
        ("x", t.clone()),
        ("y", t.clone()),
        ("z", t.clone()),
        ("gamma", weight.clone()),
        ("beta", weight),
    ];
    let (x, y, z) = (ValueId(0), ValueId(1), ValueId(2));
    let mul = |a, b| Op::Binary {
        a,
        b,
        kind: BinaryKind::Mul,
    };
    let shape = [3, 5];
    let first = match kind {
        0..=2 => mul(x, y),
        3 => Op::Softmax { x, axis: -1 },
        4 => Op::RmsNorm {
            x,
            gamma: Some(ValueId(3)),
            axis: -1,
            epsilon: 1e-5,
        },
        _ => Op::LayerNorm {
            x,
            gamma: Some(ValueId(3)),
            beta: Some(ValueId(4)),
            axis: -1,
            epsilon: 1e-5,
        },
    };
    let mut program = program(&inputs, first, t);
    let y = ValueId(5);
    match kind {
        0 => {}
        1 => {
            push(&mut program, mul(y, z), &shape, DType::F16);
        }
        2 => {
            let op = Op::Fma { a: y, b: z, c: y };
            push(&mut program, op, &shape, DType::F16);
        }
        _ => {
            let square = push(&mut program, mul(y, y), &shape, DType::F16);
            push(&mut program, mul(square, z), &shape, DType::F16);
        }
    }
    program
}

/// Queries are products, values are not.
fn computed_queries() -> Program {
    let t = ty(DType::F16, &[1, 1, 3, 4]);
    let inputs = [("q", t.clone()), ("k", t.clone()), ("v", t.clone())];
    let product = Op::Binary {
        a: ValueId(1),
        b: ValueId(1),
        kind: BinaryKind::Mul,
    };
    let mut program = program(&inputs, product, t);
    let op = Op::Attention {
        q: ValueId(3),
        k: ValueId(1),
        v: ValueId(2),
        mask: None,
        causal: false,
        scale: Some(0.01),
    };
    let seen = push(&mut program, op, &[1, 1, 3, 4], DType::F16);
    let product = Op::Binary {
        a: seen,
        b: ValueId(2),
        kind: BinaryKind::Mul,
    };
    push(&mut program, product, &[1, 1, 3, 4], DType::F16);
    program
}

/// A softmax of what is put together from inputs, or of a cast one along its first axis.
fn assembled(kind: usize) -> Program {
    let inputs = [
        ("a", ty(DType::F32, &[2, 6])),
        ("b", ty(DType::F32, &[3, 6])),
    ];
    let op = match kind {
        0 => Op::InsertSlice {
            source: ValueId(0),
            destination: ValueId(1),
            offsets: vec![1, 0],
            sizes: vec![2, 6],
            strides: vec![1, 1],
        },
        1 => Op::Concat {
            inputs: vec![ValueId(1)],
            axis: 0,
        },
        _ => Op::Cast { x: ValueId(1) },
    };
    let mut program = program(&inputs, op, ty(DType::F32, &[3, 6]));
    let softmax = Op::Softmax {
        x: ValueId(2),
        axis: if kind == 2 { 0 } else { -1 },
    };
    push(&mut program, softmax, &[3, 6], DType::F32);
    program
}

/// Norms whose gamma is a product, or whose result is squared again and again.
fn normed(kind: usize) -> Program {
    let half = DType::F16;
    let inputs = [
        ("x", ty(half, &[3, 5])),
        ("a", ty(half, &[1, 4])),
        ("b", ty(half, &[4, 5])),
    ];
    let mut op = matmul_op();
    if let Op::Matmul { a, b, .. } = &mut op {
        (*a, *b) = (ValueId(1), ValueId(2));
    }
    let mut program = program(&inputs, op, ty(half, &[1, 5]));
    let gamma = push(&mut program, Op::Reshape { x: ValueId(3) }, &[5], half);
    let (x, axis, epsilon) = (ValueId(0), -1, 1e-5);
    let gamma = (kind < 2).then_some(gamma);
    let norm = match kind {
        0 => Op::LayerNorm {
            x,
            gamma,
            beta: None,
            axis,
            epsilon,
        },
        _ => Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        },
    };
    let mut last = push(&mut program, norm, &[3, 5], half);
    for _ in 0..if kind == 2 { 4 } else { 0 } {
        let square = Op::Binary {
            a: last,
            b: last,
            kind: BinaryKind::Mul,
        };
        last = push(&mut program, square, &[3, 5], half);
    }
    program
}

/// Lines along a middle axis.
fn middle() -> Program {
    let t = ty(DType::F32, &[3, 5, 2]);
    let op = Op::Softmax {
        x: ValueId(0),
        axis: 1,
    };
    program(&[("x", t.clone())], op, t)
}

fn integers() -> Program {
    let inputs = [
        ("i", ty(DType::I32, &[4, 9])),
        ("j", ty(DType::I64, &[4, 9])),
        ("b", ty(DType::Bool, &[4, 9])),
    ];
    program(&inputs, Op::Cast { x: ValueId(0) }, ty(DType::I64, &[4, 9]))
}

fn given_frequencies() -> Program {
    let inputs = [
        ("x", ty(DType::F32, &[1, 2, 5, 8])),
        ("positions", ty(DType::I32, &[5])),
        ("inv_freq", ty(DType::F32, &[4])),
    ];
    let op = Op::Rope {
        x: ValueId(0),
        positions: ValueId(1),
        inv_freq: Some(ValueId(2)),
        theta: 500.0,
        interleaved: false,
        rotary_dim: None,
    };
    program(&inputs, op, ty(DType::F32, &[1, 2, 5, 8]))
}

pub fn every_program() -> Vec<Program> {
    let shape = AttentionShape {
        batch: 2,
        heads: 2,
        kv_heads: 1,
        queries: 3,
        keys: 7,
        depth: 4,
    };
    let mut programs = vec![moved(), integers(), given_frequencies()];
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        programs.push(matmul_program(dtype, (3, 40, 21)));
        programs.push(matmul_program(dtype, (2, 3, 9000)));
        programs.push(products(dtype, 6));
        programs.push(softmax_program(dtype, (5, 9)));
        programs.push(softmax_program(dtype, (40, 9)));
        programs.push(attention_program(dtype, &shape, false, true));
        programs.push(mlp_program(dtype, (3, 5, 7), true));
        programs.push(mlp_program(dtype, (3, 7, 5), false));
        programs.push(layer_norm_program(dtype, (4, 6)));
        programs.push(rms_norm_program(dtype, (4, 6)));
        programs.push(rope_program(dtype, [2, 1, 6, 4], true));
    }
    programs.extend((0..6).map(elementwise));
    programs.push(computed_queries());
    programs.extend((0..3).map(assembled));
    programs.extend((0..3).map(normed));
    programs.push(middle());
    programs.push(matmul_program(DType::F32, (1, 1, 70_000)));
    programs.push(matmul_program(DType::F16, (2, 3, 200)));
    programs.push(matmul_program(DType::Bf16, (2, 3, 200)));
    let mut turned = matmul_program(DType::F16, (5, 300, 4));
    turned.inputs[0].ty.shape = vec![4, 5];
    if let Op::Matmul { transpose_a, .. } = &mut turned.nodes[0].op {
        *transpose_a = true;
    }
    programs.push(turned);
    programs
}
