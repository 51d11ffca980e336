//! A kernel's body inside the loop over blocks: `gpu` ops become coordinates and
//! memory becomes local buffers.

use kforge_dialect::ir;
use melior::{
    IrRewriter,
    ir::{
        BlockLike, BlockRef, OperationRef, RegionLike, TypeLike, Value, ValueLike,
        attribute::IntegerAttribute,
        operation::{OperationBuilder, OperationLike},
    },
};

use super::{
    ffi,
    frame::Blocks,
    local::{Locals, is_allocation, is_shared, without_space},
    math, subset,
};
use crate::{
    LoweringError,
    emit::{Emit, Emitted, Ix},
};

/// What a body is made part of.
pub(super) struct Kernel<'c, 'a> {
    /// The `gpu.func`, a copy in the new module.
    pub(super) func: OperationRef<'c, 'a>,
    /// Its block: arguments, then workgroup memory, then private memory.
    pub(super) block: BlockRef<'c, 'a>,
    /// Invocations of a workgroup in x, y, z.
    pub(super) size: [i64; 3],
}

/// Values of the coordinates, in x, y, z.
struct Coordinates<'c, 'a> {
    block: [Value<'c, 'a>; 3],
    thread: [Value<'c, 'a>; 3],
    size: [Value<'c, 'a>; 3],
    grid: [Value<'c, 'a>; 3],
    zero: Value<'c, 'a>,
    one: Value<'c, 'a>,
}

/// Moves the body of `kernel` into the inner function and completes that.
pub(super) fn inline<'c, 'a>(kernel: &Kernel<'c, 'a>, blocks: &Blocks<'c, 'a>) -> Emitted<()> {
    let ops = nested(kernel.func);
    for op in &ops {
        subset::check(*op, kernel.size)?;
    }
    let emit = &blocks.emit;
    // Local memory goes ahead of this op, and so ahead of the loop.
    let anchor = marker(emit)?;
    let mut locals = Locals::default();
    let mut values = blocks.arguments.clone();
    for index in values.len()..kernel.block.argument_count() {
        let ty = Value::from(kernel.block.argument(index)?).r#type();
        if is_shared(ty) && !subset::alone(kernel.size) {
            return Err(subset::together(
                kernel.func,
                kernel.size,
                "has workgroup memory",
            ));
        }
        values.push(locals.allocate(emit, kernel.func, ty, anchor)?);
    }
    let [first, last] = &blocks.range;
    emit.for_loop(first, last, 1, &[], |emit, number, _| {
        let mut coordinates = coordinates(emit, kernel, blocks, number)?;
        let dimensions: Vec<usize> = (0..3).rev().filter(|d| kernel.size[*d] > 1).collect();
        let thread = coordinates.thread;
        threads(
            emit,
            kernel.size,
            &dimensions,
            thread,
            &mut |emit, thread| {
                coordinates.thread = thread;
                let end = marker(emit)?;
                let rewriter = IrRewriter::from_op(end);
                rewriter
                    .as_rewriter_base()
                    .inline_block_before(kernel.block, end, &values);
                for op in &ops {
                    rewrite(emit, *op, &coordinates, &mut locals, anchor)?;
                }
                Ok(())
            },
        )?;
        Ok(Vec::new())
    })?;
    emit.op("func.return", &[], &[], &[])?;
    Ok(())
}

/// An op to insert others ahead of.
fn marker<'c, 'a>(emit: &Emit<'c, 'a>) -> Emitted<OperationRef<'c, 'a>> {
    let zero = IntegerAttribute::new(emit.index_type(), 0).into();
    emit.op(
        "arith.constant",
        &[],
        &[emit.index_type()],
        &[("value", zero)],
    )
}

/// Every op in the regions of `op`, outer ones first.
pub(super) fn nested<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut ops = Vec::new();
    for region in op.regions() {
        let mut blocks = region.first_block();
        while let Some(block) = blocks {
            let mut next = block.first_operation();
            while let Some(inner) = next {
                ops.push(inner);
                ops.extend(nested(inner));
                next = inner.next_in_block();
            }
            blocks = block.next_in_region();
        }
    }
    ops
}

fn coordinates<'c, 'a>(
    emit: &Emit<'c, 'a>,
    kernel: &Kernel<'c, 'a>,
    blocks: &Blocks<'c, 'a>,
    number: Ix<'c, 'a>,
) -> Emitted<Coordinates<'c, 'a>> {
    let [x, y, _] = blocks.grid.map(Ix::from);
    let rows = emit.shared(&number / x.clone())?;
    let constant = |value: i64| emit.index(&Ix::Const(value));
    let zero = constant(0)?;
    let [sx, sy, sz] = kernel.size;
    Ok(Coordinates {
        block: [
            emit.index(&(number % x))?,
            emit.index(&(&rows % y.clone()))?,
            emit.index(&(rows / y))?,
        ],
        thread: [zero; 3],
        size: [constant(sx)?, constant(sy)?, constant(sz)?],
        grid: blocks.grid,
        zero,
        one: constant(1)?,
    })
}

