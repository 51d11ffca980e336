//! Memref values: a base array plus offset, sizes and strides.

use super::{
    builder::Builder,
    types::{BufferType, ValueType},
};
use naga::{Expression, Handle};

/// An `i32` that may be known now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Index {
    Static(i64),
    Dynamic(Handle<Expression>),
    /// Member of the immediates, loaded when first needed.
    Immediate(u32),
}

/// A memref value. All view ops (subview, reshape) only change the numbers.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Pointer to the whole array.
    pub(super) base: Handle<Expression>,
    /// Argument of the kernel behind it; none for memory the kernel declares.
    pub(super) argument: Option<usize>,
    pub(super) element: ValueType,
    pub(super) offset: Index,
    pub(super) sizes: Vec<Index>,
    pub(super) strides: Vec<Index>,
}

impl View {
    /// A view of a memref whose extents are all static.
    pub(super) fn fixed(base: Handle<Expression>, buffer: &BufferType) -> Option<Self> {
        let all = |list: &[Option<i64>]| -> Option<Vec<Index>> {
            list.iter().map(|value| value.map(Index::Static)).collect()
        };
        Some(Self {
            base,
            argument: None,
            element: buffer.element,
            offset: Index::Static(buffer.offset?),
            sizes: all(&buffer.sizes)?,
            strides: all(&buffer.strides)?,
        })
    }
}

impl Builder {
    pub(super) fn index_add(&mut self, left: Index, right: Index) -> Index {
        match (left, right) {
            (Index::Static(0), other) | (other, Index::Static(0)) => other,
            (Index::Static(left), Index::Static(right)) => wrap(left.wrapping_add(right)),
            _ => {
                let (left, right) = (self.index(left), self.index(right));
                Index::Dynamic(self.binary(naga::BinaryOperator::Add, left, right))
            }
        }
    }

    pub(super) fn index_mul(&mut self, left: Index, right: Index) -> Index {
        match (left, right) {
            (Index::Static(0), _) | (_, Index::Static(0)) => Index::Static(0),
            (Index::Static(1), other) | (other, Index::Static(1)) => other,
            (Index::Static(left), Index::Static(right)) => wrap(left.wrapping_mul(right)),
            _ => {
                let (left, right) = (self.index(left), self.index(right));
                Index::Dynamic(self.binary(naga::BinaryOperator::Multiply, left, right))
            }
        }
    }

    /// The `i32` expression of an index.
    pub(super) fn index(&mut self, index: Index) -> Handle<Expression> {
        match index {
            Index::Static(value) => self.i32(value as i32),
            Index::Dynamic(value) => value,
            Index::Immediate(member) => self.immediate(member),
        }
    }

    /// Reads an expression back as an index, so that literals stay foldable.
    pub(super) fn as_index(&self, value: Handle<Expression>) -> Index {
        match self.literal_i32(value) {
            Some(value) => Index::Static(i64::from(value)),
            None => Index::Dynamic(value),
        }
    }

    /// Pointer to the element at `indices`.
    pub(super) fn element_pointer(&mut self, view: &View, indices: &[Index]) -> Handle<Expression> {
        let mut linear = view.offset;
        for (&index, &stride) in indices.iter().zip(&view.strides) {
            let step = self.index_mul(index, stride);
            linear = self.index_add(linear, step);
        }
        if let Index::Static(value) = linear
            && let Ok(index) = u32::try_from(value)
        {
            return self.place(Expression::AccessIndex {
                base: view.base,
                index,
            });
        }
        let index = self.index(linear);
        self.place(Expression::Access {
            base: view.base,
            index,
        })
    }
}

/// Index arithmetic wraps at 32 bits, like the code it stands for.
fn wrap(value: i64) -> Index {
    Index::Static(i64::from(value as i32))
}
