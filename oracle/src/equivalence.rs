//! Do two programs mean the same?
//!
//! Both are evaluated in f64 on the same inputs under [`Rounding::None`], whose bound is what
//! the order of f64 operations may move: 1e-12 per rounding relative to Σ|a||b|, that is 1e-9
//! for K = 1000, carried through the ops behind it. A constant that only one of the two contains
//! was made by a fold or absorbed into an op (the 0.70710677 of a spelled-out gelu), so one of
//! the two holds it rounded: it carries one unit of its type. A wrong fusion is thus found
//! without any allowance for device rounding.

use std::collections::HashSet;

use thiserror::Error;

use crate::array::Array;
use crate::compare::{CompareError, CompareOptions, Comparison, compare};
use crate::eval::{EvalError, EvalOptions, evaluate_with};
use crate::model::Rounding;
use crate::op::{ConstantData, Op};
use crate::program::Program;

/// Result of [`compare_programs`].
#[derive(Clone, Debug)]
pub struct Equivalence {
    /// Every output agrees.
    pub equal: bool,
    /// One comparison per output, `got` being the other program's.
    pub outputs: Vec<Comparison>,
}

/// Why two programs could not be compared.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EquivalenceError {
    /// Different input or output types.
    #[error("{what} differ: reference has {reference}, the other program {other}")]
    Signature {
        /// inputs or outputs.
        what: &'static str,
        /// Types of the reference.
        reference: String,
        /// Types of the other program.
        other: String,
    },
    /// One of them cannot be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Internal sizes do not agree.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

/// Compares what `other` computes with what `reference` computes, on `inputs`.
pub fn compare_programs(
    reference: &Program,
    other: &Program,
    inputs: &[Array],
) -> Result<Equivalence, EquivalenceError> {
    let opts = EvalOptions {
        rounding: Rounding::None,
        ..EvalOptions::default()
    };
    let (in_reference, in_other) = (constants(reference), constants(other));
    let made = |x: f64| !in_reference.contains(&x.to_bits());
    let absorbed = |x: f64| !in_other.contains(&x.to_bits());
    let wanted = evaluate_with(reference, inputs, &opts, &absorbed)?;
    let got = evaluate_with(other, inputs, &opts, &made)?;
    let types = |arrays: &[&Array]| {
        arrays
            .iter()
            .map(|a| a.ty.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (wanted, got) = (wanted.outputs(), got.outputs());
    if types(&wanted) != types(&got) {
        return Err(EquivalenceError::Signature {
            what: "outputs",
            reference: types(&wanted),
            other: types(&got),
        });
    }
    let outputs = wanted
        .iter()
        .zip(&got)
        .map(|(wanted, got)| {
            let bound = wanted
                .bound
                .iter()
                .zip(&got.bound)
                .map(|(a, b)| a + b)
                .collect();
            let wanted = Array {
                bound,
                typical: None,
                ..(*wanted).clone()
            };
            compare(&got.value, &wanted, &CompareOptions::default())
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Equivalence {
        equal: outputs.iter().all(|c| c.passed),
        outputs,
    })
}

/// Bit patterns of all constant elements.
fn constants(program: &Program) -> HashSet<u64> {
    let mut known = HashSet::new();
    for node in &program.nodes {
        match &node.op {
            Op::Constant {
                data: ConstantData::Splat(x),
            } => {
                known.insert(x.to_bits());
            }
            Op::Constant {
                data: ConstantData::Dense(values),
            } => {
                known.extend(values.iter().map(|x| x.to_bits()));
            }
            _ => {}
        }
    }
    known
}
