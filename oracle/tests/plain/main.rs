//! What lies beside the bound: typical sizes, and plain kernels where half precision leaves no
//! bound. Each in both directions.

#[path = "../common/mod.rs"]
mod common;
mod kernels;
mod statistics;

use common::*;
use kforge_oracle::*;

/// `got` against the first output of `program`, and its errors against a plain kernel's.
fn held(program: &Program, inputs: &[Array], got: &[f64]) -> Option<PlainComparison> {
    let yardstick = plain(program, inputs, &EvalOptions::default()).expect("evaluates");
    compare_plain(got, &run(program, inputs), &yardstick, 0)
}

#[test]
fn an_error_beyond_the_typical_size_is_counted_and_passes() {
    let program = matmul_program(DType::F32, (8, 9, 1024));
    let inputs = generate(&program, Values::Normal, 3).expect("generates");
    let reference = run(&program, &inputs);
    let typical = reference
        .typical
        .as_ref()
        .expect("a matmul of exact inputs");
    // 6·sqrt(1024)·u against gamma_1024.
    for (typical, bound) in typical.iter().zip(&reference.bound) {
        assert!(
            (typical / bound - 6.0 / 32.0).abs() < 1e-3,
            "{typical} {bound}"
        );
    }
    let off = |part: f64| -> Vec<f64> {
        let pairs = reference.value.iter().zip(&reference.bound);
        pairs.map(|(value, bound)| value + part * bound).collect()
    };
    let usual = verdict(&program, &inputs, &off(0.1));
    assert!(usual.passed && usual.atypical == 0, "{usual:?}");
    assert!(usual.typical_ratio > 0.5 && usual.typical_ratio < 1.0);
    let odd = verdict(&program, &inputs, &off(0.9));
    assert!(odd.passed && odd.atypical == 72, "{odd:?}");
    assert!(odd.typical_ratio > 4.0);
    // Outside the bound it is wrong, not odd.
    let wrong = verdict(&program, &inputs, &off(1.1));
    assert!(!wrong.passed && wrong.atypical == 0, "{wrong:?}");
}

#[test]
fn typical_sizes_are_for_products_of_exact_values_alone() {
    let square = ty(DType::F32, &[16, 16]);
    let mut chain = matmul_program(DType::F32, (16, 16, 16));
    let inputs = generate(&chain, Values::Normal, 1).expect("generates");
    let turned = Op::Transpose {
        x: ValueId(2),
        permutation: vec![1, 0],
    };
    chain.push("turned", turned, square.clone());
    chain.outputs = vec![ValueId(3)];
    assert!(run(&chain, &inputs).typical.is_some());
    let again = Op::Matmul {
        a: ValueId(3),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    };
    chain.push("again", again, square);
    chain.outputs = vec![ValueId(4)];
    assert!(run(&chain, &inputs).typical.is_none());
    // Equal terms round alike: no usual size below the bound.
    let mut equal = matmul_program(DType::F32, (4, 4, 4096));
    equal.inputs[1].ty = ty(DType::F32, &[4, 4096]);
    let Op::Matmul { transpose_b, .. } = &mut equal.nodes[0].op else {
        unreachable!("a matmul");
    };
    *transpose_b = true;
    let inputs = generate(&equal, Values::ConstantRows, 1).expect("generates");
    let reference = run(&equal, &inputs);
    assert_eq!(reference.typical.as_ref(), Some(&reference.bound));
    // Where a product is exact there is no room at all, so nothing to warn of.
    let exact = matmul_program(DType::F32, (16, 16, 16));
    let inputs = generate(&exact, Values::SmallIntegers, 1).expect("generates");
    assert_eq!(run(&exact, &inputs).typical, Some(vec![0.0; 256]));
    assert_eq!(
        verdict(&exact, &inputs, &run(&exact, &inputs).value).atypical,
        0
    );
}

/// x, x·w, tanh, and so on: bounds multiply by the sum of a column at each step, values stay.
fn chain(dtype: DType, depth: usize) -> Program {
    let square = ty(dtype, &[32, 32]);
    let mut program = program(
        &[("x", square.clone()), ("w", square.clone())],
        Op::Activation {
            x: ValueId(0),
            kind: ActivationKind::Tanh,
        },
        square.clone(),
    );
    for _ in 0..depth {
        let last = program.outputs[0];
        let op = Op::Matmul {
            a: last,
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: false,
            activation: Some(ActivationKind::Tanh),
        };
        program.outputs = vec![program.push("layer", op, square.clone())];
    }
    program
}

/// The program in f64 with every result rounded to `dtype`: f32 sums, half-precision tensors.
fn stored(dtype: DType, depth: usize, inputs: &[Array], from: usize, skew: f64) -> Vec<f64> {
    let round = |x: &Vec<f64>| -> Vec<f64> { x.iter().map(|&x| dtype.round(x.tanh())).collect() };
    let w = &inputs[1].value;
    let mut x = round(&inputs[0].value);
    for layer in 0..depth {
        let factor = if layer == from { skew } else { 1.0 };
        let dot = |at: usize| -> f64 {
            (0..32)
                .map(|k| x[at / 32 * 32 + k] * w[k * 32 + at % 32])
                .sum()
        };
        let y: Vec<f64> = (0..32 * 32).map(|at| factor * dot(at)).collect();
        x = round(&y);
    }
    x
}

