//! Tensor ops that move no data: reshapes are views, constants are globals,
//! `tensor.empty` is nothing until something is written.

use kforge_dialect::ir;
use melior::ir::{
    Attribute, OperationRef, Value, ValueLike,
    attribute::{FlatSymbolRefAttribute, StringAttribute, TypeAttribute},
    operation::OperationLike,
};

use super::{
    host::{Host, memref_of},
    kernel::view,
};
use crate::emit::Emitted;

/// Converts `op` if it is one of them; says whether it was.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: OperationRef<'c, 'a>) -> Emitted<bool> {
    match ir::name(op) {
        // Written by no one: whoever uses it as a destination allocates.
        "tensor.empty" => Ok(true),
        "tensor.expand_shape" | "tensor.collapse_shape" | "tensor.reshape" | "tensor.cast" => {
            let result: Value = op.result(0)?.into();
            let source = host.buffer(op, op.operand(0)?)?;
            let ty = memref_of(op, result.r#type())?;
            let buffer = view(&host.emit, source, ty)?;
            host.bind(result, buffer);
            Ok(true)
        }
        "arith.constant" => {
            let result: Value = op.result(0)?.into();
            if kforge_dialect::TensorType::of(result.r#type()).is_some() {
                constant(host, op, result)?;
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A constant tensor becomes a global beside the function.
fn constant<'c, 'a>(
    host: &mut Host<'c, 'a>,
    op: OperationRef<'c, 'a>,
    result: Value<'c, 'a>,
) -> Emitted<()> {
    let context = host.emit.context;
    let ty = memref_of(op, result.r#type())?;
    let name = format!("constant_{}", host.unique_name(op));
    let module = host.module()?;
    module.op(
        "memref.global",
        &[],
        &[],
        &[
            ("sym_name", StringAttribute::new(context, &name).into()),
            (
                "sym_visibility",
                StringAttribute::new(context, "private").into(),
            ),
            ("type", TypeAttribute::new(ty).into()),
            ("initial_value", op.attribute("value")?),
            ("constant", Attribute::unit(context)),
        ],
    )?;
    let symbol = FlatSymbolRefAttribute::new(context, &name);
    let buffer = host
        .emit
        .value("memref.get_global", &[], ty, &[("name", symbol.into())])?;
    host.bind(result, buffer);
    Ok(())
}
