//! What all launches of each kernel have in common, read from the host code.
//!
//! Only `arith.constant` operands count as constants: run `-canonicalize` first.

use super::{
    error::TranslateError,
    options::{Launch, Scalar},
    read,
    types::{ScalarType, ValueType},
};
use melior::ir::{
    OperationRef, Value, ValueLike,
    attribute::{FloatAttribute, IntegerAttribute},
    operation::{OperationLike, WalkOrder, WalkResult},
};
use std::collections::BTreeMap;

/// Reads every `gpu.launch_func` under `module`. Keys are the names of the
/// `gpu.module` and of the `gpu.func`.
///
/// # Errors
/// A `gpu.launch_func` whose kernel is not named as `@module::@function`.
pub fn collect_launches(
    module: OperationRef<'_, '_>,
) -> Result<BTreeMap<(String, String), Launch>, TranslateError> {
    let mut launches = BTreeMap::new();
    let mut outcome = Ok(());
    module.walk(WalkOrder::PreOrder, |op| {
        if read::name(op) != "gpu.launch_func" {
            return WalkResult::Advance;
        }
        match read_launch(op) {
            Ok((kernel, launch)) => {
                launches
                    .entry(kernel)
                    .and_modify(|known: &mut Launch| merge(known, &launch))
                    .or_insert(launch);
                WalkResult::Advance
            }
            Err(error) => {
                outcome = Err(error);
                WalkResult::Interrupt
            }
        }
    });
    outcome.map(|()| launches)
}

fn read_launch(op: OperationRef<'_, '_>) -> Result<((String, String), Launch), TranslateError> {
    let symbol = op
        .attribute("kernel")
        .map(|attribute| attribute.to_string())
        .unwrap_or_default();
    let Some((module, function)) = symbol.split_once("::") else {
        return Err(read::fail(
            op,
            format!("launches {symbol}; expected @module::@function"),
        ));
    };
    let mut block = [0; 3];
    let mut known = true;
    for (dimension, size) in block.iter_mut().enumerate() {
        let operand = read::segment(op, 4 + dimension)?;
        let value = operand.first().copied().and_then(constant);
        match value {
            Some(Scalar::Int(value)) if u32::try_from(value).is_ok() => *size = value as u32,
            _ => known = false,
        }
    }
    let constants = read::segment(op, 11)?
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| Some((index, constant(value)?)))
        .collect();
    let launch = Launch {
        block: known.then_some(block),
        constants,
    };
    Ok(((symbol_name(module), symbol_name(function)), launch))
}

fn symbol_name(reference: &str) -> String {
    reference
        .trim_start_matches('@')
        .trim_matches('"')
        .to_owned()
}

fn merge(known: &mut Launch, other: &Launch) {
    if known.block != other.block {
        known.block = None;
    }
    known
        .constants
        .retain(|index, value| other.constants.get(index) == Some(value));
}

/// The finite scalar constant behind `value`.
fn constant(value: Value<'_, '_>) -> Option<Scalar> {
    let op = read::definition(value)?;
    if read::name(op) != "arith.constant" {
        return None;
    }
    let ty = ValueType::parse(&value.r#type().to_string()).ok()?;
    let attribute = op.attribute("value").ok()?;
    if ty.lanes != 1 {
        None
    } else if let Ok(float) = FloatAttribute::try_from(attribute) {
        float
            .value()
            .is_finite()
            .then_some(Scalar::Float(float.value()))
    } else {
        let value = IntegerAttribute::try_from(attribute).ok()?.value();
        let value = if ty.scalar == ScalarType::Bool {
            i64::from(value != 0)
        } else {
            value
        };
        Some(Scalar::Int(value))
    }
}
