//! Ops that move elements: by the coordinates of each result element.

use crate::{op::Op, program::TensorType};

use super::{FieldTensor, evaluate::Operands};

/// Coordinates of an element.
pub(super) fn coordinates(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (place, size) in at.iter_mut().zip(shape).rev() {
        *place = index % size;
        index /= size;
    }
    at
}

/// Row-major number of the element at some coordinates.
pub(super) fn number(at: &[usize], shape: &[usize]) -> usize {
    at.iter()
        .zip(shape)
        .fold(0, |number, (at, size)| number * size + at)
}

/// As NumPy reads a tensor of `shape` at coordinates of a larger one.
pub(super) fn broadcast_number(at: &[usize], shape: &[usize]) -> usize {
    let own = &at[at.len() - shape.len()..];
    let zipped = own.iter().zip(shape);
    zipped.fold(0, |number, (at, size)| {
        number * size + if *size == 1 { 0 } else { *at }
    })
}

fn gather(x: &FieldTensor, elements: usize, from: &dyn Fn(usize) -> usize) -> FieldTensor {
    match x {
        FieldTensor::Float(values) => {
            FieldTensor::Float((0..elements).map(|index| values[from(index)]).collect())
        }
        FieldTensor::Integer(values) => {
            FieldTensor::Integer((0..elements).map(|index| values[from(index)]).collect())
        }
    }
}

/// The result of an op that moves; `None` for any other.
pub(super) fn evaluate(on: &Operands, op: &Op, ty: &TensorType) -> Option<FieldTensor> {
    let shape = &ty.shape;
    let elements = ty.elements();
    Some(match op {
        Op::Reshape { x } => on.tensor(*x).clone(),
        Op::Transpose { x, permutation } => {
            let source = on.shape(*x);
            gather(on.tensor(*x), elements, &|index| {
                let at = coordinates(index, shape);
                let mut from = vec![0; at.len()];
                for (at, dimension) in at.iter().zip(permutation) {
                    from[*dimension] = *at;
                }
                number(&from, source)
            })
        }
        Op::Broadcast { x, dimensions } => {
            let source = on.shape(*x);
            gather(on.tensor(*x), elements, &|index| {
                let at = coordinates(index, shape);
                let kept = at.iter().enumerate();
                let kept = kept.filter(|(dimension, _)| !dimensions.contains(dimension));
                let from: Vec<usize> = kept.map(|(_, at)| *at).collect();
                number(&from, source)
            })
        }
        Op::Slice {
            x,
            offsets,
            strides,
            ..
        } => {
            let source = on.shape(*x);
            gather(on.tensor(*x), elements, &|index| {
                let at = coordinates(index, shape);
                let steps = at.iter().zip(strides).zip(offsets);
                let from: Vec<usize> = steps
                    .map(|((at, stride), offset)| offset + at * stride)
                    .collect();
                number(&from, source)
            })
        }
        Op::InsertSlice {
            source,
            destination,
            offsets,
            sizes,
            strides,
        } => {
            let mut result = on.tensor(*destination).clone();
            for index in 0..on.tensor(*source).len() {
                let at = coordinates(index, sizes);
                let steps = at.iter().zip(strides).zip(offsets);
                let to: Vec<usize> = steps
                    .map(|((at, stride), offset)| offset + at * stride)
                    .collect();
                let to = number(&to, shape);
                match (&mut result, on.tensor(*source)) {
                    (FieldTensor::Float(to_all), FieldTensor::Float(from)) => {
                        to_all[to] = from[index];
                    }
                    (FieldTensor::Integer(to_all), FieldTensor::Integer(from)) => {
                        to_all[to] = from[index];
                    }
                    _ => {}
                }
            }
            result
        }
        Op::Concat { inputs, axis } => {
            let parts = inputs.iter().map(|id| (on.tensor(*id), on.shape(*id)));
            concat(&parts.collect::<Vec<_>>(), *axis, ty)
        }
        _ => return None,
    })
}

fn concat(parts: &[(&FieldTensor, &[usize])], axis: usize, ty: &TensorType) -> FieldTensor {
    // The part and the element of it that an element of the result is.
    let find = |index: usize| {
        let mut at = coordinates(index, &ty.shape);
        for (part, (_, shape)) in parts.iter().enumerate() {
            if at[axis] < shape[axis] {
                return (part, number(&at, shape));
            }
            at[axis] -= shape[axis];
        }
        (0, 0)
    };
    let elements = ty.elements();
    match ty.dtype.is_float() {
        true => FieldTensor::Float(
            (0..elements)
                .map(|index| {
                    let (part, element) = find(index);
                    parts[part].0.floats()[element]
                })
                .collect(),
        ),
        false => FieldTensor::Integer(
            (0..elements)
                .map(|index| {
                    let (part, element) = find(index);
                    parts[part].0.integers()[element]
                })
                .collect(),
        ),
    }
}
