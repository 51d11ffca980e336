//! mlp as the composition of its parts, and rope by the rotation it makes.

use kforge_oracle::*;

use crate::common::{program, ty};
use crate::{Pair, U, X, Y, Z, eval, eval_as, f32t, loose, tensor};

const ROWS: usize = 3;
const WIDTH: usize = 5;
const HIDDEN: usize = 4;

fn product(bias: bool, activation: Option<ActivationKind>) -> Op {
    Op::Matmul {
        a: X,
        b: Y,
        bias: bias.then_some(Z),
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation,
    }
}

fn project(x: &Array, weight: &Array, bias: &Array, activation: Option<ActivationKind>) -> Array {
    let dtype = x.ty.dtype;
    let shape = [x.ty.shape[0], weight.ty.shape[1]];
    let inputs = [x.clone(), weight.clone(), bias.clone()];
    eval(&inputs, product(true, activation), dtype, &shape)
}

#[test]
fn mlp_is_the_composition_of_its_parts() {
    let kind = ActivationKind::Silu;
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        for gated in [false, true] {
            let x = tensor(dtype, &[ROWS, WIDTH], &loose(ROWS * WIDTH, 61, 0.0625));
            let weight = |rows, columns, seed| {
                tensor(
                    dtype,
                    &[rows, columns],
                    &loose(rows * columns, seed, 0.0625),
                )
            };
            let bias = |n, seed| tensor(dtype, &[n], &loose(n, seed, 0.0625));
            let (up, gate) = (weight(WIDTH, HIDDEN, 62), weight(WIDTH, HIDDEN, 63));
            let down = weight(HIDDEN, WIDTH, 64);
            let (up_bias, gate_bias) = (bias(HIDDEN, 65), bias(HIDDEN, 66));
            let down_bias = bias(WIDTH, 67);
            let inputs = [&x, &up, &down, &gate, &up_bias, &down_bias, &gate_bias];
            let op = Op::Mlp {
                x: X,
                up: Y,
                down: Z,
                gate: gated.then_some(ValueId(3)),
                up_bias: Some(ValueId(4)),
                down_bias: Some(ValueId(5)),
                gate_bias: gated.then_some(ValueId(6)),
                activation: kind,
                transpose_weights: false,
            };
            let got = eval(&inputs.map(Array::clone), op, dtype, &[ROWS, WIDTH]);

            let mut hidden = project(&x, &up, &up_bias, (!gated).then_some(kind));
            if gated {
                let gate = project(&x, &gate, &gate_bias, Some(kind));
                let op = Op::Binary {
                    a: X,
                    b: Y,
                    kind: BinaryKind::Mul,
                };
                hidden = eval(&[gate, hidden], op, dtype, &[ROWS, HIDDEN]);
            }
            // In half precision the projection may be stored before its activation, whose
            // slope carries that rounding over.
            if dtype != DType::F32 {
                for (x, bound) in hidden.value.iter().zip(&mut hidden.bound) {
                    *bound += 1.13 * dtype.spacing(x.abs() + *bound);
                }
            }
            hidden.typical = None;
            let want = project(&hidden, &down, &down_bias, None);
            for at in 0..ROWS * WIDTH {
                assert!((got.value[at] - want.value[at]).abs() < 1e-13);
                let (got, want) = (got.bound[at], want.bound[at]);
                assert!(
                    (got - want).abs() <= 1e-9 * want,
                    "{dtype:?} {at}: {got} {want}"
                );
            }
        }
    }
}

#[test]
fn exact_hidden_layers_stay_exact() {
    let op = Op::Mlp {
        x: X,
        up: Y,
        down: Z,
        gate: None,
        up_bias: None,
        down_bias: None,
        gate_bias: None,
        activation: ActivationKind::Relu,
        transpose_weights: false,
    };
    let whole = |shape: &[usize], x: &[f64]| {
        let pairs: Vec<Pair> = x.iter().map(|x| (*x, 0.0)).collect();
        tensor(DType::F16, shape, &pairs)
    };
    let inputs = [
        whole(&[1, 2], &[3.0, -2.0]),
        whole(&[2, 2], &[1.0, 2.0, 4.0, 1.0]),
        whole(&[2, 2], &[1.0, 0.0, 5.0, 1.0]),
    ];
    let y = eval(&inputs, op, DType::F16, &[1, 2]);
    assert_eq!((y.value, y.bound), (vec![20.0, 4.0], vec![0.0, 0.0]));
}

/// Frequencies: given, or powers of theta with what computing them costs a device.
fn frequency(given: Option<&[Pair]>, theta: f64, i: usize, rotated: usize) -> Pair {
    if let Some(given) = given {
        let (f, df) = given[i];
        return (f, df / f.abs());
    }
    let t = 2.0 * i as f64 / rotated as f64 * theta.log2();
    let f = theta.powf(-2.0 * i as f64 / rotated as f64);
    if i == 0 {
        return (1.0, 0.0);
    }
    (f, (6.0 + 8.0 * t.abs()) * U)
}

