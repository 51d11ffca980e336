//! Products: naive, tiled, of vectors, split along k.

use kforge_oracle::{Op, Program, ValueId};
use kforge_verify::{Reason, Scope};

use crate::{all_refused, edited, judge, kernel, passes, program, refusal};

const NUMERIC: &[Reason] = &[Reason::NumericMismatch];
const POISON: &[Reason] = &[Reason::Poison];
const STATIC: &[Reason] = &[Reason::Static];

pub fn product(m: usize, n: usize, k: usize) -> Program {
    let op = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    };
    program(op, &[("a", &[m, k]), ("b", &[k, n])], &[m, n])
}

#[test]
fn right_kernels_pass_at_every_shape() {
    let own = product(33, 36, 40);
    assert!(passes(&own, &kernel("matmul_naive")) >= 20);
    assert!(passes(&own, &kernel("matmul_tiled")) >= 20);
    assert!(passes(&own, &kernel("matmul_split_k")) >= 20);
    // Multiples of 4 only, as its interface says.
    assert!(passes(&own, &kernel("matmul_override")) >= 12);
}

#[test]
fn the_naive_kernel_is_proved() {
    let verdict = judge(&product(33, 36, 40), &kernel("matmul_naive")).unwrap();
    assert!(verdict.passed && verdict.proofs.iter().all(|it| it.shown.is_some()));
}

#[test]
fn what_is_right_for_small_sizes_alone_is_refused() {
    let own = product(33, 36, 40);
    for (edit, reason) in [
        ([("i < sizes.k", "i < min(sizes.k, 900u)")], NUMERIC),
        (
            [("let column = id.x", "let column = min(id.x, 900u)")],
            &[Reason::Poison, Reason::Static],
        ),
        (
            [("let row = id.y", "let row = min(id.y, 900u)")],
            &[Reason::Poison, Reason::Static],
        ),
    ] {
        all_refused(&own, "matmul_naive", &[(edit[0].1, &edit, reason)]);
    }
}

#[test]
fn a_loop_that_never_ends_is_refused_before_it_runs() {
    let own = product(33, 36, 40);
    for endless in [
        "loop { }",
        "var z = 0u; loop { z = z | 0u; if z > 5u { break; } }",
        "loop { if sum > 1e30 { break; } }",
    ] {
        let wrong = edited(
            "matmul_naive",
            &[("    out[", &format!("    {endless}\n    out["))],
        );
        let failure = refusal(&own, &wrong);
        assert!(
            matches!(failure.reason, Reason::Static | Reason::Timing),
            "{failure:?}"
        );
    }
}

#[test]
fn wrong_tiled_kernels_are_refused() {
    all_refused(
        &product(33, 36, 40),
        "matmul_tiled",
        &[
            (
                "no mask along k on a",
                &[("row < sizes.m && i < sizes.k", "row < sizes.m")],
                STATIC,
            ),
            (
                "no mask on the store",
                &[(
                    "row < sizes.m && column < sizes.n { out",
                    "row < sizes.m { out",
                )],
                STATIC,
            ),
            (
                "last row missing",
                &[(
                    "row < sizes.m && column < sizes.n { out",
                    "row + 1u < sizes.m && column < sizes.n { out",
                )],
                POISON,
            ),
            (
                "no barrier after the load",
                &[(
                    "        tile_b[place] = right;\n        workgroupBarrier();",
                    "        tile_b[place] = right;",
                )],
                STATIC,
            ),
            (
                "stride of a is n",
                &[("a[row * sizes.k + i]", "a[row * sizes.n + i]")],
                STATIC,
            ),
            ("k from 1", &[("var t = 0u", "var t = 1u")], NUMERIC),
            ("15 of 16", &[("t < 16u", "t < 15u")], NUMERIC),
            (
                "whole tiles only",
                &[("start < sizes.k;", "start + 16u <= sizes.k;")],
                NUMERIC,
            ),
            (
                "the sum starts at 1e-3",
                &[("var sum = 0.0", "var sum = 1e-3")],
                NUMERIC,
            ),
            (
                "the sum starts anew",
                &[("for (var t", "sum = 0.0; for (var t")],
                NUMERIC,
            ),
            ("0.999", &[("= sum;", "= sum * 0.999;")], NUMERIC),
            ("a clamp", &[("= sum;", "= min(sum, 1e4);")], NUMERIC),
            ("a stray relu", &[("= sum;", "= max(sum, 0.0);")], NUMERIC),
            ("a constant", &[("= sum;", "= 1.0;")], NUMERIC),
            ("zeros", &[("= sum;", "= 0.0;")], NUMERIC),
            (
                "ids swapped",
                &[("tile_b[t * 16u + local.x]", "tile_b[t * 16u + local.y]")],
                NUMERIC,
            ),
            (
                "tiles with eleven bits",
                &[(
                    "tile_a[place] = left;",
                    "tile_a[place] = quantizeToF16(left);",
                )],
                NUMERIC,
            ),
            (
                "only this shape",
                &[(
                    "var sum = 0.0;",
                    "if sizes.m != 33u { return; } var sum = 0.0;",
                )],
                &[Reason::Poison],
            ),
            (
                "an addend at k = 17",
                &[("= sum;", "= sum + select(0.0, 1e-2, sizes.k == 17u);")],
                NUMERIC,
            ),
        ],
    );
}

