//! Dense tensor constants as plain elements, so that folding can be done, and
//! tested, on bytes: f32, f16, i32 and i64, a splat as one element.

use kforge_dialect::{Element, TensorType, ir};
use melior::{
    Context,
    ir::{Attribute, AttributeLike, attribute::DenseElementsAttribute},
};

/// The elements of a constant, in the host's byte order as MLIR keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    pub ty: TensorType,
    /// One element where all are equal.
    pub bytes: Vec<u8>,
}

/// A multiplied constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaled {
    pub constant: Constant,
    /// Whether every product is the mathematical one.
    pub exact: bool,
    /// Whether every product that is not exact has the type's full precision: it
    /// became neither infinite nor subnormal.
    pub in_range: bool,
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

impl Constant {
    /// Reads a dense attribute of static, non-empty shape.
    pub fn of(attribute: Attribute) -> Option<Self> {
        let dense = DenseElementsAttribute::try_from(attribute).ok()?;
        let ty = TensorType::of(dense.r#type())?;
        let plain = matches!(
            ty.element,
            Element::F32 | Element::F16 | Element::I32 | Element::I64
        );
        if !plain || dense.is_empty() {
            return None;
        }
        let bytes = ir::dense_bytes(&dense, ty.element.bytes() as usize).to_vec();
        Some(Self { ty, bytes })
    }

    /// Number of elements of the type.
    pub fn elements(&self) -> u64 {
        self.ty.dims.iter().flatten().product()
    }

    fn size(&self) -> usize {
        self.ty.element.bytes() as usize
    }

    /// The elements as f64, one for a splat; floats only.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let chunks = self.bytes.chunks_exact(self.size());
        match self.ty.element {
            Element::F32 => Some(
                chunks
                    .map(|bytes| f64::from(f32::from_ne_bytes(fixed(bytes))))
                    .collect(),
            ),
            Element::F16 => Some(
                chunks
                    .map(|bytes| half::f16::from_ne_bytes(fixed(bytes)).to_f64())
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The attribute that holds this constant.
    pub fn to_attribute<'c>(&self, context: &'c Context) -> Attribute<'c> {
        DenseElementsAttribute::raw_buffer(self.ty.to_mlir(context), &self.bytes).into()
    }

    /// Dimension i of the result is dimension `permutation[i]` of this.
    pub fn transposed(&self, permutation: &[i64]) -> Option<Self> {
        let dims = self.ty.sizes()?;
        let from: Vec<usize> = permutation.iter().map(|at| *at as usize).collect();
        let sizes: Vec<usize> = from
            .iter()
            .map(|at| dims.get(*at).map(|size| *size as usize))
            .collect::<Option<_>>()?;
        let ty = TensorType {
            dims: sizes.iter().map(|size| Some(*size as u64)).collect(),
            element: self.ty.element,
        };
        let size = self.size();
        if self.bytes.len() == size {
            let bytes = self.bytes.clone();
            return Some(Self { ty, bytes });
        }
        // Stride of each dimension of the result in this constant.
        let mut strides = vec![1; dims.len()];
        for at in (1..dims.len()).rev() {
            strides[at - 1] = strides[at] * dims[at] as usize;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut index = vec![0; sizes.len()];
        for _ in 0..self.elements() {
            let at: usize = index
                .iter()
                .zip(&from)
                .map(|(i, from)| i * strides[*from])
                .sum();
            bytes.extend_from_slice(self.bytes.get(at * size..(at + 1) * size)?);
            for (digit, limit) in index.iter_mut().zip(&sizes).rev() {
                *digit += 1;
                if *digit < *limit {
                    break;
                }
                *digit = 0;
            }
        }
        Some(Self { ty, bytes })
    }

    /// Every element times `factor`, rounded once to the element type.
    pub fn scaled(&self, factor: f64) -> Option<Scaled> {
        let (mut exact, mut in_range) = (true, true);
        let least = match self.ty.element {
            Element::F16 => half::f16::MIN_POSITIVE.to_f64(),
            _ => f64::from(f32::MIN_POSITIVE),
        };
        let mut bytes = Vec::with_capacity(self.bytes.len());
        // Two f32 multiply exactly in f64, so the one rounding is the last one.
        for number in self.numbers()? {
            let product = number * factor;
            let rounded = match self.ty.element {
                Element::F16 => {
                    let rounded = half::f16::from_f64(product);
                    bytes.extend_from_slice(&rounded.to_ne_bytes());
                    rounded.to_f64()
                }
                _ => {
                    let rounded = product as f32;
                    bytes.extend_from_slice(&rounded.to_ne_bytes());
                    f64::from(rounded)
                }
            };
            let same = rounded == product || product.is_nan();
            exact &= same;
            in_range &= same || (rounded.is_finite() && rounded.abs() >= least);
        }
        let ty = self.ty.clone();
        Some(Scaled {
            constant: Self { ty, bytes },
            exact,
            in_range,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(dims: &[u64], values: &[f32]) -> Constant {
        Constant {
            ty: TensorType::fixed(dims, Element::F32),
            bytes: values
                .iter()
                .flat_map(|value| value.to_ne_bytes())
                .collect(),
        }
    }

    #[test]
    fn transposes_three_dimensions() {
        let source = constant(&[2, 1, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let result = source.transposed(&[2, 0, 1]).unwrap();
        assert_eq!(
            result,
            constant(&[3, 2, 1], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
        );
        assert_eq!(result.transposed(&[1, 2, 0]).unwrap(), source);
    }

    #[test]
    fn transposed_splat_stays_one_element() {
        let result = constant(&[2, 3], &[7.0]).transposed(&[1, 0]).unwrap();
        assert_eq!(result, constant(&[3, 2], &[7.0]));
    }

    #[test]
    fn scaling_says_whether_it_was_exact() {
        let scaled = |values: &[f32], factor| constant(&[2], values).scaled(factor).unwrap();
        assert_eq!(
            scaled(&[1.5, -3.0], 0.5).constant,
            constant(&[2], &[0.75, -1.5])
        );
        assert!(scaled(&[1.5, -3.0], 0.5).exact);
        let rounded = scaled(&[0.1, 1.0], 0.3_f32.into());
        assert!(!rounded.exact && rounded.in_range);
        // Under the least subnormal and over the largest number.
        assert!(!scaled(&[1e-45, 1.0], 0.5).in_range);
        assert!(!scaled(&[f32::MAX, 1.0], 2.0).in_range);
    }

    #[test]
    fn scaling_keeps_nan_and_infinity() {
        let scaled = constant(&[2], &[f32::NAN, f32::NEG_INFINITY])
            .scaled(2.0)
            .unwrap();
        assert!(scaled.exact);
        let numbers = scaled.constant.numbers().unwrap();
        assert!(numbers[0].is_nan());
        assert_eq!(numbers[1], f64::NEG_INFINITY);
    }

    #[test]
    fn f16_rounds_once_to_f16() {
        let f16 = |value: f64| half::f16::from_f64(value).to_ne_bytes().to_vec();
        let source = Constant {
            ty: TensorType::fixed(&[1], Element::F16),
            bytes: f16(1.0),
        };
        let scaled = source.scaled(1.0 / 3.0).unwrap();
        assert_eq!(scaled.constant.bytes, f16(1.0 / 3.0));
        assert!(!scaled.exact);
    }
}
