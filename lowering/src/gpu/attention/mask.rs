//! Which keys of a chunk a row of an attention kernel sees, and what the mask
//! adds to their scores.
//!
//! A mask value at or below -1e9 (f16: -6e4) means absent, -inf with it. It is
//! compared and then replaced by 0, so that no infinity is computed with.

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{AttentionKernel, FLOOR, Row, compare};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::kernel::{Body, storage},
};

/// One key of a chunk.
pub(super) struct Absent<'c, 'a> {
    /// Whether the row sees it; `None` where it always does.
    pub visible: Option<Value<'c, 'a>>,
    /// What is added to its score.
    bias: Option<Value<'c, 'a>>,
}

impl<'c, 'a> Absent<'c, 'a> {
    /// The score with its mask value, or [`FLOOR`].
    pub(super) fn score(
        &self,
        emit: &Emit<'c, 'a>,
        mut score: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        if let Some(bias) = self.bias {
            score = emit.same("arith.addf", &[score, bias])?;
        }
        let Some(visible) = self.visible else {
            return Ok(score);
        };
        let f32 = Type::float32(emit.context);
        let floor = emit.float(f32, f32, FLOOR)?;
        emit.value("arith.select", &[visible, score, floor], f32, &[])
    }
}

impl AttentionKernel {
    /// Mask values per access: those of a chunk, where they lie together.
    fn mask_width(&self, dims: [i64; 4]) -> i64 {
        let fits = |width: &i64| dims[3] % width == 0 && self.chunk() % width == 0;
        [4, 2].into_iter().find(fits).unwrap_or(1)
    }

    pub(super) fn mask_type<'c>(&self, emit: &Emit<'c, '_>) -> Option<Type<'c>> {
        let mut dims = self.mask?;
        let width = self.mask_width(dims);
        dims[3] /= width;
        Some(storage(emit, &dims, self.element, width))
    }

    /// The keys of the chunk that starts at `start` of the block from `base` on.
    pub(super) fn absent<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        base: &Ix<'c, 'a>,
        start: &Ix<'c, 'a>,
    ) -> Emitted<Vec<Absent<'c, 'a>>> {
        let chunk = self.chunk();
        let key = emit.shared(base + start.clone())?;
        // The first key of a chunk is inside, where the loop ends at the row's own end.
        let first = if self.together() { 0 } else { 1 };
        let ragged = self.causal || self.keys % self.span() != 0;
        let biases = self.biases(emit, body, row, &key)?;
        (0..chunk)
            .map(|index| {
                let inside = match index {
                    index if index >= first && ragged => {
                        Some(emit.less(&(&key + index), &row.end)?)
                    }
                    _ => None,
                };
                let Some(biases) = &biases else {
                    return Ok(Absent {
                        visible: inside,
                        bias: None,
                    });
                };
                let (present, bias) = self.present(emit, biases[index as usize])?;
                Ok(Absent {
                    visible: emit.both(inside, Some(present))?,
                    bias: Some(bias),
                })
            })
            .collect()
    }

    /// Whether a mask value leaves its key, and the value, 0 if it does not.
    fn present<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        bias: Value<'c, 'a>,
    ) -> Emitted<(Value<'c, 'a>, Value<'c, 'a>)> {
        // A NaN leaves the key and shows in the result.
        const UGT: i64 = 9;
        let f32 = Type::float32(emit.context);
        let limit = match self.element {
            Element::F16 => -6e4,
            _ => -1e9,
        };
        let limit = emit.float(f32, f32, limit)?;
        let present = compare(emit, UGT, bias, limit)?;
        Ok((present, emit.or_zero(Some(present), bias, f32)?))
    }

    /// The mask values of a chunk, in f32.
    fn biases<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        key: &Ix<'c, 'a>,
    ) -> Emitted<Option<Vec<Value<'c, 'a>>>> {
        let Some(dims) = self.mask else {
            return Ok(None);
        };
        let (f32, element) = (
            Type::float32(emit.context),
            self.element.to_mlir(emit.context),
        );
        let (chunk, width) = (self.chunk(), self.mask_width(dims));
        let place = [
            &row.plane / self.heads,
            &row.plane % self.heads,
            row.query.clone(),
        ];
        let mut at: Vec<Ix> = place
            .into_iter()
            .zip(dims)
            .map(|(index, size)| if size == 1 { Ix::Const(0) } else { index })
            .collect();
        at.push(Ix::Const(0));
        let mut biases = Vec::new();
        for start in (0..chunk).step_by(width as usize) {
            if dims[3] != 1 {
                let column = (key + start) / width;
                // Rows that go on together may pass their own ends; what is read there is not
                // taken, but must be inside.
                let together = self.causal && self.together();
                at[3] = match self.keys % self.span() == 0 && !together {
                    true => column,
                    false => column.min(dims[3] / width - 1),
                };
            }
            let value = emit.load(body.arguments[3], &at)?;
            let value = emit.to_f32(value, element, width)?;
            for lane in 0..width {
                biases.push(emit.lane(value, f32, width, lane)?);
            }
        }
        Ok(Some(biases))
    }
}
