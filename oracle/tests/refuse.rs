//! Wrong kernels are refused by the standard cases, at the real bounds.
//!
//! Each fault runs through the quick level first and the full level if that lets it pass; the
//! unchanged kernel must pass every case.

mod common;

use common::emulate::{self as em, Fault, Fault::*, Order, SoftmaxStyle, f32s, store};
use common::*;
use kforge_oracle::*;

type Kernel<'a> = &'a dyn Fn(&Program, &[Vec<f32>], Option<Fault>) -> Vec<f32>;

/// One kernel family: programs (shapes) and an emulation.
struct Family<'a> {
    programs: Vec<Program>,
    kernel: Kernel<'a>,
}

fn refused(family: &Family, fault: Option<Fault>, level: Level) -> bool {
    family.programs.iter().enumerate().any(|(at, program)| {
        standard_cases(level).into_iter().any(|(values, salt)| {
            let seed = 10 * at as u64 + salt;
            let inputs = generate(program, values, 2 * seed + salt).expect("generates");
            let x: Vec<Vec<f32>> = inputs.iter().map(f32s).collect();
            let dtype = program.nodes[0].ty.dtype;
            let got = store(dtype, false, &(family.kernel)(program, &x, fault));
            let c = verdict(program, &inputs, &got);
            let correct = fault.is_none();
            assert!(
                !correct || c.passed,
                "correct kernel refused: {values:?} {c:?}"
            );
            !c.passed
        })
    })
}

fn check(family: &Family, faults: &[Fault], level: Level) {
    assert!(!refused(family, None, Level::Full));
    let survivors: Vec<&Fault> = faults
        .iter()
        .filter(|&&f| !refused(family, Some(f), level))
        .collect();
    assert!(
        survivors.is_empty(),
        "survivors at {level:?}: {survivors:?}"
    );
}

fn sizes(program: &Program) -> (usize, usize, usize) {
    let (a, c) = (&program.inputs[0].ty.shape, &program.nodes[0].ty.shape);
    (c[0], c[1], a[1])
}

fn matmul_kernel(program: &Program, x: &[Vec<f32>], fault: Option<Fault>) -> Vec<f32> {
    let fused = x.len() > 2;
    let args = em::MatmulArgs {
        sizes: sizes(program),
        a: &x[0],
        b: &x[1],
        bias: fused.then(|| &x[2][..]),
        residual: fused.then(|| &x[3][..]),
        activation: fused.then_some(em::gelu as fn(f32) -> f32),
    };
    em::matmul(&args, Order::Blocks(8), fault)
}

const MATMUL_FAULTS: [Fault; 14] = [
    DropLastK,
    FirstKFrom1,
    AccStart,
    Scaled999,
    StrayRelu,
    ClampAt1e4,
    TransposedB,
    F16Accumulator,
    F16Inputs,
    LastElementOnly,
    SwappedRows,
    Zeros,
    Nan,
    LastRowMissing,
];

#[test]
fn matmul_faults_f32() {
    let programs = [(16, 16, 16), (17, 13, 33), (32, 16, 128)]
        .map(|s| matmul_program(DType::F32, s))
        .to_vec();
    check(
        &Family {
            programs,
            kernel: &matmul_kernel,
        },
        &MATMUL_FAULTS,
        Level::Quick,
    );
}

#[test]
fn matmul_faults_f16() {
    let programs = [(16, 16, 16), (17, 13, 65)]
        .map(|s| matmul_program(DType::F16, s))
        .to_vec();
    // f16 inputs are exact here, and a clamp at 1e4 or an f16 accumulator needs large sums.
    let faults: Vec<Fault> = MATMUL_FAULTS
        .iter()
        .copied()
        .filter(|f| *f != F16Inputs && *f != ClampAt1e4)
        .collect();
    check(
        &Family {
            programs,
            kernel: &matmul_kernel,
        },
        &faults,
        Level::Full,
    );
}

#[test]
fn fused_matmul_faults() {
    for dtype in [DType::F32, DType::F16] {
        let programs = [(16, 16, 32), (7, 9, 33)]
            .map(|s| fused_program(dtype, s, ActivationKind::Gelu))
            .to_vec();
        let faults = [
            BiasAlongM,
            ActivationBeforeBias,
            BiasIgnored,
            ResidualBeforeActivation,
            DropLastK,
            GeluTanhForGelu,
            StrayRelu,
            Nan,
            Zeros,
        ];
        // Half precision cannot tell gelu from its tanh form in all but lucky cases.
        let faults: Vec<Fault> = faults
            .into_iter()
            .filter(|f| dtype == DType::F32 || *f != GeluTanhForGelu)
            .collect();
        check(
            &Family {
                programs,
                kernel: &matmul_kernel,
            },
            &faults,
            Level::Quick,
        );
    }
}

