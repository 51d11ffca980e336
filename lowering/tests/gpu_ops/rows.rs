//! softmax, layer_norm and rms_norm.

use kforge_oracle::{Level, standard_cases};

use crate::{
    numeric::{check_all, with_subgroups},
    tensor,
    units::check_units,
};

/// The op, with as many weights as given.
fn module(
    op: &str,
    sizes: &[i64],
    axis: i64,
    element: &str,
    weights: &[&str],
    more: &str,
) -> String {
    let ty = tensor(sizes, element);
    let rank = sizes.len() as i64;
    let size = sizes[((axis + rank) % rank) as usize];
    let weight = tensor(&[size], element);
    let (mut arguments, mut operands, mut types) =
        (format!("%x: {ty}"), "%x".to_owned(), ty.clone());
    for name in weights {
        arguments += &format!(", %{name}: {weight}");
        operands += &format!(" {name} %{name}");
        types += &format!(", {weight}");
    }
    format!(
        "func.func @f({arguments}) -> {ty} {{\n  %y = kforge.{op} {operands} {{axis = {axis} : i64{more}}} : ({types}) -> {ty}\n  return %y : {ty}\n}}"
    )
}

const OPS: &[(&str, &[&str])] = &[
    ("softmax", &[]),
    ("layer_norm", &["gamma", "beta"]),
    ("layer_norm", &["beta"]),
    ("rms_norm", &["gamma"]),
    ("rms_norm", &[]),
];

/// `schedule`: invocations and rows of a workgroup, whether they shuffle, block and width.
fn sweep(shapes: &[(&[i64], i64)], schedule: [i64; 5], level: Level) {
    let [workgroup, rows, shuffle, block, width] = schedule;
    let schedule = format!(
        ", kforge.schedule = {{\"workgroup-size\" = {workgroup}, rows = {rows}, shuffle = {shuffle}, \"block-size\" = {block}, \"vector-width\" = {width}}}"
    );
    let mut modules = Vec::new();
    for (number, (sizes, axis)) in shapes.iter().enumerate() {
        for (turn, (op, weights)) in OPS.iter().enumerate() {
            let element = ["f32", "f16"][(number + turn) % 2];
            let more = match *op {
                "softmax" => schedule.clone(),
                _ => format!("{schedule}, epsilon = 1.0e-5 : f32"),
            };
            let name = format!("{op} {weights:?} {sizes:?} axis {axis} {element}");
            let function = module(op, sizes, *axis, element, weights, &more);
            let text = match shuffle {
                0 => function,
                _ => with_subgroups(&function),
            };
            modules.push((name, text));
        }
    }
    check_all(&modules, &standard_cases(level));
}

/// Sizes around one access, one turn, one block.
fn last_axis(sizes: &[i64]) -> Vec<([i64; 2], i64)> {
    sizes.iter().map(|size| ([3, *size], -1)).collect()
}

#[test]
fn kept_rows() {
    let shapes = last_axis(&[1, 2, 3, 4, 31, 32, 33, 127, 128, 129, 384]);
    let shapes: Vec<(&[i64], i64)> = shapes
        .iter()
        .map(|(sizes, axis)| (&sizes[..], *axis))
        .collect();
    sweep(&shapes, [32, 1, 0, 1024, 4], Level::Full);
}

#[test]
fn rows_read_in_passes() {
    let shapes = last_axis(&[16, 17, 64, 65, 100, 128, 131]);
    let shapes: Vec<(&[i64], i64)> = shapes
        .iter()
        .map(|(sizes, axis)| (&sizes[..], *axis))
        .collect();
    sweep(&shapes, [4, 1, 0, 16, 4], Level::Quick);
    sweep(&shapes, [8, 1, 0, 32, 2], Level::Quick);
}

#[test]
fn one_invocation() {
    let shapes = last_axis(&[1, 4, 30, 64]);
    let shapes: Vec<(&[i64], i64)> = shapes
        .iter()
        .map(|(sizes, axis)| (&sizes[..], *axis))
        .collect();
    sweep(&shapes, [1, 1, 0, 32, 4], Level::Quick);
    sweep(&shapes, [1, 1, 0, 8, 1], Level::Quick);
}

