//! Each op against hand-computed values.

mod common;

use common::*;
use kforge_oracle::*;

const X: ValueId = ValueId(0);

fn tensor(dtype: DType, shape: &[usize], value: &[f64]) -> Array {
    Array::exact(ty(dtype, shape), value.to_vec())
}

fn f32t(shape: &[usize], value: &[f64]) -> Array {
    tensor(DType::F32, shape, value)
}

/// Evaluates one op whose operands are the given arrays in order.
fn eval(inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) -> Array {
    let named: Vec<(&str, TensorType)> = inputs.iter().map(|a| ("x", a.ty.clone())).collect();
    run(&program(&named, op, ty(dtype, shape)), inputs)
}

fn near(got: &Array, want: &[f64]) {
    assert_eq!(got.value.len(), want.len());
    for (g, w) in got.value.iter().zip(want) {
        assert!(
            (g - w).abs() < 1e-12 * (1.0 + w.abs()),
            "{:?} want {want:?}",
            got.value
        );
    }
}

#[test]
fn matmul_with_transposes_bias_activation_residual() {
    let a = f32t(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let b = f32t(&[3, 2], &[1., 0., 0., 1., -1., -2.]);
    near(
        &eval(&[a.clone(), b], matmul_op(), DType::F32, &[2, 2]),
        &[-2., -4., -2., -7.],
    );

    let at = f32t(&[3, 2], &[1., 4., 2., 5., 3., 6.]);
    let bt = f32t(&[2, 3], &[1., 0., -1., 0., 1., -2.]);
    let op = Op::Matmul {
        a: X,
        b: ValueId(1),
        bias: Some(ValueId(2)),
        residual: Some(ValueId(3)),
        transpose_a: true,
        transpose_b: true,
        activation: Some(ActivationKind::Relu),
    };
    let bias = f32t(&[2], &[3., 5.]);
    let residual = f32t(&[2, 2], &[10., 20., 30., 40.]);
    let y = eval(&[at, bt, bias, residual], op, DType::F32, &[2, 2]);
    near(&y, &[11., 21., 31., 40.]);
    assert!(y.bound.iter().all(|&b| b == 0.0));
}

#[test]
fn matmul_batches_broadcast_as_in_numpy() {
    let a = f32t(&[2, 1, 1, 2], &[1., 2., 3., 4.]);
    let b = f32t(&[3, 2, 1], &[1., 0., 0., 1., 1., 1.]);
    let y = eval(&[a, b], matmul_op(), DType::F32, &[2, 3, 1, 1]);
    near(&y, &[1., 2., 3., 3., 4., 7.]);
}

#[test]
fn empty_contraction_gives_zeros() {
    let y = eval(
        &[f32t(&[2, 0], &[]), f32t(&[0, 2], &[])],
        matmul_op(),
        DType::F32,
        &[2, 2],
    );
    assert_eq!((y.value, y.bound), (vec![0.0; 4], vec![0.0; 4]));
}

#[test]
fn softmax_over_a_middle_axis() {
    let x = f32t(&[2, 2, 1], &[0., 0., 1000., 1000.]);
    near(
        &eval(&[x], Op::Softmax { x: X, axis: -2 }, DType::F32, &[2, 2, 1]),
        &[0.5; 4],
    );
    let x = f32t(&[2, 2], &[0., 5., 0., 5.]);
    near(
        &eval(&[x], Op::Softmax { x: X, axis: 0 }, DType::F32, &[2, 2]),
        &[0.5; 4],
    );
}

#[test]
fn norms() {
    let x = f32t(&[1, 4], &[1., 3., 5., 7.]);
    let r = (5.0f64 + 0.5).sqrt();
    let op = Op::LayerNorm {
        x: X,
        gamma: None,
        beta: None,
        axis: 1,
        epsilon: 0.5,
    };
    near(
        &eval(std::slice::from_ref(&x), op, DType::F32, &[1, 4]),
        &[-3. / r, -1. / r, 1. / r, 3. / r],
    );
    let r = (21.0f64 + 0.5).sqrt();
    let op = Op::RmsNorm {
        x: X,
        gamma: Some(ValueId(1)),
        axis: -1,
        epsilon: 0.5,
    };
    let g = f32t(&[4], &[1., 2., 1., -1.]);
    near(
        &eval(&[x, g], op, DType::F32, &[1, 4]),
        &[1. / r, 6. / r, 5. / r, -7. / r],
    );
}

#[test]
fn attention_groups_masks_and_empty_rows() {
    // 2 query heads share 1 kv head; scale 0 makes every visible key weigh the same.
    let q = f32t(&[1, 2, 2, 1], &[1., 2., 3., 4.]);
    let k = f32t(&[1, 1, 3, 1], &[1., 1., 1.]);
    let v = f32t(&[1, 1, 3, 1], &[3., 6., 9.]);
    let op = |mask, causal| Op::Attention {
        q: X,
        k: ValueId(1),
        v: ValueId(2),
        mask,
        causal,
        scale: Some(0.0),
    };
    let inputs = [q, k, v];
    near(
        &eval(&inputs, op(None, false), DType::F32, &[1, 2, 2, 1]),
        &[6.; 4],
    );
    // Sk - Sq = 1: query 0 sees keys 0 and 1.
    near(
        &eval(&inputs, op(None, true), DType::F32, &[1, 2, 2, 1]),
        &[4.5, 6., 4.5, 6.],
    );
    let mask = f32t(&[2, 3], &[-1e9, 0., f64::NEG_INFINITY, -1e9, -2e9, -1e9]);
    let with_mask = [
        inputs[0].clone(),
        inputs[1].clone(),
        inputs[2].clone(),
        mask,
    ];
    let y = eval(
        &with_mask,
        op(Some(ValueId(3)), false),
        DType::F32,
        &[1, 2, 2, 1],
    );
    near(&y, &[6., 0., 6., 0.]);
    assert_eq!((y.bound[1], y.bound[3]), (0.0, 0.0));
    // An additive mask shifts scores: ln 3 gives key 0 weight 3 of 5.
    let ln3 = DType::F32.round(3f64.ln());
    let mask = f32t(&[3], &[ln3, 0., 0.]);
    let with_mask = [
        inputs[0].clone(),
        inputs[1].clone(),
        inputs[2].clone(),
        mask,
    ];
    let y = eval(
        &with_mask,
        op(Some(ValueId(3)), false),
        DType::F32,
        &[1, 2, 2, 1],
    );
    assert!((y.value[0] - 4.8).abs() < 1e-6);
}

#[test]
fn attention_with_more_queries_than_keys_gives_zero_rows() {
    let op = Op::Attention {
        q: X,
        k: ValueId(1),
        v: ValueId(2),
        mask: None,
        causal: true,
        scale: None,
    };
    let q = f32t(&[1, 1, 3, 1], &[1., 1., 1.]);
    let kv = f32t(&[1, 1, 1, 1], &[7.]);
    near(
        &eval(&[q, kv.clone(), kv], op, DType::F32, &[1, 1, 3, 1]),
        &[0., 0., 7.],
    );
}

#[test]
fn mlp_plain_and_gated_with_transposed_weights() {
    let op = |gate, biases: [Option<ValueId>; 3], transpose_weights| Op::Mlp {
        x: X,
        up: ValueId(1),
        down: ValueId(2),
        gate,
        up_bias: biases[0],
        down_bias: biases[1],
        gate_bias: biases[2],
        activation: ActivationKind::Relu,
        transpose_weights,
    };
    let x = f32t(&[1, 1, 2], &[1., -2.]);
    let up = f32t(&[2, 3], &[1., 0., 1., 0., 1., 1.]);
    let down = f32t(&[3, 1], &[1., 10., 100.]);
    // x·up = [1, -2, -1]
    let inputs = [x.clone(), up.clone(), down.clone()];
    near(
        &eval(&inputs, op(None, [None; 3], false), DType::F32, &[1, 1, 1]),
        &[1.],
    );
    let gate = f32t(&[2, 3], &[0., 0., 3., -1., -1., 0.]);
    // relu(x·gate) = [2, 2, 3], times [1, -2, -1]
    let inputs = [x.clone(), up, down, gate];
    let y = eval(
        &inputs,
        op(Some(ValueId(3)), [None; 3], false),
        DType::F32,
        &[1, 1, 1],
    );
    near(&y, &[2. - 40. - 300.]);
    let up = f32t(&[3, 2], &[1., 0., 0., 1., 1., 1.]);
    let down = f32t(&[1, 3], &[1., 10., 100.]);
    let (ub, db) = (f32t(&[3], &[0., 3., 0.]), f32t(&[1], &[0.5]));
    let biases = [Some(ValueId(3)), Some(ValueId(4)), None];
    near(
        &eval(
            &[x, up, down, ub, db],
            op(None, biases, true),
            DType::F32,
            &[1, 1, 1],
        ),
        &[11.5],
    );
}

#[test]
fn rope_rotates_both_ways_and_keeps_the_rest() {
    let x = f32t(&[1, 1, 1, 6], &[1., 2., 3., 4., 5., 6.]);
    let positions = tensor(DType::I32, &[1, 1], &[2.]);
    let inv_freq = f32t(&[2], &[1., 0.5]);
    let op = |interleaved| Op::Rope {
        x: X,
        positions: ValueId(1),
        inv_freq: Some(ValueId(2)),
        theta: 1e4,
        interleaved,
        rotary_dim: Some(4),
    };
    let (s1, c1) = 2f64.sin_cos();
    let (s2, c2) = 1f64.sin_cos();
    let inputs = [x, positions, inv_freq];
    let y = eval(&inputs, op(false), DType::F32, &[1, 1, 1, 6]);
    near(
        &y,
        &[
            c1 - 3. * s1,
            2. * c2 - 4. * s2,
            s1 + 3. * c1,
            2. * s2 + 4. * c2,
            5.,
            6.,
        ],
    );
    assert_eq!(&y.bound[4..], [0.0, 0.0]);
    let y = eval(&inputs, op(true), DType::F32, &[1, 1, 1, 6]);
    near(
        &y,
        &[
            c1 - 2. * s1,
            s1 + 2. * c1,
            3. * c2 - 4. * s2,
            3. * s2 + 4. * c2,
            5.,
            6.,
        ],
    );
}

#[test]
fn data_movement_carries_bounds_along() {
    let mut x = f32t(&[2, 3], &[0., 1., 2., 3., 4., 5.]);
    x.bound = (0..6).map(|i| 0.5 + i as f64).collect();
    let t = eval(
        &[x.clone()],
        Op::Transpose {
            x: X,
            permutation: vec![1, 0],
        },
        DType::F32,
        &[3, 2],
    );
    assert_eq!(t.value, [0., 3., 1., 4., 2., 5.]);
    assert_eq!(t.bound, [0.5, 3.5, 1.5, 4.5, 2.5, 5.5]);
    let b = eval(
        &[x.clone()],
        Op::Broadcast {
            x: X,
            dimensions: vec![1],
        },
        DType::F32,
        &[2, 2, 3],
    );
    assert_eq!(b.value, [0., 1., 2., 0., 1., 2., 3., 4., 5., 3., 4., 5.]);
    let slice = Op::Slice {
        x: X,
        offsets: vec![0, 0],
        sizes: vec![2, 2],
        strides: vec![1, 2],
    };
    assert_eq!(
        eval(&[x.clone()], slice, DType::F32, &[2, 2]).value,
        [0., 2., 3., 5.]
    );
    let insert = Op::InsertSlice {
        source: ValueId(1),
        destination: X,
        offsets: vec![1, 0],
        sizes: vec![1, 2],
        strides: vec![1, 2],
    };
    let y = eval(
        &[x.clone(), f32t(&[1, 2], &[8., 9.])],
        insert,
        DType::F32,
        &[2, 3],
    );
    assert_eq!(y.value, [0., 1., 2., 8., 4., 9.]);
    assert_eq!(y.bound, [0.5, 1.5, 2.5, 0.0, 4.5, 0.0]);
    let concat = Op::Concat {
        inputs: vec![X, ValueId(1)],
        axis: 1,
    };
    let y = eval(&[x, f32t(&[2, 1], &[8., 9.])], concat, DType::F32, &[2, 4]);
    assert_eq!(y.value, [0., 1., 2., 8., 3., 4., 5., 9.]);
}

#[test]
fn reductions_over_inner_and_outer_axes() {
    let x = f32t(&[2, 3], &[0., -1., 2., 3., 4., 5.]);
    let reduce = |kind, axes: &[usize], shape: &[usize]| {
        let op = Op::Reduce {
            x: X,
            init: None,
            kind,
            axes: axes.to_vec(),
        };
        eval(std::slice::from_ref(&x), op, DType::F32, shape).value
    };
    assert_eq!(reduce(ReduceKind::Add, &[0], &[3]), [3., 3., 7.]);
    assert_eq!(reduce(ReduceKind::Max, &[1], &[2]), [2., 5.]);
    assert_eq!(reduce(ReduceKind::Min, &[0, 1], &[]), [-1.]);
    assert_eq!(reduce(ReduceKind::Mul, &[1], &[2]), [0., 60.]);
    let init = Op::Reduce {
        x: X,
        init: Some(ValueId(1)),
        kind: ReduceKind::Add,
        axes: vec![1],
    };
    let i = tensor(DType::I32, &[1, 2], &[2147483647., 1.]);
    let y = eval(
        &[i, tensor(DType::I32, &[1], &[2.])],
        init,
        DType::I32,
        &[1],
    );
    assert_eq!(y.value, [-2147483646.]);
}

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
