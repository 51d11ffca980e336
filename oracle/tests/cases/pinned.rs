//! Inputs are named by their family and seed, in reports and in regressions: the same name must
//! give the same numbers in every version. A change here is meant, or it is a mistake.

use kforge_oracle::*;

use crate::common::*;

const FAMILIES: [Values; 13] = [
    Values::Normal,
    Values::SmallIntegers,
    Values::Outliers,
    Values::Large30,
    Values::Tiny1e4,
    Values::Offset100,
    Values::Beyond1e4,
    Values::NearMinus1e4,
    Values::ConstantRows,
    Values::OneHot,
    Values::PowersOfTwo,
    Values::Normal,
    Values::OneHot,
];

/// A hash over the bits of every element of every family, twice.
fn digest(program: &Program) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    for (values, seed) in FAMILIES.into_iter().flat_map(|it| [(it, 4), (it, 7)]) {
        for array in generate(program, values, seed).expect("generates") {
            for value in array.value {
                digest = (digest ^ value.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                digest ^= digest >> 29;
            }
        }
    }
    digest
}

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
    push(&mut program, op, &[1, 1, 3, 4], DType::F16);
    program
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

fn every_program() -> Vec<Program> {
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
    let mut turned = matmul_program(DType::F16, (5, 300, 4));
    turned.inputs[0].ty.shape = vec![4, 5];
    if let Op::Matmul { transpose_a, .. } = &mut turned.nodes[0].op {
        *transpose_a = true;
    }
    programs.push(turned);
    programs
}

const PINNED: [u64; 44] = [
    0x2c23_79be_0bd4_8e52,
    0x768b_1bec_e2e3_1d1a,
    0x25f8_40ff_d5c2_205b,
    0xdd17_26a4_028d_4483,
    0xdfbd_84df_0e94_ac83,
    0x7c3c_942b_07af_e27c,
    0x15c6_7d4c_15bc_34c8,
    0xc1c9_30cf_ab9c_8598,
    0xb435_28d7_d851_d0b2,
    0x8907_18aa_4d36_024d,
    0x98d2_f5e5_ebee_8816,
    0x6157_e873_e92b_b099,
    0x03e3_40b9_8ab6_97e4,
    0xbcf6_1fc1_1aa2_0c77,
    0xaca9_380e_afe2_02fa,
    0x4b57_0f7f_4879_7c71,
    0xe918_8810_9d71_3582,
    0xe034_5cff_d1d6_59be,
    0x1c64_aa43_b866_6061,
    0xf79a_6fdb_9cf3_cb43,
    0x12b7_2569_0cbe_bc54,
    0x3ded_cb4e_8889_9dfc,
    0x3854_1151_2467_3fc4,
    0x9a63_75a2_add1_8c1c,
    0x994b_a7ca_5b24_b84a,
    0xbafb_ccb9_a775_2604,
    0x48b6_3be7_c41d_d59a,
    0xc5fb_3be8_0464_47ab,
    0x9d90_3bea_4cde_12fb,
    0x9656_1ee3_786e_c276,
    0x0fa6_2a88_f815_0dcc,
    0xde02_996c_1075_c5e2,
    0x41f6_9dfa_82a3_0798,
    0xf235_885a_7c76_b366,
    0xfc80_7e28_3be3_bbab,
    0xe623_51a2_5f18_3a83,
    0x8b37_53a8_1723_a1ea,
    0xf6c0_dfdc_9f9a_4705,
    0xf6c0_dfdc_9f9a_4705,
    0x2831_72c2_d468_f95b,
    0x29f9_6c2f_5ac6_24ec,
    0x29f9_6c2f_5ac6_24ec,
    0x627f_8ee4_1da6_f9ff,
    0x05df_3b7e_afcc_851d,
];

#[test]
fn a_seed_names_its_inputs() {
    let got: Vec<u64> = every_program().iter().map(digest).collect();
    assert_eq!(got, PINNED, "{got:#x?}");
}
