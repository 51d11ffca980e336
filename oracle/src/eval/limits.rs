//! What an evaluation refuses before it starts: inputs that do not fit, and too much work.

use rayon::prelude::*;

use super::{EvalError, EvalOptions};
use crate::array::Array;
use crate::dtype::DType;
use crate::op::Op;
use crate::program::Program;
use crate::work::multiply_adds;

/// Inputs of the declared types, with values a buffer can hold.
pub(super) fn check_inputs(program: &Program, inputs: &[Array]) -> Result<(), EvalError> {
    if inputs.len() != program.inputs.len() {
        return Err(EvalError::InputCount {
            program: program.name.clone(),
            expected: program.inputs.len(),
            got: inputs.len(),
        });
    }
    for (declared, given) in program.inputs.iter().zip(inputs) {
        let name = || declared.name.clone();
        if declared.ty != given.ty {
            return Err(EvalError::InputType {
                name: name(),
                expected: declared.ty.to_string(),
                got: given.ty.to_string(),
            });
        }
        let expected = declared.ty.elements();
        if given.value.len() != expected || given.bound.len() != expected {
            return Err(EvalError::InputLength {
                name: name(),
                expected,
                values: given.value.len(),
                bounds: given.bound.len(),
            });
        }
        let dtype: DType = declared.ty.dtype;
        // A value that carries a bound is another evaluation's result and need not be stored.
        let alien = (0..expected)
            .into_par_iter()
            .find_first(|&i| given.bound[i] == 0.0 && !dtype.holds(given.value[i]));
        if let Some(element) = alien {
            return Err(EvalError::InputValue {
                name: name(),
                element,
                value: given.value[element],
                dtype: dtype.name(),
            });
        }
    }
    Ok(())
}

/// Elements and multiply-adds within the limits of `opts`.
pub(super) fn check_limits(program: &Program, opts: &EvalOptions) -> Result<(), EvalError> {
    check_total(program, opts.max_elements)?;
    let work = program.nodes.iter().fold(0u64, |sum, node| {
        sum.saturating_add(multiply_adds(program, node))
    });
    if work <= opts.max_multiply_adds {
        return Ok(());
    }
    Err(EvalError::TooMuch {
        program: program.name.clone(),
        multiply_adds: work,
        limit: opts.max_multiply_adds,
    })
}

fn check_total(program: &Program, limit: usize) -> Result<(), EvalError> {
    let types = program
        .inputs
        .iter()
        .map(|i| &i.ty)
        .chain(program.nodes.iter().map(|n| &n.ty));
    let values = types.fold(0usize, |sum, ty| sum.saturating_add(ty.elements()));
    // The hidden layer of an mlp is no value of the program, yet evaluation holds it.
    let hidden = program.nodes.iter().map(|node| match node.op {
        Op::Mlp { up, .. } => {
            let rows = node.ty.shape.split_last().map_or(&[][..], |(_, rows)| rows);
            let size = |id| program.type_of(id).and_then(|ty| ty.shape.iter().max());
            let widest = size(up).copied().unwrap_or(1);
            rows.iter()
                .fold(widest.saturating_mul(3), |n, &d| n.saturating_mul(d))
        }
        _ => 0,
    });
    let elements = hidden.fold(values, usize::saturating_add);
    if elements <= limit {
        return Ok(());
    }
    Err(EvalError::TooLarge {
        program: program.name.clone(),
        elements,
        limit,
    })
}
