//! Mistakes in what kernels read, mask and write.

use kforge_dialect::ir;
use melior::{
    Context,
    ir::{
        Attribute, OperationRef, Type, Value, ValueLike, attribute::IntegerAttribute,
        operation::OperationLike, r#type::IntegerType,
    },
};

use super::{
    Level, Mutation, control,
    edit::{Edit, New, is_float, operand_type, result_type},
    mutant,
};
use crate::{rewrite::nested_ops, select};

const KERNELS: Level = Level::Kernels;

/// Predicates of arith.cmpi, as MLIR numbers them.
const ULT: i64 = 6;
const ULE: i64 = 7;
const UGE: i64 = 9;

pub static MUTATIONS: &[Mutation] = &[
    mutant(
        KERNELS,
        "load_mask_dropped",
        "a masked value is used without its mask",
        |_, module| selects(module, 1),
    ),
    mutant(
        KERNELS,
        "load_mask_always",
        "every value is masked",
        |_, module| selects(module, 2),
    ),
    mutant(
        KERNELS,
        "predicate_off_by_one",
        "the bound itself is inside",
        |context, module| predicates(context, module, ULE),
    ),
    mutant(
        KERNELS,
        "predicate_negated",
        "what was inside is outside",
        |context, module| predicates(context, module, UGE),
    ),
    mutant(
        KERNELS,
        "index_clamp_dropped",
        "an index is not clamped",
        |_, module| {
            let clamps = named(module, &["arith.minui"]).into_iter();
            clamps
                .filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(0).ok()?))))
                .collect()
        },
    ),
    mutant(
        KERNELS,
        "heads_by_remainder",
        "a remainder where a quotient of indices belongs",
        |_, module| renamed(module, "arith.divui", "arith.remui"),
    ),
    mutant(
        KERNELS,
        "lanes_by_quotient",
        "a quotient where a remainder of indices belongs",
        |_, module| renamed(module, "arith.remui", "arith.divui"),
    ),
    mutant(
        KERNELS,
        "load_transposed",
        "two indices of a load are exchanged",
        |_, module| indices_exchanged(module, "memref.load", 1),
    ),
    mutant(
        KERNELS,
        "store_transposed",
        "two indices of a store are exchanged",
        |_, module| indices_exchanged(module, "memref.store", 2),
    ),
    mutant(
        KERNELS,
        "load_of_first",
        "the first element of a dimension for all",
        |_, module| indices(module, "memref.load", 1, |ty| New::Number(ty, 0.0)),
    ),
    mutant(
        KERNELS,
        "load_of_next",
        "the next element of a dimension",
        |_, module| {
            indices(module, "memref.load", 1, |ty| {
                New::Op("arith.addi", vec![New::Old, New::Number(ty, 1.0)], ty)
            })
        },
    ),
    mutant(
        KERNELS,
        "bias_along_rows",
        "a vector is indexed by the row",
        |_, module| rows_for_columns(module),
    ),
    mutant(
        KERNELS,
        "argument_ignored",
        "zero for what is read from an argument",
        |_, module| loads(module, 0.0),
    ),
    mutant(
        KERNELS,
        "argument_one",
        "one for what is read from an argument",
        |_, module| loads(module, 1.0),
    ),
    mutant(
        KERNELS,
        "load_of_other_argument",
        "another argument of the same type is read",
        |_, module| {
            let mut edits = Vec::new();
            for op in named(module, &["memref.load"]) {
                let Ok(own) = op.operand(0) else {
                    continue;
                };
                let other = named(module, &["memref.load"])
                    .into_iter()
                    .filter_map(|it| it.operand(0).ok())
                    .find(|it| *it != own && it.r#type() == own.r#type());
                if let Some(other) = other {
                    edits.push(Edit::Operand(op, 0, New::Value(other)));
                }
            }
            edits
        },
    ),
    mutant(
        KERNELS,
        "result_left_out",
        "a store to memory is left out",
        |_, module| {
            let all = named(module, &["memref.store"]).into_iter();
            all.map(Edit::Erase).collect()
        },
    ),
    mutant(
        KERNELS,
        "result_relu",
        "negative values are stored as 0",
        |_, module| {
            stored(module, |ty| {
                New::Op("arith.maximumf", vec![New::Old, New::Number(ty, 0.0)], ty)
            })
        },
    ),
    mutant(
        KERNELS,
        "result_clamped",
        "values are stored as 1e4 at most",
        |_, module| {
            stored(module, |ty| {
                New::Op("arith.minimumf", vec![New::Old, New::Number(ty, 1e4)], ty)
            })
        },
    ),
    mutant(
        KERNELS,
        "result_times_0999",
        "what is stored is 1 in 1000 too small",
        |_, module| {
            stored(module, |ty| {
                New::Op("arith.mulf", vec![New::Old, New::Number(ty, 0.999)], ty)
            })
        },
    ),
    control(
        KERNELS,
        "result_stored_twice",
        "a value is stored twice",
        |_, module| {
            let all = named(module, &["memref.store"]).into_iter();
            all.map(Edit::Repeat).collect()
        },
    ),
];

