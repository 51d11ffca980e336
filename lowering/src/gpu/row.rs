//! The row kernel: softmax, layer_norm and rms_norm over one axis, generated
//! from the knobs of its schedule.
//!
//! One workgroup computes `rows` rows, each by its share of the invocations. A row of up
//! to `block-size` elements is read once and kept in registers; a longer one is read again
//! in every pass. Invocations take turns along the row; what they gathered meets as
//! `reduce.rs` says, which one invocation alone does without.
//!
//! Along the last axis an access is `vector-width` elements of the row. Along
//! another axis neighbours in memory belong to different rows: there an access is
//! `vector-width` rows, which count as one and are computed side by side.
//!
//! Where the width does not divide the contiguous extent, accesses are scalars.
//! Arithmetic is in f32, with one rounding at the end.

mod function;
mod reduce;

use kforge_dialect::{Element, schedule::RowSchedule};
use melior::ir::{Type, Value, ValueLike};

use super::kernel::{Body, Emission, Frame, storage, workgroup};
use crate::emit::{Emit, Emitted, Ix};

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
    /// Invocations of a subgroup, where values are shuffled.
    pub subgroup_size: i64,
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
    /// Number of the row in the workgroup, and of the invocation in the row.
    number: Ix<'c, 'a>,
    lane: Ix<'c, 'a>,
    /// Whether there is such a row, where there may be none.
    exists: Option<Value<'c, 'a>>,
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

    /// Rows, of which those side by side in an access are one.
    fn rows(&self) -> i64 {
        self.outer * self.columns()
    }

    /// Invocations of one row.
    fn invocations(&self) -> i64 {
        self.schedule.invocations()
    }

    /// Accesses of one invocation in one block.
    fn turns(&self) -> i64 {
        let elements = self.invocations() * if self.along() { self.width() } else { 1 };
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
        let memory = self.memory().map(|[rows, values]| {
            let lanes = if self.along() { 1 } else { width };
            workgroup(kernels, &[rows, values], Element::F32, lanes)
        });
        let per_workgroup = self.schedule.rows.unsigned_abs();
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: memory.into_iter().collect(),
            invocations: self.schedule.workgroup_size,
            workgroups: self.rows().unsigned_abs().div_ceil(per_workgroup) as i64,
        };
        let kernel = frame.kernel(kernels, |emit, body| {
            let mut row = self.row(emit, body)?;
            row.hold(emit)?;
            match self.function {
                RowFunction::Softmax => row.softmax(emit),
                RowFunction::LayerNorm { epsilon, .. } => row.layer_norm(emit, epsilon),
                RowFunction::RmsNorm { epsilon, .. } => row.rms_norm(emit, epsilon),
            }
        })?;
        Ok(Emission { frame, kernel })
    }

    /// The row of an invocation: the last one where it has none.
    fn row<'k, 'c, 'a>(
        &'k self,
        emit: &Emit<'c, 'a>,
        body: &'k Body<'c, 'a>,
    ) -> Emitted<Row<'k, 'c, 'a>> {
        let (rows, all) = (self.schedule.rows, self.rows());
        let (number, lane) = match rows {
            1 => (Ix::Const(0), body.invocation.clone()),
            _ => (
                emit.shared(&body.invocation / self.invocations())?,
                emit.shared(&body.invocation % self.invocations())?,
            ),
        };
        let mut row = &body.workgroup_id * rows + number.clone();
        let mut exists = None;
        if all % rows != 0 {
            row = emit.shared(row)?;
            exists = Some(emit.less(&row, &Ix::Const(all))?);
            row = row.min(all - 1);
        }
        Ok(Row {
            kernel: self,
            body,
            outer: emit.shared(row.clone() / self.columns())?,
            inner: emit.shared(row % self.columns())?,
            number,
            lane,
            exists,
            held: None,
        })
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
        let invocations = self.kernel.invocations();
        let count = self.kernel.accesses();
        let at = emit.shared(first + turn * invocations + self.lane.clone())?;
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
        let invocations = self.kernel.invocations();
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
        let (turns, invocations) = (self.kernel.turns(), self.kernel.invocations());
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
            let inside = emit.both(self.exists, access.inside)?;
            emit.when_some(inside, |emit| {
                let value = term(emit, access)?;
                let value = emit.from_f32(value, element, self.kernel.width())?;
                let place = [self.outer.clone(), access.at.clone(), self.inner.clone()];
                emit.store(value, result, &place)
            })?;
            Ok(Vec::new())
        })?;
        Ok(())
    }
}
