//! Every op with a list of mandatory shapes: the shapes it is tried at, and the names it has in an
//! interface.

use std::collections::BTreeSet;

use kforge_oracle::{ActivationKind, DType, Input, Op, Program, TensorType, ValueId};

use super::{dims::Problem, interface::Interface, shapes::programs};

/// One op on inputs of these shapes, in the order of its operands.
fn program(op: Op, inputs: &[(&str, DType, &[usize])], result: &[usize]) -> Program {
    let inputs = inputs.iter().map(|(name, dtype, shape)| Input {
        name: (*name).into(),
        ty: TensorType::new(*dtype, shape),
    });
    let mut program = Program {
        name: "f".into(),
        inputs: inputs.collect(),
        nodes: Vec::new(),
        outputs: Vec::new(),
    };
    let value = program.push("op", op, TensorType::new(DType::F32, result));
    program.outputs = vec![value];
    program.validate().expect("a program written by hand");
    program
}

const F32: DType = DType::F32;

fn mlp(transpose_weights: bool) -> Program {
    let [k, hidden, n] = [6, 10, 4];
    let weight = |rows: usize, columns: usize| match transpose_weights {
        true => [columns, rows],
        false => [rows, columns],
    };
    let op = Op::Mlp {
        x: ValueId(0),
        up: ValueId(1),
        down: ValueId(2),
        gate: Some(ValueId(3)),
        up_bias: Some(ValueId(4)),
        down_bias: Some(ValueId(5)),
        gate_bias: None,
        activation: ActivationKind::Silu,
        transpose_weights,
    };
    let inputs: [(&str, DType, &[usize]); 6] = [
        ("x", F32, &[2, 3, k]),
        ("up", F32, &weight(k, hidden)),
        ("down", F32, &weight(hidden, n)),
        ("gate", F32, &weight(k, hidden)),
        ("up_bias", F32, &[hidden]),
        ("down_bias", F32, &[n]),
    ];
    program(op, &inputs, &[2, 3, n])
}

fn rope(positions: &[usize]) -> Program {
    let op = Op::Rope {
        x: ValueId(0),
        positions: ValueId(1),
        inv_freq: None,
        theta: 500.0,
        interleaved: false,
        rotary_dim: None,
    };
    let inputs: [(&str, DType, &[usize]); 2] = [
        ("x", F32, &[2, 3, 5, 8]),
        ("positions", DType::I32, positions),
    ];
    program(op, &inputs, &[2, 3, 5, 8])
}

fn attention(depth_of_values: usize, mask: Option<&[usize]>) -> Program {
    let op = Op::Attention {
        q: ValueId(0),
        k: ValueId(1),
        v: ValueId(2),
        mask: mask.map(|_| ValueId(3)),
        causal: false,
        scale: None,
    };
    let values = [2, 2, 7, depth_of_values];
    let mut inputs: Vec<(&str, DType, &[usize])> = vec![
        ("q", F32, &[2, 4, 5, 16]),
        ("k", F32, &[2, 2, 7, 16]),
        ("v", F32, &values),
    ];
    inputs.extend(mask.map(|shape| ("mask", F32, shape)));
    program(op, &inputs, &[2, 4, 5, depth_of_values])
}

fn softmax(axis: i64) -> Program {
    let op = Op::Softmax {
        x: ValueId(0),
        axis,
    };
    program(op, &[("x", F32, &[4, 5, 6])], &[4, 5, 6])
}

/// The shapes of input `index` at every mandatory shape.
fn shapes(program: &Program, toml: &str, index: usize) -> Vec<Vec<usize>> {
    let interface = Interface::from_toml("x.toml", toml).expect("an interface written by hand");
    let others = programs(program, &interface, [8, 4, 2]);
    for other in &others {
        assert_eq!(other.validate(), Ok(()));
        assert_eq!(other.outputs, [ValueId(program.inputs.len() as u32)]);
        assert!(other.name.starts_with("op at ("), "{}", other.name);
    }
    let of = |other: &Program| other.inputs[index].ty.shape.clone();
    others.iter().map(of).collect()
}

