//! Correct kernels are never refused: many shapes, every value family, several algorithms.

mod common;

use common::emulate::{self as em, ORDERS, SOFTMAX_STYLES, f32s, store};
use common::*;
use kforge_oracle::*;
use proptest::prelude::*;

const FLOATS: [DType; 3] = [DType::F32, DType::F16, DType::Bf16];

/// Emulates on every case and dtype; `kernel` gives the f32 results of several correct kernels.
fn accept(
    make: impl Fn(DType) -> Program,
    seed: u64,
    kernel: impl Fn(DType, &[Array]) -> Vec<(String, Vec<f32>)>,
) {
    for dtype in FLOATS {
        let program = make(dtype);
        for (values, salt) in standard_cases(Level::Full) {
            let inputs = generate(&program, values, seed + salt).expect("generates");
            let reference = run(&program, &inputs);
            assert!(reference.bound.iter().all(|b| !b.is_nan()));
            for (name, y) in kernel(dtype, &inputs) {
                for truncate in [false, true] {
                    let got = store(dtype, truncate, &y);
                    let c = compare(&got, &reference, &CompareOptions::default()).expect("sizes");
                    let context = format!(
                        "{} {dtype:?} {values:?} {name} truncate {truncate}: {:?} {:?}",
                        program.nodes[0].stage, program.nodes[0].ty.shape, c
                    );
                    // Half precision may overflow everywhere; then nothing is shown, but
                    // nothing is held against the kernel either.
                    assert!(
                        c.passed || c.outcome == Outcome::Undecided && dtype == DType::F16,
                        "{context}"
                    );
                    assert_eq!(c.atypical, 0, "{context}");
                }
            }
        }
    }
}

#[test]
fn matmul_in_every_order() {
    for (at, sizes) in matmul_shapes((16, 8, 8)).into_iter().enumerate() {
        accept(
            |dtype| matmul_program(dtype, sizes),
            at as u64 * 1000,
            |_, inputs| {
                let (a, b) = (f32s(&inputs[0]), f32s(&inputs[1]));
                let args = em::MatmulArgs {
                    sizes,
                    a: &a,
                    b: &b,
                    bias: None,
                    residual: None,
                    activation: None,
                };
                ORDERS
                    .iter()
                    .map(|&o| (format!("{o:?}"), em::matmul(&args, o, None)))
                    .collect()
            },
        );
    }
}

#[test]
fn fused_matmul_with_every_activation() {
    let relu: fn(f32) -> f32 = |x| x.max(0.0);
    let tanh: fn(f32) -> f32 = f32::tanh;
    let kinds = [
        (ActivationKind::Relu, relu),
        (ActivationKind::Gelu, em::gelu),
        (ActivationKind::GeluTanh, em::gelu_tanh),
        (ActivationKind::Silu, em::silu),
        (ActivationKind::Tanh, tanh),
    ];
    for (kind, f) in kinds {
        for sizes in [(5, 7, 33), (16, 16, 64), (1, 3, 1)] {
            accept(
                |dtype| fused_program(dtype, sizes, kind),
                11,
                |_, inputs| {
                    let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
                    let args = em::MatmulArgs {
                        sizes,
                        a: &x[0],
                        b: &x[1],
                        bias: Some(&x[2]),
                        residual: Some(&x[3]),
                        activation: Some(f),
                    };
                    let run = |&o| (format!("{kind:?} {o:?}"), em::matmul(&args, o, None));
                    ORDERS.iter().map(run).collect()
                },
            );
        }
    }
}

#[test]
fn softmax_in_every_style() {
    for (at, shape) in row_shapes(64, 1).into_iter().enumerate() {
        accept(
            |dtype| softmax_program(dtype, shape),
            at as u64,
            |_, inputs| {
                let x = f32s(&inputs[0]);
                let run = |&s| (format!("{s:?}"), em::softmax(&x, shape.1, s, None));
                SOFTMAX_STYLES.iter().map(run).collect()
            },
        );
    }
}

#[test]
fn norms_in_every_order() {
    for (at, shape) in row_shapes(64, 1).into_iter().enumerate() {
        accept(
            |dtype| layer_norm_program(dtype, shape),
            at as u64,
            |_, inputs| {
                let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
                let run = |&o| {
                    (
                        format!("{o:?}"),
                        em::layer_norm(&x[0], &x[1], &x[2], o, None),
                    )
                };
                ORDERS.iter().map(run).collect()
            },
        );
        accept(
            |dtype| rms_norm_program(dtype, shape),
            at as u64,
            |_, inputs| {
                let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
                let run = |&o| (format!("{o:?}"), em::rms_norm(&x[0], &x[1], o, None));
                ORDERS.iter().map(run).collect()
            },
        );
    }
}

