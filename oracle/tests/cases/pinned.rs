//! Inputs are named by their family and seed, in reports and in regressions: the same name must
//! give the same numbers in every version. A change here is meant, or it is a mistake.

use kforge_oracle::*;

use crate::common::*;
use crate::programs::every_program;

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

const PINNED: [u64; 54] = [
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
    0x871e_c65e_49f6_66d7,
    0x871e_c65e_49f6_66d7,
    0x871e_c65e_49f6_66d7,
    0x5aee_073e_e0b4_d8aa,
    0x5aee_073e_e0b4_d8aa,
    0x178f_da65_d2b5_492c,
    0xd7bd_86e1_d494_2fc2,
    0x475d_72c5_2dba_b199,
    0xdd63_de57_0dbf_cb6d,
    0x7c35_db55_82d8_3075,
    0x05df_3b7e_afcc_851d,
];

#[test]
fn a_seed_names_its_inputs() {
    let got: Vec<u64> = every_program().iter().map(digest).collect();
    assert_eq!(got, PINNED, "{got:#x?}");
}

#[test]
fn inputs_that_no_evaluation_takes_are_refused() {
    let t = ty(DType::F32, &[1 << 40]);
    let op = Op::Reshape { x: ValueId(0) };
    let program = program(&[("x", t.clone())], op, t);
    let refused = generate(&program, Values::Normal, 0);
    assert!(
        matches!(refused, Err(CaseError::TooLarge { elements, limit, .. })
        if elements == 1 << 40 && limit == 1 << 28)
    );
}