#[test]
fn other_wrong_products_are_refused() {
    let own = product(33, 36, 40);
    all_refused(
        &own,
        "matmul_naive",
        &[
            (
                "writes behind the end",
                &[("row >= sizes.m || column", "row > sizes.m || column")],
                STATIC,
            ),
            (
                "reads behind the end",
                &[("i < sizes.k", "i <= sizes.k")],
                STATIC,
            ),
            // A GPU may add to the poison as to any NaN, and leave its own bits.
            (
                "adds to what is there",
                &[("= sum;", "+= sum;")],
                &[Reason::Poison, Reason::NumericMismatch],
            ),
            (
                "f16 sums",
                &[("sum += a[", "sum = quantizeToF16(sum); sum += a[")],
                NUMERIC,
            ),
            (
                "nothing",
                &[("    var sum", "    if row < 100000u { return; } var sum")],
                POISON,
            ),
        ],
    );
    all_refused(
        &own,
        "matmul_split_k",
        &[
            (
                "parts rounded down",
                &[("(sizes.k + 3u) / 4u", "sizes.k / 4u")],
                NUMERIC,
            ),
            ("three of four", &[("part < 4u", "part < 3u")], NUMERIC),
            (
                "no end of a part",
                &[("min(first + length, sizes.k)", "first + length")],
                STATIC,
            ),
        ],
    );
}

#[test]
fn what_is_loaded_from_beyond_the_end_counts_although_it_is_not_used() {
    // Columns behind the last read the guard, and are not stored: no number shows it.
    let kernel = edited(
        "matmul_tiled",
        &[("j < sizes.k && column < sizes.n", "j < sizes.k")],
    );
    let failure = refusal(&product(33, 36, 40), &kernel);
    assert_eq!(failure.reason, Reason::Static, "{failure:?}");
    assert!(failure.detail.contains("into 'b'"), "{failure:?}");
}

#[test]
fn a_kernel_right_for_multiples_of_16_alone_may_say_so() {
    let no_masks: &[(&str, &str)] = &[
        ("if row < sizes.m && i < sizes.k { left", "{ left"),
        ("if j < sizes.k && column < sizes.n { right", "{ right"),
        ("if row < sizes.m && column < sizes.n { out", "{ out"),
    ];
    let mut kernel = edited("matmul_tiled", no_masks);
    // It is right at its own shape, so another one must show the mistake.
    let own = product(32, 48, 64);
    let failure = refusal(&own, &kernel);
    assert_eq!(failure.scope, Scope::Shape, "{failure:?}");
    assert!(failure.stage.starts_with("op at ("), "{failure:?}");
    for name in ["m", "n", "k"] {
        let rule = kforge_verify::foreign::Rule {
            multiple: Some(16),
            ..Default::default()
        };
        kernel.interface.shapes.insert(name.into(), rule);
    }
    assert!(passes(&own, &kernel) >= 5);
    let error = judge(&product(33, 48, 64), &kernel).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("m is 33, which its interface (shapes.m)"),
        "{error}"
    );
}

#[test]
fn compiled_in_sizes_are_tried_at_one_shape() {
    let own = product(8, 24, 5);
    let mut kernel = edited(
        "matmul_naive",
        &[
            ("sizes.m", "8u"),
            ("sizes.n", "24u"),
            ("sizes.k", "5u"),
            ("@group(0) @binding(3) var<uniform> sizes: Sizes;", ""),
        ],
    );
    kernel.interface.sizes = None;
    kernel.interface.workgroups = Some(["3", "1", "1"].map(|it| it.parse().unwrap()));
    let verdict = judge(&own, &kernel).unwrap();
    assert!(verdict.passed, "{}", verdict.summary());
    let [only] = &verdict.own_shape_only[..] else {
        panic!("{verdict:?}");
    };
    assert_eq!(only.stage, "op");
    assert!(only.because.contains("compiled in"), "{only:?}");
    // The same with operands and results in order, as kforge's own kernels have them.
    kernel.interface.bindings.clear();
    kernel.interface.workgroup = None;
    assert_eq!(passes(&own, &kernel), 0);
}
