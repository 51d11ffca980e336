//! The row kernel: softmax, layer_norm and rms_norm over one axis, generated
//! from the knobs of its schedule.
//!
//! One workgroup computes one row. A row of up to `block-size` elements is read
//! once and kept in registers; a longer one is read again in every pass.
//! Invocations take turns along the row; what they gathered meets in a tree in
//! workgroup memory, which one invocation alone does without.
//!
//! Along the last axis an access is `vector-width` elements of the row. Along
//! another axis neighbours in memory belong to different rows: there an access is
//! `vector-width` rows, and one workgroup computes them side by side.
//!
//! Where the width does not divide the contiguous extent, accesses are scalars.
//! Arithmetic is in f32, with one rounding at the end. Sums are taken in two
//! passes (mean, then centred squares), exponents after the maximum is subtracted.

use kforge_dialect::{Element, schedule::RowSchedule};
use melior::ir::{Type, Value, ValueLike};

use super::kernel::{Body, Emission, Frame, storage, workgroup};
use crate::emit::{Emit, Emitted, Ix};

/// The identity of a maximum: finite, because naga has no infinite literals.
const LOWEST: f64 = f32::MIN as f64;

/// What is computed of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowFunction {
    /// exp(x - max) / Σ exp(x - max).
    Softmax,
    /// (x - mean) / √(variance + epsilon) · gamma + beta.
    LayerNorm {
        /// Added to the variance.
        epsilon: f64,
        /// Whether there is a factor.
        gamma: bool,
        /// Whether there is a summand.
        beta: bool,
    },
    /// x / √(mean x² + epsilon) · gamma.
    RmsNorm {
        /// Added to the mean square.
        epsilon: f64,
        /// Whether there is a factor.
        gamma: bool,
    },
}

/// Everything a row kernel depends on.
#[derive(Clone, Debug)]
pub struct RowKernel {
    /// Unique name in the module.
    pub name: String,
    /// Elements before the axis, on it, and behind it.
    pub outer: i64,
    /// See `outer`.
    pub size: i64,
    /// See `outer`.
    pub inner: i64,
    /// Type in memory.
    pub element: Element,
    /// What is computed.
    pub function: RowFunction,
    /// The knobs.
    pub schedule: RowSchedule,
}

/// How invocations combine what they gathered.
#[derive(Clone, Copy)]
enum Combine {
    Sum,
    Max,
}

impl Combine {
    fn op(self) -> &'static str {
        match self {
            Combine::Sum => "arith.addf",
            Combine::Max => "arith.maximumf",
        }
    }

    fn identity(self) -> f64 {
        match self {
            Combine::Sum => 0.0,
            Combine::Max => LOWEST,
        }
    }
}

/// One access of an invocation: its number in the row, and whether there is one.
struct Access<'c, 'a> {
    at: Ix<'c, 'a>,
    inside: Option<Value<'c, 'a>>,
    value: Value<'c, 'a>,
}

/// The row being computed.
struct Row<'k, 'c, 'a> {
    kernel: &'k RowKernel,
    body: &'k Body<'c, 'a>,
    /// Before the axis, and behind it in accesses.
    outer: Ix<'c, 'a>,
    inner: Ix<'c, 'a>,
    /// The row's share of this invocation, where rows are kept.
    held: Option<Vec<Access<'c, 'a>>>,
}

impl RowKernel {
    /// Elements per access.
    fn width(&self) -> i64 {
        let contiguous = if self.along() { self.size } else { self.inner };
        let width = self.schedule.vector_width;
        if contiguous % width == 0 { width } else { 1 }
    }

    /// Whether an access lies along the row, or across rows.
    fn along(&self) -> bool {
        self.inner == 1
    }

    /// Accesses of one row.
    fn accesses(&self) -> i64 {
        if self.along() {
            self.size / self.width()
        } else {
            self.size
        }
    }

    /// Accesses behind the axis.
    fn columns(&self) -> i64 {
        if self.along() {
            1
        } else {
            self.inner / self.width()
        }
    }

    /// Accesses of one invocation in one block.
    fn turns(&self) -> i64 {
        let elements = self.schedule.workgroup_size * if self.along() { self.width() } else { 1 };
        let block = self.schedule.block_size.unsigned_abs();
        block.div_ceil(elements as u64) as i64
    }

    fn has_gamma(&self) -> bool {
        matches!(
            self.function,
            RowFunction::LayerNorm { gamma: true, .. } | RowFunction::RmsNorm { gamma: true, .. }
        )
    }

