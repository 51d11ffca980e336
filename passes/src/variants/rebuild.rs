//! Specifications at other shapes, as modules, and their lowering.

use kforge_dialect::{TensorType, attributes, device::Device, ir, schedule::MatmulSchedule};
use kforge_lowering::gpu;
use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, BlockRef, Identifier, Location, Module, OperationRef, Region,
        RegionLike, Type, Value, ValueLike,
        attribute::{
            DenseElementsAttribute, DenseI64ArrayAttribute, StringAttribute, TypeAttribute,
        },
        operation::{OperationBuilder, OperationLike, OperationMutLike},
        r#type::FunctionType,
    },
    pass::PassManager,
    utility::parse_pass_pipeline,
};

use super::chain::Chain;

/// One op on operands of other types, with `schedule` where it has none.
pub fn op<'c>(
    context: &'c Context,
    op: OperationRef<'c, '_>,
    operands: &[TensorType],
    schedule: Option<&MatmulSchedule>,
    device: &Device,
) -> Result<Module<'c>, String> {
    let location = Location::unknown(context);
    function(context, operands, device, |block| {
        let operands = (0..operands.len())
            .map(|index| block.argument(index).map(Value::from).map_err(text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut named: Vec<(Identifier, Attribute)> = Vec::new();
        for (name, value) in op.attributes() {
            // The same knobs under another name are the same knobs.
            if name.as_string_ref().as_str() != Ok(attributes::NAME) {
                named.push((name, value));
            }
        }
        if let Some(schedule) = schedule {
            let name = Identifier::new(context, attributes::SCHEDULE);
            named.push((name, schedule.to_attribute(context)));
        }
        let copy = OperationBuilder::new(ir::name(op), location)
            .add_operands(&operands)
            .add_attributes(&named)
            .enable_result_type_inference()
            .build()
            .map_err(text)?;
        let copy = block.append_operation(copy);
        Ok(vec![copy.result(0).map_err(text)?.into()])
    })
}

/// A chain with other sizes of its classes.
pub fn chain<'c>(
    context: &'c Context,
    chain: &Chain<'c, '_>,
    sizes: &[u64],
    device: &Device,
) -> Result<Module<'c>, String> {
    function(context, &chain.inputs(sizes), device, |block| {
        let mut known: Vec<(Value, Value)> = Vec::new();
        for (index, old) in chain.arguments.iter().enumerate() {
            known.push((*old, block.argument(index).map_err(text)?.into()));
        }
        for op in &chain.ops {
            let mut copy = (**op).clone();
            for (index, operand) in op.operands().enumerate() {
                copy.set_operand(index, replaced(&known, operand)?);
            }
            let copy = block.append_operation(copy);
            ir::remove_attribute(copy, attributes::NAME);
            if let Some(lengths) = chain.slice_sizes(*op, sizes) {
                let lengths = DenseI64ArrayAttribute::new(context, &lengths);
                ir::set_attribute(copy, "static_sizes", lengths.into());
            }
            for (old, new) in op.results().zip(copy.results()) {
                let (old, new) = (Value::from(old), Value::from(new));
                if let Some(ty) = chain.type_of(old, sizes) {
                    let ty = ty.to_mlir(context);
                    new.set_type(ty);
                    respread(copy, ty);
                }
                known.push((old, new));
            }
        }
        chain
            .results
            .iter()
            .map(|value| replaced(&known, *value))
            .collect()
    })
}

/// A constant of one value gets the type of its result.
fn respread<'c>(constant: OperationRef<'c, '_>, ty: Type<'c>) {
    if ir::name(constant) != "arith.constant" {
        return;
    }
    let dense = constant.attribute("value").ok();
    let dense = dense.and_then(|it| DenseElementsAttribute::try_from(it).ok());
    if let Some(dense) = dense.filter(|dense| dense.is_splat()) {
        let value = DenseElementsAttribute::splat(ty, dense.splat_value());
        ir::set_attribute(constant, "value", value.into());
    }
}

fn replaced<'c, 'm>(
    known: &[(Value<'c, '_>, Value<'c, 'm>)],
    value: Value<'c, '_>,
) -> Result<Value<'c, 'm>, String> {
    let found = known.iter().find(|(old, _)| *old == value);
    found
        .map(|(_, new)| *new)
        .ok_or_else(|| "an op uses what none before it defines".to_owned())
}

/// A module of one function for `device`, whose body `body` fills and whose
/// results it returns.
fn function<'c>(
    context: &'c Context,
    inputs: &[TensorType],
    device: &Device,
    body: impl for<'m> FnOnce(BlockRef<'c, 'm>) -> Result<Vec<Value<'c, 'm>>, String>,
) -> Result<Module<'c>, String> {
    let location = Location::unknown(context);
    let module = Module::new(location);
    ir::set_attribute(
        module.as_operation(),
        attributes::DEVICE,
        device.to_attribute(context),
    );
    let inputs: Vec<Type> = inputs.iter().map(|ty| ty.to_mlir(context)).collect();
    let arguments: Vec<(Type, Location)> = inputs.iter().map(|ty| (*ty, location)).collect();
    let region = Region::new();
    let block = region.append_block(Block::new(&arguments));
    let results = body(block)?;
    let outputs: Vec<Type> = results.iter().map(|value| value.r#type()).collect();
    block.append_operation(
        OperationBuilder::new("func.return", location)
            .add_operands(&results)
            .build()
            .map_err(text)?,
    );
    let ty = FunctionType::new(context, &inputs, &outputs);
    let attribute = |name: &str, value: Attribute<'c>| (Identifier::new(context, name), value);
    let function = OperationBuilder::new("func.func", location)
        .add_attributes(&[
            attribute("sym_name", StringAttribute::new(context, "shape").into()),
            attribute("function_type", TypeAttribute::new(ty.into()).into()),
        ])
        .add_regions([region])
        .build()
        .map_err(text)?;
    module.body().append_operation(function);
    if !module.as_operation().verify() {
        return Err("the specification at this shape is no valid module".into());
    }
    Ok(module)
}

/// Tensors to kernels.
pub fn lower<'c>(context: &'c Context, module: &mut Module<'c>) -> Result<(), String> {
    gpu::convert(context, module.as_operation()).map_err(|(_, error)| error.reason())?;
    Ok(())
}

/// What the pipelines do behind the conversion.
pub fn simplify<'c>(context: &'c Context, module: &mut Module<'c>) -> Result<(), String> {
    let manager = PassManager::new(context);
    parse_pass_pipeline(
        manager.as_operation_pass_manager(),
        "builtin.module(canonicalize,cse)",
    )
    .map_err(text)?;
    manager.run(module).map_err(text)
}

fn text(error: melior::Error) -> String {
    error.to_string()
}
