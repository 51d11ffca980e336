//! Ops that only move elements, as maps of coordinates: `linalg.transpose` and
//! `broadcast`, `tensor.extract_slice`, and where `tensor.insert_slice` and
//! `concat` put what they are given.

use kforge_dialect::ir;
use melior::ir::{OperationRef, Value, attribute::IntegerAttribute, operation::OperationLike};

use super::elementwise::sizes;

/// One coordinate of an element, as a function of those of another:
/// offset + step · coordinate `dim`, or the offset alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinate {
    offset: i64,
    step: i64,
    dim: Option<usize>,
}

/// The coordinates of an element, in the dimensions of its tensor.
pub type Map = Vec<Coordinate>;

/// Every coordinate is itself.
pub fn identity(rank: usize) -> Map {
    (0..rank)
        .map(|dim| Coordinate {
            offset: 0,
            step: 1,
            dim: Some(dim),
        })
        .collect()
}

/// Linear places in a buffer: offset + Σ stride · coordinate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Of the first element.
    pub offset: i64,
    /// One per dimension of the coordinates.
    pub strides: Vec<i64>,
}

impl Access {
    /// Where a dense tensor of `shape` keeps the elements that `map` gives for
    /// coordinates of `rank` dimensions.
    pub fn new(map: &Map, shape: &[i64], rank: usize) -> Self {
        let mut access = Self {
            offset: 0,
            strides: vec![0; rank],
        };
        let mut stride = 1;
        for (coordinate, size) in map.iter().zip(shape).rev() {
            access.offset += coordinate.offset * stride;
            if let Some(dim) = coordinate.dim {
                access.strides[dim] += coordinate.step * stride;
            }
            stride *= size;
        }
        access
    }
}

/// A part of a tensor, as offsets and steps per dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    offsets: Vec<i64>,
    steps: Vec<i64>,
    /// The dimension of the part; none where it drops one of size 1.
    dims: Vec<Option<usize>>,
}

impl Slice {
    /// Of an op with constant entries whose part has the shape `part`.
    fn of(op: OperationRef, tensors: usize, part: &[i64]) -> Option<Self> {
        let entries = |name: &str| {
            let entries = ir::i64_array(op, name)?;
            entries.iter().all(|entry| *entry >= 0).then_some(entries)
        };
        let lengths = entries("static_sizes")?;
        if op.operand_count() != tensors {
            return None;
        }
        let mut dims = Vec::new();
        let mut next = 0;
        for (dim, length) in lengths.iter().enumerate() {
            let missing = part.len().checked_sub(next)?;
            // Which one of several dimensions of size 1 is dropped does not matter.
            let keep = missing > 0 && (part[next] == *length || missing == lengths.len() - dim);
            dims.push(keep.then_some(next));
            next += usize::from(keep);
        }
        Some(Self {
            offsets: entries("static_offsets")?,
            steps: entries("static_strides")?,
            dims,
        })
    }

    /// Coordinates in the whole of an element of the part.
    fn whole(&self, part: &Map) -> Map {
        let coordinate = |index: usize| {
            let inner = self.dims[index].map(|dim| part[dim]);
            let (offset, step, dim) = inner.map_or((0, 0, None), |it| (it.offset, it.step, it.dim));
            Coordinate {
                offset: self.offsets[index] + self.steps[index] * offset,
                step: self.steps[index] * step,
                dim,
            }
        };
        (0..self.dims.len()).map(coordinate).collect()
    }
}

/// An op whose result is a rearrangement of its first operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Result dimension i is operand dimension `0[i]`.
    Transpose(Vec<usize>),
    /// The result dimensions that the operand lacks.
    Broadcast(Vec<usize>),
    /// The part that is taken.
    Slice(Slice),
}

impl Movement {
    /// What `op` does, if it is one of static shape.
    pub fn of(op: OperationRef) -> Option<Self> {
        let dims = |name: &str| -> Option<Vec<usize>> {
            let dims = ir::i64_array(op, name)?;
            dims.into_iter()
                .map(|dim| usize::try_from(dim).ok())
                .collect()
        };
        let part = sizes(op.result(0).ok()?.into())?;
        sizes(op.operand(0).ok()?)?;
        match ir::name(op) {
            "linalg.transpose" => dims("permutation").map(Self::Transpose),
            "linalg.broadcast" => dims("dimensions").map(Self::Broadcast),
            "tensor.extract_slice" => Slice::of(op, 1, &part).map(Self::Slice),
            _ => None,
        }
    }

    /// The coordinates in the operand of an element of the result.
    pub fn source(&self, map: &Map) -> Map {
        match self {
            Self::Transpose(permutation) => {
                let mut source = map.clone();
                for (coordinate, dim) in map.iter().zip(permutation) {
                    source[*dim] = *coordinate;
                }
                source
            }
            Self::Broadcast(added) => {
                let own = map
                    .iter()
                    .enumerate()
                    .filter(|(dim, _)| !added.contains(dim));
                own.map(|(_, coordinate)| *coordinate).collect()
            }
            Self::Slice(slice) => slice.whole(map),
        }
    }
}

/// A part of a result that is written on its own.
#[derive(Clone, Debug)]
pub struct Piece<'c, 'a> {
    /// What is written.
    pub value: Value<'c, 'a>,
    /// Where.
    pub destination: Access,
}

/// The pieces that a `tensor.concat` or `tensor.insert_slice` writes one after
/// the other; that of the destination of an insertion is the first.
pub fn pieces<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<Vec<Piece<'c, 'a>>> {
    let shape = sizes(op.result(0).ok()?.into())?;
    let piece = |value: Value<'c, 'a>, map: Map| {
        let destination = Access::new(&map, &shape, sizes(value)?.len());
        Some(Piece { value, destination })
    };
    match ir::name(op) {
        "tensor.insert_slice" => {
            let (source, whole) = (op.operand(0).ok()?, op.operand(1).ok()?);
            let part = sizes(source)?;
            let slice = Slice::of(op, 2, &part)?;
            Some(vec![
                piece(whole, identity(shape.len()))?,
                piece(source, slice.whole(&identity(part.len())))?,
            ])
        }
        "tensor.concat" => {
            let axis = IntegerAttribute::try_from(op.attribute("dim").ok()?).ok()?;
            let axis = usize::try_from(axis.value()).ok()?;
            let mut start = 0;
            op.operands()
                .map(|value| {
                    let mut map = identity(shape.len());
                    map.get_mut(axis)?.offset = start;
                    start += sizes(value)?.get(axis)?;
                    piece(value, map)
                })
                .collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_slice_of_a_broadcast() {
        // result[i, j] = x[j] with x = y[3 + 2j], of 5 rows.
        let slice = Slice {
            offsets: vec![3],
            steps: vec![2],
            dims: vec![Some(0)],
        };
        let map = Movement::Broadcast(vec![0]).source(&identity(2));
        let access = Access::new(&slice.whole(&map), &[20], 2);
        assert_eq!(
            access,
            Access {
                offset: 3,
                strides: vec![0, 2]
            }
        );
        let turned = Movement::Transpose(vec![1, 0]).source(&identity(2));
        let access = Access::new(&turned, &[4, 5], 2);
        assert_eq!(
            access,
            Access {
                offset: 0,
                strides: vec![1, 5]
            }
        );
    }
}
