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
    0xd3eb_e426_92c3_a372,
    0xb28f_7899_919d_7f56,
    0x7c3c_942b_07af_e27c,
    0x7d85_04de_e827_8af8,
    0xc1c9_30cf_ab9c_8598,
    0x7387_08ea_8367_e9a1,
    0x9845_19c5_3ae2_f61e,
    0x32eb_9407_bb51_b459,
    0xd640_3257_f017_9353,
    0x864d_266d_9cf9_8870,
    0xbcf6_1fc1_1aa2_0c77,
    0xaca9_380e_afe2_02fa,
    0x4b57_0f7f_4879_7c71,
    0xe918_8810_9d71_3582,
    0x3027_cfbc_1966_0ae0,
    0x1c64_aa43_b866_6061,
    0x4431_e3c1_dc29_0959,
    0x12b7_2569_0cbe_bc54,
    0x3ded_cb4e_8889_9dfc,
    0x3854_1151_2467_3fc4,
    0x9a63_75a2_add1_8c1c,
    0x994b_a7ca_5b24_b84a,
    0x14fe_0061_054b_1b0c,
    0x6c75_62e5_b655_2c5e,
    0xc5fb_3be8_0464_47ab,
    0xf60e_03ba_f692_e568,
    0x9656_1ee3_786e_c276,
    0xc02b_5d48_0468_717f,
    0x9f79_ecee_4420_d3e2,
    0x1c3e_2ca2_d644_50ff,
    0x67a9_f7c9_114d_4269,
    0x0686_62b5_6d66_ffbe,
    0xe623_51a2_5f18_3a83,
    0x8b37_53a8_1723_a1ea,
    0xf6c0_dfdc_9f9a_4705,
    0xf6c0_dfdc_9f9a_4705,
    0x4b32_77a0_d3e4_883f,
    0x29f9_6c2f_5ac6_24ec,
    0x29f9_6c2f_5ac6_24ec,
    0x627f_8ee4_1da6_f9ff,
    0x2bd8_6435_e587_19e9,
    0x2bd8_6435_e587_19e9,
    0x2bd8_6435_e587_19e9,
    0x5aee_073e_e0b4_d8aa,
    0x5aee_073e_e0b4_d8aa,
    0x178f_da65_d2b5_492c,
    0xd7bd_86e1_d494_2fc2,
    0x0aa5_d12d_803f_c9e3,
    0xdd63_de57_0dbf_cb6d,
    0x8b89_45a0_7ff3_80fb,
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
