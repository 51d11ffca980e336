//! `kforge.attention` to its kernel and launch.

use kforge_dialect::{
    Attention, Element,
    schedule::{AttentionProblem, AttentionSchedule, shared_heads},
};
use melior::ir::{Value, ValueLike};

use super::AttentionKernel;
use crate::{
    LoweringError,
    emit::Emitted,
    gpu::{
        host::{Host, memref_of},
        kernel::storage,
        spec,
    },
};

/// Emits the kernel of `op` and its launch.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: Attention<'c, 'a>) -> Emitted<()> {
    let operation = op.operation();
    let result: Value = op.result()?;
    let result_type = memref_of(operation, result.r#type())?;
    let kernel = describe(host, op)?;
    let out = host.allocate(result_type)?;
    host.bind(result, out);
    if kernel.batch * kernel.heads * kernel.queries * kernel.value_head == 0 {
        return Ok(());
    }
    if kernel.head == 0 {
        let message = "has heads of size 0, which give no scores; a kernel needs at least 1";
        return Err(LoweringError::at(operation, message.into()));
    }
    let inputs: Vec<Value> = [op.q()?, op.k()?, op.v()?]
        .into_iter()
        .chain(op.mask())
        .collect();
    let read: Vec<Value> = inputs
        .iter()
        .map(|value| host.buffer(operation, *value))
        .collect::<Emitted<_>>()?;
    let emissions = kernel.emit(&host.kernels)?;
    let parts = kernel.parts_shapes().into_iter().flatten();
    let parts = parts.map(|shape| host.allocate(storage(&host.emit, &shape, Element::F32, 1)));
    let parts: Vec<Value> = parts.collect::<Emitted<_>>()?;
    let launches = match parts.is_empty() {
        true => vec![[&read[..], &[out]].concat()],
        false => vec![
            [read, parts.clone()].concat(),
            [&parts[..], &[out]].concat(),
        ],
    };
    let spec = spec::print(host.emit.context, &[operation], &inputs, &[result])?;
    for (index, (emission, arguments)) in emissions.iter().zip(&launches).enumerate() {
        host.annotate(emission.kernel, operation);
        if index + 1 == emissions.len() {
            host.specify(emission.kernel, &spec);
        }
        host.launch(&emission.frame, arguments)?;
    }
    Ok(())
}

fn describe<'c, 'a>(host: &mut Host<'c, 'a>, op: Attention<'c, 'a>) -> Emitted<AttentionKernel> {
    let operation = op.operation();
    let refused = |message: &str| LoweringError::at(operation, message.into());
    let signature = op
        .signature()
        .ok_or_else(|| refused("has operands that are no ranked tensors"))?;
    let sizes = |ty: &kforge_dialect::TensorType| -> Emitted<Vec<i64>> {
        let sizes = ty
            .sizes()
            .ok_or_else(|| refused("has a dynamic dimension; only static shapes can be lowered"))?;
        Ok(sizes.into_iter().map(|size| size as i64).collect())
    };
    let (q, k, v) = (
        sizes(&signature.q)?,
        sizes(&signature.k)?,
        sizes(&signature.v)?,
    );
    let ([batch, heads, queries, head], [_, kv_heads, keys, _], [.., value_head]) =
        (&q[..], &k[..], &v[..])
    else {
        return Err(refused("has operands that are not of rank 4"));
    };
    let (Some(problem), Some(shared)) =
        (AttentionProblem::of(&signature), shared_heads(&signature))
    else {
        return Err(refused("has operands whose sizes no kernel takes"));
    };
    let shared = shared as i64;
    let mask = match &signature.mask {
        None => None,
        Some(mask) => {
            let own = sizes(mask)?;
            let mut dims = [1; 4];
            dims[4 - own.len()..].copy_from_slice(&own);
            if shared > 1 && dims[1] == *heads {
                dims = [dims[0], dims[1] / shared, dims[2] * shared, dims[3]];
            }
            Some(dims)
        }
    };
    let element = signature.q.element;
    let (depth, value_depth) = (head.unsigned_abs(), value_head.unsigned_abs());
    let schedule = AttentionSchedule::of(operation).unwrap_or_else(|| {
        let guess = AttentionSchedule::guess(&problem, &host.device);
        // On the op, so that specification and kernel name the knobs they have.
        host.attach_schedule(operation, guess.to_attribute(host.emit.context));
        guess
    });
    schedule
        .check(depth, value_depth, element, &host.device)
        .map_err(|unfit| {
            let reasons: Vec<String> = unfit.iter().map(ToString::to_string).collect();
            LoweringError::at(operation, reasons.join("; "))
        })?;
    Ok(AttentionKernel {
        name: host.unique_name(operation),
        element,
        batch: *batch,
        heads: heads / shared,
        kv_heads: *kv_heads,
        queries: queries * shared,
        keys: *keys,
        head: *head,
        value_head: *value_head,
        mask,
        // One head of several sees the same keys with every query.
        causal: signature.causal && shared == 1,
        scale: match signature.scale {
            Some(scale) => f64::from(scale),
            None => 1.0 / (*head as f64).max(1.0).sqrt(),
        },
        schedule,
        subgroup_size: host.device.subgroup_size as i64,
        most_invocations: host.device.max_invocations(),
    })
}
