//! Outputs of other types and ranks, and what several draws say together.

use kforge_oracle::{BinaryKind, ConstantData, DType, Input, Op, Program, TensorType, UnaryKind};
use kforge_runtime::{Dtype, HostTensor, manifest::Role};
use kforge_verify::algebra::{self, Algebra};

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

#[test]
fn a_root_on_one_side_is_decided_where_it_exists() {
    let op = Op::Unary {
        x: value(0),
        kind: UnaryKind::Neg,
    };
    let text = bindings(&["x"])
        + "
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = -(sqrt(x[id.x]) * sqrt(x[id.x]));
}";
    let case = Case::new(&[("x", &[4])], op, &[4], 1);
    case.accepts(&text);
    case.refuses(&text, "-(sqrt", "(sqrt", "modulo p");
}

/// a + b on 40 elements.
fn sum() -> (Case, String) {
    let op = Op::Binary {
        a: value(0),
        b: value(1),
        kind: BinaryKind::Add,
    };
    let text = bindings(&["a", "b"])
        + "
@compute @workgroup_size(40)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    y[i] = a[i] + b[i];
}";
    let row: &[usize] = &[40];
    (Case::new(&[("a", row), ("b", row)], op, row, 1), text)
}

#[test]
fn a_comparison_too_close_to_call_decides_nothing() {
    let (case, text) = sum();
    let close = "a[i] + a[i] * 1e-14 < a[i]";
    case.leaves_open(
        &text,
        "a[i] + b",
        &format!("select(a[i], a[i] + 0.0, {close}) + b"),
        "too close to call",
    );
    case.leaves_open(&text, "y[i]", &format!("y[select(i, 0u, {close})]"), "");
}

#[test]
fn constants_have_their_values() {
    let (case, text) = sum();
    let with = |given: f64| {
        let mut unit = case.unit(&text);
        let manifest = &mut unit.package.manifest;
        manifest.buffers[1].role = Role::Constant;
        let name = manifest.buffers[1].name.clone();
        let entry = manifest.entries.get_mut("unit").unwrap();
        entry.inputs.truncate(1);
        unit.arguments.truncate(1);
        let values: Vec<f64> = (0..40).map(|it| given + f64::from(it) / 8.0).collect();
        let tensor = HostTensor::from_f64(Dtype::F32, &[40], &values).unwrap();
        unit.package.constants.insert(name, tensor);
        let ty = TensorType::new(DType::F32, &[40]);
        let mut program = Program {
            inputs: case.program.inputs[..1].to_vec(),
            nodes: Vec::new(),
            ..case.program.clone()
        };
        let values = (0..40).map(|it| 0.5 + f64::from(it) / 8.0).collect();
        let data = ConstantData::Dense(values);
        let constant = program.push("b", Op::Constant { data }, ty.clone());
        let op = Op::Binary {
            a: value(0),
            b: constant,
            kind: BinaryKind::Add,
        };
        program.outputs = vec![program.push("op", op, ty)];
        program.validate().unwrap();
        unit.program = program;
        algebra::check(&unit, 3, algebra::FULL_OPERATIONS)
    };
    let right = with(0.5);
    assert!(matches!(right, Algebra::Equal(_)), "{right:?}");
    let wrong = with(0.625);
    assert!(!matches!(wrong, Algebra::Equal(_)), "{wrong:?}");
}
