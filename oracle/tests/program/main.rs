//! program.json, validation of untrusted programs, equivalence, Freivalds.

#[path = "../common/mod.rs"]
mod common;
mod equivalence;
mod parts;
mod products;
mod rules;

use common::emulate::{self as em, Order, f32s};
use common::*;
use kforge_oracle::*;
use proptest::prelude::*;

/// norm → matmul+bias → gelu → scaled by a constant.
fn unfused(k: f64) -> Program {
    let (x, w) = (ty(DType::F32, &[4, 8]), ty(DType::F32, &[8, 6]));
    let out = ty(DType::F32, &[4, 6]);
    let mut p = program(
        &[("x", x.clone()), ("w", w), ("bias", ty(DType::F32, &[6]))],
        Op::RmsNorm {
            x: ValueId(0),
            gamma: None,
            axis: -1,
            epsilon: 1e-5,
        },
        x,
    );
    let mut op = matmul_op();
    if let Op::Matmul { a, .. } = &mut op {
        *a = ValueId(3);
    }
    let c = p.push("up", op, out.clone());
    let b = p.push(
        "bias",
        Op::Broadcast {
            x: ValueId(2),
            dimensions: vec![0],
        },
        out.clone(),
    );
    let s = p.push(
        "add",
        Op::Binary {
            a: c,
            b,
            kind: BinaryKind::Add,
        },
        out.clone(),
    );
    let g = p.push(
        "act",
        Op::Activation {
            x: s,
            kind: ActivationKind::Gelu,
        },
        out.clone(),
    );
    let data = ConstantData::Splat(k);
    let k = p.push("k", Op::Constant { data }, out.clone());
    let y = p.push(
        "scale",
        Op::Binary {
            a: g,
            b: k,
            kind: BinaryKind::Mul,
        },
        out,
    );
    p.outputs = vec![y];
    p
}

/// The same with bias and activation inside the matmul.
fn fused(k: f64, kind: ActivationKind) -> Program {
    let mut p = unfused(k);
    let out = p.nodes[1].ty.clone();
    let constant = p.nodes[5].clone();
    p.nodes.truncate(1);
    let op = Op::Matmul {
        a: ValueId(3),
        b: ValueId(1),
        bias: Some(ValueId(2)),
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: Some(kind),
    };
    let g = p.push("up", op, out.clone());
    p.nodes.push(constant);
    let y = p.push(
        "scale",
        Op::Binary {
            a: g,
            b: ValueId(5),
            kind: BinaryKind::Mul,
        },
        out,
    );
    p.outputs = vec![y];
    p
}

#[test]
fn json_round_trip() {
    let mut p = unfused(0.1f32 as f64);
    let dense = vec![f64::NEG_INFINITY, 0.1f32 as f64, -0.0, 1e-40f32 as f64];
    p.push(
        "mask",
        Op::Constant {
            data: ConstantData::Dense(dense),
        },
        ty(DType::F32, &[2, 2]),
    );
    for q in [
        p,
        attention_program(DType::F16, &attention_shapes(4, 4)[2], true, true),
        mlp_program(DType::Bf16, (2, 4, 6), true),
        rope_program(DType::F32, [1, 2, 3, 4], true),
    ] {
        q.validate().expect("valid");
        let text = serde_json::to_string(&q).expect("serialises");
        let back: Program = serde_json::from_str(&text).expect("parses");
        assert_eq!(back, q);
        assert_eq!(serde_json::to_string(&back).expect("serialises"), text);
    }
}

