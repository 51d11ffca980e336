//! Validation: makes an untrusted [`Program`] safe to evaluate.
//!
//! Checks that every operand is defined before its use, that each declared result type is
//! the one the op's rules give (`infer.rs`), and that no tensor is larger than 2^40
//! elements or 16 dimensions. Does not limit memory: that is `EvalOptions::max_elements`.

use thiserror::Error;

use crate::infer::infer;
use crate::op::{ConstantData, Op};
use crate::program::{Program, TensorType, ValueId};

/// Largest element count of one tensor: 2^40.
pub const MAX_ELEMENTS: usize = 1 << 40;
/// Largest number of dimensions of one tensor.
pub const MAX_RANK: usize = 16;
/// Largest number of values in one program.
pub const MAX_VALUES: usize = 1 << 20;

/// Why a program is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// Too many inputs and nodes.
    #[error("program has {values} values, limit {limit}: split it")]
    TooManyValues {
        /// Inputs plus nodes.
        values: usize,
        /// [`MAX_VALUES`].
        limit: usize,
    },
    /// A tensor type beyond the size limits.
    #[error("type {ty} of {place} exceeds the limit of {elements} elements or {rank} dimensions")]
    TypeTooLarge {
        /// Input or node it belongs to.
        place: String,
        /// The offending type.
        ty: String,
        /// [`MAX_ELEMENTS`].
        elements: usize,
        /// [`MAX_RANK`].
        rank: usize,
    },
    /// An operand that is not defined before the node.
    #[error(
        "node {node} ('{stage}') operand {operand} is value {id}, only {available} values are defined before it"
    )]
    UndefinedOperand {
        /// Node index.
        node: usize,
        /// Its stage name.
        stage: String,
        /// Operand name.
        operand: &'static str,
        /// The id used.
        id: u32,
        /// Values defined so far.
        available: usize,
    },
    /// An output that does not exist.
    #[error("output {position} is value {id}, the program has {available} values")]
    UndefinedOutput {
        /// Position in the output list.
        position: usize,
        /// The id used.
        id: u32,
        /// Values of the program.
        available: usize,
    },
    /// A program without outputs computes nothing that could be checked.
    #[error("program '{name}' has no outputs: return at least one value")]
    NoOutputs {
        /// Program name.
        name: String,
    },
    /// A rule of the op is broken.
    #[error("node {node} ('{stage}') {op}: {reason}")]
    Rule {
        /// Node index.
        node: usize,
        /// Its stage name.
        stage: String,
        /// Op name.
        op: &'static str,
        /// Which rule, with the values.
        reason: String,
    },
    /// Declared and inferred result types differ.
    #[error("node {node} ('{stage}') {op} declares type {declared}, its operands give {inferred}")]
    ResultType {
        /// Node index.
        node: usize,
        /// Its stage name.
        stage: String,
        /// Op name.
        op: &'static str,
        /// Type in the program.
        declared: String,
        /// Type by the op's rules.
        inferred: String,
    },
}

impl Program {
    /// Checks everything evaluation relies on. Cost: linear in nodes and constant elements.
    pub fn validate(&self) -> Result<(), ProgramError> {
        let values = self.inputs.len().saturating_add(self.nodes.len());
        if values > MAX_VALUES {
            return Err(ProgramError::TooManyValues {
                values,
                limit: MAX_VALUES,
            });
        }
        if self.outputs.is_empty() {
            return Err(ProgramError::NoOutputs {
                name: self.name.clone(),
            });
        }
        for input in &self.inputs {
            check_size(&input.ty, || format!("input '{}'", input.name))?;
        }
        for index in 0..self.nodes.len() {
            self.validate_node(index)?;
        }
        for (position, &ValueId(id)) in self.outputs.iter().enumerate() {
            if id as usize >= values {
                return Err(ProgramError::UndefinedOutput {
                    position,
                    id,
                    available: values,
                });
            }
        }
        Ok(())
    }

    fn validate_node(&self, index: usize) -> Result<(), ProgramError> {
        let node = &self.nodes[index];
        check_size(&node.ty, || format!("node {index} ('{}')", node.stage))?;
        let available = self.inputs.len() + index;
        let mut types = Vec::new();
        for (operand, ValueId(id)) in node.op.operands() {
            match self.type_of(ValueId(id)) {
                Some(ty) if (id as usize) < available => types.push(ty),
                _ => {
                    return Err(ProgramError::UndefinedOperand {
                        node: index,
                        stage: node.stage.clone(),
                        operand,
                        id,
                        available,
                    });
                }
            }
        }
        let rule = |reason: String| ProgramError::Rule {
            node: index,
            stage: node.stage.clone(),
            op: node.op.name(),
            reason,
        };
        let of = |id: ValueId| self.type_of(id).unwrap_or(&node.ty);
        let inferred = infer(&node.op, &of, &node.ty).map_err(rule)?;
        if inferred != node.ty {
            return Err(ProgramError::ResultType {
                node: index,
                stage: node.stage.clone(),
                op: node.op.name(),
                declared: node.ty.to_string(),
                inferred: inferred.to_string(),
            });
        }
        if let Op::Constant { data } = &node.op {
            check_constant(data, &node.ty).map_err(rule)?;
        }
        Ok(())
    }
}

fn check_size(ty: &TensorType, place: impl Fn() -> String) -> Result<(), ProgramError> {
    let sizes_fit = ty.shape.iter().all(|&d| d <= MAX_ELEMENTS);
    let count_fits = ty.checked_elements().is_some_and(|n| n <= MAX_ELEMENTS);
    if sizes_fit && count_fits && ty.shape.len() <= MAX_RANK {
        return Ok(());
    }
    Err(ProgramError::TypeTooLarge {
        place: place(),
        ty: ty.to_string(),
        elements: MAX_ELEMENTS,
        rank: MAX_RANK,
    })
}

fn check_constant(data: &ConstantData, ty: &TensorType) -> Result<(), String> {
    let values = match data {
        ConstantData::Splat(value) => std::slice::from_ref(value),
        ConstantData::Dense(values) => {
            if values.len() != ty.elements() {
                return Err(format!("{} elements given for type {ty}", values.len()));
            }
            values
        }
    };
    match values.iter().position(|&v| !ty.dtype.holds(v)) {
        None => Ok(()),
        Some(i) => Err(format!(
            "element {i} is {}, which {} cannot hold: round it first",
            values[i],
            ty.dtype.name()
        )),
    }
}
