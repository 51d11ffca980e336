//! Arguments and results of a host function as inputs, weights and outputs.

use std::collections::BTreeSet;

use kforge_dialect::attributes;
use kforge_runtime::manifest::{BufferId, Expr, Port, Role};
use melior::ir::{
    BlockLike, OperationRef, Value,
    attribute::{ArrayAttribute, DictionaryAttribute},
    operation::OperationLike,
};

use super::{
    SerializeError,
    function::{Host, HostValue},
    read,
    view::{Shape, View},
};

/// Gives every argument a buffer.
pub(super) fn arguments(
    host: &mut Host,
    function: OperationRef,
) -> Result<Vec<View>, SerializeError> {
    let mut views = Vec::new();
    let Some(block) = read::block(function) else {
        return Ok(views);
    };
    for index in 0..block.argument_count() {
        let value: Value = match block.argument(index) {
            Ok(argument) => argument.into(),
            Err(_) => continue,
        };
        let shape = Shape::of(function, value, &format!("argument {index}"))?;
        let buffer = match weight(function, index) {
            Some(name) => host.building.weight(function, name, &shape)?,
            None => {
                let name = format!("{}arg{index}", host.prefix);
                let buffer = host.building.add_buffer(&name, &shape, Role::Input);
                host.entry
                    .inputs
                    .push(port(format!("arg{index}"), buffer, &shape));
                buffer
            }
        };
        host.filled.insert(buffer);
        let view = View { buffer, shape };
        host.define(value, HostValue::View(view.clone()));
        views.push(view);
    }
    Ok(views)
}

/// Makes what `func.return` returns, and arguments that were written, outputs.
pub(super) fn results(
    host: &mut Host,
    terminator: OperationRef,
    arguments: &[View],
) -> Result<(), SerializeError> {
    let mut returned = BTreeSet::new();
    for (index, value) in terminator.operands().enumerate() {
        let view = host.view(terminator, value)?;
        let buffer = host.building.buffer(view.buffer);
        if buffer.role == Role::Scratch {
            buffer.role = Role::Output;
        }
        returned.insert(view.buffer);
        let port = port(format!("result{index}"), view.buffer, &view.shape);
        host.entry.outputs.push(port);
    }
    let written: BTreeSet<BufferId> = host
        .launches
        .iter()
        .flat_map(|launched| launched.written())
        .collect();
    for (index, view) in arguments.iter().enumerate() {
        if written.contains(&view.buffer) && !returned.contains(&view.buffer) {
            let port = port(format!("arg{index}"), view.buffer, &view.shape);
            host.entry.outputs.push(port);
        }
    }
    Ok(())
}

fn port(name: String, buffer: BufferId, shape: &Shape) -> Port {
    let shape_in_scalars = shape.scalar_sizes().into_iter().map(Expr::from).collect();
    Port {
        name,
        buffer,
        dtype: shape.dtype,
        shape: shape_in_scalars,
    }
}

/// The tensor of the weights file that an argument is bound to.
fn weight<'c>(function: OperationRef<'c, '_>, index: usize) -> Option<&'c str> {
    let list = ArrayAttribute::try_from(function.attribute("arg_attrs").ok()?).ok()?;
    let one = DictionaryAttribute::try_from(list.element(index).ok()?).ok()?;
    one.element_by_name(attributes::WEIGHT)
        .and_then(attributes::text)
}