#[test]
fn every_op_with_a_list_is_tried_at_other_shapes() {
    for (what, program, least) in [
        ("mlp", mlp(false), 8),
        ("mlp of transposed weights", mlp(true), 8),
        ("rope", rope(&[5]), 8),
        ("rope with positions of each row", rope(&[2, 5]), 8),
        ("attention", attention(16, None), 8),
        (
            "attention to wider values",
            attention(24, Some(&[1, 1, 5, 7])),
            8,
        ),
        ("softmax", softmax(-1), 8),
        ("softmax over another axis", softmax(1), 8),
    ] {
        let found = shapes(&program, "", 0);
        assert!(found.len() >= least, "{what}: {found:?}");
        let distinct: BTreeSet<_> = found.iter().collect();
        assert!(distinct.len() >= least, "{what}: {found:?}");
    }
}

#[test]
fn what_a_program_has_stays_as_it_is() {
    // Depth of values, masks that are broadcast, positions of each row, weights as they lie.
    let values = shapes(&attention(24, Some(&[1, 1, 5, 7])), "", 2);
    let queries = shapes(&attention(24, Some(&[1, 1, 5, 7])), "", 0);
    for (v, q) in values.iter().zip(&queries) {
        assert_eq!(v[3], q[3] + 3);
    }
    for mask in shapes(&attention(16, Some(&[1, 4, 5, 7])), "", 3) {
        assert_eq!(mask[0], 1);
    }
    let masks = shapes(&attention(16, Some(&[1, 4, 5, 7])), "", 3);
    assert!(masks.iter().any(|mask| mask[1] > 1));
    let rows = shapes(&rope(&[2, 5]), "", 0);
    let positions = shapes(&rope(&[2, 5]), "", 1);
    for (x, positions) in rows.iter().zip(&positions) {
        assert_eq!(positions, &[x[0], x[2]]);
    }
    for (x, up) in shapes(&mlp(true), "", 0)
        .iter()
        .zip(shapes(&mlp(true), "", 1))
    {
        assert_eq!((x.len(), x[0], x[2]), (3, 1, up[1]));
    }
    // Sizes along the axis, and around it.
    for x in shapes(&softmax(1), "", 0) {
        assert_eq!(x[0], 1);
    }
    for x in shapes(&softmax(-1), "", 0) {
        assert_eq!(x[0], 1);
    }
}

#[test]
fn workgroups_and_tiles_are_what_shapes_lie_around() {
    // 64 invocations, the longer side 8.
    let lengths: BTreeSet<usize> = shapes(&softmax(-1), "", 0).iter().map(|x| x[2]).collect();
    assert!(
        [63, 64, 65, 128].iter().all(|n| lengths.contains(n)),
        "{lengths:?}"
    );
    let lengths: BTreeSet<usize> = shapes(&softmax(-1), "tile = { n = 20 }", 0)
        .iter()
        .map(|x| x[2])
        .collect();
    assert!(
        [19, 20, 21].iter().all(|n| lengths.contains(n)),
        "{lengths:?}"
    );
    let inner: BTreeSet<usize> = shapes(&mlp(false), "", 0).iter().map(|x| x[2]).collect();
    assert!([8, 9, 16].iter().all(|k| inner.contains(k)), "{inner:?}");
    // A rule moves sizes and leaves what it takes.
    let rule = "[shapes]\nn = { multiple = 4, most = 64, least = 8 }";
    for x in shapes(&softmax(-1), rule, 0) {
        assert!(x[2].is_multiple_of(4) && (8..=64).contains(&x[2]), "{x:?}");
    }
}

#[test]
fn ops_are_called_by_their_sizes() {
    let sizes = |program: &Program, names: &[&str]| -> Vec<i64> {
        let problem = Problem::of(program);
        names.iter().map(|name| problem.sizes[*name]).collect()
    };
    for transposed in [false, true] {
        assert_eq!(
            sizes(&mlp(transposed), &["m", "k", "hidden", "n"]),
            [6, 6, 10, 4]
        );
    }
    assert_eq!(
        sizes(&rope(&[5]), &["b", "h", "s", "d", "elements"]),
        [2, 3, 5, 8, 240]
    );
    assert_eq!(Problem::of(&rope(&[5])).floats["theta"], 500.0);
    let names = ["b", "h", "hkv", "sq", "sk", "d", "dv"];
    assert_eq!(sizes(&attention(24, None), &names), [2, 4, 2, 5, 7, 16, 24]);
    assert_eq!(Problem::of(&attention(24, None)).floats["scale"], 0.25);
    let names = ["n", "rows", "outer", "inner", "x_1", "out_2"];
    assert_eq!(sizes(&softmax(1), &names), [5, 24, 4, 6, 5, 6]);
    assert_eq!(sizes(&softmax(-1), &names), [6, 20, 20, 1, 5, 6]);
}