#[test]
fn vacuous_half_precision_is_held_against_a_plain_kernel() {
    for dtype in [DType::F16, DType::Bf16] {
        let program = chain(dtype, 6);
        let mut inputs = generate(&program, Values::Normal, 5).expect("generates");
        for w in &mut inputs[1].value {
            *w = dtype.round(*w * 0.3);
        }
        let reference = run(&program, &inputs);
        assert!(
            is_smooth_half(&program) && is_vacuous(&reference),
            "{dtype:?}"
        );
        let right = stored(dtype, 6, &inputs, 0, 1.0);
        assert!(verdict(&program, &inputs, &right).passed);
        let said = held(&program, &inputs, &right).expect("enough elements");
        assert!(said.passed, "{dtype:?} {said:?}");
        // A wrong scale that the composed bound lets pass.
        let wrong = stored(dtype, 6, &inputs, 0, 1.5);
        assert!(
            verdict(&program, &inputs, &wrong).passed,
            "{dtype:?}: bound decides already"
        );
        let said = held(&program, &inputs, &wrong).expect("enough elements");
        assert!(!said.passed, "{dtype:?} {said:?}");
        let zeros = held(&program, &inputs, &[0.0; 1024]).expect("enough elements");
        assert!(!zeros.passed && zeros.rms.0 > zeros.rms.1);
        let mut stray = right.clone();
        let vacuous = (0..1024).find(|&i| reference.bound[i] > 2.0).expect("one");
        stray[vacuous] = f64::NAN;
        let said = held(&program, &inputs, &stray).expect("enough elements");
        assert!(!said.passed && said.nan_or_inf == 1, "{said:?}");
    }
}

#[test]
fn nothing_is_said_where_bounds_speak() {
    // One product with f32 sums has a bound, whatever its length.
    let one = matmul_program(DType::F16, (32, 32, 4096));
    let inputs = generate(&one, Values::Normal, 5).expect("generates");
    assert!(!is_vacuous(&run(&one, &inputs)));
    assert!(!is_smooth_half(&chain(DType::F32, 2)));
    let mut jumping = chain(DType::F16, 1);
    let op = Op::Unary {
        x: ValueId(3),
        kind: UnaryKind::Floor,
    };
    jumping.outputs = vec![jumping.push("floor", op, ty(DType::F16, &[32, 32]))];
    assert!(!is_smooth_half(&jumping));
}

#[test]
fn a_plain_kernel_computes_what_the_oracle_does() {
    // In f32 the plain kernel is a correct one: inside every bound.
    let shape = attention_shapes(4, 4)[0];
    let programs = [
        matmul_program(DType::F32, (7, 9, 33)),
        fused_program(DType::F32, (5, 6, 17), ActivationKind::Gelu),
        softmax_program(DType::F32, (3, 65)),
        layer_norm_program(DType::F32, (4, 33)),
        rms_norm_program(DType::F32, (4, 33)),
        attention_program(DType::F32, &shape, true, false),
        attention_program(DType::F32, &shape, false, true),
        mlp_program(DType::F32, (3, 8, 20), true),
        mlp_program(DType::F32, (3, 8, 20), false),
        rope_program(DType::F32, [1, 2, 5, 8], true),
    ];
    for program in programs {
        for values in [Values::Normal, Values::ConstantRows, Values::OneHot] {
            let inputs = generate(&program, values, 2).expect("generates");
            let got = plain(&program, &inputs, &EvalOptions::default()).expect("evaluates");
            let c = verdict(&program, &inputs, &got.outputs[0]);
            assert!(c.passed, "{} {values:?} {c:?}", program.nodes[0].stage);
        }
    }
}

#[test]
fn a_program_of_too_much_work_is_refused_before_it_starts() {
    let program = matmul_program(DType::F32, (4, 4, 4));
    let inputs = generate(&program, Values::Normal, 0).expect("generates");
    let with = |max_multiply_adds| EvalOptions {
        max_multiply_adds,
        ..EvalOptions::default()
    };
    assert!(evaluate(&program, &inputs, &with(64)).is_ok());
    let error = evaluate(&program, &inputs, &with(63)).expect_err("too much");
    assert!(
        error.to_string().contains("64 multiply-adds, limit 63"),
        "{error}"
    );
    assert!(plain(&program, &inputs, &with(63)).is_err());
}

/// An integer product whose row 1 is off by one in two places: signs hide that every second time.
fn integers(dtype: DType, c: &mut [f64]) -> Vec<FreivaldsReport> {
    let (m, n, k) = (4, 6, 5);
    let a: Vec<f64> = (0..m * k).map(|i| (i % 5) as f64 - 2.0).collect();
    let b: Vec<f64> = (0..k * n).map(|i| (i % 7) as f64 - 3.0).collect();
    for (at, c) in c.iter_mut().enumerate() {
        *c += (0..k)
            .map(|i| a[at / n * k + i] * b[i * n + at % n])
            .sum::<f64>();
    }
    let product = Product {
        m,
        n,
        k,
        a: &a,
        b: &b,
        c,
        transpose_b: false,
        dtype,
    };
    let check = |seed| freivalds(&product, 1, seed).expect("checks");
    (0..100).map(check).collect()
}

#[test]
fn integer_products_are_checked_without_rounding() {
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        for report in integers(dtype, &mut [0.0; 24]) {
            assert!(report.passed && report.exact_rows == 4 && report.rounds == 0);
            assert!(report.miss < 1e-18);
        }
        for (first, second) in [(1.0, 1.0), (1.0, -1.0), (0.5, 0.0), (0.0, 1e-3)] {
            let mut off = [0.0; 24];
            (off[7], off[9]) = (first, second);
            for report in integers(dtype, &mut off) {
                assert!(
                    !report.passed && report.worst_row == 1,
                    "{dtype:?} {report:?}"
                );
            }
        }
    }
    // In half precision a row with large elements has been rounded, and signs remain.
    let mut large = [0.0; 24];
    large[7] = 4096.0;
    let reports = integers(DType::F16, &mut large);
    assert!(
        reports
            .iter()
            .all(|it| !it.passed && it.exact_rows == 3 && it.rounds == 1)
    );
}
