//! Tensors over the fields, and the inputs that are drawn for a program.

use crate::{
    cases::{CaseError, Values, generate, role},
    program::{Program, TensorType},
};

use super::{Field, Number};

/// Elements of a tensor, row-major.
#[derive(Clone, Debug)]
pub enum FieldTensor {
    /// Floats.
    Float(Vec<Number>),
    /// Integers, and booleans as 0 and 1.
    Integer(Vec<i64>),
}

impl FieldTensor {
    /// Its number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn floats(&self) -> &[Number] {
        match self {
            Self::Float(values) => values,
            Self::Integer(_) => &[],
        }
    }

    pub(super) fn integers(&self) -> &[i64] {
        match self {
            Self::Integer(values) => values,
            Self::Float(_) => &[],
        }
    }
}

/// Inputs for one draw: floats at random, with real values of the usual kind; integers,
/// booleans and absent keys of masks as the case generator makes them, positions scattered.
/// In every other draw the first and the last row of a mask are absent.
pub fn field_inputs(
    program: &Program,
    field: &Field,
    seed: u64,
) -> Result<Vec<FieldTensor>, CaseError> {
    let usual = generate(program, Values::Normal, seed)?;
    let scattered = generate(program, Values::Outliers, seed)?;
    let masks = match seed % 2 {
        0 => None,
        _ => Some(generate(program, Values::ConstantRows, seed)?),
    };
    let masks = masks.as_ref().unwrap_or(&scattered);
    let roles = role::roles(program);
    let inputs = usual.iter().enumerate().map(|(index, array)| {
        let is_mask = matches!(roles.get(index), Some(role::Role::Mask));
        let array = match (is_mask, array.ty.dtype.is_float()) {
            (true, _) => &masks[index],
            (_, false) => &scattered[index],
            _ => array,
        };
        let values = array.value.iter();
        if !array.ty.dtype.is_float() {
            return FieldTensor::Integer(values.map(|value| *value as i64).collect());
        }
        let stream = (index as u64 + 1) << 8;
        let draw = |(at, value): (usize, &f64)| field.random(stream, at as u64, *value);
        FieldTensor::Float(values.enumerate().map(draw).collect())
    });
    Ok(inputs.collect())
}

pub(super) fn size(ty: &TensorType, from_end: usize) -> usize {
    ty.shape.iter().rev().nth(from_end).copied().unwrap_or(1)
}
