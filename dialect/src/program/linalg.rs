//! Elementwise linalg ops by their bodies: the operands are lifted to the
//! result's shape, then each op of the body is one elementwise node. Loops must
//! all be parallel and the output's map the identity.

use kforge_oracle::{Op, TensorType, ValueId};
use melior::ir::{
    Attribute, BlockLike, BlockRef, OperationRef, RegionLike, Value, ValueLike,
    attribute::ArrayAttribute, operation::OperationLike,
};

use super::{
    ProgramError, constant, elementwise,
    import::{Importer, Rule, Table, operand, refuse, tensor_type},
};
use crate::ir;

macro_rules! table {
    ($($name:literal)*) => { &[$(($name, body as Rule)),*] };
}

pub(super) const TABLE: Table = table! {
    "linalg.generic" "linalg.map" "linalg.elementwise" "linalg.add" "linalg.sub" "linalg.mul"
    "linalg.div" "linalg.max" "linalg.min" "linalg.exp" "linalg.log" "linalg.abs" "linalg.ceil"
    "linalg.floor" "linalg.negf" "linalg.sqrt" "linalg.rsqrt" "linalg.square" "linalg.reciprocal"
    "linalg.tanh" "linalg.erf" "linalg.powf" "linalg.select" "linalg.copy"
};

/// The dimensions an affine map gives, if it gives plain dimensions only.
pub(super) fn results(map: Attribute) -> Option<Vec<usize>> {
    let text = map.to_string();
    let (_, results) = text.split_once("-> (")?;
    let (results, _) = results.split_once(')')?;
    results
        .split(", ")
        .filter(|result| !result.is_empty())
        .map(|result| result.strip_prefix('d')?.parse().ok())
        .collect()
}

fn body<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let block = operation
        .first_region()
        .and_then(|region| region.first_block())
        .ok_or_else(|| refuse(operation, "has no body".into()))?;
    let outputs = operation.result_count();
    let inputs = operation
        .operand_count()
        .checked_sub(outputs)
        .filter(|_| outputs > 0)
        .ok_or_else(|| refuse(operation, "has no tensor result".into()))?;
    let maps = maps(operation)?;
    let shape = loop_shape(operation, inputs, maps.as_deref())?;
    for index in 0..block.argument_count() {
        let (from, to) = (
            operand(operation, index)?,
            element(operation, block, index)?,
        );
        if index >= inputs && ir::use_count(to) == 0 {
            continue;
        }
        let id = importer.value(operation, from)?;
        let id = match &maps {
            Some(maps) => lift(importer, operation, id, &maps[index], &shape)?,
            None => elementwise::spread(importer, operation, id, &shape),
        };
        importer.define_value(to, id);
    }
    import(importer, operation, block, &shape)
}

/// Appends the ops of the body, and defines the results by what it yields.
fn import<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
    block: BlockRef<'c, 'a>,
    shape: &[usize],
) -> Result<(), ProgramError> {
    let mut next = block.first_operation();
    while let Some(inner) = next {
        next = inner.next_in_block();
        let name = ir::name(inner);
        if name == "linalg.yield" {
            for (index, result) in operation.results().enumerate() {
                let id = importer.operand(inner, index)?;
                let id = elementwise::spread(importer, operation, id, shape);
                importer.define_value(result.into(), id);
            }
            return Ok(());
        }
        let rule = elementwise::find(name)
            .or_else(|| {
                constant::TABLE
                    .iter()
                    .find_map(|(known, rule)| (*known == name).then_some(*rule))
            })
            .ok_or_else(|| {
                let message =
                    format!("has '{name}' in its body, which may hold arith and math only");
                refuse(operation, message)
            })?;
        rule(importer, inner)?;
    }
    Err(refuse(
        operation,
        "has a body without 'linalg.yield'".into(),
    ))
}

fn element<'c, 'a>(
    operation: OperationRef,
    block: BlockRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, ProgramError> {
    block
        .argument(index)
        .map(Into::into)
        .map_err(|_| refuse(operation, format!("has a body without argument {index}")))
}

/// The dimensions each operand is indexed by; none when every operand has the
/// result's shape or is a scalar.
fn maps(operation: OperationRef) -> Result<Option<Vec<Vec<usize>>>, ProgramError> {
    let Ok(maps) = operation.attribute("indexing_maps") else {
        return Ok(None);
    };
    let plain = || -> Option<Vec<Vec<usize>>> {
        let maps = ArrayAttribute::try_from(maps).ok()?;
        (0..maps.len())
            .map(|index| results(maps.element(index).ok()?))
            .collect()
    };
    let maps = plain().ok_or_else(|| {
        let message = "has an indexing map that is no projected permutation";
        refuse(operation, message.into())
    })?;
    if maps.len() != operation.operand_count() {
        return Err(refuse(operation, "has a map too few or too many".into()));
    }
    Ok(Some(maps))
}

/// The shape all loops together run over: that of the outputs.
fn loop_shape(
    operation: OperationRef,
    inputs: usize,
    maps: Option<&[Vec<usize>]>,
) -> Result<Vec<usize>, ProgramError> {
    let ty = tensor_type(operand(operation, inputs)?.r#type())
        .map_err(|message| refuse(operation, format!("output {message}")))?;
    let identity: Vec<usize> = (0..ty.shape.len()).collect();
    let parallel = operation
        .attribute("iterator_types")
        .is_ok_and(|types| !types.to_string().contains("reduction"))
        || !operation.has_attribute("iterator_types");
    let plain = maps.is_none_or(|maps| maps[inputs..].iter().all(|map| *map == identity));
    if !(parallel && plain) {
        let message =
            "is no elementwise op: all loops must be parallel and the output's map the identity";
        return Err(refuse(operation, message.into()));
    }
    Ok(ty.shape)
}

/// `x`, indexed by the loops `map`, as a tensor over all loops.
fn lift(
    importer: &mut Importer,
    operation: OperationRef,
    x: ValueId,
    map: &[usize],
    shape: &[usize],
) -> Result<ValueId, ProgramError> {
    let ty = importer.type_of(x);
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by_key(|&dimension| map[dimension]);
    let distinct = order.windows(2).all(|pair| map[pair[0]] != map[pair[1]]);
    if !distinct || map.len() != ty.shape.len() || map.iter().any(|&d| d >= shape.len()) {
        let message = "has an indexing map that is no projected permutation";
        return Err(refuse(operation, message.into()));
    }
    let mut x = x;
    if !order.is_sorted() {
        let sizes = order.iter().map(|&dimension| ty.shape[dimension]).collect();
        let transposed = TensorType {
            dtype: ty.dtype,
            shape: sizes,
        };
        let node = Op::Transpose {
            x,
            permutation: order,
        };
        x = importer.append(operation, node, transposed);
    }
    let dimensions: Vec<usize> = (0..shape.len()).filter(|d| !map.contains(d)).collect();
    if dimensions.is_empty() {
        return Ok(x);
    }
    let lifted = TensorType::new(ty.dtype, shape);
    Ok(importer.append(operation, Op::Broadcast { x, dimensions }, lifted))
}
