//! The specification of a kernel: the ops it implements, as the text of a
//! module with one function. Its arguments are the unit's inputs and its results
//! the unit's outputs, in the order of the kernel's arguments.

use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, Location, Module, OperationRef, Region, RegionLike, Type,
        Value, ValueLike,
        attribute::{StringAttribute, TypeAttribute},
        operation::{OperationBuilder, OperationLike, OperationMutLike},
        r#type::FunctionType,
    },
};

use crate::{
    LoweringError,
    emit::{Emitted, first_block},
};

/// Prints `ops`, in program order, as a function from `inputs` to `outputs`.
pub fn print<'c, 'a>(
    context: &'c Context,
    ops: &[OperationRef<'c, 'a>],
    inputs: &[Value<'c, 'a>],
    outputs: &[Value<'c, 'a>],
) -> Emitted<String> {
    let location = Location::unknown(context);
    let module = Module::new(location);
    let types = |values: &[Value<'c, 'a>]| {
        values
            .iter()
            .map(|value| value.r#type())
            .collect::<Vec<Type>>()
    };
    let (input_types, output_types) = (types(inputs), types(outputs));
    let region = Region::new();
    let arguments: Vec<_> = input_types.iter().map(|ty| (*ty, location)).collect();
    region.append_block(Block::new(&arguments));
    let ty = FunctionType::new(context, &input_types, &output_types);
    let attribute =
        |name: &str, value: Attribute<'c>| (melior::ir::Identifier::new(context, name), value);
    let function = OperationBuilder::new("func.func", location)
        .add_attributes(&[
            attribute("sym_name", StringAttribute::new(context, "spec").into()),
            attribute("function_type", TypeAttribute::new(ty.into()).into()),
        ])
        .add_regions([region])
        .build()?;
    let function = module.body().append_operation(function);
    let block = first_block(function)?;

    // Values of the function being copied, with those of the copy.
    let mut known = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        known.push((*input, Value::from(block.argument(index)?)));
    }
    for op in ops {
        let mut copy = (**op).clone();
        let operands: Vec<Value> = op.operands().collect();
        for (index, operand) in operands.iter().enumerate() {
            // A value that is passed twice is two inputs of the kernel: each
            // use takes its own.
            let turn = operands[..index]
                .iter()
                .filter(|earlier| *earlier == operand)
                .count();
            copy.set_operand(index, replaced(&known, *op, *operand, turn)?);
        }
        let copy = block.append_operation(copy);
        for (old, new) in op.results().zip(copy.results()) {
            known.push((old.into(), new.into()));
        }
    }
    let last = ops.last().copied().unwrap_or(function);
    let results: Vec<Value> = outputs
        .iter()
        .map(|value| replaced(&known, last, *value, 0))
        .collect::<Emitted<_>>()?;
    block.append_operation(
        OperationBuilder::new("func.return", location)
            .add_operands(&results)
            .build()?,
    );
    Ok(module.as_operation().to_string())
}

fn replaced<'c, 'm>(
    known: &[(Value<'c, '_>, Value<'c, 'm>)],
    user: OperationRef,
    value: Value<'c, '_>,
    turn: usize,
) -> Emitted<Value<'c, 'm>> {
    let copies: Vec<Value> = known
        .iter()
        .filter(|(old, _)| *old == value)
        .map(|(_, new)| *new)
        .collect();
    copies
        .get(turn)
        .or(copies.first())
        .copied()
        .ok_or_else(|| LoweringError::at(user, "uses a value that is no input of its unit".into()))
}
