//! Mistakes in the loops, branches and barriers of kernels.

use kforge_dialect::ir;
use melior::ir::{BlockLike, OperationRef, RegionLike, Value, ValueLike, operation::OperationLike};

use super::{
    Level, Mutation, control,
    edit::{Edit, New, is_float, operand_type},
    kernels::{inside, named},
    mutant,
};

const KERNELS: Level = Level::Kernels;

pub static MUTATIONS: &[Mutation] = &[
    mutant(
        KERNELS,
        "loop_from_one",
        "a loop begins one step late",
        |_, module| bounds(module, 0, "arith.addi", 1.0),
    ),
    mutant(
        KERNELS,
        "loop_one_short",
        "a loop ends one early",
        |_, module| bounds(module, 1, "arith.subi", 1.0),
    ),
    mutant(
        KERNELS,
        "loop_one_more",
        "a loop ends one late",
        |_, module| bounds(module, 1, "arith.addi", 1.0),
    ),
    mutant(
        KERNELS,
        "loop_steps_doubled",
        "a loop takes every second step",
        |_, module| bounds(module, 2, "arith.muli", 2.0),
    ),
    mutant(
        KERNELS,
        "loop_rounded_down",
        "a loop runs half as often",
        |_, module| bounds(module, 1, "arith.divui", 2.0),
    ),
    mutant(
        KERNELS,
        "carried_not_updated",
        "a running value stays what it was before the step",
        |_, module| {
            let mut edits = Vec::new();
            for op in named(module, &["scf.for"]) {
                let (Some(arguments), Some(end)) = (carried(op), terminator(op)) else {
                    continue;
                };
                for (index, argument) in arguments.into_iter().enumerate() {
                    if end.operand(index).is_ok_and(|it| it != argument) {
                        edits.push(Edit::Operand(end, index, New::Value(argument)));
                    }
                }
            }
            edits
        },
    ),
    mutant(
        KERNELS,
        "carried_reset",
        "a running value begins anew at every step",
        |_, module| {
            let mut edits = Vec::new();
            for op in named(module, &["scf.for"]) {
                for (index, argument) in carried(op).into_iter().flatten().enumerate() {
                    if let Ok(start) = op.operand(3 + index) {
                        edits.push(Edit::Uses(argument, start));
                    }
                }
            }
            edits
        },
    ),
    mutant(
        KERNELS,
        "carried_starts_off",
        "a running value starts 1e-3 too large",
        |_, module| {
            let mut edits = Vec::new();
            for op in named(module, &["scf.for"]) {
                for index in 3..op.operand_count() {
                    let Some(ty) = operand_type(op, index).filter(|ty| is_float(*ty)) else {
                        continue;
                    };
                    let offset = New::Number(ty, 1e-3);
                    let sum = New::Op("arith.addf", vec![New::Old, offset], ty);
                    edits.push(Edit::Operand(op, index, sum));
                }
            }
            edits
        },
    ),
    mutant(
        KERNELS,
        "carried_exchanged",
        "two running values of one type are exchanged",
        |_, module| {
            let mut edits = Vec::new();
            for op in named(module, &["scf.for"]) {
                let Some(end) = terminator(op) else {
                    continue;
                };
                for index in 1..end.operand_count() {
                    if operand_type(end, index - 1) == operand_type(end, index) {
                        edits.push(Edit::Swap(end, index - 1, index));
                    }
                }
            }
            edits
        },
    ),
    mutant(
        KERNELS,
        "if_always",
        "a branch is always taken",
        |_, module| conditions(module, 1.0),
    ),
    mutant(
        KERNELS,
        "if_never",
        "a branch is never taken",
        |_, module| conditions(module, 0.0),
    ),
    mutant(
        KERNELS,
        "barrier_left_out",
        "a barrier is left out",
        |_, module| {
            let all = named(module, &["gpu.barrier"]).into_iter();
            all.map(Edit::Erase).collect()
        },
    ),
    control(
        KERNELS,
        "barrier_twice",
        "a barrier stands twice",
        |_, module| {
            let all = named(module, &["gpu.barrier"]).into_iter();
            all.map(Edit::Repeat).collect()
        },
    ),
];

/// A loop's bound or step, changed.
fn bounds<'c, 'a>(
    module: OperationRef<'c, 'a>,
    operand: usize,
    op: &'static str,
    by: f64,
) -> Vec<Edit<'c, 'a>> {
    let loops = named(module, &["scf.for"]).into_iter();
    loops
        .filter_map(|found| {
            let ty = operand_type(found, operand)?;
            let changed = New::Op(op, vec![New::Old, New::Number(ty, by)], ty);
            Some(Edit::Operand(found, operand, changed))
        })
        .collect()
}

/// The values that a loop carries, inside it.
fn carried<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<Vec<Value<'c, 'a>>> {
    let block = op.region(0).ok()?.first_block()?;
    let arguments = (1..block.argument_count()).map(|index| block.argument(index));
    arguments
        .map(|argument| argument.ok().map(Value::from))
        .collect()
}

/// The end of a loop's body.
fn terminator<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<OperationRef<'c, 'a>> {
    inside(op)
        .into_iter()
        .rfind(|it| ir::name(*it) == "scf.yield")
}

fn conditions<'c, 'a>(module: OperationRef<'c, 'a>, value: f64) -> Vec<Edit<'c, 'a>> {
    let branches = named(module, &["scf.if"]).into_iter();
    branches
        .filter_map(|op| {
            let ty = op.operand(0).ok()?.r#type();
            Some(Edit::Operand(op, 0, New::Number(ty, value)))
        })
        .collect()
}
