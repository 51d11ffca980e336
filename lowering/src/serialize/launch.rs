//! `gpu.launch_func` as a dispatch.

use kforge_runtime::manifest::{
    Access, BufferId, Dispatch, Expr, Float, Immediate, KernelArgument,
};
use melior::ir::{OperationRef, Value, operation::OperationLike};

use super::{
    SerializeError,
    function::{Host, HostValue},
    read,
    units::Launched,
    view::View,
};
use crate::translate::{self, ImmediateSource, ScalarType};

type Result<T> = std::result::Result<T, SerializeError>;

/// Operand groups of `gpu.launch_func`.
const DEPENDENCIES: usize = 0;
const GRID: usize = 1;
const BLOCK: usize = 4;
const CLUSTER: usize = 7;
const DYNAMIC_MEMORY: usize = 10;
const ARGUMENTS: usize = 11;

/// The dispatch of one launch.
pub(super) fn dispatch(host: &mut Host, op: OperationRef) -> Result<Launched> {
    check_form(host, op)?;
    let symbols = symbols(op)?;
    let arguments = read::segment(op, ARGUMENTS)?;
    let grid = sizes(host, op, GRID)?;
    let block = sizes(host, op, BLOCK)?;
    let kernel = host.building.kernels.get(&symbols).ok_or_else(|| {
        let message = format!(
            "launches @{}::@{}, which is no kernel of the module",
            symbols.0, symbols.1
        );
        SerializeError::at(op, message)
    })?;
    let size = kernel.record.workgroup_size.map(i64::from);
    if block != size {
        let message = format!("has blocks of {block:?}, the kernel was made for {size:?}");
        return Err(SerializeError::at(op, message));
    }
    let argument = |index: usize| {
        arguments.get(index).copied().ok_or_else(|| {
            let message = format!(
                "passes {} arguments, the kernel takes more",
                arguments.len()
            );
            SerializeError::at(op, message)
        })
    };
    let views = kernel
        .arguments
        .iter()
        .map(|index| host.view(op, argument(*index)?))
        .collect::<Result<Vec<View>>>()?;
    let immediates = kernel
        .immediates
        .iter()
        .map(|slot| immediate(host, op, slot, &argument))
        .collect::<Result<Vec<Immediate>>>()?;
    let accesses: Vec<(BufferId, Access)> = views
        .iter()
        .zip(&kernel.record.bindings)
        .map(|(view, binding)| (view.buffer, binding.access))
        .collect();
    // What a stage computes is as large as what it writes.
    let written = accesses.iter().position(|(_, access)| access.writes());
    let shape = written.map_or_else(Vec::new, |index| views[index].shape.scalar_sizes());
    let launched = Launched {
        stage: kernel.record.stage.clone(),
        spec: kernel.spec.clone(),
        accesses,
        dispatch: Dispatch {
            kernel: kernel.name.clone(),
            workgroups: grid.map(Expr::from),
            args: views
                .iter()
                .map(|view| KernelArgument::from(view.buffer))
                .collect(),
            immediates,
            shape: shape.into_iter().map(Expr::from).collect(),
        },
    };
    if let Some(kernel) = host.building.kernels.get_mut(&symbols) {
        kernel.used = true;
    }
    Ok(launched)
}

/// Refuses what a dispatch cannot say.
fn check_form(host: &Host, op: OperationRef) -> Result<()> {
    if op.result_count() > 0 || !read::segment(op, DEPENDENCIES)?.is_empty() {
        let message = "is asynchronous; a package runs launches one after another, do not run -gpu-async-region";
        return Err(SerializeError::at(op, message));
    }
    if !read::segment(op, CLUSTER)?.is_empty() {
        return Err(SerializeError::at(
            op,
            "has a cluster size, which WebGPU lacks",
        ));
    }
    for value in read::segment(op, DYNAMIC_MEMORY)? {
        if !matches!(host.value(value), Some(HostValue::Int(0))) {
            let message = "has dynamic workgroup memory; use workgroup attributions of static size";
            return Err(SerializeError::at(op, message));
        }
    }
    Ok(())
}

fn symbols(op: OperationRef) -> Result<(String, String)> {
    let symbol = op
        .attribute("kernel")
        .map(|it| it.to_string())
        .unwrap_or_default();
    let name = |text: &str| text.trim_start_matches('@').trim_matches('"').to_owned();
    symbol
        .split_once("::")
        .map(|(module, function)| (name(module), name(function)))
        .ok_or_else(|| {
            SerializeError::at(
                op,
                format!("launches {symbol}; expected @module::@function"),
            )
        })
}

/// Three constant sizes.
fn sizes(host: &Host, op: OperationRef, group: usize) -> Result<[i64; 3]> {
    let mut sizes = [0; 3];
    for (dimension, size) in sizes.iter_mut().enumerate() {
        let value = read::segment(op, group + dimension)?.first().copied();
        *size = match value.and_then(|value| host.value(value)) {
            Some(HostValue::Int(value)) if *value >= 0 => *value,
            _ => {
                let what = if group == GRID { "grid" } else { "block" };
                let axis = ["x", "y", "z"][dimension];
                return Err(SerializeError::at(
                    op,
                    format!(
                        "has a {what} size in {axis} that is no constant of at least 0; run -canonicalize first"
                    ),
                ));
            }
        };
    }
    Ok(sizes)
}

/// The value of one scalar of a kernel.
fn immediate<'c, 'a>(
    host: &Host,
    op: OperationRef<'c, 'a>,
    slot: &translate::Immediate,
    argument: &impl Fn(usize) -> Result<Value<'c, 'a>>,
) -> Result<Immediate> {
    let number = |numbers: &[i64], dimension: usize, index: usize| {
        numbers
            .get(dimension)
            .copied()
            .map(|it| Immediate::Integer(it.into()))
            .ok_or_else(|| {
                SerializeError::at(op, format!("passes argument {index} with too low a rank"))
            })
    };
    match slot.source {
        ImmediateSource::Constant(value) => Ok(Immediate::F32(Float(value))),
        ImmediateSource::Offset(_) => Ok(Immediate::Integer(0.into())),
        ImmediateSource::Size {
            argument: index,
            dimension,
        } => {
            let view = host.view(op, argument(index)?)?;
            let sizes: Vec<i64> = view.shape.sizes.iter().map(|size| *size as i64).collect();
            number(&sizes, dimension, index)
        }
        ImmediateSource::Stride {
            argument: index,
            dimension,
        } => {
            let view = host.view(op, argument(index)?)?;
            number(&view.shape.strides(), dimension, index)
        }
        ImmediateSource::Argument(index) => match (host.value(argument(index)?), slot.scalar) {
            (Some(HostValue::Float(value)), ScalarType::F32) => {
                Ok(Immediate::F32(Float(*value as f32)))
            }
            (Some(HostValue::Int(value)), ScalarType::I32) => {
                Ok(Immediate::Integer((*value).into()))
            }
            _ => Err(SerializeError::at(
                op,
                format!(
                    "passes argument {index}, which is no scalar constant; run -canonicalize first"
                ),
            )),
        },
    }
}