#[test]
fn softmax_faults() {
    for dtype in [DType::F32, DType::F16] {
        let programs = [(4, 64), (3, 65), (5, 2), (3, 1)]
            .map(|s| softmax_program(dtype, s))
            .to_vec();
        let kernel = |p: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
            let n = p.nodes[0].ty.shape[1];
            em::softmax(&x[0], n, SoftmaxStyle::ThreePass(Order::Pairwise), fault)
        };
        let faults = [
            NoMax,
            MaxFromZero,
            OneTermShort,
            NoDivision,
            Exp2ForExp,
            Uniform,
            Zeros,
            Nan,
            LastRowMissing,
        ];
        check(
            &Family {
                programs,
                kernel: &kernel,
            },
            &faults,
            Level::Quick,
        );
    }
}

#[test]
fn layer_norm_faults() {
    for dtype in [DType::F32, DType::F16] {
        let programs = [(4, 64), (3, 33), (2, 300), (5, 2)]
            .map(|s| layer_norm_program(dtype, s))
            .to_vec();
        let kernel = |_: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
            em::layer_norm(&x[0], &x[1], &x[2], Order::Pairwise, fault)
        };
        let faults = [
            NoEps,
            Eps1e3,
            DivideByNMinus1,
            MeanKept,
            MeanOfSquares,
            BetaIgnored,
            StdForInverse,
            Zeros,
            Nan,
            LastRowMissing,
        ];
        let level = if dtype == DType::F32 {
            Level::Quick
        } else {
            Level::Full
        };
        check(
            &Family {
                programs,
                kernel: &kernel,
            },
            &faults,
            level,
        );
    }
}

#[test]
fn rms_norm_faults() {
    for dtype in [DType::F32, DType::F16] {
        let programs = [(4, 64), (3, 33)]
            .map(|s| rms_norm_program(dtype, s))
            .to_vec();
        let kernel = |_: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
            em::rms_norm(&x[0], &x[1], Order::Pairwise, fault)
        };
        let faults = [NoEps, Eps1e3, LayerNormForRms, Zeros, Nan, LastRowMissing];
        check(
            &Family {
                programs,
                kernel: &kernel,
            },
            &faults,
            Level::Full,
        );
    }
}

#[test]
fn attention_faults() {
    for dtype in [DType::F32, DType::F16] {
        for (causal, masked) in [(false, true), (true, false), (false, false)] {
            let shapes = attention_shapes(8, 8);
            let programs = shapes
                .iter()
                .map(|s| attention_program(dtype, s, causal, masked))
                .collect();
            let kernel = |p: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
                let (q, k) = (&p.inputs[0].ty.shape, &p.inputs[1].ty.shape);
                let args = em::AttentionArgs {
                    shape: AttentionShape {
                        batch: q[0],
                        heads: q[1],
                        kv_heads: k[1],
                        queries: q[2],
                        keys: k[2],
                        depth: q[3],
                    },
                    q: &x[0],
                    k: &x[1],
                    v: &x[2],
                    mask: x.get(3).map(Vec::as_slice),
                    absent: if dtype == DType::F16 { -6e4 } else { -1e9 },
                    weights: (DType::F32, 1.0),
                    causal,
                };
                em::attention(&args, Some(8), fault)
            };
            let mut faults = vec![
                NoScale,
                ScaleByD,
                KeysShort,
                KeysLong,
                WrongHead,
                NoRescaleO,
                NoRescaleL,
                NoDivision,
                Zeros,
                Nan,
                LastRowMissing,
            ];
            if masked {
                faults.extend([MaskIgnored, MaskAfterSoftmax]);
            }
            if causal {
                faults.extend([CausalShift, MaskAfterSoftmax]);
            }
            check(
                &Family {
                    programs,
                    kernel: &kernel,
                },
                &faults,
                Level::Quick,
            );
        }
    }
}

#[test]
fn mlp_faults() {
    for dtype in [DType::F32, DType::F16] {
        let programs = [(4, 16, 32), (3, 5, 7)]
            .map(|s| mlp_program(dtype, s, true))
            .to_vec();
        let kernel = |p: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
            let (rows, d) = (p.inputs[0].ty.shape[0], p.inputs[0].ty.shape[1]);
            let h = p.inputs[1].ty.shape[1];
            let args = em::MlpArgs {
                sizes: (rows, d, h),
                x: &x[0],
                up: &x[1],
                down: &x[2],
                gate: Some(&x[3]),
                hidden: dtype,
            };
            em::mlp(&args, Order::Fma, fault)
        };
        let faults = [
            GateIgnored,
            ReluForActivation,
            DropLastK,
            StrayRelu,
            Zeros,
            Nan,
        ];
        check(
            &Family {
                programs,
                kernel: &kernel,
            },
            &faults,
            Level::Full,
        );
    }
}

#[test]
fn rope_faults() {
    for dtype in [DType::F32, DType::F16] {
        for interleaved in [false, true] {
            let programs = vec![rope_program(dtype, [2, 2, 9, 8], interleaved)];
            let kernel = |p: &Program, x: &[Vec<f32>], fault: Option<Fault>| {
                let s = &p.inputs[0].ty.shape;
                em::rope(&x[0], &x[1], [s[0], s[1], s[2], s[3]], interleaved, fault)
            };
            let faults = [
                PositionOff,
                WrongPairing,
                SinSign,
                Zeros,
                Nan,
                LastRowMissing,
            ];
            check(
                &Family {
                    programs,
                    kernel: &kernel,
                },
                &faults,
                Level::Quick,
            );
        }
    }
}
