//! Matrix products too large to recompute: Freivalds' check of every row, and 64
//! rows recomputed with their full bounds.
//!
//! Where the inputs are small integers, of which every level has a case, the check is exact modulo
//! a prime: no tolerance, and a wrong row passes with a probability of at most 2^-60. With
//! other values its bound grows with the columns (an error beyond it passes with 2^-16), and
//! the recomputed rows find smaller errors. Does nothing
//! for other programs, nor up to 2^31 multiply-adds: those are compared in full.

use kforge_oracle::{
    Array, Comparison, ConstantData, DType, Op, Product, Program, check_rows, freivalds,
};

use crate::{
    Options,
    refusal::Refusal,
    verdict::{self, Reason},
};

/// Multiply-adds above which a product is large: about ten seconds in f64 on two cores.
pub const FULL_MULTIPLY_ADDS: u64 = 1 << 31;

/// Vectors of ±1 per case; each misses a wrong row with probability 1/2.
const ROUNDS: usize = 16;

/// Rows recomputed per case, the first and the last among them.
const ROWS: usize = 64;

/// A program that is one large product and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    m: usize,
    n: usize,
    k: usize,
    /// Which inputs are a and b.
    operands: [usize; 2],
    transpose_b: bool,
    dtype: DType,
}

impl Large {
    /// The product, if the program is one of more than `limit` multiply-adds.
    pub fn of(program: &Program, limit: u64) -> Option<Self> {
        let [node] = program.nodes.as_slice() else {
            return None;
        };
        let Op::Matmul {
            a,
            b,
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b,
            activation: None,
        } = &node.op
        else {
            return None;
        };
        let (a_type, b_type) = (program.type_of(*a)?, program.type_of(*b)?);
        let [(m, k), (b_rows, b_columns), (_, n)] = [
            matrix(&a_type.shape)?,
            matrix(&b_type.shape)?,
            matrix(&node.ty.shape)?,
        ];
        let one_dtype = a_type.dtype == b_type.dtype && b_type.dtype == node.ty.dtype;
        let inner = if *transpose_b { b_columns } else { b_rows };
        let returned = program.outputs.as_slice();
        let result = program.inputs.len();
        let plain =
            one_dtype && inner == k && returned.len() == 1 && returned[0].0 as usize == result;
        let work = [m, n, k]
            .iter()
            .fold(1u64, |work, size| work.saturating_mul(*size as u64));
        (plain && work > limit).then_some(Self {
            m,
            n,
            k,
            operands: [a.0 as usize, b.0 as usize],
            transpose_b: *transpose_b,
            dtype: node.ty.dtype,
        })
    }

    /// Holds the device's result against the inputs; the comparison is that of the
    /// recomputed rows.
    pub fn check(
        &self,
        inputs: &[Array],
        got: &[f64],
        seed: u64,
        options: &Options,
    ) -> Result<Comparison, Refusal> {
        let operand = |which: usize| {
            let array = inputs.get(self.operands[which]);
            array
                .map(|array| array.value.as_slice())
                .unwrap_or_default()
        };
        let product = Product {
            m: self.m,
            n: self.n,
            k: self.k,
            a: operand(0),
            b: operand(1),
            c: got,
            transpose_b: self.transpose_b,
            dtype: self.dtype,
        };
        let rows =
            check_rows(&product, ROWS, seed, &options.tolerance()).map_err(Refusal::failed)?;
        if !rows.passed {
            return Ok(rows);
        }
        let report = freivalds(&product, ROUNDS, seed).map_err(Refusal::failed)?;
        if report.passed {
            return Ok(rows);
        }
        let how = match report.rounds {
            0 => "times a random vector is not what the inputs give modulo 2^61 - 1".to_owned(),
            rounds => format!(
                "times a vector of signs differs by {:e} from what the inputs give, bound {:e} \
                 ({rounds} rounds)",
                report.residual, report.bound
            ),
        };
        let (row, sampled) = (report.worst_row, verdict::describe(&rows));
        let detail = format!("output 0: row {row} {how}; sampled rows: {sampled}");
        Err(Refusal::new(Reason::NumericMismatch, detail))
    }
}

/// Rows and columns of a shape that is one matrix.
fn matrix(shape: &[usize]) -> Option<(usize, usize)> {
    let (batch, [rows, columns]) = shape.split_last_chunk::<2>()?;
    batch
        .iter()
        .all(|size| *size == 1)
        .then_some((*rows, *columns))
}

