//! The kforge ops. An mlp without activation is written out as its products,
//! with f32 between them: the oracle's mlp always has one.

use kforge_oracle::{ActivationKind, BinaryKind, DType, Op, TensorType, ValueId};
use melior::ir::OperationRef;

use super::{
    ProgramError,
    import::{Importer, Table, refuse, result_type},
};
use crate::{
    Activation, ActivationKind as Kind, Attention, LayerNorm, Matmul, Mlp, RmsNorm, Rope, Softmax,
};

pub(super) const TABLE: Table = &[
    (Matmul::NAME, matmul),
    (Attention::NAME, attention),
    (Softmax::NAME, softmax),
    (LayerNorm::NAME, layer_norm),
    (RmsNorm::NAME, rms_norm),
    (Mlp::NAME, mlp),
    (Rope::NAME, rope),
    (Activation::NAME, activation),
];

type Done = Result<(), ProgramError>;

fn kind(kind: Kind) -> Option<ActivationKind> {
    match kind {
        Kind::None => None,
        Kind::Relu => Some(ActivationKind::Relu),
        Kind::Gelu => Some(ActivationKind::Gelu),
        Kind::GeluTanh => Some(ActivationKind::GeluTanh),
        Kind::Silu => Some(ActivationKind::Silu),
        Kind::Tanh => Some(ActivationKind::Tanh),
    }
}

/// The view of an op the dispatch has already told by name.
fn view<T>(operation: OperationRef, view: Option<T>) -> Result<T, ProgramError> {
    view.ok_or_else(|| refuse(operation, "is not the op of its name".into()))
}

fn matmul<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, Matmul::cast(operation))?;
    let node = Op::Matmul {
        a: importer.operand(operation, 0)?,
        b: importer.operand(operation, 1)?,
        bias: importer.optional(operation, op.bias())?,
        residual: importer.optional(operation, op.residual())?,
        transpose_a: op.transpose_a(),
        transpose_b: op.transpose_b(),
        activation: kind(op.activation()),
    };
    importer.result(operation, node)
}

fn attention<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, Attention::cast(operation))?;
    let node = Op::Attention {
        q: importer.operand(operation, 0)?,
        k: importer.operand(operation, 1)?,
        v: importer.operand(operation, 2)?,
        mask: importer.optional(operation, op.mask())?,
        causal: op.causal(),
        scale: op.scale(),
    };
    importer.result(operation, node)
}

fn softmax<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, Softmax::cast(operation))?;
    let node = Op::Softmax {
        x: importer.operand(operation, 0)?,
        axis: op.axis(),
    };
    importer.result(operation, node)
}

fn layer_norm<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Done {
    let op = view(operation, LayerNorm::cast(operation))?;
    let node = Op::LayerNorm {
        x: importer.operand(operation, 0)?,
        gamma: importer.optional(operation, op.gamma())?,
        beta: importer.optional(operation, op.beta())?,
        axis: op.axis(),
        epsilon: op.epsilon(),
    };
    importer.result(operation, node)
}

fn rms_norm<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, RmsNorm::cast(operation))?;
    let node = Op::RmsNorm {
        x: importer.operand(operation, 0)?,
        gamma: importer.optional(operation, op.gamma())?,
        axis: op.axis(),
        epsilon: op.epsilon(),
    };
    importer.result(operation, node)
}

fn mlp<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, Mlp::cast(operation))?;
    let x = importer.operand(operation, 0)?;
    let up = importer.operand(operation, 1)?;
    let down = importer.operand(operation, 2)?;
    let gate = importer.optional(operation, op.gate())?;
    let up_bias = importer.optional(operation, op.up_bias())?;
    let down_bias = importer.optional(operation, op.down_bias())?;
    let gate_bias = importer.optional(operation, op.gate_bias())?;
    let transpose_weights = op.transpose_weights();
    if let Some(activation) = kind(op.activation()) {
        let node = Op::Mlp {
            x,
            up,
            down,
            gate,
            up_bias,
            down_bias,
            gate_bias,
            activation,
            transpose_weights,
        };
        return importer.result(operation, node);
    }
    let product = |a: ValueId, b: ValueId, bias: Option<ValueId>| Op::Matmul {
        a,
        b,
        bias,
        residual: None,
        transpose_a: false,
        transpose_b: transpose_weights,
        activation: None,
    };
    let hidden = TensorType {
        dtype: DType::F32,
        shape: {
            let weight = importer.type_of(up).shape;
            let mut shape = importer.type_of(x).shape;
            shape.pop();
            shape.push(weight[usize::from(!transpose_weights)]);
            shape
        },
    };
    let mut inner = importer.append(operation, product(x, up, up_bias), hidden.clone());
    if let Some(gate) = gate {
        let gate = importer.append(operation, product(x, gate, gate_bias), hidden.clone());
        let node = Op::Binary {
            a: gate,
            b: inner,
            kind: BinaryKind::Mul,
        };
        inner = importer.append(operation, node, hidden);
    }
    importer.result(operation, product(inner, down, down_bias))
}

fn rope<'c, 'a>(importer: &mut Importer<'c, 'a, '_>, operation: OperationRef<'c, 'a>) -> Done {
    let op = view(operation, Rope::cast(operation))?;
    let node = Op::Rope {
        x: importer.operand(operation, 0)?,
        positions: importer.operand(operation, 1)?,
        inv_freq: importer.optional(operation, op.inv_freq())?,
        theta: op.theta(),
        interleaved: op.interleaved(),
        rotary_dim: None,
    };
    importer.result(operation, node)
}

fn activation<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Done {
    let op = view(operation, Activation::cast(operation))?;
    let x = importer.operand(operation, 0)?;
    // A dynamic result type of a static operand is legal, and refused alike.
    result_type(operation)?;
    match kind(op.kind()) {
        Some(kind) => importer.result(operation, Op::Activation { x, kind }),
        None => importer.define(operation, x),
    }
}
