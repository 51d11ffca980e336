//! What a row kernel computes of its row, from reductions over it and writes to it.
//!
//! Sums are taken in two passes (mean, then centred squares), exponents after the
//! maximum is subtracted.

use melior::ir::Value;

use super::{Row, reduce::Combine};
use crate::emit::{Emit, Emitted, Ix};

impl<'c, 'a> Row<'_, 'c, 'a> {
    pub(super) fn softmax(&mut self, emit: &Emit<'c, 'a>) -> Emitted<()> {
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

    pub(super) fn layer_norm(&self, emit: &Emit<'c, 'a>, epsilon: f64) -> Emitted<()> {
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

    pub(super) fn rms_norm(&self, emit: &Emit<'c, 'a>, epsilon: f64) -> Emitted<()> {
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
