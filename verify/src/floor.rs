//! The shortest time a device could need: what must move and what must be computed.
//!
//! The ceilings stand above every device there is, so that a right time is never refused: 20 TB/s
//! (fastest device memory of 2025: 8 TB/s) and 5 PFLOP/s (dense f16 matrix units: 2.5 PFLOP/s). A time
//! below the floor was not spent on the work.
//!
//! Counted are results that a kernel must write, arguments that it must read, and the
//! multiply-adds of products that depend on an argument: `init` may have computed the others.
//! Programs with an op that may leave elements unread or unneeded (slices, selection, attention with
//! its masks) count their results alone.

use kforge_oracle::{Op, Program, TensorType, multiply_adds};

use crate::convert;

/// Bytes per second.
const BANDWIDTH: f64 = 20e12;
/// Operations per second, two per multiply-add.
const ARITHMETIC: f64 = 5e15;

/// A lower bound of the work of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub bytes: u64,
    pub multiply_adds: u64,
}

impl Floor {
    /// Of a program whose inputs are bound once, unless `passed` holds for their index.
    pub fn of(program: &Program, passed: &dyn Fn(usize) -> bool) -> Self {
        let count = program.inputs.len();
        let mut depends: Vec<bool> = (0..count).map(passed).collect();
        let mut needed = vec![false; program.value_count()];
        for node in &program.nodes {
            let any = node
                .op
                .operands()
                .iter()
                .any(|(_, id)| depends[id.0 as usize]);
            depends.push(any);
        }
        for output in &program.outputs {
            needed[output.0 as usize] = true;
        }
        for (index, node) in program.nodes.iter().enumerate().rev() {
            if needed[count + index] {
                for (_, id) in node.op.operands() {
                    needed[id.0 as usize] = true;
                }
            }
        }
        let mut floor = Self {
            bytes: 0,
            multiply_adds: 0,
        };
        let mut outputs = program.outputs.clone();
        outputs.sort_unstable();
        outputs.dedup();
        for output in outputs {
            // An argument, or a rearranged one, may be passed through without a kernel.
            let computed = depends[output.0 as usize] && computes(program, output.0 as usize);
            if let Some(ty) = program.type_of(output).filter(|_| computed) {
                floor.bytes = floor.bytes.saturating_add(bytes(ty));
            }
        }
        let live = |index: &usize| needed[*index] && depends[*index];
        let nodes = || (0..program.nodes.len()).filter(|index| live(&(count + index)));
        if !nodes().all(|index| uses_all(&program.nodes[index].op)) || nodes().next().is_none() {
            return floor;
        }
        for (index, input) in program.inputs.iter().enumerate() {
            if live(&index) && !program.outputs.iter().any(|it| it.0 as usize == index) {
                floor.bytes = floor.bytes.saturating_add(bytes(&input.ty));
            }
        }
        for index in nodes() {
            let work = multiply_adds(program, &program.nodes[index]);
            floor.multiply_adds = floor.multiply_adds.saturating_add(work);
        }
        floor
    }

    /// In milliseconds.
    pub fn milliseconds(self) -> f64 {
        let moving = self.bytes as f64 / BANDWIDTH;
        let computing = 2.0 * self.multiply_adds as f64 / ARITHMETIC;
        moving.max(computing) * 1e3
    }
}

fn bytes(ty: &TensorType) -> u64 {
    (ty.elements() as u64).saturating_mul(convert::dtype(ty.dtype).bytes() as u64)
}

/// False for inputs, constants and what is only another view of them.
fn computes(program: &Program, value: usize) -> bool {
    let node = value
        .checked_sub(program.inputs.len())
        .and_then(|index| program.nodes.get(index));
    match node.map(|node| &node.op) {
        Some(Op::Reshape { x }) => computes(program, x.0 as usize),
        Some(Op::Constant { .. }) | None => false,
        Some(_) => true,
    }
}

/// Every element of every operand has a part in the result.
fn uses_all(op: &Op) -> bool {
    !matches!(
        op,
        Op::Slice { .. } | Op::InsertSlice { .. } | Op::Select { .. } | Op::Attention { .. }
    )
}

#[cfg(test)]
mod tests {
    use kforge_oracle::{DType, Input, UnaryKind, ValueId};

    use super::*;

    fn program(op: Op, result: &[usize], output: u32) -> Program {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let input = |name: &str, shape: &[usize]| Input {
            name: name.into(),
            ty: ty(shape),
        };
        let mut program = Program {
            name: "f".into(),
            inputs: vec![input("a", &[30, 20]), input("b", &[20, 10])],
            nodes: Vec::new(),
            outputs: vec![ValueId(output)],
        };
        program.push("op", op, ty(result));
        program
    }

    fn product() -> Op {
        Op::Matmul {
            a: ValueId(0),
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: false,
            activation: None,
        }
    }

    #[test]
    fn a_product_moves_its_operands_and_result() {
        let product = program(product(), &[30, 10], 2);
        let all = Floor::of(&product, &|_| true);
        assert_eq!(all.bytes, 4 * (600 + 200 + 300));
        assert_eq!(all.multiply_adds, 30 * 20 * 10);
        let weights = Floor::of(&product, &|index| index == 0);
        assert_eq!(weights.bytes, 4 * (600 + 300));
        // Nothing depends on an argument: `init` may have done it all.
        let none = Floor::of(&product, &|_| false);
        assert_eq!((none.bytes, none.multiply_adds), (0, 0));
    }

    #[test]
    fn every_product_of_a_chain_is_counted() {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let exp = |x: u32| Op::Unary {
            x: ValueId(x),
            kind: UnaryKind::Exp,
        };
        let mut chain = program(product(), &[30, 10], 5);
        chain.push("op", exp(2), ty(&[30, 10]));
        chain.push("op", exp(0), ty(&[30, 20]));
        chain.push("op", exp(3), ty(&[30, 10]));
        let all = Floor::of(&chain, &|_| true);
        assert_eq!(all.bytes, 4 * (600 + 200 + 300));
        assert_eq!(all.multiply_adds, 30 * 20 * 10);
        // What is returned is one of them.
        chain.outputs = vec![ValueId(4)];
        let other = Floor::of(&chain, &|_| true);
        assert_eq!((other.bytes, other.multiply_adds), (4 * 1200, 0));
    }

    #[test]
    fn what_need_not_be_done_is_not_counted() {
        // The product is not returned.
        let dead = Floor::of(&program(product(), &[30, 10], 0), &|_| true);
        assert_eq!((dead.bytes, dead.multiply_adds), (0, 0));
        let view = Op::Reshape { x: ValueId(0) };
        assert_eq!(Floor::of(&program(view, &[600], 2), &|_| true).bytes, 2400);
        let slice = Op::Slice {
            x: ValueId(0),
            offsets: vec![0, 0],
            sizes: vec![1, 20],
            strides: vec![1, 1],
        };
        assert_eq!(Floor::of(&program(slice, &[1, 20], 2), &|_| true).bytes, 80);
        let unary = Op::Unary {
            x: ValueId(0),
            kind: UnaryKind::Exp,
        };
        let floor = Floor::of(&program(unary, &[30, 20], 2), &|_| true);
        assert_eq!(floor.bytes, 4800);
    }

    #[test]
    fn the_slower_of_the_two_ceilings_counts() {
        let floor = |bytes, multiply_adds| {
            Floor {
                bytes,
                multiply_adds,
            }
            .milliseconds()
        };
        assert_eq!(floor(20_000_000_000, 0), 1.0);
        assert_eq!(floor(20_000_000_000, 25_000_000_000_000), 10.0);
    }
}