    fn has_beta(&self) -> bool {
        matches!(self.function, RowFunction::LayerNorm { beta: true, .. })
    }

    /// The kernel. Arguments: x, gamma and beta where there are, the result.
    pub fn emit<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let width = self.width();
        let tensor = storage(
            kernels,
            &[self.outer, self.accesses(), self.columns()],
            self.element,
            width,
        );
        let weight = match self.along() {
            true => storage(kernels, &[self.accesses()], self.element, width),
            false => storage(kernels, &[self.size], self.element, 1),
        };
        let weights = usize::from(self.has_gamma()) + usize::from(self.has_beta());
        let mut arguments = vec![tensor];
        arguments.resize(1 + weights, weight);
        arguments.push(tensor);
        let invocations = self.schedule.workgroup_size;
        let lanes = if self.along() { 1 } else { width };
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: match invocations {
                1 => Vec::new(),
                _ => vec![workgroup(kernels, &[invocations], Element::F32, lanes)],
            },
            invocations,
            workgroups: self.outer * self.columns(),
        };
        let kernel = frame.kernel(kernels, |emit, body| {
            let mut row = Row {
                kernel: self,
                body,
                outer: emit.shared(&body.workgroup_id / self.columns())?,
                inner: emit.shared(&body.workgroup_id % self.columns())?,
                held: None,
            };
            row.hold(emit)?;
            match self.function {
                RowFunction::Softmax => row.softmax(emit),
                RowFunction::LayerNorm { epsilon, .. } => row.layer_norm(emit, epsilon),
                RowFunction::RmsNorm { epsilon, .. } => row.rms_norm(emit, epsilon),
            }
        })?;
        Ok(Emission { frame, kernel })
    }
}