/// Whether two programs are one but for names: then they mean the same, and nothing
/// needs to be evaluated to show it. Constants must agree in every bit, the sign of zero
/// too.
pub fn same(a: &Program, b: &Program) -> bool {
    let inputs = a.inputs.iter().map(|input| &input.ty);
    let nodes = a.nodes.iter().map(|node| (&node.op, &node.ty));
    inputs.eq(b.inputs.iter().map(|input| &input.ty))
        && nodes.eq(b.nodes.iter().map(|node| (&node.op, &node.ty)))
        && a.outputs == b.outputs
        && constant_bits(a).eq(constant_bits(b))
}

/// Every constant of a program, bit by bit.
pub fn constant_bits(program: &Program) -> impl Iterator<Item = u64> {
    let data = program.nodes.iter().filter_map(|node| match &node.op {
        Op::Constant { data } => Some(data),
        _ => None,
    });
    data.flat_map(|data| match data {
        ConstantData::Splat(x) => std::slice::from_ref(x),
        ConstantData::Dense(values) => values.as_slice(),
    })
    .map(|x| x.to_bits())
}

#[cfg(test)]
mod tests {
    use kforge_oracle::{BinaryKind, Input, TensorType, ValueId};

    use super::*;

    fn quotient(name: &str, by: f64) -> Program {
        let ty = TensorType::new(DType::F32, &[2]);
        let mut program = Program {
            name: name.into(),
            inputs: vec![Input {
                name: name.into(),
                ty: ty.clone(),
            }],
            nodes: Vec::new(),
            outputs: vec![ValueId(2)],
        };
        let data = ConstantData::Splat(by);
        program.push(name, Op::Constant { data }, ty.clone());
        let op = Op::Binary {
            a: ValueId(0),
            b: ValueId(1),
            kind: BinaryKind::Div,
        };
        program.push(name, op, ty);
        program
    }

    #[test]
    fn programs_are_the_same_but_for_names() {
        assert!(same(&quotient("f", 2.0), &quotient("g", 2.0)));
        assert!(!same(&quotient("f", 2.0), &quotient("f", 3.0)));
        // x / 0 and x / -0 are other infinities.
        assert!(!same(&quotient("f", 0.0), &quotient("f", -0.0)));
        let mut other = quotient("f", 2.0);
        other.outputs = vec![ValueId(0)];
        assert!(!same(&quotient("f", 2.0), &other));
    }

    /// a [2, 3] times b [3, 5], with an edit.
    fn product(limit: u64, edit: impl Fn(&mut Program)) -> Option<Large> {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let input = |name: &str, shape: &[usize]| Input {
            name: name.into(),
            ty: ty(shape),
        };
        let mut program = Program {
            name: "f".into(),
            inputs: vec![input("a", &[2, 3]), input("b", &[3, 5])],
            nodes: Vec::new(),
            outputs: vec![ValueId(2)],
        };
        let op = Op::Matmul {
            a: ValueId(0),
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: false,
            activation: None,
        };
        program.push("f", op, ty(&[2, 5]));
        edit(&mut program);
        Large::of(&program, limit)
    }

    #[test]
    fn only_one_product_of_its_own_is_sampled() {
        let plain = product(29, |_| {}).unwrap();
        assert_eq!(
            (plain.m, plain.n, plain.k, plain.operands),
            (2, 5, 3, [0, 1])
        );
        // As large as the limit, 2 · 3 · 5, is not larger.
        assert!(product(30, |_| {}).is_none());
        // A batch of one is one matrix, a batch of two is not.
        let batch = |size: usize| {
            product(29, |it| {
                it.inputs[0].ty.shape.insert(0, size);
                it.nodes[0].ty.shape.insert(0, size);
            })
        };
        assert!(batch(1).is_some() && batch(2).is_none());
        for (index, dtype) in [(0, DType::F16), (1, DType::F16)] {
            assert!(product(29, |it| it.inputs[index].ty.dtype = dtype).is_none());
        }
        assert!(product(29, |it| it.nodes[0].ty.dtype = DType::F16).is_none());
        assert!(product(29, |it| it.inputs[1].ty.shape = vec![4, 5]).is_none());
        // What is returned is the product, and nothing else.
        assert!(product(29, |it| it.outputs = vec![ValueId(0)]).is_none());
        assert!(product(29, |it| it.outputs.push(ValueId(2))).is_none());
        assert!(product(29, |it| it.outputs.push(ValueId(0))).is_none());
    }
}
