//! `kforge.softmax`, `kforge.layer_norm` and `kforge.rms_norm` to their kernel
//! and launch.

use kforge_dialect::{LayerNorm, RmsNorm, Softmax, TensorType, schedule::RowSchedule};
use melior::ir::{OperationRef, Value, ValueLike};

use super::{
    host::{Host, memref_of},
    row::{RowFunction, RowKernel},
    spec,
};
use crate::{LoweringError, emit::Emitted};

/// A row op with what its kernel needs of it.
struct RowOp<'c, 'a> {
    operation: OperationRef<'c, 'a>,
    function: RowFunction,
    axis: i64,
    inputs: Vec<Value<'c, 'a>>,
}

/// Converts `op` if it is a row op; says whether it was.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: OperationRef<'c, 'a>) -> Emitted<bool> {
    let Some(row) = read(op)? else {
        return Ok(false);
    };
    let result: Value = op.result(0)?.into();
    let out = host.allocate(memref_of(op, result.r#type())?)?;
    host.bind(result, out);
    let kernel = describe(host, &row)?;
    if kernel.outer * kernel.inner == 0 {
        return Ok(true);
    }
    let mut arguments = row
        .inputs
        .iter()
        .map(|value| host.buffer(op, *value))
        .collect::<Emitted<Vec<_>>>()?;
    arguments.push(out);
    let emission = kernel.emit(&host.kernels)?;
    host.annotate(emission.kernel, op);
    let spec = spec::print(host.emit.context, &[op], &row.inputs, &[result])?;
    host.specify(emission.kernel, &spec);
    host.launch(&emission.frame, &arguments)?;
    Ok(true)
}

fn read<'c, 'a>(operation: OperationRef<'c, 'a>) -> Emitted<Option<RowOp<'c, 'a>>> {
    let (function, axis, inputs) = if let Some(op) = Softmax::cast(operation) {
        (RowFunction::Softmax, op.axis(), vec![op.x()?])
    } else if let Some(op) = LayerNorm::cast(operation) {
        let function = RowFunction::LayerNorm {
            epsilon: f64::from(op.epsilon()),
            gamma: op.gamma().is_some(),
            beta: op.beta().is_some(),
        };
        let weights = [op.gamma(), op.beta()].into_iter().flatten();
        (
            function,
            op.axis(),
            [op.x()?].into_iter().chain(weights).collect(),
        )
    } else if let Some(op) = RmsNorm::cast(operation) {
        let function = RowFunction::RmsNorm {
            epsilon: f64::from(op.epsilon()),
            gamma: op.gamma().is_some(),
        };
        (
            function,
            op.axis(),
            [op.x()?].into_iter().chain(op.gamma()).collect(),
        )
    } else {
        return Ok(None);
    };
    Ok(Some(RowOp {
        operation,
        function,
        axis,
        inputs,
    }))
}

fn describe<'c, 'a>(host: &mut Host<'c, 'a>, row: &RowOp<'c, 'a>) -> Emitted<RowKernel> {
    let refused = |message: String| LoweringError::at(row.operation, message);
    let ty = TensorType::of(row.inputs[0].r#type())
        .ok_or_else(|| refused("has an operand that is no tensor of f32 or f16".into()))?;
    let sizes = ty.sizes().ok_or_else(|| {
        refused(format!(
            "has the dynamic type {ty}; only static shapes can be lowered"
        ))
    })?;
    let rank = sizes.len() as i64;
    let axis = usize::try_from(if row.axis < 0 {
        row.axis + rank
    } else {
        row.axis
    })
    .ok()
    .filter(|axis| *axis < sizes.len())
    .ok_or_else(|| refused(format!("has axis {}, the rank is {rank}", row.axis)))?;
    let product = |sizes: &[u64]| sizes.iter().product::<u64>() as i64;
    let schedule = RowSchedule::of(row.operation).unwrap_or_else(|| {
        let rows = (product(&sizes[..axis]) * product(&sizes[axis + 1..])).unsigned_abs();
        let guess = RowSchedule::guess(rows, sizes[axis], ty.element, &host.device);
        // On the op, so that specification and kernel name the knobs they have.
        host.attach_schedule(row.operation, guess.to_attribute(host.emit.context));
        guess
    });
    schedule.check(&host.device).map_err(|unfit| {
        let reasons: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        refused(reasons.join("; "))
    })?;
    Ok(RowKernel {
        name: host.unique_name(row.operation),
        outer: product(&sizes[..axis]),
        size: sizes[axis] as i64,
        inner: product(&sizes[axis + 1..]),
        element: ty.element,
        function: row.function,
        schedule,
        subgroup_size: host.device.subgroup_size as i64,
    })
}
