//! The verifier of every op: its shape as the table states it, then its rules.

use melior::ir::{
    Attribute, OperationRef, Type, TypeLike, ValueLike,
    attribute::{FloatAttribute, IntegerAttribute},
    operation::OperationLike,
};

use crate::{
    AttributeKind, OPS, OpDef, TensorType, diagnostics,
    generated::{Attributes, SEGMENTS, infer_result, operand_types},
};

/// Verifies op number `index`; emits the error and returns false when it fails.
pub(crate) fn verify(index: usize, operation: OperationRef) -> bool {
    match check(index, &OPS[index], operation) {
        Ok(()) => true,
        Err(message) => {
            diagnostics::op_error(operation, &message);
            false
        }
    }
}

fn check(index: usize, op: &OpDef, operation: OperationRef) -> Result<(), String> {
    structure(op, operation)?;
    attributes(op, operation)?;
    let slots = op.operands.len();
    for (operand, ty) in given(op, operation).zip(operation.operands()) {
        let ty = ty.r#type();
        let fits = TensorType::of(ty).is_some_and(|ty| operand.elements.contains(&ty.element));
        if !fits {
            let elements: Vec<String> = operand.elements.iter().map(ToString::to_string).collect();
            return Err(format!(
                "operand '{}' must be a ranked tensor of {}, found {ty}",
                operand.name,
                elements.join(" or ")
            ));
        }
    }
    let inferred = infer_result(
        index,
        &operand_types(operation, slots),
        &Attributes::of(operation),
    )
    .ok_or("lacks a required operand")?
    .map_err(|violation| violation.to_string())?;
    let result: Type = operation
        .result(0)
        .map_err(|error| error.to_string())?
        .r#type();
    if TensorType::of(result).is_some_and(|result| result.compatible(&inferred)) {
        Ok(())
    } else {
        Err(format!(
            "result type {result} differs from the inferred {inferred}"
        ))
    }
}

fn given<'a>(
    op: &'a OpDef,
    operation: OperationRef,
) -> impl Iterator<Item = &'a crate::OperandDef> + use<'a> {
    let slots = op.operands.len();
    let present = Attributes::of(operation)
        .segments(slots)
        .unwrap_or_else(|| vec![true; slots]);
    op.operands
        .iter()
        .zip(present)
        .filter_map(|(operand, present)| present.then_some(operand))
}

fn structure(op: &OpDef, operation: OperationRef) -> Result<(), String> {
    if operation.result_count() != 1 {
        return Err(format!(
            "has {} results, expected 1",
            operation.result_count()
        ));
    }
    if operation.region_count() != 0 || operation.successor_count() != 0 {
        return Err("takes neither regions nor successors".into());
    }
    let slots = op.operands.len();
    let required = op
        .operands
        .iter()
        .filter(|operand| !operand.optional)
        .count();
    let expected = if required == slots {
        slots
    } else {
        let segments = Attributes::of(operation)
            .segments(slots)
            .ok_or_else(|| format!("needs '{SEGMENTS}' with {slots} elements of 0 or 1"))?;
        if let Some(slot) = (0..required).find(|&slot| !segments[slot]) {
            return Err(format!("lacks the operand '{}'", op.operands[slot].name));
        }
        segments.iter().filter(|present| **present).count()
    };
    if operation.operand_count() == expected {
        Ok(())
    } else {
        Err(format!(
            "has {} operands, expected {expected}",
            operation.operand_count()
        ))
    }
}

fn attributes(op: &OpDef, operation: OperationRef) -> Result<(), String> {
    for (name, value) in operation.attributes() {
        let name = name.as_string_ref().as_str().unwrap_or("");
        // A prefixed attribute is discardable; its dialect verifies it.
        if name.contains('.') || name == SEGMENTS {
            continue;
        }
        let Some(attribute) = op
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)
        else {
            let known: Vec<&str> = op
                .attributes
                .iter()
                .map(|attribute| attribute.name)
                .collect();
            return Err(format!(
                "unknown attribute '{name}'; it has {}",
                known.join(", ")
            ));
        };
        if let Some(expected) = mismatch(&attribute.kind, value) {
            return Err(format!(
                "attribute '{name}' is {value}, expected {expected}"
            ));
        }
    }
    Ok(())
}

/// What the attribute should have been, when `value` is not it.
fn mismatch(kind: &AttributeKind, value: Attribute) -> Option<String> {
    match kind {
        AttributeKind::Unit => (value.to_string() != "unit").then(|| "no value".into()),
        AttributeKind::I64 => {
            let fits = IntegerAttribute::try_from(value)
                .is_ok_and(|integer| integer.to_string().ends_with(": i64"));
            (!fits).then(|| "a 64-bit integer, such as -1 : i64".into())
        }
        AttributeKind::F32 => {
            use melior::ir::attribute::AttributeLike;
            let fits = FloatAttribute::try_from(value).is_ok_and(|float| float.r#type().is_f32());
            (!fits).then(|| "an f32, such as 1.0 : f32".into())
        }
        AttributeKind::Choice(choices) => {
            let fits = crate::attributes::text(value).is_some_and(|text| choices.contains(&text));
            (!fits).then(|| format!("one of {}", choices.join(", ")))
        }
    }
}
