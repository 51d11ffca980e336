//! `kforge.rope` to its kernel and launch.
//!
//! One invocation turns one access of pairs: with half-split pairs two accesses
//! that lie R/2 apart, with interleaved pairs one access of whole pairs. What is
//! not rotated is copied by further invocations.
//!
//! The angle position · frequency is reduced to [-π, π] (`turn.rs`), with an error that the
//! product has anyway. Without the operand `inv_freq` a frequency is the product of the
//! literals theta^(-2·2^j/D) over the bits j of the pair's number, each rounded
//! from f64.
//!
//! Limits: positions beyond 2^24 are rounded to f32.

use kforge_dialect::{Element, Rope, RopeSignature};
use melior::ir::{Type, Value, ValueLike};

use super::{
    host::{Host, memref_of},
    kernel::{Body, Emission, Frame, storage},
    spec, turn,
};
use crate::{
    LoweringError,
    emit::{Emit, Emitted, Ix},
};

/// Invocations of a workgroup.
const INVOCATIONS: i64 = 64;

/// Everything a rope kernel depends on.
#[derive(Clone, Debug)]
struct RopeKernel {
    name: String,
    element: Element,
    batch: i64,
    heads: i64,
    sequence: i64,
    /// Elements of a head, and how many of them are rotated.
    size: i64,
    rotated: i64,
    interleaved: bool,
    /// Positions differ from batch to batch.
    batched: bool,
    /// Frequencies are an argument.
    inv_freq: bool,
    theta: f64,
    /// Elements per access.
    width: i64,
}