impl<'c, 'a> Row<'_, 'c, 'a> {
    fn f32(&self, emit: &Emit<'c, 'a>) -> Type<'c> {
        Type::float32(emit.context)
    }

    /// The type of one access in f32.
    fn wide(&self, emit: &Emit<'c, 'a>) -> Type<'c> {
        emit.vector_type(self.f32(emit), self.kernel.width())
    }

    fn number(
        &self,
        emit: &Emit<'c, 'a>,
        like: Value<'c, 'a>,
        value: f64,
    ) -> Emitted<Value<'c, 'a>> {
        emit.float(self.f32(emit), like.r#type(), value)
    }

    /// Access number `turn` of this invocation in the block that starts at `first`.
    /// `last`: accesses that all turns of this number stay below.
    fn access(
        &self,
        emit: &Emit<'c, 'a>,
        first: &Ix<'c, 'a>,
        turn: i64,
        bound: i64,
    ) -> Emitted<Access<'c, 'a>> {
        let invocations = self.kernel.schedule.workgroup_size;
        let count = self.kernel.accesses();
        let at = emit.shared(first + turn * invocations + self.body.invocation.clone())?;
        let inside = emit.below(&at, bound, count)?;
        // The address stays inside the row.
        let address = match inside {
            Some(_) => emit.shared(at.clone().min(count - 1))?,
            None => at.clone(),
        };
        let place = [self.outer.clone(), address, self.inner.clone()];
        let value = emit.load(self.body.arguments[0], &place)?;
        let element = self.kernel.element.to_mlir(emit.context);
        let value = emit.to_f32(value, element, self.kernel.width())?;
        Ok(Access { at, inside, value })
    }

    /// Reads a row that fits into registers.
    fn hold(&mut self, emit: &Emit<'c, 'a>) -> Emitted<()> {
        let invocations = self.kernel.schedule.workgroup_size;
        let turns = self
            .kernel
            .accesses()
            .unsigned_abs()
            .div_ceil(invocations as u64) as i64;
        if turns <= self.kernel.turns() {
            let access = |turn| self.access(emit, &Ix::Const(0), turn, (turn + 1) * invocations);
            self.held = Some((0..turns).map(access).collect::<Emitted<_>>()?);
        }
        Ok(())
    }

    /// Hands every access of this invocation to `step`, with what it carries.
    fn each(
        &self,
        emit: &Emit<'c, 'a>,
        init: &[Value<'c, 'a>],
        step: impl Fn(&Emit<'c, 'a>, &Access<'c, 'a>, &[Value<'c, 'a>]) -> Emitted<Vec<Value<'c, 'a>>>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        if let Some(held) = &self.held {
            let mut carried = init.to_vec();
            for access in held {
                carried = step(emit, access, &carried)?;
            }
            return Ok(carried);
        }
        let (turns, invocations) = (self.kernel.turns(), self.kernel.schedule.workgroup_size);
        let count = self.kernel.accesses();
        let blocks = count.unsigned_abs().div_ceil((turns * invocations) as u64) as i64;
        emit.for_loop(
            &Ix::Const(0),
            &Ix::Const(blocks),
            1,
            init,
            |emit, block, carried| {
                let first = emit.shared(block * (turns * invocations))?;
                let mut carried = carried.to_vec();
                for turn in 0..turns {
                    let bound = ((blocks - 1) * turns + turn + 1) * invocations;
                    let access = self.access(emit, &first, turn, bound)?;
                    carried = step(emit, &access, &carried)?;
                }
                Ok(carried)
            },
        )
    }

    /// Combines `term` of every element of the row. The result is a scalar where
    /// accesses lie along the row, else one lane per row.
    fn reduce(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        term: impl Fn(&Emit<'c, 'a>, Value<'c, 'a>) -> Emitted<Value<'c, 'a>>,
    ) -> Emitted<Value<'c, 'a>> {
        let wide = self.wide(emit);
        let identity = emit.float(self.f32(emit), wide, combine.identity())?;
        let gathered = self.each(emit, &[identity], |emit, access, carried| {
            let mut value = term(emit, access.value)?;
            if let Some(inside) = access.inside {
                value = emit.value("arith.select", &[inside, value, identity], wide, &[])?;
            }
            Ok(vec![emit.same(combine.op(), &[carried[0], value])?])
        })?;
        let value = match self.kernel.along() {
            true => self.fold_lanes(emit, combine, gathered[0])?,
            false => gathered[0],
        };
        self.tree(emit, combine, value)
    }

    fn fold_lanes(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let width = self.kernel.width();
        let mut lanes: Vec<Value> = (0..width)
            .map(|lane| emit.lane(value, self.f32(emit), width, lane))
            .collect::<Emitted<_>>()?;
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            lanes = (0..half)
                .map(|lane| emit.same(combine.op(), &[lanes[lane], lanes[lane + half]]))
                .collect::<Emitted<_>>()?;
        }
        Ok(lanes[0])
    }

    /// Combines the values of all invocations in workgroup memory.
    fn tree(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let Some(memory) = self.body.workgroup.first().copied() else {
            return Ok(value);
        };
        let own = &self.body.invocation;
        emit.store(value, memory, std::slice::from_ref(own))?;
        emit.barrier()?;
        let mut half = self.kernel.schedule.workgroup_size / 2;
        while half > 0 {
            let takes_part = emit.less(own, &Ix::Const(half))?;
            emit.when(takes_part, |emit| {
                let mine = emit.load(memory, std::slice::from_ref(own))?;
                let other = emit.load(memory, &[own + half])?;
                let both = emit.same(combine.op(), &[mine, other])?;
                emit.store(both, memory, std::slice::from_ref(own))
            })?;
            emit.barrier()?;
            half /= 2;
        }
        let result = emit.load(memory, &[Ix::Const(0)])?;
        // The next reduction must not overwrite what others still have to read.
        emit.barrier()?;
        Ok(result)
    }

    /// A value of the row beside an access.
    fn spread(&self, emit: &Emit<'c, 'a>, value: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        match self.kernel.along() {
            true => emit.broadcast(value, self.f32(emit), self.kernel.width()),
            false => Ok(value),
        }
    }

    /// Element(s) of a weight that belong to an access.
    fn weight(
        &self,
        emit: &Emit<'c, 'a>,
        argument: usize,
        at: &Ix<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let element = self.kernel.element.to_mlir(emit.context);
        let value = emit.load(self.body.arguments[argument], std::slice::from_ref(at))?;
        if self.kernel.along() {
            return emit.to_f32(value, element, self.kernel.width());
        }
        let value = emit.to_f32(value, element, 1)?;
        emit.broadcast(value, self.f32(emit), self.kernel.width())
    }

    /// Writes `term` of every element of the row.
    fn write(
        &self,
        emit: &Emit<'c, 'a>,
        term: impl Fn(&Emit<'c, 'a>, &Access<'c, 'a>) -> Emitted<Value<'c, 'a>>,
    ) -> Emitted<()> {
        let element = self.kernel.element.to_mlir(emit.context);
        let result = self.body.arguments[self.body.arguments.len() - 1];
        self.each(emit, &[], |emit, access, _| {
            emit.when_some(access.inside, |emit| {
                let value = term(emit, access)?;
                let value = emit.from_f32(value, element, self.kernel.width())?;
                let place = [self.outer.clone(), access.at.clone(), self.inner.clone()];
                emit.store(value, result, &place)
            })?;
            Ok(Vec::new())
        })?;
        Ok(())
    }

    fn softmax(&mut self, emit: &Emit<'c, 'a>) -> Emitted<()> {
        let max = self.reduce(emit, Combine::Max, |_, x| Ok(x))?;
        let max = self.spread(emit, max)?;
        let exponential = |emit: &Emit<'c, 'a>, x: Value<'c, 'a>| {
            let difference = emit.same("arith.subf", &[x, max])?;
            emit.same("math.exp", &[difference])
        };
        // A kept row keeps its exponentials instead.
        let kept = match &mut self.held {
            Some(held) => {
                for access in held {
                    access.value = exponential(emit, access.value)?;
                }
                true
            }
            None => false,
        };
        let term = |emit: &Emit<'c, 'a>, x: Value<'c, 'a>| match kept {
            true => Ok(x),
            false => exponential(emit, x),
        };
        let sum = self.reduce(emit, Combine::Sum, term)?;
        let one = self.number(emit, sum, 1.0)?;
        let scale = emit.same("arith.divf", &[one, sum])?;
        let scale = self.spread(emit, scale)?;
        self.write(emit, |emit, access| {
            let value = term(emit, access.value)?;
            emit.same("arith.mulf", &[value, scale])
        })
    }

    fn mean(&self, emit: &Emit<'c, 'a>, sum: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let part = self.number(emit, sum, 1.0 / self.kernel.size as f64)?;
        emit.same("arith.mulf", &[sum, part])
    }

    /// 1 / √(square + epsilon), beside an access.
    fn scale(
        &self,
        emit: &Emit<'c, 'a>,
        square: Value<'c, 'a>,
        epsilon: f64,
    ) -> Emitted<Value<'c, 'a>> {
        let epsilon = self.number(emit, square, epsilon)?;
        let sum = emit.same("arith.addf", &[square, epsilon])?;
        let scale = emit.same("math.rsqrt", &[sum])?;
        self.spread(emit, scale)
    }

    fn layer_norm(&self, emit: &Emit<'c, 'a>, epsilon: f64) -> Emitted<()> {
        let sum = self.reduce(emit, Combine::Sum, |_, x| Ok(x))?;
        let mean = self.mean(emit, sum)?;
        let mean = self.spread(emit, mean)?;
        let squares = self.reduce(emit, Combine::Sum, |emit, x| {
            let centred = emit.same("arith.subf", &[x, mean])?;
            emit.same("arith.mulf", &[centred, centred])
        })?;
        let variance = self.mean(emit, squares)?;
        let scale = self.scale(emit, variance, epsilon)?;
        self.write(emit, |emit, access| {
            let centred = emit.same("arith.subf", &[access.value, mean])?;
            let value = emit.same("arith.mulf", &[centred, scale])?;
            self.affine(emit, value, &access.at)
        })
    }

    fn rms_norm(&self, emit: &Emit<'c, 'a>, epsilon: f64) -> Emitted<()> {
        let squares = self.reduce(emit, Combine::Sum, |emit, x| {
            emit.same("arith.mulf", &[x, x])
        })?;
        let square = self.mean(emit, squares)?;
        let scale = self.scale(emit, square, epsilon)?;
        self.write(emit, |emit, access| {
            let value = emit.same("arith.mulf", &[access.value, scale])?;
            self.affine(emit, value, &access.at)
        })
    }

    /// value · gamma + beta.
    fn affine(
        &self,
        emit: &Emit<'c, 'a>,
        mut value: Value<'c, 'a>,
        at: &Ix<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let mut argument = 1;
        if self.kernel.has_gamma() {
            let gamma = self.weight(emit, argument, at)?;
            value = emit.same("arith.mulf", &[value, gamma])?;
            argument += 1;
        }
        if self.kernel.has_beta() {
            let beta = self.weight(emit, argument, at)?;
            value = emit.same("arith.addf", &[value, beta])?;
        }
        Ok(value)
    }
}