#[test]
fn attention_full_and_online() {
    for (at, shape) in attention_shapes(8, 8).into_iter().enumerate() {
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            accept(
                |dtype| attention_program(dtype, &shape, causal, masked),
                at as u64,
                |dtype, inputs| {
                    let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
                    let args = |weights| em::AttentionArgs {
                        shape,
                        q: &x[0],
                        k: &x[1],
                        v: &x[2],
                        mask: x.get(3).map(Vec::as_slice),
                        absent: if dtype == DType::F16 { -6e4 } else { -1e9 },
                        causal,
                        weights,
                    };
                    // On a matrix unit weights are operands like others.
                    let stored = [(DType::F32, 1.0), (dtype, 1.0), (dtype, 16384.0)];
                    let run = |weights, block| {
                        let y = em::attention(&args(weights), block, None);
                        (format!("block {block:?} weights {weights:?}"), y)
                    };
                    [None, Some(8), Some(3)]
                        .into_iter()
                        .flat_map(|block| stored.map(|weights| run(weights, block)))
                        .collect()
                },
            );
        }
    }
}

#[test]
fn mlp_with_stored_and_fused_hidden_layer() {
    for sizes in [(3, 16, 32), (5, 7, 11), (1, 1, 1), (8, 64, 96)] {
        for gated in [false, true] {
            accept(
                |dtype| mlp_program(dtype, sizes, gated),
                5,
                |dtype, inputs| {
                    let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
                    let gate = x.get(3).map(Vec::as_slice);
                    let run = |hidden, order| {
                        let args = em::MlpArgs {
                            sizes,
                            x: &x[0],
                            up: &x[1],
                            down: &x[2],
                            gate,
                            hidden,
                        };
                        let y = em::mlp(&args, order, None);
                        (format!("hidden {hidden:?} {order:?}"), y)
                    };
                    ORDERS
                        .iter()
                        .flat_map(|&o| [run(DType::F32, o), run(dtype, o)])
                        .collect()
                },
            );
        }
    }
}

#[test]
fn rope_both_pairings() {
    for shape in [[1, 1, 1, 2], [2, 3, 17, 8], [1, 2, 100, 64]] {
        for interleaved in [false, true] {
            accept(
                |dtype| rope_program(dtype, shape, interleaved),
                9,
                |_, inputs| {
                    let (x, positions) = (f32s(&inputs[0]), f32s(&inputs[1]));
                    vec![(
                        "f32".to_owned(),
                        em::rope(&x, &positions, shape, interleaved, None),
                    )]
                },
            );
        }
    }
}

#[test]
fn activations_in_f32() {
    for (kind, f) in [
        (ActivationKind::Gelu, em::gelu as fn(f32) -> f32),
        (ActivationKind::GeluTanh, em::gelu_tanh),
        (ActivationKind::Silu, em::silu),
        (ActivationKind::Tanh, f32::tanh),
    ] {
        accept(
            |dtype| activation_program(dtype, 5000, kind),
            1,
            |_, inputs| {
                vec![(
                    format!("{kind:?}"),
                    f32s(&inputs[0]).iter().map(|&x| f(x)).collect(),
                )]
            },
        );
    }
}

