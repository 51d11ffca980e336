//! `Op`: every operation of a program, its operands and attributes.
//!
//! Operand fields hold value numbers; result types stand beside the op in its node.

mod json;
mod operands;

use serde::{Deserialize, Serialize};

use crate::program::ValueId;

/// An operation. JSON form: an object whose `op` field holds the snake_case name.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // fields are the operand and attribute names of the dialect
pub enum Op {
    /// y = activation(a·b + bias) + residual; batch dimensions broadcast as in NumPy.
    Matmul {
        a: ValueId,
        b: ValueId,
        #[serde(default)]
        bias: Option<ValueId>,
        #[serde(default)]
        residual: Option<ValueId>,
        #[serde(default)]
        transpose_a: bool,
        #[serde(default)]
        transpose_b: bool,
        #[serde(default)]
        activation: Option<ActivationKind>,
    },
    /// softmax(scale·q·kᵀ + mask)·v with grouped kv heads; a fully masked row gives 0.
    Attention {
        q: ValueId,
        k: ValueId,
        v: ValueId,
        #[serde(default)]
        mask: Option<ValueId>,
        #[serde(default)]
        causal: bool,
        #[serde(default)]
        scale: Option<f32>,
    },
    /// exp(x - max) / Σ exp(x - max) over `axis`.
    Softmax { x: ValueId, axis: i64 },
    /// (x - mean) / sqrt(var + epsilon) · gamma + beta over `axis`, var with divisor n.
    LayerNorm {
        x: ValueId,
        #[serde(default)]
        gamma: Option<ValueId>,
        #[serde(default)]
        beta: Option<ValueId>,
        axis: i64,
        epsilon: f32,
    },
    /// x / sqrt(mean x² + epsilon) · gamma over `axis`.
    RmsNorm {
        x: ValueId,
        #[serde(default)]
        gamma: Option<ValueId>,
        axis: i64,
        epsilon: f32,
    },
    /// down(act(x·up + b)), or gated down(act(x·gate) ⊙ (x·up)); weights `[in, out]` unless
    /// `transpose_weights`.
    Mlp {
        x: ValueId,
        up: ValueId,
        down: ValueId,
        #[serde(default)]
        gate: Option<ValueId>,
        #[serde(default)]
        up_bias: Option<ValueId>,
        #[serde(default)]
        down_bias: Option<ValueId>,
        #[serde(default)]
        gate_bias: Option<ValueId>,
        activation: ActivationKind,
        #[serde(default)]
        transpose_weights: bool,
    },
    /// Rotary embedding of x `[B,H,S,D]` at positions `[S]` or `[B,S]`. R rotated dimensions:
    /// twice the length of `inv_freq`, else `rotary_dim`, else D.
    Rope {
        x: ValueId,
        positions: ValueId,
        #[serde(default)]
        inv_freq: Option<ValueId>,
        theta: f32,
        #[serde(default)]
        interleaved: bool,
        #[serde(default)]
        rotary_dim: Option<usize>,
    },
    /// An activation function, elementwise.
    Activation { x: ValueId, kind: ActivationKind },
    /// Elementwise function of one float tensor (neg and abs: integers too).
    Unary { x: ValueId, kind: UnaryKind },
    /// Elementwise function of two tensors of one type.
    Binary {
        a: ValueId,
        b: ValueId,
        kind: BinaryKind,
    },
    /// a·b + c, rounded once or twice.
    Fma { a: ValueId, b: ValueId, c: ValueId },
    /// Comparison, result bool; `nan` is the result when an operand is NaN.
    Compare {
        a: ValueId,
        b: ValueId,
        predicate: Predicate,
        #[serde(default)]
        nan: bool,
    },
    /// condition ? on_true : on_false, elementwise.
    Select {
        condition: ValueId,
        on_true: ValueId,
        on_false: ValueId,
    },
    /// Conversion to the node's element type: floats round, float to integer truncates,
    /// integers wrap, bool is 0 or 1.
    Cast { x: ValueId },
    /// A literal tensor.
    Constant { data: ConstantData },
    /// Same elements in row-major order, other shape.
    Reshape { x: ValueId },
    /// Result dimension i is operand dimension `permutation[i]`.
    Transpose { x: ValueId, permutation: Vec<usize> },
    /// Adds the result dimensions listed in `dimensions` (linalg.broadcast).
    Broadcast { x: ValueId, dimensions: Vec<usize> },
    /// tensor.extract_slice with static offsets, no rank reduction.
    Slice {
        x: ValueId,
        offsets: Vec<usize>,
        sizes: Vec<usize>,
        strides: Vec<usize>,
    },
    /// tensor.insert_slice with static offsets, no rank reduction.
    InsertSlice {
        source: ValueId,
        destination: ValueId,
        offsets: Vec<usize>,
        sizes: Vec<usize>,
        strides: Vec<usize>,
    },
    /// Operands one after the other along `axis`.
    Concat { inputs: Vec<ValueId>, axis: usize },
    /// linalg.reduce over `axes` (ascending), optionally starting from `init`.
    Reduce {
        x: ValueId,
        #[serde(default)]
        init: Option<ValueId>,
        kind: ReduceKind,
        axes: Vec<usize>,
    },
}

