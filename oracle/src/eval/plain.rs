//! The yardstick of half precision: a program as a plain kernel of its own types computes it.
//!
//! Sums run in order and every partial sum is rounded to nearest in the element type of the
//! op's result; softmax, norms and attention round each step, other ops their result. No
//! bounds: how far this lies from the f64 reference is the error that half precision itself
//! costs, where a derived bound says nothing (`plain_check.rs`).

mod products;
mod steps;

use std::sync::Arc;

use super::{EvalError, EvalOptions, check_inputs, check_limits, evaluate_node};
use crate::array::Array;
use crate::dtype::DType;
use crate::model::{Model, Rounding};
use crate::op::Op;
use crate::program::{Node, Program, ValueId};

/// What [`plain`] computed.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The program's results, in order.
    pub outputs: Vec<Vec<f64>>,
    /// No half-precision value came near the end of its range, so a device has no reason to
    /// overflow.
    pub roomy: bool,
}

/// Evaluates `program` on `inputs` in its own element types.
pub fn plain(program: &Program, inputs: &[Array], opts: &EvalOptions) -> Result<Plain, EvalError> {
    program.validate()?;
    check_inputs(program, inputs)?;
    check_limits(program, opts)?;
    let model = Model::new(Rounding::None);
    let mut values: Vec<Arc<Array>> = inputs.iter().cloned().map(Arc::new).collect();
    let mut roomy = true;
    for node in &program.nodes {
        let array = rounded_node(node, &values, &model)?;
        let dtype = node.ty.dtype;
        if is_half(dtype) {
            // A quarter: a truncating device and another order stay below the end.
            let room = dtype.max_finite() / 4.0;
            roomy &= array.value.iter().all(|x| x.abs() < room);
        }
        values.push(Arc::new(array));
    }
    let output = |id: &ValueId| values.get(id.0 as usize).map(|array| array.value.clone());
    Ok(Plain {
        outputs: program.outputs.iter().filter_map(output).collect(),
        roomy,
    })
}

/// True for f16 and bf16.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::Bf16)
}

fn rounded_node(node: &Node, values: &[Arc<Array>], model: &Model) -> Result<Array, EvalError> {
    // Validation has shown that every id is in range.
    let get = |id: ValueId| values[id.0 as usize].as_ref();
    let dtype = node.ty.dtype;
    let value = match &node.op {
        Op::Matmul { .. } | Op::Mlp { .. } => products::of(node, &get, model),
        Op::Attention { .. } => products::attention(node, &get),
        Op::Softmax { .. } | Op::LayerNorm { .. } | Op::RmsNorm { .. } => steps::rows(node, &get),
        _ => {
            let exact = evaluate_node(node, values, model)?;
            exact.value.iter().map(|&x| dtype.round(x)).collect()
        }
    };
    Ok(Array::exact(node.ty.clone(), value))
}