#[test]
fn rows_side_by_side() {
    let shapes = last_axis(&[1, 4, 31, 64, 100, 131]);
    let shapes: Vec<(&[i64], i64)> = shapes
        .iter()
        .map(|(sizes, axis)| (&sizes[..], *axis))
        .collect();
    // One row is left over for 2 and 4; an invocation for each; trees and shuffles.
    sweep(&shapes, [32, 2, 0, 64, 4], Level::Quick);
    sweep(&shapes, [16, 4, 1, 128, 4], Level::Quick);
    sweep(&shapes, [4, 4, 1, 16, 2], Level::Quick);
}

#[test]
fn shuffles() {
    let shapes = last_axis(&[2, 31, 64, 129, 500]);
    let shapes: Vec<(&[i64], i64)> = shapes
        .iter()
        .map(|(sizes, axis)| (&sizes[..], *axis))
        .collect();
    // Less than a subgroup, one, and several.
    sweep(&shapes, [4, 1, 1, 64, 4], Level::Quick);
    sweep(&shapes, [8, 1, 1, 1024, 4], Level::Quick);
    sweep(&shapes, [64, 1, 1, 1024, 4], Level::Quick);
    sweep(&shapes, [64, 2, 1, 64, 1], Level::Quick);
}

#[test]
fn other_axes() {
    let shapes: &[(&[i64], i64)] = &[
        (&[5, 3], 0),
        (&[5, 8], 0),
        (&[2, 37, 12], 1),
        (&[2, 37, 7], -2),
        (&[33, 1], 0),
        (&[2, 3, 4, 5], 2),
        (&[2, 9, 4, 4], -3),
    ];
    sweep(shapes, [16, 1, 0, 256, 4], Level::Quick);
    sweep(shapes, [2, 1, 0, 4, 4], Level::Quick);
    sweep(shapes, [1, 1, 0, 4, 2], Level::Quick);
    sweep(shapes, [16, 2, 1, 256, 4], Level::Quick);
}

#[test]
fn ranks_and_guessed_schedules() {
    let modules: Vec<_> = [
        (&[7][..], 0),
        (&[1], -1),
        (&[2, 3, 5, 64], -1),
        (&[1, 4099], -1),
        (&[2, 12000], -1),
        (&[300, 2], 0),
        (&[70000, 2], 1),
    ]
    .into_iter()
    .flat_map(|(sizes, axis)| {
        OPS.iter().map(move |(op, weights)| {
            let name = format!("{op} {sizes:?} axis {axis}");
            (name, module(op, sizes, axis, "f32", weights, ""))
        })
    })
    .collect();
    check_all(&modules, &standard_cases(Level::Quick)[..3]);
}

#[test]
fn empty_tensors_launch_nothing() {
    let text = module("softmax", &[0, 4], 1, "f32", &[], "");
    let lowered = crate::structure::lowered(&text);
    assert!(!lowered.contains("gpu.launch_func"), "{lowered}");
}

#[test]
fn epsilon_counts() {
    let modules: Vec<_> = ["0.0", "1.0e-12", "1.0e-3", "2.0"]
        .into_iter()
        .flat_map(|epsilon| {
            let more = format!(", epsilon = {epsilon} : f32");
            ["layer_norm", "rms_norm"].map(|op| {
                (
                    format!("{op} {epsilon}"),
                    module(op, &[5, 24], -1, "f32", &["gamma"], &more),
                )
            })
        })
        .collect();
    // Without epsilon a constant row divides by zero, in the reference as well.
    check_all(&modules, &standard_cases(Level::Full)[..4]);
}

#[test]
fn units_say_what_they_compute() {
    check_units(&module(
        "layer_norm",
        &[5, 24],
        -1,
        "f32",
        &["gamma", "beta"],
        "",
    ));
    check_units(&module("softmax", &[5, 24], 0, "f16", &[], ""));
}
