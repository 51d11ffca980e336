//! The feed-forward block.

use kforge_oracle::{Level, standard_cases};

use crate::{
    numeric::check_all,
    structure::{count, lowered},
    tensor,
    units::check_units,
};

fn module(
    rows: &[i64],
    [d, f, o]: [i64; 3],
    element: &str,
    gated: bool,
    biased: bool,
    more: &str,
) -> String {
    let transposed = more.contains("transpose_weights");
    let weight = |from: i64, to: i64| match transposed {
        true => tensor(&[to, from], element),
        false => tensor(&[from, to], element),
    };
    let (x, y) = (
        tensor(&[rows, &[d]].concat(), element),
        tensor(&[rows, &[o]].concat(), element),
    );
    let mut list = vec![
        ("", "x", x),
        ("", "up", weight(d, f)),
        ("", "down", weight(f, o)),
    ];
    if gated {
        list.push((" gate ", "gate", weight(d, f)));
    }
    if biased {
        list.push((" up_bias ", "ub", tensor(&[f], element)));
        list.push((" down_bias ", "db", tensor(&[o], element)));
    }
    if gated && biased {
        list.push((" gate_bias ", "gb", tensor(&[f], element)));
    }
    let arguments: Vec<String> = list
        .iter()
        .map(|(_, name, ty)| format!("%{name}: {ty}"))
        .collect();
    let types: Vec<&str> = list.iter().map(|(_, _, ty)| ty.as_str()).collect();
    let optional: String = list[3..]
        .iter()
        .map(|(word, name, _)| format!("{word}%{name}"))
        .collect();
    format!(
        "func.func @f({}) -> {y} {{\n  %y = kforge.mlp %x, %up, %down{optional} {{{more}}} : ({}) -> {y}\n  return %y : {y}\n}}",
        arguments.join(", "),
        types.join(", ")
    )
}

#[test]
fn every_form() {
    let mut modules = Vec::new();
    for (rows, sizes) in [
        (&[3][..], [4, 8, 4]),
        (&[2, 5], [7, 9, 5]),
        (&[1], [1, 1, 1]),
        (&[17], [16, 48, 20]),
    ] {
        for (gated, biased) in [(false, false), (false, true), (true, false), (true, true)] {
            for (element, more) in [
                ("f32", "activation = \"gelu\""),
                ("f16", "activation = \"silu\""),
                ("f32", "activation = \"silu\", transpose_weights"),
            ] {
                let name =
                    format!("{rows:?} {sizes:?} {element} gated {gated} biased {biased} {more}");
                modules.push((name, module(rows, sizes, element, gated, biased, more)));
            }
        }
    }
    check_all(&modules, &standard_cases(Level::Quick));
}

#[test]
fn one_unit_of_two_or_three_kernels() {
    let plain = module(&[6], [8, 16, 8], "f32", false, true, "");
    let gated = module(&[6], [8, 16, 8], "f32", true, true, "");
    assert_eq!(count(&plain, "gpu.launch_func"), 2);
    assert_eq!(count(&gated, "gpu.launch_func"), 3);
    assert_eq!(lowered(&gated).matches("kforge.spec").count(), 1);
    check_units(&plain);
    check_units(&gated);
}

#[test]
fn split_contraction() {
    let schedule = "kforge.name = \"ffn\", kforge.schedule = {\"tile-m\" = 8, \"tile-n\" = 8, \"tile-k\" = 4, \"thread-m\" = 2, \"thread-n\" = 4, \"vector-width\" = 4, \"stages\" = 1, \"unroll\" = 0, \"group-m\" = 1, \"split-k\" = 2, \"prefetch\" = 0, \"slice-k\" = 1, \"matrix-unit\" = 0, \"subgroups\" = 0}";
    let text = module(&[9], [24, 40, 12], "f32", true, true, schedule);
    check_units(&text);
}