#[test]
fn rope_turns_each_pair_by_an_angle_that_is_off() {
    let (batch, heads, sequence, depth, rotated) = (2, 3, 4, 8, 6);
    let n = batch * heads * sequence * depth;
    for most in [0.0, 0.25] {
        for interleaved in [false, true] {
            for per_batch in [false, true] {
                for given in [false, true] {
                    let x = loose(n, 71, most);
                    let count = if per_batch {
                        batch * sequence
                    } else {
                        sequence
                    };
                    let positions: Vec<Pair> =
                        (0..count).map(|i| (3.0 * i as f64 + 1.0, 0.0)).collect();
                    let shape = if per_batch {
                        vec![batch, sequence]
                    } else {
                        vec![sequence]
                    };
                    let freq = [(1.0, 0.0), (0.375, most / 64.0), (-0.125, 0.0)];
                    let mut inputs = vec![
                        f32t(&[batch, heads, sequence, depth], &x),
                        tensor(DType::I32, &shape, &positions),
                    ];
                    inputs.extend(given.then(|| f32t(&[3], &freq)));
                    let op = Op::Rope {
                        x: X,
                        positions: Y,
                        inv_freq: given.then_some(Z),
                        theta: 500.0,
                        interleaved,
                        rotary_dim: Some(rotated),
                    };
                    let y = eval(&inputs, op, DType::F32, &[batch, heads, sequence, depth]);
                    for row in 0..batch * heads * sequence {
                        let s = row % sequence;
                        let place = if per_batch {
                            row / (heads * sequence) * sequence + s
                        } else {
                            s
                        };
                        for i in 0..rotated / 2 {
                            let (f, df) = frequency(given.then_some(&freq), 500.0, i, rotated);
                            let angle = positions[place].0 * f;
                            let off = angle.abs() * (3.0 * U + df) + 0.5f64.powi(11);
                            let (first, second) = if interleaved {
                                (2 * i, 2 * i + 1)
                            } else {
                                (i, i + rotated / 2)
                            };
                            let at = |j: usize| row * depth + j;
                            let ((p, dp), (q, dq)) = (x[at(first)], x[at(second)]);
                            let (s, c) = (angle.sin(), angle.cos());
                            let turned = |p: f64, dp: f64, q: f64, dq: f64| {
                                let moved = dp * c.abs() + dq * s.abs();
                                let sum = (p * c).abs() + (q * s).abs() + dp + dq;
                                moved + (p.abs() + dp + q.abs() + dq) * off + 3.0 * U * sum
                            };
                            for (j, value, bound) in [
                                (first, p * c - q * s, turned(p, dp, q, dq)),
                                (second, p * s + q * c, turned(q, dq, p, dp)),
                            ] {
                                assert!((y.value[at(j)] - value).abs() < 1e-12);
                                let got = y.bound[at(j)];
                                assert!(
                                    (got - bound).abs() <= 1e-11 * bound,
                                    "{row} {j}: {got} {bound}"
                                );
                            }
                        }
                        for j in rotated..depth {
                            let at = row * depth + j;
                            assert_eq!((y.value[at], y.bound[at]), x[at]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rope_turns_everything_unless_told_and_is_near_exact_without_a_device() {
    let op = Op::Rope {
        x: X,
        positions: Y,
        inv_freq: None,
        theta: 16.0,
        interleaved: true,
        rotary_dim: None,
    };
    let x = [(1.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 0.0)];
    let inputs = [
        f32t(&[1, 1, 1, 4], &x),
        tensor(DType::I32, &[1], &[(3.0, 0.0)]),
    ];
    let y = eval_as(Rounding::None, &inputs, op, DType::F32, &[1, 1, 1, 4]);
    let (s, c) = 0.75f64.sin_cos();
    assert!((y.value[2] - c).abs() < 1e-15 && (y.value[3] - s).abs() < 1e-15);
    // Eight units for sin and cos, three and what the frequency costs for the angle.
    let angle = 0.75 * (3.0 + 6.0 + 8.0 * 2.0);
    let want = 1e-12 * (angle + 8.0 + 3.0 * c);
    assert!(
        (y.bound[2] - want).abs() < 1e-6 * want,
        "{} {want}",
        y.bound[2]
    );
}

#[test]
fn folded_constants_and_inputs_keep_their_types() {
    let x = ty(DType::F32, &[2]);
    let op = Op::Constant {
        data: ConstantData::Splat(0.5),
    };
    let mut splat = program(&[("x", x.clone())], op, x.clone());
    let dense = Op::Constant {
        data: ConstantData::Dense(vec![0.5, 0.25]),
    };
    let dense = splat.push("dense", dense, x);
    splat.outputs.push(dense);
    let input = [f32t(&[2], &[(1.0, 0.0); 2])];
    let evaluation = evaluate(&splat, &input, &EvalOptions::default()).expect("evaluates");
    let outputs = evaluation.outputs();
    assert_eq!(
        (&outputs[0].value[..], &outputs[0].bound[..]),
        (&[0.5; 2][..], &[0.0; 2][..])
    );
    assert_eq!(outputs[1].value, [0.5, 0.25]);
    assert_eq!(outputs[1].bound, [0.0, 0.0]);
    assert_eq!(
        evaluation.node(1).map(|it| &it.value[..]),
        Some(&[0.5, 0.25][..])
    );
    assert_eq!(
        evaluation.node(0).map(|it| &it.value[..]),
        Some(&[0.5, 0.5][..])
    );
    assert!(evaluation.node(2).is_none());
}
