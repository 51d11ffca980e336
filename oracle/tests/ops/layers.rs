//! The ops of transformer layers against hand-computed values.

use kforge_oracle::*;

use crate::common::*;
use crate::{X, eval, f32t, near, tensor};

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
