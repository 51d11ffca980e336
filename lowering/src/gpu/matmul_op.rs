//! `kforge.matmul` to its kernels and launches.

use kforge_dialect::{
    Matmul,
    schedule::{MatmulProblem, MatmulSchedule},
};
use melior::ir::{Value, ValueLike};

use super::{
    host::{Host, memref_of},
    kernel::storage,
    matmul::MatmulKernel,
    spec,
};
use crate::{LoweringError, emit::Emitted};

/// Emits the kernels of `op` and their launches.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: Matmul<'c, 'a>) -> Emitted<()> {
    let operation = op.operation();
    let result: Value = op.result()?;
    let result_type = memref_of(operation, result.r#type())?;
    let kernel = describe(host, op)?;
    let out = host.allocate(result_type)?;
    host.bind(result, out);
    if kernel.problem.batch * kernel.problem.m * kernel.problem.n == 0 {
        return Ok(());
    }

    let mut inputs = vec![op.a()?, op.b()?];
    let mut epilogue = Vec::new();
    for value in [op.bias(), op.residual()].into_iter().flatten() {
        inputs.push(value);
        epilogue.push(host.buffer(operation, value)?);
    }
    let factors = [
        host.buffer(operation, inputs[0])?,
        host.buffer(operation, inputs[1])?,
    ];
    let frames = kernel.emit(&host.kernels)?;
    let parts = match kernel.parts_shape() {
        None => None,
        Some(shape) => {
            Some(host.allocate(storage(&host.emit, &shape, kforge_dialect::Element::F32, 1))?)
        }
    };
    let mut launches: Vec<Vec<Value>> = Vec::new();
    match parts {
        None => launches.push([&factors[..], &epilogue, &[out]].concat()),
        Some(parts) => {
            launches.push([&factors[..], &[parts]].concat());
            launches.push([&[parts][..], &epilogue, &[out]].concat());
        }
    }
    let spec = spec::print(host.emit.context, &[operation], &inputs, &[result])?;
    for (index, (frame, arguments)) in frames.iter().zip(&launches).enumerate() {
        host.annotate(frame.kernel, operation);
        if index + 1 == frames.len() {
            host.specify(frame.kernel, &spec);
        }
        host.launch(&frame.frame, arguments)?;
    }
    Ok(())
}

fn describe<'c, 'a>(host: &mut Host<'c, 'a>, op: Matmul<'c, 'a>) -> Emitted<MatmulKernel> {
    let operation = op.operation();
    let signature = op.signature().ok_or_else(|| {
        LoweringError::at(operation, "has operands that are no ranked tensors".into())
    })?;
    let problem = MatmulProblem::of(&signature).ok_or_else(|| {
        LoweringError::at(
            operation,
            "has a dynamic dimension; only static shapes can be lowered".into(),
        )
    })?;
    let sizes = |ty: &kforge_dialect::TensorType| -> Vec<i64> {
        ty.sizes()
            .unwrap_or_default()
            .into_iter()
            .map(|size| size as i64)
            .collect()
    };
    let (a, b) = (sizes(&signature.a), sizes(&signature.b));
    let rank = a.len().max(b.len()) - 2;
    let aligned = |dims: &[i64]| -> Vec<i64> {
        let own = &dims[..dims.len() - 2];
        [vec![1; rank - own.len()], own.to_vec()].concat()
    };
    let (batch_a, batch_b) = (aligned(&a), aligned(&b));
    let batch = batch_a
        .iter()
        .zip(&batch_b)
        .map(|(a, b)| if *a == 1 { *b } else { *a })
        .collect();
    let mut kernel = MatmulKernel {
        name: host.unique_name(operation),
        problem,
        batch,
        batch_a,
        batch_b,
        transpose_a: signature.transpose_a,
        transpose_b: signature.transpose_b,
        bias: signature.bias.is_some(),
        factor: false,
        residual: signature.residual.is_some(),
        activation: signature.activation,
        schedule: MatmulSchedule::default(),
        subgroup_size: host.device.subgroup_size as i64,
        most_invocations: host.device.max_invocations(),
    };
    kernel.flatten_batch();
    kernel.schedule = MatmulSchedule::of(operation).unwrap_or_else(|| {
        let guess = MatmulSchedule::guess(&kernel.problem, &host.device);
        // On the op, so that specification and kernel name the knobs they have.
        host.attach_schedule(operation, guess.to_attribute(host.emit.context));
        guess
    });
    kernel
        .schedule
        .check(&kernel.problem, &host.device)
        .map_err(|unfit| {
            let reasons: Vec<String> = unfit.iter().map(ToString::to_string).collect();
            LoweringError::at(operation, reasons.join("; "))
        })?;
    Ok(kernel)
}
