//! `kforge.mlp` to two or three matmul kernels, one unit.
//!
//! Plain: hidden = activation(x·up + up_bias), then hidden·down + down_bias.
//! Gated: gated = activation(x·gate + gate_bias), then
//! hidden = (x·up + up_bias) ⊙ gated with the product in the epilogue, then down.
//! The hidden layer is stored in the type of `x`.
//!
//! A schedule on the op is that of all its matmuls.

use kforge_dialect::{
    ActivationKind, Mlp,
    schedule::{MatmulProblem, MatmulSchedule},
};
use melior::ir::{OperationRef, Value, ValueLike};

use super::{
    host::{Host, memref_of},
    kernel::storage,
    matmul::MatmulKernel,
    spec,
};
use crate::{LoweringError, emit::Emitted};

/// One of the op's matmuls.
struct Layer<'c, 'a> {
    input: Value<'c, 'a>,
    weight: Value<'c, 'a>,
    bias: Option<Value<'c, 'a>>,
    activation: ActivationKind,
    factor: Option<Value<'c, 'a>>,
    output: Value<'c, 'a>,
    columns: u64,
    contracted: u64,
}

/// Emits the kernels of `op` and their launches.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: Mlp<'c, 'a>) -> Emitted<()> {
    let operation = op.operation();
    let refused = |message: &str| LoweringError::at(operation, message.into());
    let signature = op
        .signature()
        .ok_or_else(|| refused("has operands that are no ranked tensors"))?;
    let dynamic = || refused("has a dynamic dimension; only static shapes can be lowered");
    let x = signature.x.sizes().ok_or_else(dynamic)?;
    let (up, down) = (
        signature.up.sizes().ok_or_else(dynamic)?,
        signature.down.sizes().ok_or_else(dynamic)?,
    );
    let columns = |weight: &[u64]| weight[usize::from(!signature.transpose_weights)];
    let Some((width, rows)) = x.split_last() else {
        return Err(refused("has an operand 'x' of rank 0"));
    };
    let (rows, hidden) = (rows.iter().product::<u64>(), columns(&up));

    let result: Value = op.result()?;
    let out = host.allocate(memref_of(operation, result.r#type())?)?;
    host.bind(result, out);
    if rows * columns(&down) == 0 {
        return Ok(());
    }
    let shape = [rows as i64, hidden as i64];
    if rows
        .checked_mul(hidden)
        .is_none_or(|elements| elements >= 1 << 31)
    {
        return Err(refused(
            "has a hidden layer of 2^31 elements or more, which kernels cannot index",
        ));
    }
    let scratch = storage(&host.emit, &shape, signature.x.element, 1);
    let buffer = |value: Value<'c, 'a>| host.buffer(operation, value);
    let optional = |value: Option<Value<'c, 'a>>| value.map(buffer).transpose();
    let middle = host.allocate(scratch)?;
    let mut layers = Vec::new();
    let mut factor = None;
    if let Some(gate) = op.gate() {
        let gated = host.allocate(scratch)?;
        layers.push(Layer {
            input: buffer(op.x()?)?,
            weight: buffer(gate)?,
            bias: optional(op.gate_bias())?,
            activation: op.activation(),
            factor: None,
            output: gated,
            columns: hidden,
            contracted: *width,
        });
        factor = Some(gated);
    }
    layers.push(Layer {
        input: buffer(op.x()?)?,
        weight: buffer(op.up()?)?,
        bias: optional(op.up_bias())?,
        activation: match factor {
            Some(_) => ActivationKind::None,
            None => op.activation(),
        },
        factor,
        output: middle,
        columns: hidden,
        contracted: *width,
    });
    layers.push(Layer {
        input: middle,
        weight: buffer(op.down()?)?,
        bias: optional(op.down_bias())?,
        activation: ActivationKind::None,
        factor: None,
        output: out,
        columns: columns(&down),
        contracted: hidden,
    });

    // In the order in which the kernels read them; what several of them read is
    // one input of the unit.
    let read = [
        Some(op.x()?),
        op.gate(),
        op.gate_bias(),
        Some(op.up()?),
        op.up_bias(),
        Some(op.down()?),
        op.down_bias(),
    ];
    let mut inputs: Vec<Value> = Vec::new();
    for value in read.into_iter().flatten() {
        if !inputs.contains(&value) {
            inputs.push(value);
        }
    }
    let spec = spec::print(host.emit.context, &[operation], &inputs, &[result])?;
    let count = layers.len();
    for (index, layer) in layers.iter().enumerate() {
        let problem = MatmulProblem {
            batch: 1,
            m: rows,
            n: layer.columns,
            k: layer.contracted,
            element: signature.x.element,
            transpose_b: signature.transpose_weights,
        };
        let kernel = MatmulKernel {
            name: host.unique_name(operation),
            batch: Vec::new(),
            batch_a: Vec::new(),
            batch_b: Vec::new(),
            transpose_a: false,
            transpose_b: signature.transpose_weights,
            bias: layer.bias.is_some(),
            residual: false,
            factor: layer.factor.is_some(),
            activation: layer.activation,
            schedule: schedule(host, operation, &problem)?,
            subgroup_size: host.device.subgroup_size as i64,
            most_invocations: host.device.max_invocations(),
            problem,
        };
        let spec = (index + 1 == count).then_some(spec.as_str());
        emit(host, operation, &kernel, layer, spec)?;
    }
    Ok(())
}

/// The schedule on the op, or a guess; refused where it does not fit.
fn schedule(
    host: &Host,
    operation: OperationRef,
    problem: &MatmulProblem,
) -> Emitted<MatmulSchedule> {
    let schedule = MatmulSchedule::of(operation)
        .unwrap_or_else(|| MatmulSchedule::guess(problem, &host.device));
    schedule.check(problem, &host.device).map_err(|unfit| {
        let reasons: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        LoweringError::at(operation, reasons.join("; "))
    })?;
    Ok(schedule)
}

/// Emits the kernels of one layer; the last of the unit gets the specification.
fn emit<'c, 'a>(
    host: &Host<'c, 'a>,
    operation: OperationRef<'c, 'a>,
    kernel: &MatmulKernel,
    layer: &Layer<'c, 'a>,
    spec: Option<&str>,
) -> Emitted<()> {
    let factors = [layer.input, layer.weight];
    let epilogue: Vec<Value> = [layer.bias, layer.factor].into_iter().flatten().collect();
    let output = [layer.output];
    let launches: Vec<Vec<Value>> = match kernel.parts_shape() {
        None => vec![[&factors[..], &epilogue, &output].concat()],
        Some(shape) => {
            let parts =
                host.allocate(storage(&host.emit, &shape, kforge_dialect::Element::F32, 1))?;
            vec![
                [&factors[..], &[parts]].concat(),
                [&[parts][..], &epilogue, &output].concat(),
            ]
        }
    };
    let emissions = kernel.emit(&host.kernels)?;
    for (index, (emission, arguments)) in emissions.iter().zip(&launches).enumerate() {
        host.annotate(emission.kernel, operation);
        if let Some(spec) = spec.filter(|_| index + 1 == emissions.len()) {
            host.specify(emission.kernel, spec);
        }
        host.launch(&emission.frame, arguments)?;
    }
    Ok(())
}