/// Emits the kernel of `op` and its launch.
pub fn convert<'c, 'a>(host: &mut Host<'c, 'a>, op: Rope<'c, 'a>) -> Emitted<()> {
    let operation = op.operation();
    let result: Value = op.result()?;
    let out = host.allocate(memref_of(operation, result.r#type())?)?;
    host.bind(result, out);
    let signature = op.signature().ok_or_else(|| {
        LoweringError::at(operation, "has operands that are no ranked tensors".into())
    })?;
    let name = host.unique_name(operation);
    let kernel = RopeKernel::new(name, &signature, host.device.max_vector()).ok_or_else(|| {
        LoweringError::at(
            operation,
            "has a dynamic dimension; only static shapes can be lowered".into(),
        )
    })?;
    if kernel.rows() == 0 {
        return Ok(());
    }
    let mut inputs = vec![op.x()?, op.positions()?];
    inputs.extend(op.inv_freq());
    let mut arguments = inputs
        .iter()
        .map(|value| host.buffer(operation, *value))
        .collect::<Emitted<Vec<_>>>()?;
    arguments.push(out);
    let invocations = INVOCATIONS.min(host.device.max_invocations());
    let emission = kernel.emit(&host.kernels, invocations)?;
    host.annotate(emission.kernel, operation);
    let spec = spec::print(host.emit.context, &[operation], &inputs, &[result])?;
    host.specify(emission.kernel, &spec);
    host.launch(&emission.frame, &arguments)
}

/// One access of pairs or of elements to copy.
struct Item<'c, 'a> {
    row: Ix<'c, 'a>,
    number: Ix<'c, 'a>,
}

impl RopeKernel {
    fn new(name: String, signature: &RopeSignature, widest: i64) -> Option<Self> {
        let [batch, heads, sequence, size] = signature.x.sizes()?.try_into().ok()?;
        let rotated = match &signature.inv_freq {
            Some(inv_freq) => 2 * inv_freq.sizes()?.first().copied()?,
            None => size,
        };
        let (size, rotated) = (size as i64, rotated as i64);
        // What must be divided: rows, the run of pairs, and the run to copy.
        let run = if signature.interleaved {
            rotated
        } else {
            rotated / 2
        };
        let least = if signature.interleaved { 2 } else { 1 };
        let fits = |width: &i64| size % width == 0 && run % width == 0;
        let widths = [16, 8, 4, 2, 1]
            .into_iter()
            .filter(|width| *width <= widest);
        let width = widths.filter(|width| *width >= least).find(fits);
        Some(Self {
            name,
            element: signature.x.element,
            batch: batch as i64,
            heads: heads as i64,
            sequence: sequence as i64,
            size,
            rotated,
            interleaved: signature.interleaved,
            batched: signature.positions.rank() == 2,
            inv_freq: signature.inv_freq.is_some(),
            theta: f64::from(signature.theta),
            width: width.unwrap_or(least),
        })
    }

    fn rows(&self) -> i64 {
        self.batch * self.heads * self.sequence
    }

    /// Pairs of one item.
    fn pairs(&self) -> i64 {
        if self.interleaved {
            self.width / 2
        } else {
            self.width
        }
    }

    /// Accesses of one row that rotate, and those that copy.
    fn items(&self) -> (i64, i64) {
        (
            self.rotated / 2 / self.pairs(),
            (self.size - self.rotated) / self.width,
        )
    }

    fn emit<'c, 'a>(&self, kernels: &Emit<'c, 'a>, invocations: i64) -> Emitted<Emission<'c, 'a>> {
        let (turning, copying) = self.items();
        let total = self.rows() * (turning + copying);
        let tensor = storage(
            kernels,
            &[self.rows(), self.size / self.width],
            self.element,
            self.width,
        );
        let batches = if self.batched { self.batch } else { 1 };
        let mut arguments = vec![
            tensor,
            storage(kernels, &[batches * self.sequence], Element::I32, 1),
        ];
        if self.inv_freq {
            let pairs = self.pairs();
            arguments.push(storage(
                kernels,
                &[self.rotated / 2 / pairs],
                Element::F32,
                pairs,
            ));
        }
        arguments.push(tensor);
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: Vec::new(),
            invocations,
            workgroups: total.unsigned_abs().div_ceil(invocations as u64) as i64,
        };
        let kernel = frame.kernel(kernels, |emit, body| {
            let number = emit.shared(&body.workgroup_id * invocations + body.invocation.clone())?;
            let inside = emit.below(&number, frame.workgroups * invocations, total)?;
            emit.when_some(inside, |emit| {
                let item = Item {
                    row: emit.shared(&number / (turning + copying))?,
                    number: emit.shared(&number % (turning + copying))?,
                };
                let turns = emit.below(&item.number, turning + copying, turning)?;
                emit.when_some(turns, |emit| self.turn(emit, body, &item))?;
                if copying == 0 {
                    return Ok(());
                }
                let copies = emit.less(&Ix::Const(turning - 1), &item.number)?;
                emit.when(copies, |emit| {
                    let first = self.rotated / self.width;
                    let at = [item.row.clone(), &item.number + first - turning];
                    let value = emit.load(body.arguments[0], &at)?;
                    emit.store(value, body.arguments[body.arguments.len() - 1], &at)
                })
            })
        })?;
        Ok(Emission { frame, kernel })
    }

    /// Rotates the pairs of one item.
    fn turn<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        item: &Item<'c, 'a>,
    ) -> Emitted<()> {
        let (sin, cos) = self.sine_and_cosine(emit, body, item)?;
        let (x, y) = (body.arguments[0], body.arguments[body.arguments.len() - 1]);
        let element = self.element.to_mlir(emit.context);
        let f32 = Type::float32(emit.context);
        let near = [item.row.clone(), item.number.clone()];
        let first = emit.to_f32(emit.load(x, &near)?, element, self.width)?;
        if self.interleaved {
            let lane = |lane: i64| emit.lane(first, f32, self.width, lane);
            let mut lanes = Vec::new();
            for pair in 0..self.pairs() {
                let sin = emit.lane(sin, f32, self.pairs(), pair)?;
                let cos = emit.lane(cos, f32, self.pairs(), pair)?;
                lanes.extend(rotate(
                    emit,
                    lane(2 * pair)?,
                    lane(2 * pair + 1)?,
                    sin,
                    cos,
                )?);
            }
            let turned = emit.from_f32(emit.compose(&lanes, f32)?, element, self.width)?;
            return emit.store(turned, y, &near);
        }
        let half = self.rotated / 2 / self.width;
        let far = [item.row.clone(), emit.shared(&item.number + half)?];
        let second = emit.to_f32(emit.load(x, &far)?, element, self.width)?;
        for (value, place) in rotate(emit, first, second, sin, cos)?
            .into_iter()
            .zip([near, far])
        {
            emit.store(emit.from_f32(value, element, self.width)?, y, &place)?;
        }
        Ok(())
    }

    /// Sine and cosine of the angles of an item's pairs.
    fn sine_and_cosine<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        item: &Item<'c, 'a>,
    ) -> Emitted<(Value<'c, 'a>, Value<'c, 'a>)> {
        let f32 = Type::float32(emit.context);
        let pairs = self.pairs();
        let mut at = &item.row % self.sequence;
        if self.batched {
            at = &item.row / (self.heads * self.sequence) * self.sequence + at;
        }
        let position = emit.load(body.arguments[1], &[at])?;
        let position = emit.value("arith.sitofp", &[position], f32, &[])?;
        let position = emit.broadcast(position, f32, pairs)?;
        let frequency = match self.inv_freq {
            true => emit.load(body.arguments[2], std::slice::from_ref(&item.number))?,
            false => self.frequency(emit, &item.number)?,
        };
        let angle = emit.same("arith.mulf", &[position, frequency])?;

        let rest = turn::reduced(emit, angle)?;
        Ok((
            emit.same("math.sin", &[rest])?,
            emit.same("math.cos", &[rest])?,
        ))
    }

    /// theta^(-2p/D) of the pairs p of item `number`.
    fn frequency<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        number: &Ix<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let f32 = Type::float32(emit.context);
        let pairs = self.pairs();
        let literal = |pair: i64| {
            let exponent = -2.0 * pair as f64 / self.rotated as f64;
            emit.float(f32, f32, self.theta.powf(exponent))
        };
        let lanes = (0..pairs).map(literal).collect::<Emitted<Vec<_>>>()?;
        let mut frequency = emit.compose(&lanes, f32)?;
        let one = literal(0)?;
        let mut bit = 1;
        while bit * pairs < self.rotated / 2 {
            let even = emit.shared(number / bit % 2)?;
            let even = emit.less(&even, &Ix::Const(1))?;
            let factor = emit.value(
                "arith.select",
                &[even, one, literal(bit * pairs)?],
                f32,
                &[],
            )?;
            let factor = emit.broadcast(factor, f32, pairs)?;
            frequency = emit.same("arith.mulf", &[frequency, factor])?;
            bit *= 2;
        }
        Ok(frequency)
    }
}

/// (x1·cos - x2·sin, x1·sin + x2·cos).
fn rotate<'c, 'a>(
    emit: &Emit<'c, 'a>,
    x1: Value<'c, 'a>,
    x2: Value<'c, 'a>,
    sin: Value<'c, 'a>,
    cos: Value<'c, 'a>,
) -> Emitted<[Value<'c, 'a>; 2]> {
    let product = |a, b| emit.same("arith.mulf", &[a, b]);
    Ok([
        emit.same("arith.subf", &[product(x1, cos)?, product(x2, sin)?])?,
        emit.same("arith.addf", &[product(x1, sin)?, product(x2, cos)?])?,
    ])
}
