//! One op of a module, as a module of its own.

use kforge_dialect::{TensorType, build, ir};
use kforge_passes::select;
use melior::ir::{
    Location, OperationRef, Value,
    operation::{OperationBuilder, OperationLike},
};

use crate::compile::{Session, Source};

/// The op of stage `stage`, with operands of other sizes if they are given. None where there is no
/// such op, where it is no op on tensors alone, or where it does not take the sizes.
pub(super) fn single(text: &str, stage: &str, sizes: Option<&[Vec<u64>]>) -> Option<String> {
    let session = Session::default();
    let source = Source::of_text("module", text);
    let module = session.parse(&source).ok()?;
    let functions = select::functions(module.as_operation());
    let ops: Vec<OperationRef> = functions.into_iter().flat_map(select::kforge_ops).collect();
    let named = ops
        .iter()
        .find(|op| select::name_of(**op).is_some_and(|name| name == stage));
    let op = match (named, &ops[..]) {
        (Some(op), _) => *op,
        (None, [only]) => *only,
        _ => return None,
    };
    let mut types: Vec<TensorType> = op
        .operands()
        .map(ir::tensor_type)
        .collect::<Option<Vec<_>>>()?;
    if let Some(sizes) = sizes {
        if sizes.len() != types.len() {
            return None;
        }
        for (ty, sizes) in types.iter_mut().zip(sizes) {
            *ty = TensorType::fixed(sizes, ty.element);
        }
    }
    let context = session.context();
    let made = build::module(context, stage_name(stage), |function| {
        let operands: Vec<Value> = types.iter().map(|ty| function.argument(ty)).collect();
        let named: Vec<_> = op.attributes().collect();
        let copy = OperationBuilder::new(ir::name(op), Location::unknown(context))
            .add_operands(&operands)
            .add_attributes(&named)
            .enable_result_type_inference()
            .build()?;
        Ok(vec![function.insert(copy)?])
    });
    let made = made.ok()?;
    let text = made
        .as_operation()
        .verify()
        .then(|| format!("{}\n", made.as_operation().to_string().trim_end()));
    // What it refuses on the way is no news.
    let _ = session.refused("");
    text
}

/// Sizes of the operands of the only op.
pub(super) fn operands(text: &str) -> Option<Vec<Vec<u64>>> {
    let session = Session::default();
    let module = session.parse(&Source::of_text("module", text)).ok()?;
    let functions = select::functions(module.as_operation());
    let ops: Vec<OperationRef> = functions.into_iter().flat_map(select::kforge_ops).collect();
    let [op] = ops[..] else {
        return None;
    };
    op.operands()
        .map(|value| ir::tensor_type(value)?.sizes())
        .collect()
}

/// Whether there is one op, and a return, on the function's own arguments.
pub(super) fn is_single(text: &str) -> bool {
    let session = Session::default();
    let Ok(module) = session.parse(&Source::of_text("module", text)) else {
        return false;
    };
    let functions = select::functions(module.as_operation());
    let [function] = functions[..] else {
        return false;
    };
    let ops = select::ops_of(function);
    ops.len() == 2 && ir::name(ops[0]).starts_with("kforge.")
}

/// A name for the function.
fn stage_name(stage: &str) -> &str {
    match stage.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !stage.is_empty() {
        true => stage,
        false => "reduced",
    }
}