/// Activation functions of the dialect.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// max(x, 0).
    Relu,
    /// x/2·(1 + erf(x/√2)).
    Gelu,
    /// x/2·(1 + tanh(√(2/π)(x + 0.044715 x³))).
    GeluTanh,
    /// x / (1 + exp(-x)).
    Silu,
    /// tanh(x).
    Tanh,
}

/// Elementwise functions of one operand (arith, math).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum UnaryKind {
    Neg,
    Abs,
    Exp,
    Exp2,
    Log,
    Log2,
    Sqrt,
    Rsqrt,
    Tanh,
    Erf,
    Sin,
    Cos,
    Floor,
    Ceil,
}

/// Elementwise functions of two operands (arith, math).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BinaryKind {
    /// Sum; integers wrap.
    Add,
    /// Difference; integers wrap.
    Sub,
    /// Product; integers wrap.
    Mul,
    /// Quotient, floats only.
    Div,
    /// arith.maximumf (NaN propagates) and arith.maxsi.
    Maximum,
    /// arith.minimumf (NaN propagates) and arith.minsi.
    Minimum,
    /// arith.maxnumf: NaN loses.
    Maxnum,
    /// arith.minnumf: NaN loses.
    Minnum,
    /// a to the power b, floats only; the device is only bound for a > 0.
    Pow,
    /// Bitwise and, bool only.
    And,
    /// Bitwise or, bool only.
    Or,
    /// Bitwise exclusive or, bool only.
    Xor,
}

/// Comparison predicates.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// a == b.
    Eq,
    /// a != b.
    Ne,
    /// a < b.
    Lt,
    /// a <= b.
    Le,
    /// a > b.
    Gt,
    /// a >= b.
    Ge,
    /// True for all operands but NaN (arith.cmpf ord).
    Always,
}

/// Reduction functions.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ReduceKind {
    /// Sum.
    Add,
    /// Product.
    Mul,
    /// Maximum.
    Max,
    /// Minimum.
    Min,
}

/// Elements of a constant, already values of the node's element type. In JSON the
/// non-finite ones are the strings "inf", "-inf" and "nan".
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ConstantData {
    /// One value everywhere.
    Splat(#[serde(with = "json::scalar")] f64),
    /// Row-major elements.
    Dense(#[serde(with = "json::list")] Vec<f64>),
}

impl Op {
    /// Name as in `program.json`.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Matmul { .. } => "matmul",
            Op::Attention { .. } => "attention",
            Op::Softmax { .. } => "softmax",
            Op::LayerNorm { .. } => "layer_norm",
            Op::RmsNorm { .. } => "rms_norm",
            Op::Mlp { .. } => "mlp",
            Op::Rope { .. } => "rope",
            Op::Activation { .. } => "activation",
            Op::Unary { .. } => "unary",
            Op::Binary { .. } => "binary",
            Op::Fma { .. } => "fma",
            Op::Compare { .. } => "compare",
            Op::Select { .. } => "select",
            Op::Cast { .. } => "cast",
            Op::Constant { .. } => "constant",
            Op::Reshape { .. } => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Broadcast { .. } => "broadcast",
            Op::Slice { .. } => "slice",
            Op::InsertSlice { .. } => "insert_slice",
            Op::Concat { .. } => "concat",
            Op::Reduce { .. } => "reduce",
        }
    }
}
