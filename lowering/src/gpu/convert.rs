//! kforge and tensors to kernels and launches, function by function.
//!
//! Every op that computes becomes one unit: one or more kernels, the last of
//! which carries what the unit implements. Reshapes are views and cost nothing.

use std::collections::{HashMap, HashSet};

use kforge_dialect::{Attention, Matmul, Mlp, Rope, device::Device, ir};
use melior::{
    Context, IrRewriter,
    ir::{
        Attribute, Block, BlockLike, OperationRef, Region, RegionLike, Type, Value, ValueLike,
        attribute::{StringAttribute, TypeAttribute},
        operation::OperationLike,
        r#type::FunctionType,
    },
};

use super::{
    attention,
    group::{Place, Plan, key},
    host::{Host, memref_of},
    kernel::MODULE,
    matmul_op, mlp_op, rope, row_op, tensors, unit,
};
use crate::{
    LoweringError,
    emit::{Emit, Emitted, first_block},
};

/// A refusal, with the op it is about.
pub type Refused<'c, 'a> = (OperationRef<'c, 'a>, LoweringError);

/// Converts every function of `module` that is on tensors. Returns how many
/// kernels there are.
pub fn convert<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
) -> Result<usize, Refused<'c, 'a>> {
    let device = Device::of(module);
    let body = first_block(module).map_err(|error| (module, error))?;
    let functions: Vec<OperationRef> = operations(body)
        .into_iter()
        .filter(|op| ir::name(*op) == "func.func" && on_tensors(*op))
        .collect();
    if functions.is_empty() {
        return Ok(0);
    }
    let top = Emit {
        context,
        location: module.location(),
        block: body,
    };
    let kernels = kernel_module(&top).map_err(|error| (module, error))?;
    let mut names = HashSet::new();
    for function in functions {
        names = convert_function(&top, &kernels, function, &device, names)?;
        IrRewriter::from_op(module)
            .as_rewriter_base()
            .erase_op(function);
    }
    ir::set_attribute(module, "gpu.container_module", Attribute::unit(context));
    Ok(names.len())
}

/// The operations of a block, in order.
pub fn operations<'c, 'a>(block: melior::ir::BlockRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    std::iter::successors(block.first_operation(), |op| op.next_in_block()).collect()
}

fn on_tensors(function: OperationRef) -> bool {
    first_block(function).is_ok_and(|block| {
        operations(block).iter().any(|op| {
            op.operands().any(|value| value.r#type().is_ranked_tensor())
                || op.results().any(|value| value.r#type().is_ranked_tensor())
        })
    })
}

use melior::ir::TypeLike;

fn kernel_module<'c, 'a>(top: &Emit<'c, 'a>) -> Emitted<Emit<'c, 'a>> {
    let region = Region::new();
    region.append_block(Block::new(&[]));
    let name = StringAttribute::new(top.context, MODULE);
    let op = top.op_with_regions(
        "gpu.module",
        &[],
        &[],
        &[("sym_name", name.into())],
        vec![region],
    )?;
    Ok(top.at(first_block(op)?))
}

fn convert_function<'c, 'a>(
    top: &Emit<'c, 'a>,
    kernels: &Emit<'c, 'a>,
    function: OperationRef<'c, 'a>,
    device: &Device,
    names: HashSet<String>,
) -> Result<HashSet<String>, Refused<'c, 'a>> {
    let refused = |error| (function, error);
    let old = first_block(function).map_err(refused)?;
    let arguments: Vec<Value> = (0..old.argument_count())
        .map(|index| Ok(old.argument(index)?.into()))
        .collect::<Emitted<_>>()
        .map_err(refused)?;
    let inputs: Vec<Type> = arguments
        .iter()
        .map(|value| memref_of(function, value.r#type()))
        .collect::<Emitted<_>>()
        .map_err(refused)?;
    let ops = operations(old);
    let Some((terminator, ops)) = ops.split_last() else {
        return Ok(names);
    };
    let outputs: Vec<Type> = terminator
        .operands()
        .map(|value| memref_of(*terminator, value.r#type()))
        .collect::<Emitted<_>>()
        .map_err(refused)?;
    let emit = new_function(top, function, &inputs, &outputs).map_err(refused)?;
    let mut host = Host::new(emit, *kernels, device.clone(), names);
    for (index, value) in arguments.iter().enumerate() {
        let buffer = emit
            .block
            .argument(index)
            .map_err(|error| (function, error.into()))?;
        host.bind(*value, buffer.into());
    }
    // Which ops share a kernel is decided before any is converted.
    let plan = Plan::new(ops, device.storage_buffers as usize);
    let order: HashMap<usize, usize> = ops.iter().map(|op| key(*op)).zip(0..).collect();
    for op in ops {
        host.emit.location = op.location();
        host.kernels.location = op.location();
        match plan.of(*op) {
            Place::Absorbed => Ok(()),
            Place::Root(group) => unit::convert(&mut host, group, &order),
            Place::Alone => convert_op(&mut host, *op),
        }
        .map_err(|error| (*op, error))?;
    }
    let results: Vec<Value> = terminator
        .operands()
        .map(|value| host.buffer(*terminator, value))
        .collect::<Emitted<_>>()
        .map_err(|error| (*terminator, error))?;
    host.emit
        .op("func.return", &results, &[], &[])
        .map_err(|error| (*terminator, error))?;
    Ok(host.into_names())
}

/// The new function: same name, visibility and argument attributes, on memrefs.
fn new_function<'c, 'a>(
    top: &Emit<'c, 'a>,
    function: OperationRef<'c, 'a>,
    inputs: &[Type<'c>],
    outputs: &[Type<'c>],
) -> Emitted<Emit<'c, 'a>> {
    let region = Region::new();
    let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, function.location())).collect();
    region.append_block(Block::new(&arguments));
    let ty = FunctionType::new(top.context, inputs, outputs);
    let mut attributes = vec![(
        "function_type",
        Attribute::from(TypeAttribute::new(ty.into())),
    )];
    for name in ["sym_name", "sym_visibility", "arg_attrs", "res_attrs"] {
        if let Ok(value) = function.attribute(name) {
            attributes.push((name, value));
        }
    }
    let op = top.op_with_regions("func.func", &[], &[], &attributes, vec![region])?;
    Ok(top.at(first_block(op)?))
}

fn convert_op<'c, 'a>(host: &mut Host<'c, 'a>, op: OperationRef<'c, 'a>) -> Emitted<()> {
    if let Some(matmul) = Matmul::cast(op) {
        return matmul_op::convert(host, matmul);
    }
    if let Some(attention) = Attention::cast(op) {
        return attention::convert(host, attention);
    }
    if let Some(mlp) = Mlp::cast(op) {
        return mlp_op::convert(host, mlp);
    }
    if let Some(rope) = Rope::cast(op) {
        return rope::convert(host, rope);
    }
    if row_op::convert(host, op)? || tensors::convert(host, op)? {
        return Ok(());
    }
    Err(LoweringError::at(
        op,
        "has no lowering to the gpu dialect".into(),
    ))
}
