//! Tensor types as plain data: what the rules of the ops are written over.

use std::fmt;

use melior::{
    Context,
    ir::{
        ShapedTypeLike, Type, TypeLike,
        r#type::{DimSize, IntegerType, RankedTensorType},
    },
};

/// The element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 32-bit signless integer.
    I32,
    /// 64-bit signless integer.
    I64,
    /// Boolean.
    I1,
    /// Pointer-sized integer.
    Index,
}

impl Element {
    /// The MLIR type.
    pub fn to_mlir(self, context: &Context) -> Type<'_> {
        match self {
            Element::F32 => Type::float32(context),
            Element::F16 => Type::float16(context),
            Element::I32 => IntegerType::new(context, 32).into(),
            Element::I64 => IntegerType::new(context, 64).into(),
            Element::I1 => IntegerType::new(context, 1).into(),
            Element::Index => Type::index(context),
        }
    }

    /// The element type that `ty` is, if it is one of these.
    pub fn of(ty: Type) -> Option<Self> {
        if let Ok(integer) = IntegerType::try_from(ty) {
            return match integer.width() {
                1 => Some(Element::I1),
                32 => Some(Element::I32),
                64 => Some(Element::I64),
                _ => None,
            };
        }
        [
            (ty.is_f32(), Element::F32),
            (ty.is_f16(), Element::F16),
            (ty.is_index(), Element::Index),
        ]
        .into_iter()
        .find_map(|(is, element)| is.then_some(element))
    }

    /// Size of one element in a buffer, in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Element::F16 => 2,
            Element::F32 | Element::I32 | Element::Index => 4,
            Element::I64 => 8,
            Element::I1 => 1,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::I32 => "i32",
            Element::I64 => "i64",
            Element::I1 => "i1",
            Element::Index => "index",
        })
    }
}

/// A ranked tensor type; `None` is a dynamic dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Dimension sizes, outermost first.
    pub dims: Vec<Option<u64>>,
    /// Element type.
    pub element: Element,
}

impl TensorType {
    /// A tensor of static shape.
    pub fn fixed(dims: &[u64], element: Element) -> Self {
        Self {
            dims: dims.iter().copied().map(Some).collect(),
            element,
        }
    }

    /// Reads an MLIR type; `None` unless it is a ranked tensor of an [`Element`].
    pub fn of(ty: Type) -> Option<Self> {
        let tensor = RankedTensorType::try_from(ty).ok()?;
        let dims = (0..tensor.rank())
            .map(|index| match tensor.dim_size(index).ok()? {
                DimSize::Static(size) => Some(Some(size)),
                DimSize::Dynamic => Some(None),
            })
            .collect::<Option<_>>()?;
        Some(Self {
            dims,
            element: Element::of(tensor.element())?,
        })
    }

    /// The MLIR type.
    pub fn to_mlir<'c>(&self, context: &'c Context) -> Type<'c> {
        let dynamic = crate::ffi::dynamic_size();
        let dims: Vec<u64> = self.dims.iter().map(|dim| dim.unwrap_or(dynamic)).collect();
        RankedTensorType::new(&dims, self.element.to_mlir(context), None).into()
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The sizes, when all are static.
    pub fn sizes(&self) -> Option<Vec<u64>> {
        self.dims.iter().copied().collect()
    }

    /// Whether the two may be the same type at run time.
    pub fn compatible(&self, other: &Self) -> bool {
        self.element == other.element
            && self.rank() == other.rank()
            && self
                .dims
                .iter()
                .zip(&other.dims)
                .all(|(a, b)| sizes_agree(*a, *b))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("tensor<")?;
        for dim in &self.dims {
            match dim {
                Some(size) => write!(formatter, "{size}x")?,
                None => formatter.write_str("?x")?,
            }
        }
        write!(formatter, "{}>", self.element)
    }
}

/// Whether two sizes may be equal; a dynamic one agrees with any.
pub(crate) fn sizes_agree(a: Option<u64>, b: Option<u64>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// A size as it is written in IR.
pub(crate) fn size_text(size: Option<u64>) -> String {
    size.map_or_else(|| "?".into(), |size| size.to_string())
}

/// NumPy broadcast of two dimension lists; `None` where they do not broadcast.
pub(crate) fn broadcast(a: &[Option<u64>], b: &[Option<u64>]) -> Option<Vec<Option<u64>>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Option<u64>], index: usize| {
        (index + dims.len())
            .checked_sub(rank)
            .map_or(Some(1), |index| dims[index])
    };
    (0..rank)
        .map(|index| match (at(a, index), at(b, index)) {
            (Some(1), other) | (other, Some(1)) => Some(other),
            (None, None) => Some(None),
            // A dynamic size beside n > 1 can only be n (or 1).
            (Some(size), None) | (None, Some(size)) => Some(Some(size)),
            (Some(x), Some(y)) => (x == y).then_some(Some(x)),
        })
        .collect()
}
