//! The knobs of a unit at other shapes.
//!
//! A kernel that is right at one shape may be wrong at the next: tails, prime
//! sizes, tiles larger than the problem. So the op of every unit's
//! specification is lowered again, with the same schedule, at the mandatory
//! shapes, and the gate runs those too. Units of several ops have no shape
//! parameters of their own and are checked as they are.

use std::collections::HashSet;

use kforge_dialect::{
    Attention, LayerNorm, Matmul, RmsNorm, Softmax, TensorType, attributes,
    device::Device,
    ir,
    schedule::{AttentionSchedule, MatmulSchedule, RowSchedule},
};
use kforge_lowering::{
    gpu,
    serialize::{self, Serialized},
};
use kforge_oracle::{Level, attention_shapes, matmul_shapes, row_shapes};
use kforge_verify::{Runnable, Variant};
use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, Identifier, Location, Module, OperationRef, Region,
        RegionLike, Type, Value, ValueLike,
        attribute::{StringAttribute, TypeAttribute},
        operation::{OperationBuilder, OperationLike},
        r#type::FunctionType,
    },
    pass::PassManager,
    utility::parse_pass_pipeline,
};

use crate::{select, verify::VerifyError};

/// Shapes per kernel with quick cases, spread over the whole list.
const QUICK_SHAPES: usize = 6;

/// The units of `entry` at other shapes, each distinct kernel once.
pub fn of_units(
    device: &Device,
    serialized: &Serialized,
    entry: &str,
    cases: Level,
) -> Result<Vec<Variant>, VerifyError> {
    let context = kforge_dialect::context();
    let mut seen = HashSet::new();
    let mut variants = Vec::new();
    for unit in serialized.units.iter().filter(|unit| unit.entry == entry) {
        let Some(spec) = unit
            .spec
            .as_deref()
            .and_then(|spec| Module::parse(&context, spec))
        else {
            continue;
        };
        let ops: Vec<OperationRef> = select::functions(spec.as_operation())
            .into_iter()
            .flat_map(select::ops_of)
            .filter(|op| ir::name(*op) != "func.return")
            .collect();
        let [op] = ops[..] else { continue };
        if !seen.insert(knobs_key(op)) {
            continue;
        }
        let all = shapes(op);
        let stride = match cases {
            Level::Quick => all.len().div_ceil(QUICK_SHAPES).max(1),
            Level::Full => 1,
        };
        for types in all.into_iter().step_by(stride) {
            let text: Vec<String> = types.iter().map(ToString::to_string).collect();
            let stage = format!("{} at ({})", unit.stage, text.join(", "));
            let failed = |reason: String| VerifyError::Shape {
                stage: stage.clone(),
                reason,
            };
            let module = rebuild(&context, op, &types, device).map_err(&failed)?;
            let lowered = serialize::package(module.as_operation(), &serialize::Options::default())
                .map_err(|error| failed(error.to_string()))?;
            for unit in &lowered.units {
                let mut runnable = Runnable::unit(&lowered.package, unit)?;
                runnable.stage.clone_from(&stage);
                runnable.native = lowered.functions();
                variants.push(Variant { unit: runnable });
            }
        }
    }
    Ok(variants)
}

/// What makes two units the same generator: op, attributes and element types.
fn knobs_key(op: OperationRef) -> String {
    let mut parts = vec![ir::name(op).to_owned()];
    for (name, value) in op.attributes() {
        let name = name.as_string_ref().as_str().unwrap_or("").to_owned();
        if name != attributes::NAME {
            parts.push(format!("{name}={value}"));
        }
    }
    for operand in op.operands() {
        let element = ir::tensor_type(operand).map(|ty| ty.element.to_string());
        parts.push(element.unwrap_or_default());
    }
    parts.join(" ")
}

/// Operand types to try, in operand order.
fn shapes(op: OperationRef) -> Vec<Vec<TensorType>> {
    if let Some(op) = Matmul::cast(op) {
        return matmul(op);
    }
    if let Some(op) = Softmax::cast(op) {
        return rows(op.operation(), op.axis(), &[]);
    }
    if let Some(op) = LayerNorm::cast(op) {
        return rows(op.operation(), op.axis(), &[op.gamma(), op.beta()]);
    }
    if let Some(op) = RmsNorm::cast(op) {
        return rows(op.operation(), op.axis(), &[op.gamma()]);
    }
    if let Some(op) = Attention::cast(op) {
        return attention(op);
    }
    Vec::new()
}

fn matmul(op: Matmul) -> Vec<Vec<TensorType>> {
    let (Some(schedule), Some(signature)) = (MatmulSchedule::of(op.operation()), op.signature())
    else {
        return Vec::new();
    };
    let element = signature.a.element;
    let tile = (
        schedule.tile_m as usize,
        schedule.tile_n as usize,
        schedule.tile_k as usize,
    );
    let fixed = |dims: &[usize]| {
        let dims: Vec<u64> = dims.iter().map(|size| *size as u64).collect();
        TensorType::fixed(&dims, element)
    };
    matmul_shapes(tile)
        .into_iter()
        .map(|(m, n, k)| {
            let mut types = vec![
                if signature.transpose_a {
                    fixed(&[k, m])
                } else {
                    fixed(&[m, k])
                },
                if signature.transpose_b {
                    fixed(&[n, k])
                } else {
                    fixed(&[k, n])
                },
            ];
            types.extend(signature.bias.is_some().then(|| fixed(&[n])));
            types.extend(signature.residual.is_some().then(|| fixed(&[m, n])));
            types
        })
        .collect()
}

