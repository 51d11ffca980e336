//! Multiply-adds of an operation: what an evaluation costs, and a kernel at least.

use crate::op::Op;
use crate::program::{Node, Program};

/// Multiply-adds of the matrix products in `node`; 0 for other ops, saturating. Those of
/// attention are counted for every key, seen or not.
pub fn multiply_adds(program: &Program, node: &Node) -> u64 {
    let size = |id, from_end: usize| {
        let shape = program.type_of(id).map_or(&[][..], |ty| &ty.shape);
        shape.iter().rev().nth(from_end).copied().unwrap_or(1)
    };
    let elements = node.ty.elements();
    let factors = match &node.op {
        Op::Matmul { a, transpose_a, .. } => [elements, size(*a, usize::from(*transpose_a)), 1],
        Op::Attention { k, v, .. } => {
            let rows = elements / size(*v, 0).max(1);
            [rows, size(*k, 1), size(*k, 0).saturating_add(size(*v, 0))]
        }
        Op::Mlp {
            x,
            up,
            gate,
            transpose_weights,
            ..
        } => {
            let hidden = size(*up, usize::from(*transpose_weights));
            let rows = elements / size(*x, 0).max(1);
            let width = size(*x, 0).saturating_mul(if gate.is_some() { 3 } else { 2 });
            [rows, hidden, width]
        }
        _ => [0, 1, 1],
    };
    factors
        .iter()
        .fold(1u64, |work, factor| work.saturating_mul(*factor as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::program::{Input, TensorType, ValueId};

    #[test]
    fn counts_follow_the_shapes() {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let count = |inputs: &[&[usize]], op: Op, result: &[usize]| {
            let mut program = Program {
                name: "f".to_owned(),
                inputs: Vec::new(),
                nodes: Vec::new(),
                outputs: Vec::new(),
            };
            program.inputs = inputs
                .iter()
                .map(|shape| Input {
                    name: "x".to_owned(),
                    ty: ty(shape),
                })
                .collect();
            program.push("op", op, ty(result));
            multiply_adds(&program, &program.nodes[0])
        };
        let product = |transpose_a| Op::Matmul {
            a: ValueId(0),
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a,
            transpose_b: false,
            activation: None,
        };
        let shapes: [&[usize]; 2] = [&[2, 3, 5], &[5, 7]];
        assert_eq!(count(&shapes, product(false), &[2, 3, 7]), 2 * 3 * 5 * 7);
        let shapes: [&[usize]; 2] = [&[2, 5, 3], &[5, 7]];
        assert_eq!(count(&shapes, product(true), &[2, 3, 7]), 2 * 3 * 5 * 7);
        let attention = Op::Attention {
            q: ValueId(0),
            k: ValueId(1),
            v: ValueId(2),
            mask: None,
            causal: true,
            scale: None,
        };
        let shapes: [&[usize]; 3] = [&[1, 4, 6, 8], &[1, 2, 9, 8], &[1, 2, 9, 10]];
        assert_eq!(count(&shapes, attention, &[1, 4, 6, 10]), 4 * 6 * 9 * 18);
        let mlp = Op::Mlp {
            x: ValueId(0),
            up: ValueId(1),
            down: ValueId(2),
            gate: Some(ValueId(1)),
            up_bias: None,
            down_bias: None,
            gate_bias: None,
            activation: crate::op::ActivationKind::Silu,
            transpose_weights: false,
        };
        let shapes: [&[usize]; 3] = [&[3, 5], &[5, 11], &[11, 5]];
        assert_eq!(count(&shapes, mlp, &[3, 5]), 3 * 3 * 5 * 11);
    }
}
