//! Reshapes and transposes by upstream's `tensor` and `linalg` ops.

use melior::ir::{
    Attribute, Block, BlockLike, Identifier, Region, RegionLike, Value,
    attribute::{ArrayAttribute, DenseI64ArrayAttribute, IntegerAttribute},
    operation::OperationBuilder,
    r#type::IntegerType,
};

use super::FunctionBuilder;
use crate::{Element, Error, TensorType};

impl<'c, 'a> FunctionBuilder<'c, 'a> {
    /// The same elements in another shape: at most one `tensor.collapse_shape`
    /// and one `tensor.expand_shape`. Sizes of 0 are refused.
    ///
    /// ```
    /// use kforge_dialect::{Element, TensorType, build};
    ///
    /// let context = kforge_dialect::context();
    /// let module = build::module(&context, "heads", |f| {
    ///     let x = f.argument(&TensorType::fixed(&[2, 16, 96], Element::F32));
    ///     let heads = f.reshape(x, &[2, 16, 12, 8])?;
    ///     Ok(vec![f.transpose(heads, &[0, 2, 1, 3])?])
    /// })?;
    /// let text = module.as_operation().to_string();
    /// assert!(text.contains("tensor.expand_shape"));
    /// assert!(text.contains("permutation = [0, 2, 1, 3]"));
    /// # Ok::<(), kforge_dialect::Error>(())
    /// ```
    pub fn reshape(&self, x: Value<'c, 'a>, dims: &[u64]) -> Result<Value<'c, 'a>, Error> {
        let from = self.sizes(x)?;
        if from == dims {
            return Ok(x);
        }
        let element = self.type_of(x)?.element;
        let groups = groups(&from, dims).ok_or_else(|| {
            Error::Message(format!(
                "cannot reshape {from:?} to {dims:?}: the numbers of elements differ or are 0"
            ))
        })?;
        // Where a group has several sizes on both sides, they meet in their product.
        let middle: Vec<u64> = groups
            .iter()
            .map(|(source, _)| source.iter().map(|&index| from[index]).product())
            .collect();
        let (sources, targets): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        let mut value = x;
        if middle != from {
            let ty = TensorType::fixed(&middle, element);
            value = self.regroup("tensor.collapse_shape", value, &sources, &ty)?;
        }
        if middle != dims {
            let ty = TensorType::fixed(dims, element);
            value = self.regroup("tensor.expand_shape", value, &targets, &ty)?;
        }
        Ok(value)
    }

    fn regroup(
        &self,
        name: &str,
        x: Value<'c, 'a>,
        groups: &[Vec<usize>],
        ty: &TensorType,
    ) -> Result<Value<'c, 'a>, Error> {
        let context = self.context();
        let i64 = IntegerType::new(context, 64).into();
        let groups: Vec<Attribute> = groups
            .iter()
            .map(|group| {
                let indices: Vec<Attribute> = group
                    .iter()
                    .map(|&index| IntegerAttribute::new(i64, index as i64).into())
                    .collect();
                ArrayAttribute::new(context, &indices).into()
            })
            .collect();
        let groups = ArrayAttribute::new(context, &groups);
        let mut attributes = vec![(Identifier::new(context, "reassociation"), groups.into())];
        if name == "tensor.expand_shape" {
            let sizes = ty.sizes().unwrap_or_default();
            let sizes: Vec<i64> = sizes.into_iter().map(|size| size as i64).collect();
            attributes.push((
                Identifier::new(context, "static_output_shape"),
                DenseI64ArrayAttribute::new(context, &sizes).into(),
            ));
        }
        let operation = OperationBuilder::new(name, self.location())
            .add_operands(&[x])
            .add_attributes(&attributes)
            .add_results(&[ty.to_mlir(context)])
            .build()?;
        self.insert(operation)
    }

    /// A `tensor.empty`, for ops that write into a destination.
    pub fn empty(&self, dims: &[u64], element: Element) -> Result<Value<'c, 'a>, Error> {
        let ty = TensorType::fixed(dims, element).to_mlir(self.context());
        let operation = OperationBuilder::new("tensor.empty", self.location())
            .add_results(&[ty])
            .build()?;
        self.insert(operation)
    }

    /// Result dimension i is dimension `permutation[i]` of `x`.
    pub fn transpose(
        &self,
        x: Value<'c, 'a>,
        permutation: &[usize],
    ) -> Result<Value<'c, 'a>, Error> {
        let context = self.context();
        let from = self.sizes(x)?;
        let element = self.type_of(x)?.element;
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        if sorted != (0..from.len()).collect::<Vec<_>>() {
            return Err(Error::Message(format!(
                "{permutation:?} is no permutation of {} dimensions",
                from.len()
            )));
        }
        let dims: Vec<u64> = permutation.iter().map(|&index| from[index]).collect();
        let into = self.empty(&dims, element)?;
        let scalar = element.to_mlir(context);
        let block = Block::new(&[(scalar, self.location()), (scalar, self.location())]);
        let moved: Value = block.argument(0)?.into();
        block.append_operation(
            OperationBuilder::new("linalg.yield", self.location())
                .add_operands(&[moved])
                .build()?,
        );
        let region = Region::new();
        region.append_block(block);
        let permutation: Vec<i64> = permutation.iter().map(|&index| index as i64).collect();
        let operation = OperationBuilder::new("linalg.transpose", self.location())
            .add_operands(&[x, into])
            .add_attributes(&[(
                Identifier::new(context, "permutation"),
                DenseI64ArrayAttribute::new(context, &permutation).into(),
            )])
            .add_results(&[TensorType::fixed(&dims, element).to_mlir(context)])
            .add_regions([region])
            .build()?;
        self.insert(operation)
    }
}

/// The finest groups of neighbouring dimensions with equal products, as
/// (source indices, target indices).
pub(super) fn groups(from: &[u64], to: &[u64]) -> Option<Vec<(Vec<usize>, Vec<usize>)>> {
    if from.contains(&0) || to.contains(&0) {
        return None;
    }
    let mut groups: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let (mut source, mut target) = (vec![i], vec![j]);
        let (mut a, mut b) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while a != b {
            if a < b {
                a = a.checked_mul(*from.get(i)?)?;
                source.push(i);
                i += 1;
            } else {
                b = b.checked_mul(*to.get(j)?)?;
                target.push(j);
                j += 1;
            }
        }
        groups.push((source, target));
    }
    // What is left over can only be ones; they go with the last group. A tensor
    // of rank 0 has no group at all.
    let ones = |sizes: &[u64]| sizes.iter().all(|&size| size == 1);
    if !ones(&from[i..]) || !ones(&to[j..]) {
        return None;
    }
    if let Some((source, target)) = groups.last_mut() {
        source.extend(i..from.len());
        target.extend(j..to.len());
    }
    Some(groups)
}
