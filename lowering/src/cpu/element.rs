//! Element types of buffers: scalars and vectors of them, with their sizes.

use melior::ir::{
    ShapedTypeLike, Type,
    r#type::{DimSize, MemRefType},
};

use crate::translate::ScalarType;

/// A scalar type with its vector shape, read from the printed form: MLIR's C API
/// has no vector dimensions for melior to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The scalar's name, such as `f32`.
    pub scalar: String,
    /// Dimensions of the vector; none for a scalar.
    pub dims: Vec<u64>,
}

impl Element {
    /// Reads a type; `None` for scalable vectors.
    pub fn read(ty: Type) -> Option<Self> {
        let text = ty.to_string();
        let Some(inner) = text
            .strip_prefix("vector<")
            .and_then(|text| text.strip_suffix('>'))
        else {
            return Some(Self {
                scalar: text,
                dims: Vec::new(),
            });
        };
        let mut parts: Vec<&str> = inner.split('x').collect();
        // `index` ends in an x: its last part is empty.
        let scalar = match parts.pop()? {
            "" => format!("{}x", parts.pop()?),
            scalar => scalar.to_owned(),
        };
        let dims = parts
            .iter()
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self { scalar, dims })
    }

    /// Scalars in one element.
    pub fn lanes(&self) -> u64 {
        self.dims.iter().product()
    }

    /// The scalar type, where buffers of it can be passed.
    pub fn storable(&self) -> Option<ScalarType> {
        Some(match self.scalar.as_str() {
            "f16" => ScalarType::F16,
            "f32" => ScalarType::F32,
            "i32" => ScalarType::I32,
            "i64" => ScalarType::I64,
            _ => return None,
        })
    }

    /// Bytes from one element to the next; vectors are padded to a power of two.
    pub fn stride(&self) -> Option<u64> {
        let scalar: u64 = match self.scalar.as_str() {
            "i1" | "i8" => 1,
            "f16" | "bf16" | "i16" => 2,
            "f32" | "i32" => 4,
            "f64" | "i64" | "index" => 8,
            _ => return None,
        };
        let (last, outer) = match self.dims.split_last() {
            Some((last, outer)) => (*last, outer.iter().product()),
            None => (1, 1),
        };
        last.checked_mul(scalar)?
            .checked_next_power_of_two()?
            .checked_mul(outer)
    }

    /// `scalar` in this element's shape.
    pub fn with_scalar<'c>(&self, scalar: Type<'c>) -> Type<'c> {
        if self.dims.is_empty() {
            scalar
        } else {
            Type::vector(&self.dims, scalar)
        }
    }
}

/// The sizes of a memref as MLIR's builders take them.
pub(super) fn dims(ty: MemRefType) -> Result<Vec<i64>, melior::Error> {
    (0..ty.rank())
        .map(|dimension| {
            Ok(match ty.dim_size(dimension)? {
                DimSize::Static(size) => size as i64,
                DimSize::Dynamic => DYNAMIC,
            })
        })
        .collect()
}

/// A size that is not known; MLIR's `ShapedType::kDynamic`.
pub(super) const DYNAMIC: i64 = i64::MIN;

#[cfg(test)]
mod tests {
    use melior::{Context, ir::Type};

    use super::Element;

    #[test]
    fn scalars_and_vectors_are_read() {
        let context = Context::new();
        let vector = Element::read(Type::vector(&[2, 3], Type::float32(&context))).unwrap();
        assert_eq!(
            (vector.scalar.as_str(), vector.lanes(), vector.stride()),
            ("f32", 6, Some(32))
        );
        let index = Element::read(Type::vector(&[4], Type::index(&context))).unwrap();
        assert_eq!(
            (index.scalar.as_str(), index.dims.as_slice()),
            ("index", &[4][..])
        );
        let half = Element::read(Type::float16(&context)).unwrap();
        assert_eq!((half.lanes(), half.stride()), (1, Some(2)));
        let scalable = Type::vector_scalable(&[4], &[true], Type::float32(&context));
        assert_eq!(Element::read(scalable), None);
    }
}