/// What is emitted for one invocation, given its thread ids.
type Invocation<'f, 'c, 'a> = dyn FnMut(&Emit<'c, 'a>, [Value<'c, 'a>; 3]) -> Emitted<()> + 'f;

/// Emits `body` in one loop per dimension of `dimensions`.
fn threads<'c, 'a>(
    emit: &Emit<'c, 'a>,
    size: [i64; 3],
    dimensions: &[usize],
    thread: [Value<'c, 'a>; 3],
    body: &mut Invocation<'_, 'c, 'a>,
) -> Emitted<()> {
    let Some((&dimension, inner)) = dimensions.split_first() else {
        return body(emit, thread);
    };
    let count = Ix::Const(size[dimension]);
    emit.for_loop(&Ix::Const(0), &count, 1, &[], |emit, number, _| {
        let mut thread = thread;
        thread[dimension] = emit.index(&number)?;
        threads(emit, size, inner, thread, body)?;
        Ok(Vec::new())
    })?;
    Ok(())
}

/// Replaces what only exists on a GPU, and what LLVM would do slowly.
fn rewrite<'c, 'a>(
    emit: &Emit<'c, 'a>,
    op: OperationRef<'c, 'a>,
    at: &Coordinates<'c, 'a>,
    locals: &mut Locals,
    anchor: OperationRef<'c, 'a>,
) -> Emitted<()> {
    forget_spaces(op)?;
    let one_of = |values: &[Value<'c, 'a>; 3]| Emitted::Ok(values[dimension(op)?]);
    let value = match ir::name(op) {
        "gpu.block_id" => one_of(&at.block)?,
        "gpu.thread_id" => one_of(&at.thread)?,
        "gpu.block_dim" => one_of(&at.size)?,
        "gpu.grid_dim" => one_of(&at.grid)?,
        "gpu.global_id" => {
            let dimension = dimension(op)?;
            let insert = |name, a, b| ahead(emit, op, name, a, b);
            let start = insert("arith.muli", at.block[dimension], at.size[dimension])?;
            insert("arith.addi", start, at.thread[dimension])?
        }
        "gpu.lane_id" | "gpu.subgroup_id" => at.zero,
        "gpu.num_subgroups" | "gpu.subgroup_size" => at.one,
        "gpu.subgroup_reduce" | "memref.memory_space_cast" => op.operand(0)?,
        "gpu.barrier" | "gpu.return" | "memref.dealloc" => {
            IrRewriter::from_op(op).as_rewriter_base().erase_op(op);
            return Ok(());
        }
        _ if is_allocation(op) => return locals.replace(emit, op, anchor),
        _ => return math::expand(emit.context, op),
    };
    IrRewriter::from_op(op)
        .as_rewriter_base()
        .replace_op_with_values(op, &[value]);
    Ok(())
}

/// A binary op ahead of `op`.
fn ahead<'c, 'a>(
    emit: &Emit<'c, 'a>,
    op: OperationRef<'c, 'a>,
    name: &str,
    a: Value<'c, 'a>,
    b: Value<'c, 'a>,
) -> Emitted<Value<'c, 'a>> {
    let new = OperationBuilder::new(name, op.location())
        .add_operands(&[a, b])
        .add_results(&[a.r#type()])
        .build()?;
    let block = op.block().unwrap_or(emit.block);
    Ok(block.insert_operation_before(op, new).result(0)?.into())
}

/// Takes the memory space from the memrefs of an op: a CPU has one memory.
fn forget_spaces(op: OperationRef) -> Emitted<()> {
    let mut values: Vec<Value> = op.results().map(Value::from).collect();
    for region in op.regions() {
        let mut next = region.first_block();
        while let Some(block) = next {
            for index in 0..block.argument_count() {
                values.push(block.argument(index)?.into());
            }
            next = block.next_in_region();
        }
    }
    for value in values
        .into_iter()
        .filter(|value| value.r#type().is_mem_ref())
    {
        ffi::set_type(value, without_space(value.r#type())?);
    }
    Ok(())
}

/// Which of x, y, z a `gpu` op asks for.
fn dimension(op: OperationRef) -> Emitted<usize> {
    let text = op.attribute("dimension")?.to_string();
    ["x", "y", "z"]
        .iter()
        .position(|name| text == format!("#gpu<dim {name}>"))
        .ok_or_else(|| LoweringError::at(op, format!("has dimension {text}; expected x, y or z")))
}
