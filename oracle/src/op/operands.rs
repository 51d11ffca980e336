//! The operands of an op: their names and value numbers, to read and to replace.

use super::Op;
use crate::program::ValueId;

impl Op {
    /// The operands with their names, absent optional ones left out.
    pub fn operands(&self) -> Vec<(&'static str, ValueId)> {
        let with = |fixed: &[(&'static str, ValueId)],
                    optional: &[(&'static str, Option<ValueId>)]| {
            let present = optional
                .iter()
                .filter_map(|&(name, id)| id.map(|id| (name, id)));
            fixed.iter().copied().chain(present).collect::<Vec<_>>()
        };
        match *self {
            Op::Matmul {
                a,
                b,
                bias,
                residual,
                ..
            } => with(
                &[("a", a), ("b", b)],
                &[("bias", bias), ("residual", residual)],
            ),
            Op::Attention { q, k, v, mask, .. } => {
                with(&[("q", q), ("k", k), ("v", v)], &[("mask", mask)])
            }
            Op::LayerNorm { x, gamma, beta, .. } => {
                with(&[("x", x)], &[("gamma", gamma), ("beta", beta)])
            }
            Op::RmsNorm { x, gamma, .. } => with(&[("x", x)], &[("gamma", gamma)]),
            Op::Mlp {
                x,
                up,
                down,
                gate,
                up_bias,
                down_bias,
                gate_bias,
                ..
            } => with(
                &[("x", x), ("up", up), ("down", down)],
                &[
                    ("gate", gate),
                    ("up_bias", up_bias),
                    ("down_bias", down_bias),
                    ("gate_bias", gate_bias),
                ],
            ),
            Op::Rope {
                x,
                positions,
                inv_freq,
                ..
            } => with(
                &[("x", x), ("positions", positions)],
                &[("inv_freq", inv_freq)],
            ),
            Op::Softmax { x, .. }
            | Op::Activation { x, .. }
            | Op::Unary { x, .. }
            | Op::Cast { x }
            | Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Broadcast { x, .. }
            | Op::Slice { x, .. } => vec![("x", x)],
            Op::Binary { a, b, .. } | Op::Compare { a, b, .. } => vec![("a", a), ("b", b)],
            Op::Fma { a, b, c } => vec![("a", a), ("b", b), ("c", c)],
            Op::Select {
                condition,
                on_true,
                on_false,
            } => {
                vec![
                    ("condition", condition),
                    ("on_true", on_true),
                    ("on_false", on_false),
                ]
            }
            Op::Constant { .. } => Vec::new(),
            Op::InsertSlice {
                source,
                destination,
                ..
            } => {
                vec![("source", source), ("destination", destination)]
            }
            Op::Concat { ref inputs, .. } => inputs.iter().map(|&id| ("inputs", id)).collect(),
            Op::Reduce { x, init, .. } => with(&[("x", x)], &[("init", init)]),
        }
    }

    /// The op with every operand replaced: how a program is put inside another.
    #[must_use]
    pub fn with_operands(&self, replace: impl Fn(ValueId) -> ValueId) -> Op {
        let mut op = self.clone();
        for operand in op.operands_mut() {
            *operand = replace(*operand);
        }
        op
    }

    fn operands_mut(&mut self) -> Vec<&mut ValueId> {
        match self {
            Op::Matmul {
                a,
                b,
                bias,
                residual,
                ..
            } => join(vec![a, b], vec![bias, residual]),
            Op::Attention { q, k, v, mask, .. } => join(vec![q, k, v], vec![mask]),
            Op::LayerNorm { x, gamma, beta, .. } => join(vec![x], vec![gamma, beta]),
            Op::RmsNorm { x, gamma, .. } => join(vec![x], vec![gamma]),
            Op::Mlp {
                x,
                up,
                down,
                gate,
                up_bias,
                down_bias,
                gate_bias,
                ..
            } => join(vec![x, up, down], vec![gate, up_bias, down_bias, gate_bias]),
            Op::Rope {
                x,
                positions,
                inv_freq,
                ..
            } => join(vec![x, positions], vec![inv_freq]),
            Op::Softmax { x, .. }
            | Op::Activation { x, .. }
            | Op::Unary { x, .. }
            | Op::Cast { x }
            | Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Broadcast { x, .. }
            | Op::Slice { x, .. } => vec![x],
            Op::Binary { a, b, .. } | Op::Compare { a, b, .. } => vec![a, b],
            Op::Fma { a, b, c } => vec![a, b, c],
            Op::Select {
                condition,
                on_true,
                on_false,
            } => vec![condition, on_true, on_false],
            Op::Constant { .. } => Vec::new(),
            Op::InsertSlice {
                source,
                destination,
                ..
            } => vec![source, destination],
            Op::Concat { inputs, .. } => inputs.iter_mut().collect(),
            Op::Reduce { x, init, .. } => join(vec![x], vec![init]),
        }
    }
}

fn join<'v>(
    fixed: Vec<&'v mut ValueId>,
    optional: Vec<&'v mut Option<ValueId>>,
) -> Vec<&'v mut ValueId> {
    fixed
        .into_iter()
        .chain(optional.into_iter().filter_map(Option::as_mut))
        .collect()
}
