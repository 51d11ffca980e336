//! Evaluation: a program on given inputs, every value with its error bound.
//!
//! f64 arithmetic, parallel over elements, rows or blocks; results do not depend on the
//! number of threads. The bound of a node contains its operands' bounds (composed bound).

use std::sync::Arc;

use thiserror::Error;

use crate::array::Array;
use crate::model::{Model, Rounding, SIN_COS_ABSOLUTE};
use crate::op::{ConstantData, Op};
use crate::program::{Node, Program, TensorType, ValueId};
use crate::validate::ProgramError;

pub(crate) mod activation;
pub(crate) mod attention;
mod elementwise;
mod gemm;
mod limits;
mod matmul;
mod mlp;
mod movement;
mod norm;
mod plain;
mod reduce;
mod rope;
mod rows;
mod scalar;
mod softmax;

pub(crate) use attention::absent_below;
use limits::{check_inputs, check_limits};
pub(crate) use plain::is_half;
pub use plain::{Plain, plain};

/// Choices of one evaluation.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// Whose rounding the bounds describe.
    pub rounding: Rounding,
    /// Largest total element count over all values; each costs 16 bytes.
    pub max_elements: usize,
    /// Most multiply-adds of all matrix products, so that no program can occupy the host for
    /// hours; 2^36 take minutes on two cores.
    pub max_multiply_adds: u64,
    /// Absolute error of the device's sine and cosine in [-π, π]; WGSL's guarantee unless
    /// measured.
    pub sin_cos: f64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        EvalOptions {
            rounding: Rounding::Device,
            max_elements: 1 << 28,
            max_multiply_adds: 1 << 36,
            sin_cos: SIN_COS_ABSOLUTE,
        }
    }
}

/// Every value of a program on one set of inputs.
#[derive(Clone, Debug)]
pub struct Evaluation {
    values: Vec<Arc<Array>>,
    outputs: Vec<ValueId>,
    inputs: usize,
}

impl Evaluation {
    /// The array of a value.
    pub fn value(&self, id: ValueId) -> Option<&Array> {
        self.values.get(id.0 as usize).map(Arc::as_ref)
    }

    /// The result of node `index`.
    pub fn node(&self, index: usize) -> Option<&Array> {
        self.values.get(self.inputs + index).map(Arc::as_ref)
    }

    /// The program's results, in order.
    pub fn outputs(&self) -> Vec<&Array> {
        self.outputs
            .iter()
            .filter_map(|&id| self.value(id))
            .collect()
    }
}

/// Why a program could not be evaluated.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EvalError {
    /// The program breaks a rule.
    #[error("invalid program: {source}")]
    Program {
        /// The rule.
        #[from]
        source: ProgramError,
    },
    /// Wrong number of inputs.
    #[error("program '{program}' takes {expected} inputs, {got} given")]
    InputCount {
        /// Program name.
        program: String,
        /// Inputs of the program.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input of another type.
    #[error("input '{name}' is {got}, the program declares {expected}")]
    InputType {
        /// Input name.
        name: String,
        /// Declared type.
        expected: String,
        /// Type given.
        got: String,
    },
    /// An input whose buffers do not have the length of its type.
    #[error(
        "input '{name}' has {values} values and {bounds} bounds, its type has {expected} elements"
    )]
    InputLength {
        /// Input name.
        name: String,
        /// Elements of the type.
        expected: usize,
        /// Values given.
        values: usize,
        /// Bounds given.
        bounds: usize,
    },
    /// An input element that its type cannot hold: the device would get another one.
    #[error(
        "input '{name}' element {element} is {value}, which {dtype} cannot hold: round it first"
    )]
    InputValue {
        /// Input name.
        name: String,
        /// Row-major index.
        element: usize,
        /// The value.
        value: f64,
        /// Element type.
        dtype: &'static str,
    },
    /// More elements than allowed.
    #[error(
        "program '{program}' has {elements} elements in all values, limit {limit}: raise max_elements or check rows"
    )]
    TooLarge {
        /// Program name.
        program: String,
        /// Sum over all values (saturating).
        elements: usize,
        /// `EvalOptions::max_elements`.
        limit: usize,
    },
    /// More work than allowed.
    #[error(
        "program '{program}' has {multiply_adds} multiply-adds, limit {limit}: raise max_multiply_adds or verify its parts"
    )]
    TooMuch {
        /// Program name.
        program: String,
        /// Sum over all products (saturating).
        multiply_adds: u64,
        /// `EvalOptions::max_multiply_adds`.
        limit: u64,
    },
    /// An i64 result that f64 cannot hold.
    #[error("stage '{stage}' element {element} exceeds 2^53, the oracle's i64 limit")]
    IntegerRange {
        /// Stage name.
        stage: String,
        /// Row-major index.
        element: usize,
    },
    /// A buffer does not have the size its shape demands.
    #[error("internal buffer of {got} elements where a {rows}x{columns} matrix was expected")]
    Buffer {
        /// Elements present.
        got: usize,
        /// Matrix rows.
        rows: usize,
        /// Matrix columns.
        columns: usize,
    },
}