#[test]
fn unknown_fields_and_ops_are_refused() {
    let text = serde_json::to_string(&unfused(2.0)).expect("serialises");
    for (from, to) in [
        ("\"op\":\"rms_norm\"", "\"op\":\"rms_norm\",\"extra\":1"),
        ("\"op\":\"rms_norm\"", "\"op\":\"run_shell\""),
        ("\"name\":\"f\"", "\"name\":\"f\",\"more\":true"),
        ("\"f32\"", "\"f8\""),
        ("\"epsilon\":", "\"epsilonn\":"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(serde_json::from_str::<Program>(&changed).is_err(), "{to}");
    }
}

#[test]
fn malformed_programs_are_errors() {
    type Change = fn(&mut Program);
    let changes: Vec<(&str, Change)> = vec![
        ("no outputs", |p| p.outputs.clear()),
        ("unknown output", |p| p.outputs = vec![ValueId(99)]),
        ("use before definition", |p| {
            p.nodes[0].op = Op::Cast { x: ValueId(4) }
        }),
        ("own result", |p| p.nodes[0].op = Op::Cast { x: ValueId(3) }),
        ("axis", |p| {
            p.nodes[0].op = Op::Softmax {
                x: ValueId(0),
                axis: 2,
            };
        }),
        ("axis minimum", |p| {
            p.nodes[0].op = Op::Softmax {
                x: ValueId(0),
                axis: i64::MIN,
            };
        }),
        ("epsilon", |p| {
            p.nodes[0].op = Op::RmsNorm {
                x: ValueId(0),
                gamma: None,
                axis: -1,
                epsilon: f32::NAN,
            };
        }),
        ("shape", |p| p.nodes[1].ty.shape = vec![6, 4]),
        ("dtype", |p| p.nodes[2].ty.dtype = DType::F16),
        ("huge", |p| {
            p.inputs[0].ty.shape = vec![usize::MAX, usize::MAX]
        }),
        ("huge but empty", |p| {
            p.inputs[0].ty.shape = vec![usize::MAX, 0]
        }),
        ("rank", |p| p.inputs[0].ty.shape = vec![1; 17]),
        ("contraction", |p| p.inputs[1].ty.shape = vec![9, 6]),
        ("matmul rank", |p| p.inputs[1].ty.shape = vec![6]),
        ("permutation", |p| {
            p.nodes[0].op = Op::Transpose {
                x: ValueId(0),
                permutation: vec![0, 7],
            };
        }),
        ("slice overflow", |p| {
            p.nodes[0].op = Op::Slice {
                x: ValueId(0),
                offsets: vec![usize::MAX, 0],
                sizes: vec![4, 8],
                strides: vec![usize::MAX, 1],
            };
        }),
        ("empty concat", |p| {
            p.nodes[0].op = Op::Concat {
                inputs: vec![],
                axis: 0,
            }
        }),
        ("reduce axes", |p| {
            p.nodes[0].op = Op::Reduce {
                x: ValueId(0),
                init: None,
                kind: ReduceKind::Add,
                axes: vec![1, 1],
            };
        }),
        ("constant length", |p| {
            p.nodes[5].op = Op::Constant {
                data: ConstantData::Dense(vec![1.0; 3]),
            };
        }),
        ("constant value", |p| {
            p.nodes[5].op = Op::Constant {
                data: ConstantData::Splat(0.1),
            };
        }),
        ("broadcast", |p| {
            p.nodes[2].op = Op::Broadcast {
                x: ValueId(2),
                dimensions: vec![0, 0],
            };
        }),
        ("and on floats", |p| {
            p.nodes[3].op = Op::Binary {
                a: ValueId(4),
                b: ValueId(5),
                kind: BinaryKind::And,
            };
        }),
    ];
    for (what, change) in changes {
        let mut p = unfused(2.0);
        change(&mut p);
        let error = p.validate().expect_err(what);
        assert!(!error.to_string().is_empty());
        assert!(
            generate(&p, Values::Normal, 0).is_err()
                && evaluate(&p, &[], &EvalOptions::default()).is_err()
        );
    }
}

#[test]
fn inputs_are_checked() {
    let p = matmul_program(DType::F16, (2, 2, 2));
    let good = generate(&p, Values::Normal, 1).expect("generates");
    let opts = EvalOptions::default();
    assert!(evaluate(&p, &good, &opts).is_ok());
    assert!(matches!(
        evaluate(&p, &good[..1], &opts),
        Err(EvalError::InputCount { .. })
    ));
    let mut bad = good.clone();
    bad[0].ty.dtype = DType::F32;
    assert!(matches!(
        evaluate(&p, &bad, &opts),
        Err(EvalError::InputType { .. })
    ));
    let mut bad = good.clone();
    bad[1].value.pop();
    assert!(matches!(
        evaluate(&p, &bad, &opts),
        Err(EvalError::InputLength { .. })
    ));
    let mut bad = good.clone();
    bad[1].value[3] = 0.1;
    assert!(matches!(
        evaluate(&p, &bad, &opts),
        Err(EvalError::InputValue { element: 3, .. })
    ));
    let small = EvalOptions {
        max_elements: 11,
        ..EvalOptions::default()
    };
    assert!(matches!(
        evaluate(&p, &good, &small),
        Err(EvalError::TooLarge { elements: 12, .. })
    ));
}

#[test]
fn a_right_fusion_is_equal_and_a_wrong_one_is_not() {
    let reference = unfused(0.5);
    for (values, salt) in standard_cases(Level::Full) {
        let inputs = generate(&reference, values, salt).expect("generates");
        let same = |p: &Program| {
            compare_programs(&reference, p, &inputs)
                .expect("compares")
                .equal
        };
        assert!(
            same(&reference) && same(&fused(0.5, ActivationKind::Gelu)),
            "{values:?}"
        );
    }
    let inputs = generate(&reference, Values::Normal, 3).expect("generates");
    let same = |p: &Program| {
        compare_programs(&reference, p, &inputs)
            .expect("compares")
            .equal
    };
    assert!(!same(&fused(0.5, ActivationKind::GeluTanh)));
    assert!(!same(&fused(0.5000005f32 as f64, ActivationKind::Gelu)));
    // One unit in the last place may be a fold's rounding.
    assert!(same(&fused(
        f32::from_bits(0.5f32.to_bits() - 1) as f64,
        ActivationKind::Gelu
    )));
    // A difference of 1e-7 in epsilon is far below any device's rounding, and still found.
    let mut p = reference.clone();
    p.nodes[0].op = Op::RmsNorm {
        x: ValueId(0),
        gamma: None,
        axis: -1,
        epsilon: 1.01e-5,
    };
    assert!(!same(&p));
    let mut p = reference.clone();
    p.outputs.push(ValueId(3));
    assert!(compare_programs(&reference, &p, &inputs).is_err());
}

#[test]
fn freivalds_accepts_correct_and_refuses_wrong_products() {
    let (m, n, k) = (70, 50, 90);
    let program = matmul_program(DType::F32, (m, n, k));
    for values in [
        Values::Normal,
        Values::SmallIntegers,
        Values::Outliers,
        Values::NearMinus1e4,
    ] {
        let inputs = generate(&program, values, 8).expect("generates");
        let (a, b) = (f32s(&inputs[0]), f32s(&inputs[1]));
        let args = em::MatmulArgs {
            sizes: (m, n, k),
            a: &a,
            b: &b,
            bias: None,
            residual: None,
            activation: None,
        };
        let c = em::matmul(&args, Order::Pairwise, None);
        let bt: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
        let of = |c: &[f32], b: &[f32], transpose_b| {
            let p = Product {
                m,
                n,
                k,
                a: &a,
                b,
                c,
                transpose_b,
                dtype: DType::F32,
            };
            let report = freivalds(&p, 4, 5).expect("checks");
            let rows = check_rows(&p, 16, 5, &CompareOptions::default()).expect("checks");
            (report, rows)
        };
        let (report, rows) = of(&c, &b, false);
        assert!(
            report.passed && rows.passed,
            "{values:?} {report:?} {rows:?}"
        );
        let exact = values == Values::SmallIntegers;
        assert_eq!(report.exact_rows, if exact { m } else { 0 });
        assert!(report.miss < if exact { 1e-18 } else { 0.07 });
        let (report, rows) = of(&c, &bt, true);
        assert!(report.passed && rows.passed, "{values:?} {report:?}");
        assert_eq!(rows.elements, 16 * n);
        for fault in [
            em::Fault::DropLastK,
            em::Fault::LastRowMissing,
            em::Fault::Nan,
        ] {
            let (report, rows) = of(&em::matmul(&args, Order::Forward, Some(fault)), &b, false);
            assert!(!report.passed || !rows.passed, "{values:?} {fault:?}");
        }
        if values == Values::SmallIntegers {
            let mut off = c.clone();
            off[33 * n + 7] += 1.0;
            let (report, _) = of(&off, &b, false);
            assert!(!report.passed && report.worst_row == 33);
        }
    }
    let p = Product {
        m,
        n,
        k,
        a: &[0f32; 3],
        b: &[0f32; 3],
        c: &[0f32; 3],
        transpose_b: false,
        dtype: DType::F32,
    };
    assert!(matches!(
        freivalds(&p, 1, 0),
        Err(FreivaldsError::Length { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damaged JSON gives an error or a program that evaluates; it never panics.
    #[test]
    fn damaged_programs_never_panic(at in 0usize..4000, with in 0usize..10, which in 0usize..4) {
        let p = match which {
            0 => unfused(2.0),
            1 => attention_program(DType::F32, &attention_shapes(2, 2)[4], true, true),
            2 => mlp_program(DType::F16, (2, 3, 4), true),
            _ => rope_program(DType::F32, [1, 2, 3, 4], true),
        };
        let mut text = serde_json::to_string(&p).expect("serialises").into_bytes();
        let digits: Vec<usize> = (0..text.len()).filter(|&i| text[i].is_ascii_digit()).collect();
        text[digits[at % digits.len()]] = b"0123456789"[with];
        let Ok(damaged) = serde_json::from_slice::<Program>(&text) else { return Ok(()) };
        if let Ok(inputs) = generate(&damaged, Values::Normal, 1) {
            let opts = EvalOptions { max_elements: 1 << 16, ..EvalOptions::default() };
            if let Ok(e) = evaluate(&damaged, &inputs, &opts) {
                for x in e.outputs() {
                    prop_assert!(x.bound.iter().all(|b| !b.is_nan()));
                    prop_assert_eq!(x.value.len(), x.ty.elements());
                }
            }
        }
    }
}
