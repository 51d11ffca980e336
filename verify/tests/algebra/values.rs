//! Outputs of other types and ranks, and what several draws say together.

use kforge_oracle::{BinaryKind, DType, Input, Op, Program, TensorType, UnaryKind};

use crate::unit::{Case, bindings, value};

/// p + p on 4 by 6 integers.
fn integers() -> (Case, String) {
    let ty = TensorType::new(DType::I32, &[4, 6]);
    let mut program = Program {
        name: "f".into(),
        inputs: vec![Input {
            name: "positions".into(),
            ty: ty.clone(),
        }],
        nodes: Vec::new(),
        outputs: Vec::new(),
    };
    let op = Op::Binary {
        a: value(0),
        b: value(0),
        kind: BinaryKind::Add,
    };
    program.outputs = vec![program.push("op", op, ty)];
    let text = "
@group(0) @binding(0) var<storage, read> p: array<i32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = p[id.x] * 2;
}";
    let case = Case {
        program,
        workgroups: 3,
        subgroup: 0,
        foreign: true,
    };
    (case, text.to_owned())
}

#[test]
fn integers_are_compared_as_they_are() {
    let (case, text) = integers();
    case.accepts(&text);
    case.accepts(&text.replace("p[id.x] * 2", "p[id.x] + p[id.x]"));
    case.refuses(
        &text,
        "* 2;",
        "* 2 + i32(id.x == 17u);",
        "element [2, 5] is ",
    );
    case.refuses(&text, "* 2;", "* 3;", "the program gives ");
    case.refuses(
        &text,
        "y[id.x] = p[id.x] * 2;",
        "if id.x < 23u { y[id.x] = p[id.x] * 2; }",
        "element [3, 5] was never written",
    );
    case.leaves_open(&text, "array<i32>;\n@compute", "array<f32>;\n@compute", "");
}

#[test]
fn elements_of_matrices_have_their_coordinates() {
    let op = Op::Unary {
        x: value(0),
        kind: UnaryKind::Neg,
    };
    let text = bindings(&["x"])
        + "
@compute @workgroup_size(60)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = -x[id.x];
}";
    let case = Case::new(&[("x", &[3, 4, 5])], op, &[3, 4, 5], 1);
    case.accepts(&text);
    case.refuses(
        &text,
        "-x[id.x]",
        "-x[id.x] * select(1.0, 2.0, id.x == 33u)",
        "element [1, 2, 3] is 0x",
    );
    case.refuses(
        &text,
        "-x[id.x]",
        "x[id.x] / (x[0] - x[0])",
        "the kernels divide by zero",
    );
}

#[test]
fn what_one_draw_leaves_open_another_decides() {
    // The root of a number exists in about half of the draws.
    let op = Op::Unary {
        x: value(0),
        kind: UnaryKind::Sqrt,
    };
    let text = bindings(&["x"])
        + "
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = x[id.x] * inverseSqrt(x[id.x]);
}";
    let case = Case::new(&[("x", &[8])], op, &[8], 1);
    case.accepts(&text);
    case.refuses(&text, "* inverseSqrt", "* 2.0 * inverseSqrt", "modulo p");
}
