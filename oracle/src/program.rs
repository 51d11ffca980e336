//! `Program`: a transformer function as plain data, also the `program.json` of a package.
//!
//! Values are numbered: inputs first, then nodes in order, one result each. A program read
//! from outside is untrusted until [`Program::validate`] has accepted it; nothing in it can
//! make validation or evaluation panic.

use serde::{Deserialize, Serialize};

use crate::dtype::DType;
use crate::op::Op;

/// A function over tensors in single-assignment order.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Function name, for reports.
    pub name: String,
    /// Arguments: values `0..inputs.len()`.
    pub inputs: Vec<Input>,
    /// Operations in order: node `i` defines value `inputs.len() + i`.
    pub nodes: Vec<Node>,
    /// Returned values.
    pub outputs: Vec<ValueId>,
}

/// One argument of a program.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Argument name, for reports.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
}

/// Element type and static shape; rank 0 is a scalar.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Sizes, outermost first; a size may be 0.
    pub shape: Vec<usize>,
}

/// Number of a value: inputs first, then nodes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(transparent)]
pub struct ValueId(pub u32);

/// One operation with its declared result type.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Result type; validation recomputes it and compares.
    pub ty: TensorType,
    /// Name for reports: the user's `kforge.name`, else the op's name.
    pub stage: String,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        TensorType {
            dtype,
            shape: shape.to_vec(),
        }
    }

    /// Number of elements, or `None` when the product overflows.
    pub fn checked_elements(&self) -> Option<usize> {
        // A zero size makes the tensor empty even when the other sizes would overflow.
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// Number of elements of a validated type (saturating otherwise).
    pub fn elements(&self) -> usize {
        self.checked_elements().unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for size in &self.shape {
            write!(f, "{size}x")?;
        }
        f.write_str(self.dtype.name())
    }
}

impl Program {
    /// Number of values: inputs and nodes.
    pub fn value_count(&self) -> usize {
        self.inputs.len() + self.nodes.len()
    }

    /// Type of a value, or `None` when the id is out of range.
    pub fn type_of(&self, id: ValueId) -> Option<&TensorType> {
        let index = id.0 as usize;
        match index.checked_sub(self.inputs.len()) {
            None => Some(&self.inputs[index].ty),
            Some(node) => self.nodes.get(node).map(|n| &n.ty),
        }
    }

    /// Appends a node and returns the value it defines.
    pub fn push(&mut self, stage: &str, op: Op, ty: TensorType) -> ValueId {
        let id = ValueId(self.value_count() as u32);
        self.nodes.push(Node {
            op,
            ty,
            stage: stage.to_owned(),
        });
        id
    }
}