/// Chains carry composed bounds: each stage emulated on the previous stage's rounded result.
#[test]
fn composed_bounds_cover_a_chain() {
    let (m, d, h) = (9, 24, 40);
    for dtype in FLOATS {
        let t = ty(dtype, &[m, d]);
        let mut p = layer_norm_program(dtype, (m, d));
        p.inputs.push(Input {
            name: "w".to_owned(),
            ty: ty(dtype, &[d, h]),
        });
        let Op::LayerNorm {
            gamma,
            beta,
            axis,
            epsilon,
            ..
        } = p.nodes[0].op.clone()
        else {
            unreachable!()
        };
        p.nodes.clear();
        let normed = p.push(
            "norm",
            Op::LayerNorm {
                x: ValueId(0),
                gamma,
                beta,
                axis,
                epsilon,
            },
            t,
        );
        let mut op = matmul_op();
        if let Op::Matmul { a, b, .. } = &mut op {
            (*a, *b) = (normed, ValueId(3));
        }
        let hidden = p.push("up", op, ty(dtype, &[m, h]));
        let soft = p.push(
            "softmax",
            Op::Softmax {
                x: hidden,
                axis: -1,
            },
            ty(dtype, &[m, h]),
        );
        p.outputs = vec![soft];
        for (values, salt) in standard_cases(Level::Full) {
            let inputs = generate(&p, values, 77 + salt).expect("generates");
            let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
            let stored = |y: &[f32]| -> Vec<f32> {
                store(dtype, false, y).iter().map(|&v| v as f32).collect()
            };
            let n = stored(&em::layer_norm(
                &x[0],
                &x[1],
                &x[2],
                em::Order::Forward,
                None,
            ));
            let args = em::MatmulArgs {
                sizes: (m, h, d),
                a: &n,
                b: &x[3],
                bias: None,
                residual: None,
                activation: None,
            };
            let up = stored(&em::matmul(&args, em::Order::Fma, None));
            let y = store(dtype, false, &em::softmax(&up, h, SOFTMAX_STYLES[0], None));
            let c = verdict(&p, &inputs, &y);
            assert!(c.passed, "{dtype:?} {values:?} {c:?}");
        }
    }
}

/// Small integers give bound 0 and bit-equal results in any order.
#[test]
fn exact_cases_have_zero_bounds() {
    for dtype in [DType::F32, DType::F16] {
        let program = matmul_program(dtype, (17, 13, 100));
        let values = [Values::SmallIntegers, Values::OneHot];
        for (values, seed) in values.into_iter().flat_map(|v| [(v, 2), (v, 4)]) {
            let reference = run(
                &program,
                &generate(&program, values, seed).expect("generates"),
            );
            let exact = reference.bound.iter().filter(|b| **b == 0.0).count();
            assert!(
                exact * 100 >= reference.bound.len() * 95,
                "{dtype:?} {values:?} {exact}"
            );
        }
    }
    let program = matmul_program(DType::F32, (9, 9, 64));
    let inputs = generate(&program, Values::PowersOfTwo, 4).expect("generates");
    assert!(run(&program, &inputs).bound.iter().all(|&b| b == 0.0));
    let inputs = generate(&program, Values::Normal, 4).expect("generates");
    assert!(run(&program, &inputs).bound.iter().all(|&b| b > 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_matmuls((m, n, k) in (1usize..20, 1usize..20, 1usize..300), seed: u64, scale in -20i32..20) {
        let program = matmul_program(DType::F32, (m, n, k));
        let mut inputs = generate(&program, Values::Normal, seed).expect("generates");
        for x in &mut inputs[0].value {
            *x = (*x * 2f64.powi(scale)) as f32 as f64;
        }
        let (a, b) = (f32s(&inputs[0]), f32s(&inputs[1]));
        let args = em::MatmulArgs { sizes: (m, n, k), a: &a, b: &b, bias: None, residual: None, activation: None };
        for order in ORDERS {
            let got = store(DType::F32, false, &em::matmul(&args, order, None));
            let c = verdict(&program, &inputs, &got);
            prop_assert!(c.passed, "{order:?} {c:?}");
        }
    }

    #[test]
    fn random_rows(n in 1usize..400, seed: u64, scale in 0.01f64..60.0, offset in -300.0f64..300.0) {
        let program = softmax_program(DType::F32, (2, n));
        let mut inputs = generate(&program, Values::Normal, seed).expect("generates");
        for x in &mut inputs[0].value {
            *x = (*x * scale + offset) as f32 as f64;
        }
        let x = f32s(&inputs[0]);
        for style in SOFTMAX_STYLES {
            let got = store(DType::F32, false, &em::softmax(&x, n, style, None));
            let c = verdict(&program, &inputs, &got);
            prop_assert!(c.passed, "{style:?} {c:?}");
        }
        let norm = layer_norm_program(DType::F32, (2, n));
        let weights = generate(&norm, Values::Normal, seed).expect("generates");
        let inputs = [inputs[0].clone(), weights[1].clone(), weights[2].clone()];
        let (g, b) = (f32s(&inputs[1]), f32s(&inputs[2]));
        for order in ORDERS {
            let got = store(DType::F32, false, &em::layer_norm(&x, &g, &b, order, None));
            let c = verdict(&norm, &inputs, &got);
            prop_assert!(c.passed, "{order:?} {c:?}");
        }
    }
}
