//! `memref`, and the loads and stores of `vector`.

use crate::translate::{
    error::TranslateError,
    read::{self, fail},
    translator::{Lowered, Translator},
    types::{BufferType, Space, ValueType},
    view::{Index, View},
};
use melior::ir::{OperationRef, Value, ValueLike, operation::OperationLike};
use naga::{Expression, Handle};

use super::{arith::compose, vector::lanes};

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

/// Operands from `start` on, as indices.
pub(super) fn indices(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    start: usize,
) -> Result<Vec<Index>, TranslateError> {
    (start..op.operand_count())
        .map(|index| {
            let value = t.operand(op, index)?;
            Ok(t.b.as_index(value))
        })
        .collect()
}

pub(super) fn load(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let view = t.view(op, 0)?;
    let indices = indices(t, op, 1)?;
    t.note_load(&view);
    let pointer = t.b.element_pointer(&view, &indices);
    let value = t.b.load(pointer);
    t.set_value(op, value)
}

pub(super) fn store(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let value = t.operand(op, 0)?;
    let view = t.view(op, 1)?;
    let indices = indices(t, op, 2)?;
    t.note_store(&view);
    let pointer = t.b.element_pointer(&view, &indices);
    t.b.store(pointer, value);
    Ok(())
}

/// Pointers to the elements a vector covers: one if the elements are such
/// vectors, else one per lane.
fn vector_pointers(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    view: &View,
    ty: ValueType,
    mut at: Vec<Index>,
) -> Result<Vec<Handle<Expression>>, TranslateError> {
    if view.element == ty {
        return Ok(vec![t.b.element_pointer(view, &at)]);
    }
    if view.element.lanes != 1 || at.is_empty() {
        return Err(fail(
            op,
            format!(
                "accesses {} lanes of a memref of {} lanes; they must agree, or the memref must hold scalars",
                ty.lanes, view.element.lanes
            ),
        ));
    }
    let mut pointers = Vec::new();
    let last = at.len() - 1;
    let start = at[last];
    for lane in 0..ty.lanes {
        at[last] = t.b.index_add(start, Index::Static(i64::from(lane)));
        pointers.push(t.b.element_pointer(view, &at));
    }
    Ok(pointers)
}

pub(super) fn vector_load(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let view = t.view(op, 0)?;
    let at = indices(t, op, 1)?;
    t.note_load(&view);
    let pointers = vector_pointers(t, op, &view, ty, at)?;
    let loaded: Vec<_> = pointers
        .into_iter()
        .map(|pointer| t.b.load(pointer))
        .collect();
    let value = compose(t, ty, loaded);
    t.set_value(op, value)
}

pub(super) fn vector_store(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.operand_type(op, 0)?;
    let value = t.operand(op, 0)?;
    let view = t.view(op, 1)?;
    let at = indices(t, op, 2)?;
    t.note_store(&view);
    let pointers = vector_pointers(t, op, &view, ty, at)?;
    let values = if pointers.len() == 1 {
        vec![value]
    } else {
        lanes(t, ty, value)
    };
    for (pointer, value) in pointers.into_iter().zip(values) {
        t.b.store(pointer, value);
    }
    Ok(())
}

pub(super) fn allocate(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = read::result(op, 0)?.r#type();
    let default = if read::name(op) == "memref.alloca" {
        Space::Private
    } else {
        Space::Storage
    };
    let view = t.allocate(op, ty, default)?;
    t.set(op, 0, Lowered::View(view))
}

pub(super) fn same_view(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let view = t.view(op, 0)?;
    t.set(op, 0, Lowered::View(view))
}

pub(super) fn dim(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let view = t.view(op, 0)?;
    let dimension = t.operand(op, 1)?;
    let size = match t.b.as_index(dimension) {
        Index::Static(index) => view.sizes.get(index as usize).copied(),
        _ => None,
    };
    let size =
        size.ok_or_else(|| fail(op, "asks for a dimension that is no constant of its rank"))?;
    let value = t.b.index(size);
    t.set_value(op, value)
}

/// A list written partly as constants, partly as operands.
fn mixed(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    constants: &str,
    operands: Vec<Value<'_, '_>>,
) -> Result<Vec<Index>, TranslateError> {
    let mut operands = operands.into_iter();
    let mut list = Vec::new();
    for constant in read::integers(op, constants) {
        list.push(if constant == i64::MIN {
            let value = operands
                .next()
                .ok_or_else(|| fail(op, format!("has too few operands for {constants}")))?;
            let value = t.value(op, value)?;
            t.b.as_index(value)
        } else {
            Index::Static(constant)
        });
    }
    Ok(list)
}

