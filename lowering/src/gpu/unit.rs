//! Units of groups to their kernels and launches.

use std::collections::HashMap;

use kforge_dialect::{attributes, ir};
use melior::ir::{OperationRef, Value, ValueLike, operation::OperationLike};

use super::{
    elementwise::{Literal, sizes},
    group::{Unit, key},
    host::{Host, memref_of},
    pointwise::PointwiseKernel,
    spec,
};
use crate::{LoweringError, emit::Emitted};

/// Emits the kernels of `unit` and their launches. `order` numbers the ops of
/// the function.
pub fn convert<'c, 'a>(
    host: &mut Host<'c, 'a>,
    unit: &Unit<'c, 'a>,
    order: &HashMap<usize, usize>,
) -> Emitted<()> {
    let root = unit.root;
    let result: Value = root.result(0)?.into();
    let out = host.allocate(memref_of(root, result.r#type())?)?;
    host.bind(result, out);
    let elements: i64 = sizes(result).unwrap_or_default().iter().product();
    if elements == 0 {
        return Ok(());
    }
    let ops = members(unit, order)?;
    let named = ops
        .iter()
        .rev()
        .find(|op| op.has_attribute(attributes::NAME));
    let named = named.copied().unwrap_or(root);

    let mut emissions = Vec::new();
    let mut inputs: Vec<Value> = Vec::new();
    for group in &unit.groups {
        if !unit.joins.is_empty() && is_fresh(group.piece.value) {
            continue;
        }
        let name = host.unique_name(named);
        let kernel =
            PointwiseKernel::new(name, group, elements, &host.device)?.ok_or_else(|| {
                LoweringError::at(root, "joins a tensor without elements; leave it out".into())
            })?;
        let mut arguments = Vec::new();
        for input in kernel.inputs() {
            arguments.push(host.buffer(root, input)?);
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
        arguments.push(out);
        let emission = kernel.emit(&host.kernels)?;
        host.annotate(emission.kernel, named);
        emissions.push((emission, arguments));
    }
    let spec = spec::print(host.emit.context, &ops, &inputs, &[result])?;
    if let Some((last, _)) = emissions.last() {
        host.specify(last.kernel, &spec);
    }
    for (emission, arguments) in &emissions {
        host.launch(&emission.frame, arguments)?;
    }
    Ok(())
}

/// A `tensor.empty`: nothing of it is to be written.
fn is_fresh(value: Value) -> bool {
    ir::defining(value).is_some_and(|op| ir::name(op) == "tensor.empty")
}

/// The ops of a unit, with the constants and empty tensors they use, in the
/// order of the function.
fn members<'c, 'a>(
    unit: &Unit<'c, 'a>,
    order: &HashMap<usize, usize>,
) -> Emitted<Vec<OperationRef<'c, 'a>>> {
    let mut ops: HashMap<usize, OperationRef> = HashMap::new();
    let computing = unit.groups.iter().flat_map(|group| group.ops.values());
    for op in unit.joins.iter().chain(computing) {
        ops.insert(key(*op), *op);
        for operand in op.operands() {
            let Some(source) = ir::defining(operand) else {
                continue;
            };
            if is_fresh(operand) || Literal::of(operand).is_some() {
                ops.insert(key(source), source);
            }
        }
    }
    let mut ops: Vec<OperationRef> = ops.into_values().collect();
    ops.sort_by_key(|op| order.get(&key(*op)));
    Ok(ops)
}