fn rows(op: OperationRef, axis: i64, parameters: &[Option<Value>]) -> Vec<Vec<TensorType>> {
    let Some(schedule) = RowSchedule::of(op) else {
        return Vec::new();
    };
    let Some(x) = op.operand(0).ok().and_then(ir::tensor_type) else {
        return Vec::new();
    };
    let element = x.element;
    let last = axis.rem_euclid(x.rank().max(1) as i64) as usize + 1 == x.rank();
    row_shapes(schedule.workgroup_size as usize)
        .into_iter()
        .map(|(rows, n)| {
            let (rows, n) = (rows as u64, n as u64);
            // The rank stays, since the attribute `axis` does.
            let mut dims = vec![1; x.rank()];
            if let Some(place) = dims.get_mut(axis.rem_euclid(x.rank() as i64) as usize) {
                *place = n;
            }
            let outer = if last {
                x.rank().checked_sub(2)
            } else {
                Some(x.rank() - 1)
            };
            if let Some(outer) = outer {
                dims[outer] = rows;
            }
            let mut types = vec![TensorType::fixed(&dims, element)];
            let given = parameters.iter().flatten().count();
            types.extend(vec![TensorType::fixed(&[n], element); given]);
            types
        })
        .collect()
}

fn attention(op: Attention) -> Vec<Vec<TensorType>> {
    let (Some(schedule), Some(signature)) = (AttentionSchedule::of(op.operation()), op.signature())
    else {
        return Vec::new();
    };
    let element = signature.q.element;
    let fixed = |dims: [usize; 4]| TensorType::fixed(&dims.map(|size| size as u64), element);
    // The knobs fit heads of the op's own size; larger ones may pass a limit.
    let heads = [&signature.q, &signature.v].map(|ty| ty.sizes().and_then(|it| it.last().copied()));
    let depth = heads.into_iter().flatten().min().unwrap_or(1).max(1) as usize;
    attention_shapes(schedule.block_q as usize, schedule.block_kv as usize)
        .into_iter()
        .map(|shape| {
            let kv = [
                shape.batch,
                shape.kv_heads,
                shape.keys,
                shape.depth.min(depth),
            ];
            let mut types = vec![
                fixed([
                    shape.batch,
                    shape.heads,
                    shape.queries,
                    shape.depth.min(depth),
                ]),
                fixed(kv),
                fixed(kv),
            ];
            let scores = [shape.batch, 1, shape.queries, shape.keys];
            types.extend(signature.mask.is_some().then(|| fixed(scores)));
            types
        })
        .collect()
}

/// A lowered module whose one function is `op` on operands of other types.
fn rebuild<'c>(
    context: &'c Context,
    op: OperationRef<'c, '_>,
    types: &[TensorType],
    device: &Device,
) -> Result<Module<'c>, String> {
    let location = Location::unknown(context);
    let text = |error: melior::Error| error.to_string();
    let mut module = Module::new(location);
    ir::set_attribute(
        module.as_operation(),
        attributes::DEVICE,
        device.to_attribute(context),
    );
    let inputs: Vec<Type> = types.iter().map(|ty| ty.to_mlir(context)).collect();
    let block = Block::new(&inputs.iter().map(|ty| (*ty, location)).collect::<Vec<_>>());
    let operands: Vec<Value> = (0..inputs.len())
        .map(|index| Ok(block.argument(index).map_err(text)?.into()))
        .collect::<Result<_, String>>()?;
    let named: Vec<(Identifier, Attribute)> = op.attributes().collect();
    let copy = OperationBuilder::new(ir::name(op), location)
        .add_operands(&operands)
        .add_attributes(&named)
        .enable_result_type_inference()
        .build()
        .map_err(text)?;
    let copy = block.append_operation(copy);
    let result: Value = copy.result(0).map_err(text)?.into();
    let function = FunctionType::new(context, &inputs, &[result.r#type()]);
    block.append_operation(
        OperationBuilder::new("func.return", location)
            .add_operands(&[result])
            .build()
            .map_err(text)?,
    );
    let region = Region::new();
    region.append_block(block);
    let attribute = |name: &str, value: Attribute<'c>| (Identifier::new(context, name), value);
    let function = OperationBuilder::new("func.func", location)
        .add_attributes(&[
            attribute("sym_name", StringAttribute::new(context, "shape").into()),
            attribute("function_type", TypeAttribute::new(function.into()).into()),
        ])
        .add_regions([region])
        .build()
        .map_err(text)?;
    module.body().append_operation(function);
    gpu::convert(context, module.as_operation()).map_err(|(_, error)| error.reason())?;
    let manager = PassManager::new(context);
    parse_pass_pipeline(
        manager.as_operation_pass_manager(),
        "builtin.module(canonicalize,cse)",
    )
    .map_err(text)?;
    manager.run(&mut module).map_err(text)?;
    Ok(module)
}
