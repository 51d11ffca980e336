//! Memrefs of host code: a buffer, seen with some shape.

use kforge_runtime::{Dtype, manifest::BufferId};
use melior::ir::{
    OperationRef, Type, Value, ValueLike,
    r#type::{DimSize, MemRefType, ShapedTypeLike},
};

use super::SerializeError;

/// A whole buffer under a shape of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) buffer: BufferId,
    pub(super) shape: Shape,
}

/// A static, dense, row-major memref type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) dtype: Dtype,
    /// Scalars of one element.
    pub(super) lanes: u64,
    /// Elements of each dimension.
    pub(super) sizes: Vec<u64>,
}

impl Shape {
    /// The shape of a memref that has one; `what` it is stands in the message.
    pub(super) fn of(op: OperationRef, value: Value, what: &str) -> Result<Self, SerializeError> {
        let ty = value.r#type();
        Self::read(ty)
            .map_err(|problem| SerializeError::at(op, format!("{what} of type {ty} {problem}")))
    }

    fn read(ty: Type) -> Result<Self, String> {
        let memref = MemRefType::try_from(ty)
            .map_err(|_| "is no ranked memref; only those become buffers, bufferize first")?;
        let element = memref.element().to_string();
        let (dtype, lanes) = element_of(&element).ok_or(
            "has another element type than f32, f16, i32, i64 and vectors of 2 to 16 of them",
        )?;
        let sizes = (0..memref.rank())
            .map(|index| match memref.dim_size(index) {
                Ok(DimSize::Static(size)) => Ok(size),
                _ => Err("has a dynamic size; only static shapes can be serialised".to_owned()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let shape = Self {
            dtype,
            lanes,
            sizes,
        };
        let (strides, offset) = memref.strides_and_offset();
        if shape.elements().is_none_or(|elements| elements >= 1 << 31) {
            return Err("has 2^31 elements or more, which kernels cannot index".into());
        }
        // MLIR gives an empty memref strides of 0, whatever its layout.
        let empty = shape.elements() == Some(0);
        if offset != 0 || (strides != shape.strides() && !empty) {
            return Err("is not dense and row-major; only whole buffers can be serialised".into());
        }
        Ok(shape)
    }

    /// Strides in elements, which are the memref's own if it is dense.
    pub(super) fn strides(&self) -> Vec<i64> {
        let mut strides = vec![1_i64; self.sizes.len()];
        for index in (1..self.sizes.len()).rev() {
            strides[index - 1] = strides[index].saturating_mul(self.sizes[index] as i64);
        }
        strides
    }

    fn elements(&self) -> Option<u64> {
        self.sizes
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size))
    }

    /// Scalars, which are fewer than 2^33.
    pub(super) fn scalars(&self) -> u64 {
        self.elements()
            .unwrap_or(u64::MAX)
            .saturating_mul(self.lanes)
    }

    /// The shape in scalars: lanes count in the last dimension.
    pub(super) fn scalar_sizes(&self) -> Vec<i64> {
        let mut sizes: Vec<i64> = self.sizes.iter().map(|size| *size as i64).collect();
        match sizes.last_mut() {
            Some(last) => *last *= self.lanes as i64,
            None if self.lanes > 1 => sizes.push(self.lanes as i64),
            None => {}
        }
        sizes
    }
}

/// Element type and lanes.
fn element_of(text: &str) -> Option<(Dtype, u64)> {
    let vector = text
        .strip_prefix("vector<")
        .and_then(|text| text.strip_suffix('>'));
    let (lanes, scalar) = match vector {
        Some(vector) => vector.split_once('x')?,
        None => ("1", text),
    };
    let dtype = match scalar {
        "f32" => Dtype::F32,
        "f16" => Dtype::F16,
        "i32" => Dtype::I32,
        "i64" => Dtype::I64,
        _ => return None,
    };
    let lanes = lanes
        .parse()
        .ok()
        .filter(|lanes| [1, 2, 4, 8, 16].contains(lanes))?;
    Some((dtype, lanes))
}
