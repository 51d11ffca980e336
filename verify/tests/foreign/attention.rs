//! Attention with grouped heads and a causal mask.

use kforge_oracle::{Op, Program, ValueId};
use kforge_verify::Reason;

use crate::{all_refused, kernel, passes, program};

const NUMERIC: &[Reason] = &[Reason::NumericMismatch];

fn attention() -> Program {
    let op = Op::Attention {
        q: ValueId(0),
        k: ValueId(1),
        v: ValueId(2),
        mask: None,
        causal: true,
        scale: None,
    };
    let operands: [(&str, &[usize]); 3] = [
        ("q", &[1, 4, 12, 16]),
        ("k", &[1, 2, 20, 16]),
        ("v", &[1, 2, 20, 16]),
    ];
    program(op, &operands, &[1, 4, 12, 16])
}

#[test]
fn a_right_kernel_passes_at_every_shape() {
    assert!(passes(&attention(), &kernel("attention")) >= 10);
}

#[test]
fn wrong_attention_is_refused() {
    let output = "select(value / sum, 0.0, seen == 0u)";
    all_refused(
        &attention(),
        "attention",
        &[
            ("no scale", &[("sum * sizes.scale", "sum")], NUMERIC),
            (
                "1/d",
                &[("sum * sizes.scale", "sum / f32(sizes.d)")],
                NUMERIC,
            ),
            (
                "a key too many",
                &[("i32(sizes.sq) + 1,", "i32(sizes.sq) + 2,")],
                NUMERIC,
            ),
            (
                "a key too few",
                &[("i32(sizes.sq) + 1,", "i32(sizes.sq),")],
                NUMERIC,
            ),
            (
                "causal from the first key",
                &[("+ i32(sizes.sk) - i32(sizes.sq)", "")],
                NUMERIC,
            ),
            (
                "no mask",
                &[(
                    "seen = u32(clamp(i32(row) + i32(sizes.sk) - i32(sizes.sq) + 1, 0, i32(sizes.sk)))",
                    "seen = sizes.sk",
                )],
                NUMERIC,
            ),
            (
                "the mask after softmax",
                &[
                    ("j < seen; j++) {\n", "j < sizes.sk; j++) {\n"),
                    (
                        "value += weight",
                        "value += select(0.0, 1.0, j < seen) * weight",
                    ),
                ],
                NUMERIC,
            ),
            (
                "heads taken in turns",
                &[("head * sizes.hkv / sizes.h", "head % sizes.hkv")],
                NUMERIC,
            ),
            (
                "one head of keys for all",
                &[("head * sizes.hkv / sizes.h", "0u")],
                NUMERIC,
            ),
            (
                "the first batch only",
                &[("(batch * sizes.hkv + shared_head)", "shared_head")],
                NUMERIC,
            ),
            ("no maximum subtracted", &[(" - largest)", ")")], NUMERIC),
            ("no division", &[("value / sum", "value")], NUMERIC),
            (
                "a masked row is a mean",
                &[
                    (output, "value / max(sum, 1e-30)"),
                    ("let seen = ", "let seen = max(1u, "),
                    ("i32(sizes.sk)));", "i32(sizes.sk))));"),
                ],
                NUMERIC,
            ),
            (
                "keys for values",
                &[
                    ("* v[keys", "* k[keys"),
                    ("var value = 0.0;", "var value = v[keys] * 1e-30;"),
                ],
                NUMERIC,
            ),
        ],
    );
}
