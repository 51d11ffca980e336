//! Rotary position embedding.

use kforge_oracle::{Level, standard_cases};

use crate::{numeric::check_all, tensor, units::check_units};

struct Case {
    x: [i64; 4],
    batched: bool,
    /// R/2, where frequencies are an operand.
    pairs: Option<i64>,
    element: &'static str,
    more: &'static str,
}

fn module(case: &Case) -> String {
    let x = tensor(&case.x, case.element);
    let positions = match case.batched {
        true => tensor(&[case.x[0], case.x[2]], "i32"),
        false => tensor(&[case.x[2]], "i32"),
    };
    let (mut arguments, mut operands, mut types) = (
        format!("%x: {x}, %p: {positions}"),
        "%x, %p".to_owned(),
        format!("{x}, {positions}"),
    );
    if let Some(pairs) = case.pairs {
        let ty = tensor(&[pairs], "f32");
        arguments += &format!(", %f: {ty}");
        operands += " inv_freq %f";
        types += &format!(", {ty}");
    }
    format!(
        "func.func @f({arguments}) -> {x} {{\n  %y = kforge.rope {operands} {{{}}} : ({types}) -> {x}\n  return %y : {x}\n}}",
        case.more
    )
}

#[test]
fn every_form() {
    let mut modules = Vec::new();
    let shapes = [
        [1, 1, 1, 2],
        [2, 3, 5, 8],
        [1, 2, 7, 6],
        [2, 2, 3, 64],
        [1, 1, 300, 12],
    ];
    for x in shapes {
        for more in [
            "",
            "interleaved",
            "theta = 5.0e5 : f32",
            "interleaved, theta = 1.5 : f32",
        ] {
            for (batched, element) in [(false, "f32"), (true, "f16"), (true, "f32")] {
                let half = x[3] / 2;
                for pairs in [None, Some(half), Some((half + 1) / 2), Some(1)] {
                    let case = Case {
                        x,
                        batched,
                        pairs,
                        element,
                        more,
                    };
                    modules.push((
                        format!("{x:?} {batched} {pairs:?} {element} {more}"),
                        module(&case),
                    ));
                }
            }
        }
    }
    check_all(&modules, &standard_cases(Level::Quick)[..3]);
}

/// Positions up to 4,095 radians.
#[test]
fn large_angles() {
    let case = |more| Case {
        x: [1, 1, 2048, 4],
        batched: false,
        pairs: None,
        element: "f32",
        more,
    };
    let modules = ["", "interleaved"].map(|more| (more.to_owned(), module(&case(more))));
    check_all(&modules, &standard_cases(Level::Full));
}

#[test]
fn units_say_what_they_compute() {
    let case = Case {
        x: [2, 3, 5, 8],
        batched: true,
        pairs: Some(3),
        element: "f32",
        more: "",
    };
    check_units(&module(&case));
}