fn result_buffer(op: Op<'_, '_>) -> Result<BufferType, TranslateError> {
    BufferType::read(read::result(op, 0)?.r#type()).map_err(|message| fail(op, message))
}

pub(super) fn subview(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let source = t.view(op, 0)?;
    let offsets = mixed(t, op, "static_offsets", read::segment(op, 1)?)?;
    let sizes = mixed(t, op, "static_sizes", read::segment(op, 2)?)?;
    let steps = mixed(t, op, "static_strides", read::segment(op, 3)?)?;
    let mut view = View {
        sizes: Vec::new(),
        strides: Vec::new(),
        ..source.clone()
    };
    let wanted = result_buffer(op)?.sizes;
    for (dimension, &stride) in source.strides.iter().enumerate() {
        let skipped = t.b.index_mul(offsets[dimension], stride);
        view.offset = t.b.index_add(view.offset, skipped);
        // A rank-reduced result leaves out some dimensions of size 1. Which one of
        // several does not matter: their only index is 0.
        let size = sizes[dimension];
        let left = source.strides.len() - dimension;
        let missing = wanted.len() - view.sizes.len();
        let keep = left == missing
            || match (size, wanted.get(view.sizes.len())) {
                (Index::Static(size), Some(Some(wanted))) => size == *wanted,
                (Index::Static(_), _) => false,
                _ => true,
            };
        if keep {
            view.sizes.push(size);
            view.strides.push(t.b.index_mul(stride, steps[dimension]));
        }
    }
    t.set(op, 0, Lowered::View(view))
}

/// Offset, sizes and strides are those given, relative to the base.
pub(super) fn reinterpret_cast(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let mut view = t.view(op, 0)?;
    let offsets = mixed(t, op, "static_offsets", read::segment(op, 1)?)?;
    view.sizes = mixed(t, op, "static_sizes", read::segment(op, 2)?)?;
    view.strides = mixed(t, op, "static_strides", read::segment(op, 3)?)?;
    view.offset = offsets.first().copied().unwrap_or(Index::Static(0));
    t.set(op, 0, Lowered::View(view))
}

pub(super) fn collapse_shape(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let source = t.view(op, 0)?;
    let mut view = View {
        sizes: Vec::new(),
        strides: Vec::new(),
        ..source.clone()
    };
    for group in read::integer_lists(op, "reassociation") {
        let mut size = Index::Static(1);
        // The innermost dimension that is not 1 gives the stride.
        let mut stride = Index::Static(1);
        for &dimension in &group {
            size = t.b.index_mul(size, source.sizes[dimension]);
            if source.sizes[dimension] != Index::Static(1) {
                stride = source.strides[dimension];
            }
        }
        view.sizes.push(size);
        view.strides.push(stride);
    }
    t.set(op, 0, Lowered::View(view))
}

pub(super) fn expand_shape(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let source = t.view(op, 0)?;
    let operands: Vec<_> = op.operands().skip(1).collect();
    let sizes = mixed(t, op, "static_output_shape", operands)?;
    let mut view = View {
        strides: vec![Index::Static(1); sizes.len()],
        sizes,
        ..source.clone()
    };
    for (dimension, group) in read::integer_lists(op, "reassociation").iter().enumerate() {
        let mut stride = source.strides[dimension];
        for &inner in group.iter().rev() {
            view.strides[inner] = stride;
            stride = t.b.index_mul(stride, view.sizes[inner]);
        }
    }
    t.set(op, 0, Lowered::View(view))
}

/// Results: the base as a memref without dimensions, offset, sizes, strides.
pub(super) fn metadata(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let view = t.view(op, 0)?;
    let base = View {
        offset: Index::Static(0),
        sizes: Vec::new(),
        strides: Vec::new(),
        ..view.clone()
    };
    t.set(op, 0, Lowered::View(base))?;
    let numbers = [view.offset]
        .into_iter()
        .chain(view.sizes)
        .chain(view.strides);
    for (index, number) in numbers.enumerate() {
        let value = t.b.index(number);
        t.set(op, index + 1, Lowered::Value(value))?;
    }
    Ok(())
}