/// Evaluates `program` on `inputs` (values representable in their types).
///
/// Bounds of inputs are honoured; give 0 for buffers uploaded as they are.
pub fn evaluate(
    program: &Program,
    inputs: &[Array],
    opts: &EvalOptions,
) -> Result<Evaluation, EvalError> {
    evaluate_with(program, inputs, opts, &|_| false)
}

/// As [`evaluate`]; constants for which `folded` holds carry one unit of their type.
pub(crate) fn evaluate_with(
    program: &Program,
    inputs: &[Array],
    opts: &EvalOptions,
    folded: &dyn Fn(f64) -> bool,
) -> Result<Evaluation, EvalError> {
    program.validate()?;
    check_inputs(program, inputs)?;
    check_limits(program, opts)?;
    let model = Model {
        sin_cos: opts.sin_cos,
        ..Model::new(opts.rounding)
    };
    let mut values: Vec<Arc<Array>> = inputs
        .iter()
        .map(|x| Arc::new(with_flushed_inputs(x, &model)))
        .collect();
    for node in &program.nodes {
        let array = match &node.op {
            Op::Constant { data } => constant(data, &node.ty, folded),
            _ => evaluate_node(node, &values, &model)?,
        };
        values.push(Arc::new(array));
    }
    Ok(Evaluation {
        values,
        outputs: program.outputs.clone(),
        inputs: program.inputs.len(),
    })
}