#[test]
fn tensors_of_one_name_are_told_apart() {
    // No single op: inputs are called as they are, again and again.
    let inputs: [(&str, DType, &[usize]); 3] =
        [("x", F32, &[2]), ("x", F32, &[3]), ("x", F32, &[4])];
    let op = |x: u32| Op::Activation {
        x: ValueId(x),
        kind: ActivationKind::Relu,
    };
    let mut program = program(op(0), &inputs, &[2]);
    let second = program.push("op", op(1), TensorType::new(F32, &[3]));
    program.outputs.push(second);
    let problem = Problem::of(&program);
    let names: Vec<&str> = problem.tensors.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["x", "x1", "x2", "out0", "out1"]);
    assert_eq!(problem.sizes["x2_0"], 4);
    assert_eq!(problem.sizes["elements"], 2);
}

#[test]
fn shapes_differ_from_each_other_and_in_every_size() {
    let of = |inputs: [(&str, DType, &[usize]); 3], op: Op, result: &[usize]| {
        let program = program(op, &inputs, result);
        let found = programs(&program, &Interface::default(), [8, 8, 1]);
        let all: BTreeSet<Vec<Vec<usize>>> = found
            .iter()
            .map(|it| it.inputs.iter().map(|it| it.ty.shape.clone()).collect())
            .collect();
        assert_eq!(all.len(), found.len(), "one shape twice");
        let own: Vec<Vec<usize>> = inputs.iter().map(|it| it.2.to_vec()).collect();
        assert!(!all.contains(&own));
        let count = |index: usize, axis: usize| {
            let sizes: BTreeSet<usize> = all.iter().map(|it| it[index][axis]).collect();
            sizes.len()
        };
        (0..2).map(|axis| count(0, axis)).collect::<Vec<_>>()
    };
    let op = Op::Mlp {
        x: ValueId(0),
        up: ValueId(1),
        down: ValueId(2),
        gate: None,
        up_bias: None,
        down_bias: None,
        gate_bias: None,
        activation: ActivationKind::Silu,
        transpose_weights: false,
    };
    let weights = |x: &'static [usize]| {
        [
            ("x", F32, x),
            ("up", F32, &[6, 10][..]),
            ("down", F32, &[10, 4][..]),
        ]
    };
    let counts = of(weights(&[5, 6]), op.clone(), &[5, 4]);
    assert!(counts.iter().all(|count| *count > 2), "{counts:?}");
    // Its own shape is one of those that are tried.
    let listed = programs(
        &program(op.clone(), &weights(&[5, 6]), &[5, 4]),
        &Interface::default(),
        [8, 8, 1],
    );
    let again = programs(&listed[0], &Interface::default(), [8, 8, 1]);
    assert!(again.iter().all(|it| it.inputs != listed[0].inputs));
    assert_eq!(again.len() + 1, listed.len());
}

#[test]
fn batches_are_those_of_a_list() {
    let op = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    };
    let inputs: [(&str, DType, &[usize]); 2] =
        [("a", F32, &[4, 5, 6, 7]), ("b", F32, &[4, 1, 7, 8])];
    let program = program(op, &inputs, &[4, 5, 6, 8]);
    let found = programs(&program, &Interface::default(), [8, 8, 1]);
    let batches: BTreeSet<Vec<usize>> = found
        .iter()
        .map(|it| it.inputs[0].ty.shape[..2].to_vec())
        .collect();
    let all = [vec![1, 3], vec![2, 1], vec![3, 2]];
    assert_eq!(batches, BTreeSet::from(all));
}