/// Every op inside another one.
pub fn inside<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let first = op.region(0).ok();
    match first {
        Some(_) => select::ops_of(op),
        None => Vec::new(),
    }
}

/// Ops of kernels by their name, in program order.
pub fn named<'c, 'a>(module: OperationRef<'c, 'a>, names: &[&str]) -> Vec<OperationRef<'c, 'a>> {
    let kernels = nested_ops(module).into_iter();
    let kernels = kernels.filter(|op| ir::name(*op) == "gpu.func");
    let mut found: Vec<_> = kernels.flat_map(nested_ops).collect();
    found.retain(|op| names.contains(&ir::name(*op)));
    found
}

fn selects<'c, 'a>(module: OperationRef<'c, 'a>, side: usize) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &["arith.select"]).into_iter();
    all.filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(side).ok()?))))
        .collect()
}

fn predicates<'c: 'a, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    other: i64,
) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &["arith.cmpi"]).into_iter();
    all.filter(|op| {
        let own = op.attribute("predicate").ok().and_then(ir::scalar_f64);
        own == Some(ULT as f64)
    })
    .map(|op| {
        let ty: Type = IntegerType::new(context, 64).into();
        let value: Attribute = IntegerAttribute::new(ty, other).into();
        Edit::Attribute(op, "predicate", value)
    })
    .collect()
}

/// Ops of one name under another.
pub fn renamed<'c, 'a>(
    module: OperationRef<'c, 'a>,
    from: &str,
    to: &'static str,
) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &[from]).into_iter();
    all.filter_map(|op| {
        let inputs = op.operands().map(New::Value).collect();
        Some(Edit::Result(op, New::Op(to, inputs, result_type(op)?)))
    })
    .collect()
}

fn indices_exchanged<'c, 'a>(
    module: OperationRef<'c, 'a>,
    name: &str,
    first: usize,
) -> Vec<Edit<'c, 'a>> {
    let mut edits = Vec::new();
    for op in named(module, &[name]) {
        for index in first + 1..op.operand_count() {
            if op.operand(index - 1).ok() != op.operand(index).ok() {
                edits.push(Edit::Swap(op, index - 1, index));
            }
        }
    }
    edits
}

fn indices<'c, 'a>(
    module: OperationRef<'c, 'a>,
    name: &str,
    first: usize,
    other: fn(Type<'c>) -> New<'c, 'a>,
) -> Vec<Edit<'c, 'a>> {
    let mut edits = Vec::new();
    for op in named(module, &[name]) {
        for index in first..op.operand_count() {
            let Some(ty) = operand_type(op, index) else {
                continue;
            };
            let constant = op.operand(index).ok().and_then(ir::defining);
            let is_constant = constant.is_some_and(|it| ir::name(it) == "arith.constant");
            if !is_constant {
                edits.push(Edit::Operand(op, index, other(ty)));
            }
        }
    }
    edits
}

/// Loads of one index that get the first index of a store of several.
fn rows_for_columns<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<Edit<'c, 'a>> {
    let mut edits = Vec::new();
    for op in named(module, &["memref.load"]) {
        if op.operand_count() != 2 || is_shared(op) {
            continue;
        }
        let column = op.operand(1).ok();
        let rows = named(module, &["memref.load"]).into_iter();
        let row = rows
            .filter(|it| it.operand_count() > 2 && !is_shared(*it) && it.block() == op.block())
            .filter_map(|it| it.operand(it.operand_count() - 2).ok())
            .find(|it| Some(*it) != column);
        edits.extend(row.map(|row| Edit::Operand(op, 1, New::Value(row))));
    }
    edits
}

/// Whether a load or store is of memory that a workgroup shares.
fn is_shared(op: OperationRef) -> bool {
    let memory = (0..op.operand_count())
        .filter_map(|index| operand_type(op, index))
        .map(|ty| ty.to_string())
        .find(|ty| ty.starts_with("memref"));
    memory.is_none_or(|ty| ty.contains("workgroup"))
}

/// What is read from arguments is a number.
fn loads<'c, 'a>(module: OperationRef<'c, 'a>, value: f64) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &["memref.load"]).into_iter();
    all.filter(|op| !is_shared(*op))
        .filter_map(|op| {
            let ty = result_type(op).filter(|ty| is_float(*ty))?;
            Some(Edit::Result(op, New::Number(ty, value)))
        })
        .collect()
}

/// What is stored, changed.
fn stored<'c, 'a>(
    module: OperationRef<'c, 'a>,
    other: fn(Type<'c>) -> New<'c, 'a>,
) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &["memref.store"]).into_iter();
    all.filter(|op| !is_shared(*op))
        .filter_map(|op| {
            let ty = operand_type(op, 0).filter(|ty| is_float(*ty))?;
            Some(Edit::Operand(op, 0, other(ty)))
        })
        .collect()
}

/// The value an op defines, if it defines one.
pub fn result<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<Value<'c, 'a>> {
    op.result(0).ok().map(Value::from)
}