fn evaluate_node(node: &Node, values: &[Arc<Array>], model: &Model) -> Result<Array, EvalError> {
    // Validation has shown that every id is in range.
    let get = |id: ValueId| values[id.0 as usize].as_ref();
    let ty = &node.ty;
    Ok(match &node.op {
        Op::Matmul {
            a,
            b,
            bias,
            residual,
            transpose_a,
            transpose_b,
            activation,
        } => {
            let args = matmul::Matmul {
                a: get(*a),
                b: get(*b),
                bias: bias.map(get),
                residual: residual.map(get),
                transpose_a: *transpose_a,
                transpose_b: *transpose_b,
                activation: *activation,
            };
            matmul::matmul(&args, ty, model)?
        }
        Op::Attention {
            q,
            k,
            v,
            mask,
            causal,
            scale,
        } => {
            let args = attention::Attention {
                q: get(*q),
                k: get(*k),
                v: get(*v),
                mask: mask.map(get),
                causal: *causal,
                scale: *scale,
            };
            attention::attention(&args, ty, model)?
        }
        Op::Mlp {
            x,
            up,
            down,
            gate,
            up_bias,
            down_bias,
            gate_bias,
            activation,
            transpose_weights,
        } => {
            let args = mlp::Mlp {
                x: get(*x),
                up: get(*up),
                down: get(*down),
                gate: gate.map(get),
                up_bias: up_bias.map(get),
                down_bias: down_bias.map(get),
                gate_bias: gate_bias.map(get),
                activation: *activation,
                transpose_weights: *transpose_weights,
            };
            mlp::mlp(&args, ty, model)?
        }
        Op::Softmax { x, axis } => softmax::softmax(get(*x), *axis, ty, model),
        Op::LayerNorm {
            x,
            gamma,
            beta,
            axis,
            epsilon,
        } => norm::layer_norm(
            get(*x),
            gamma.map(get),
            beta.map(get),
            *axis,
            *epsilon,
            model,
        ),
        Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        } => norm::rms_norm(get(*x), gamma.map(get), *axis, *epsilon, model),
        Op::Rope {
            x,
            positions,
            inv_freq,
            theta,
            interleaved,
            rotary_dim,
        } => {
            let args = rope::Rope {
                x: get(*x),
                positions: get(*positions),
                inv_freq: inv_freq.map(get),
                theta: *theta,
                interleaved: *interleaved,
                rotary_dim: *rotary_dim,
            };
            rope::rope(&args, model)
        }
        Op::Activation { x, kind } => elementwise::map(get(*x), ty, model, |x, e| {
            activation::activation(*kind, x, e, model)
        }),
        Op::Unary { x, kind } => elementwise::unary(get(*x), *kind, node, model)?,
        Op::Binary { a, b, kind } => elementwise::binary(get(*a), get(*b), *kind, node, model)?,
        Op::Fma { a, b, c } => elementwise::fma(get(*a), get(*b), get(*c), ty, model),
        Op::Compare {
            a,
            b,
            predicate,
            nan,
        } => elementwise::compare(get(*a), get(*b), *predicate, *nan, ty),
        Op::Select {
            condition,
            on_true,
            on_false,
        } => elementwise::select(get(*condition), get(*on_true), get(*on_false), ty),
        Op::Cast { x } => elementwise::cast(get(*x), node, model)?,
        Op::Constant { data } => constant(data, ty, &|_| false),
        Op::Reshape { x } => movement::reshape(get(*x), ty),
        Op::Transpose { x, permutation } => movement::transpose(get(*x), permutation, ty),
        Op::Broadcast { x, dimensions } => movement::broadcast(get(*x), dimensions, ty),
        Op::Slice {
            x,
            offsets,
            strides,
            ..
        } => movement::slice(get(*x), offsets, strides, ty),
        Op::InsertSlice {
            source,
            destination,
            offsets,
            strides,
            ..
        } => movement::insert_slice(get(*source), get(*destination), offsets, strides),
        Op::Concat { inputs, axis } => movement::concat(
            &inputs.iter().map(|&id| get(id)).collect::<Vec<_>>(),
            *axis,
            ty,
        ),
        Op::Reduce {
            x,
            init,
            kind,
            axes,
        } => reduce::reduce(get(*x), init.map(get), *kind, axes, node, model)?,
    })
}

fn constant(data: &ConstantData, ty: &TensorType, folded: &dyn Fn(f64) -> bool) -> Array {
    let value = match data {
        ConstantData::Splat(x) => vec![*x; ty.elements()],
        ConstantData::Dense(values) => values.clone(),
    };
    let unit = |x: f64| {
        if folded(x) && x.is_finite() {
            ty.dtype.unit() * x.abs()
        } else {
            0.0
        }
    };
    let bound = match data {
        ConstantData::Splat(x) => vec![unit(*x); value.len()],
        ConstantData::Dense(_) => value.iter().map(|&x| unit(x)).collect(),
    };
    Array {
        ty: ty.clone(),
        value,
        bound,
        typical: None,
    }
}

/// A device may read a subnormal input as zero.
fn with_flushed_inputs(x: &Array, model: &Model) -> Array {
    let mut x = x.clone();
    if model.device && x.ty.dtype.is_float() {
        let limit = x.ty.dtype.min_normal();
        for (value, bound) in x.value.iter().zip(&mut x.bound) {
            if value.abs() < limit {
                *bound = bound.max(value.abs());
            }
        }
    }
    x
}
