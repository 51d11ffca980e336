//! The sizes of a chain of elementwise and moving ops that may be others.
//!
//! Dimensions that an op makes equal form one class. A slice, an insertion, a
//! concatenation and a dense constant fix the dimensions that they cut, join or
//! list; every other class is free, and the chain means the same at any size of
//! it.

use std::collections::HashMap;

use kforge_dialect::{
    TensorType,
    device::{Device, Target},
    ir,
};
use kforge_oracle::chain_shapes;
use melior::ir::{
    BlockLike, OperationRef, TypeLike, Value, ValueLike,
    attribute::{DenseElementsAttribute, IntegerAttribute},
    operation::OperationLike,
};

use crate::select;

/// Elements of the largest tensor, unless the chain's own is larger.
const MOST_ELEMENTS: u64 = 1 << 18;

/// The specification of a unit of such ops.
pub struct Chain<'c, 'a> {
    /// Its ops, without the return.
    pub ops: Vec<OperationRef<'c, 'a>>,
    /// What it is given.
    pub arguments: Vec<Value<'c, 'a>>,
    /// What it returns.
    pub results: Vec<Value<'c, 'a>>,
    types: HashMap<usize, TensorType>,
    dims: HashMap<usize, Vec<usize>>,
    classes: Classes,
}

/// Sets of equal dimensions.
#[derive(Default)]
struct Classes {
    parent: Vec<usize>,
    size: Vec<u64>,
    fixed: Vec<bool>,
}

impl Classes {
    fn add(&mut self, size: u64) -> usize {
        self.parent.push(self.parent.len());
        self.size.push(size);
        self.fixed.push(false);
        self.parent.len() - 1
    }

    fn root(&self, mut class: usize) -> usize {
        while self.parent[class] != class {
            class = self.parent[class];
        }
        class
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[b] = a;
        self.fixed[a] |= self.fixed[b];
    }

    fn fix(&mut self, class: usize) {
        let root = self.root(class);
        self.fixed[root] = true;
    }
}

impl<'c, 'a> Chain<'c, 'a> {
    /// The chain that `function` is; a sentence where it is none.
    pub fn of(
        function: OperationRef<'c, 'a>,
        ops: &[OperationRef<'c, 'a>],
    ) -> Result<Self, String> {
        let terminator = select::ops_of(function).pop();
        let block = terminator.and_then(|op| op.block());
        let (Some(terminator), Some(block)) = (terminator, block) else {
            return Err("its specification has no ops".into());
        };
        let arguments = (0..block.argument_count())
            .map(|index| block.argument(index).map(Value::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let mut chain = Self {
            ops: ops.to_vec(),
            arguments,
            results: terminator.operands().collect(),
            types: HashMap::new(),
            dims: HashMap::new(),
            classes: Classes::default(),
        };
        let computed = ops.iter().flat_map(|op| op.results()).map(Value::from);
        for value in chain.arguments.clone().into_iter().chain(computed) {
            chain.enter(value)?;
        }
        for op in ops {
            chain.constrain(*op)?;
        }
        Ok(chain)
    }

    /// A class for every dimension of a tensor; scalars have none.
    fn enter(&mut self, value: Value<'c, 'a>) -> Result<(), String> {
        let Some(ty) = ir::tensor_type(value) else {
            return match value.r#type().is_ranked_tensor() {
                true => Err(format!("it has the type {}", value.r#type())),
                false => Ok(()),
            };
        };
        let sizes = ty.sizes().ok_or("a dimension is dynamic")?;
        let dims = sizes.iter().map(|size| self.classes.add(*size)).collect();
        self.dims.insert(key(value), dims);
        self.types.insert(key(value), ty);
        Ok(())
    }

    fn dims_of(&self, value: Value) -> Vec<usize> {
        self.dims.get(&key(value)).cloned().unwrap_or_default()
    }

    fn join(&mut self, a: &[usize], b: &[usize]) {
        for (a, b) in a.iter().zip(b) {
            self.classes.join(*a, *b);
        }
    }

    /// Which dimensions `op` makes equal, and which it fixes.
    fn constrain(&mut self, op: OperationRef<'c, 'a>) -> Result<(), String> {
        let name = ir::name(op);
        let refused = || format!("'{name}' leaves open which of its sizes belong together");
        let operands: Vec<Vec<usize>> = op.operands().map(|value| self.dims_of(value)).collect();
        let result = op.result(0).map_err(|_| refused())?;
        let result = self.dims_of(result.into());
        let first = operands.first().cloned().unwrap_or_default();
        let written_over = operands.get(1).cloned().unwrap_or_default();
        match name {
            "arith.constant" => {
                let dense = op.attribute("value").ok();
                let dense = dense.and_then(|it| DenseElementsAttribute::try_from(it).ok());
                if dense.is_some_and(|dense| !dense.is_splat()) {
                    result.iter().for_each(|class| self.classes.fix(*class));
                }
            }
            "tensor.empty" | "tensor.splat" => {}
            "linalg.fill" => self.join(&result, &written_over),
            "linalg.transpose" => {
                let permutation = ir::i64_array(op, "permutation").ok_or_else(refused)?;
                let source: Option<Vec<usize>> = permutation
                    .iter()
                    .map(|dim| first.get(usize::try_from(*dim).ok()?).copied())
                    .collect();
                self.join(&result, &source.ok_or_else(refused)?);
                self.join(&result, &written_over);
            }
            "linalg.broadcast" => {
                let added = ir::i64_array(op, "dimensions").ok_or_else(refused)?;
                let own: Vec<usize> = (0i64..)
                    .zip(&result)
                    .filter(|(dim, _)| !added.contains(dim))
                    .map(|(_, class)| *class)
                    .collect();
                self.join(&own, &first);
                self.join(&result, &written_over);
            }
            "tensor.extract_slice" => self.slice(op, &first, &result).ok_or_else(refused)?,
            "tensor.insert_slice" => {
                self.slice(op, &written_over, &first).ok_or_else(refused)?;
                self.join(&result, &written_over);
            }
            "tensor.concat" => {
                let axis = op.attribute("dim").ok();
                let axis = axis.and_then(|it| IntegerAttribute::try_from(it).ok());
                let axis = axis.and_then(|it| usize::try_from(it.value()).ok());
                let axis = axis.ok_or_else(refused)?;
                for operand in operands.iter().chain([&result]) {
                    let class = operand.get(axis).ok_or_else(refused)?;
                    self.classes.fix(*class);
                    for (dim, (a, b)) in operand.iter().zip(&result).enumerate() {
                        if dim != axis {
                            self.classes.join(*a, *b);
                        }
                    }
                }
            }
            _ if is_elementwise(name) => {
                for operand in &operands {
                    self.join(&result, operand);
                }
            }
            _ => return Err(refused()),
        }
        Ok(())
    }

    /// A part of a tensor: dimensions that are whole are equal, others fixed.
    fn slice(&mut self, op: OperationRef, whole: &[usize], part: &[usize]) -> Option<()> {
        let [offsets, sizes, strides] = ["static_offsets", "static_sizes", "static_strides"]
            .map(|name| ir::i64_array(op, name));
        let (offsets, sizes, strides) = (offsets?, sizes?, strides?);
        let mut next = part.iter();
        // With dimensions dropped, which are which shows in the sizes only.
        let dropped = part.len() != whole.len();
        for (dim, class) in whole.iter().enumerate() {
            let all = *offsets.get(dim)? == 0
                && *strides.get(dim)? == 1
                && u64::try_from(*sizes.get(dim)?) == Ok(self.classes.size[*class]);
            match next.next().filter(|_| !dropped) {
                Some(part) if all => self.classes.join(*class, *part),
                Some(part) => {
                    self.classes.fix(*class);
                    self.classes.fix(*part);
                }
                None => self.classes.fix(*class),
            }
        }
        if dropped {
            part.iter().for_each(|class| self.classes.fix(*class));
        }
        Some(())
    }

    /// The free classes, those of the result last, innermost at the end.
    fn free(&self) -> Vec<usize> {
        let mut free: Vec<usize> = Vec::new();
        let of_results = self.results.iter().flat_map(|value| self.dims_of(*value));
        let of_results: Vec<usize> = of_results.collect();
        let others = 0..self.classes.parent.len();
        // Backwards: the innermost dimension of the result first.
        for class in of_results.into_iter().rev().chain(others) {
            let root = self.classes.root(class);
            if !self.classes.fixed[root] && !free.contains(&root) {
                free.push(root);
            }
        }
        free.reverse();
        free
    }

    /// Sizes to try, each a number per class.
    pub fn sizes(&self, device: &Device) -> Result<Vec<Vec<u64>>, String> {
        let free = self.free();
        if free.is_empty() {
            return Err(
                "slices, concatenations and constants of its ops fix every size".to_owned(),
            );
        }
        // What a workgroup of the generator computes: 256 accesses, or 4,096
        // elements on a CPU.
        let workgroup = match device.target {
            Target::Gpu => device.max_invocations().clamp(1, 256) as usize,
            Target::Cpu => 4096,
        };
        let most = MOST_ELEMENTS.max(self.elements(&self.classes.size));
        let shapes = chain_shapes(free.len(), workgroup).into_iter();
        let sizes = shapes.map(|shape| {
            let mut sizes = self.classes.size.clone();
            for (class, size) in free.iter().zip(&shape) {
                sizes[*class] = *size as u64;
            }
            sizes
        });
        Ok(sizes.filter(|sizes| self.elements(sizes) <= most).collect())
    }

    /// Elements of the largest tensor.
    fn elements(&self, sizes: &[u64]) -> u64 {
        let elements = |dims: &Vec<usize>| {
            let sizes = dims.iter().map(|class| sizes[self.classes.root(*class)]);
            sizes.fold(1u64, u64::saturating_mul)
        };
        self.dims.values().map(elements).max().unwrap_or(0)
    }

    /// The type of a value at other sizes; none for a scalar.
    pub fn type_of(&self, value: Value, sizes: &[u64]) -> Option<TensorType> {
        let element = self.types.get(&key(value))?.element;
        let dims = self.dims.get(&key(value))?.iter();
        let dims: Vec<u64> = dims.map(|class| sizes[self.classes.root(*class)]).collect();
        Some(TensorType::fixed(&dims, element))
    }

    /// The arguments' types at other sizes.
    pub fn inputs(&self, sizes: &[u64]) -> Vec<TensorType> {
        let types = self.arguments.iter();
        types
            .filter_map(|value| self.type_of(*value, sizes))
            .collect()
    }

    /// How long a slice is at other sizes, for ops that say so in an attribute.
    pub fn slice_sizes(&self, op: OperationRef<'c, 'a>, sizes: &[u64]) -> Option<Vec<i64>> {
        let whole = match ir::name(op) {
            "tensor.extract_slice" => op.operand(0).ok()?,
            "tensor.insert_slice" => op.operand(1).ok()?,
            _ => return None,
        };
        let own = ir::i64_array(op, "static_sizes")?;
        let lengths = self.dims_of(whole).into_iter().zip(own);
        let lengths = lengths.map(|(class, own)| {
            let root = self.classes.root(class);
            if self.classes.fixed[root] {
                own
            } else {
                sizes[root] as i64
            }
        });
        Some(lengths.collect())
    }
}

fn is_elementwise(name: &str) -> bool {
    name.starts_with("arith.") || name.starts_with("math.") || name == "kforge.activation"
}

fn key(value: Value) -> usize {
    value.to_raw().ptr as usize
}
