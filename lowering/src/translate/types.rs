//! Types: what MLIR types mean in the generated module.

use melior::ir::{
    Type,
    r#type::{DimSize, MemRefType, ShapedTypeLike},
};
use naga::{CooperativeRole, CooperativeSize, TypeInner, VectorSize};

/// A scalar type of the subset. `index` is [`ScalarType::I32`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// `i1`; lives in registers only, never in a buffer.
    Bool,
    /// `i32` and `index`.
    I32,
    /// `i64`, where the device has it.
    I64,
    /// `f16`, where the device has it.
    F16,
    /// `f32`.
    F32,
}

impl ScalarType {
    /// Size of one element in a buffer, in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::F16 => 2,
            Self::Bool | Self::I32 | Self::F32 => 4,
            Self::I64 => 8,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32)
    }

    pub(super) fn naga(self) -> naga::Scalar {
        match self {
            Self::Bool => naga::Scalar::BOOL,
            Self::I32 => naga::Scalar::I32,
            Self::I64 => naga::Scalar::I64,
            Self::F16 => naga::Scalar::F16,
            Self::F32 => naga::Scalar::F32,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "i1" => Self::Bool,
            "i32" | "index" => Self::I32,
            "i64" => Self::I64,
            "f16" => Self::F16,
            "f32" => Self::F32,
            _ => return None,
        })
    }
}

/// A scalar (`lanes` 1) or a vector of 2, 3 or 4 lanes. `vector<1xT>` is a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueType {
    pub(super) scalar: ScalarType,
    pub(super) lanes: u32,
}

impl ValueType {
    pub(super) fn scalar(scalar: ScalarType) -> Self {
        Self { scalar, lanes: 1 }
    }

    pub(super) fn size(self) -> Option<VectorSize> {
        match self.lanes {
            2 => Some(VectorSize::Bi),
            3 => Some(VectorSize::Tri),
            4 => Some(VectorSize::Quad),
            _ => None,
        }
    }

    pub(super) fn inner(self) -> TypeInner {
        let scalar = self.scalar.naga();
        match self.size() {
            Some(size) => TypeInner::Vector { size, scalar },
            None => TypeInner::Scalar(scalar),
        }
    }

    /// Distance of two elements in an array, in bytes.
    pub(super) fn stride(self) -> u32 {
        self.scalar.bytes() * if self.lanes == 3 { 4 } else { self.lanes }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| {
            format!(
                "has type {text}, outside the subset: f32, f16, i1, i32, i64, index and vectors of 1 to 4 of them"
            )
        })
    }

    fn read(text: &str) -> Option<Self> {
        let Some(vector) = text
            .strip_prefix("vector<")
            .and_then(|t| t.strip_suffix('>'))
        else {
            return ScalarType::parse(text).map(Self::scalar);
        };
        let (lanes, scalar) = vector.split_once('x').unwrap_or(("1", vector));
        let lanes: u32 = lanes.parse().ok()?;
        let scalar = ScalarType::parse(scalar)?;
        (1..=4).contains(&lanes).then_some(Self { scalar, lanes })
    }
}

/// `!gpu.mma_matrix<RxCxT, "role">`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MatrixType {
    pub(super) rows: u32,
    pub(super) columns: u32,
    pub(super) scalar: ScalarType,
    pub(super) role: CooperativeRole,
}

impl MatrixType {
    pub(super) fn is_matrix(text: &str) -> bool {
        text.starts_with("!gpu.mma_matrix<")
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| {
            format!("has type {text}; matrices are 8 or 16 wide and high, of f16 or f32")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let body = text.strip_prefix("!gpu.mma_matrix<")?.strip_suffix('>')?;
        let (shape, role) = body.split_once(", ")?;
        let mut parts = shape.split('x');
        let matrix = Self {
            rows: parts.next()?.parse().ok()?,
            columns: parts.next()?.parse().ok()?,
            scalar: ScalarType::parse(parts.next()?).filter(|scalar| scalar.is_float())?,
            role: match role {
                "\"AOp\"" => CooperativeRole::A,
                "\"BOp\"" => CooperativeRole::B,
                "\"COp\"" => CooperativeRole::C,
                _ => return None,
            },
        };
        cooperative_size(matrix.rows)?;
        cooperative_size(matrix.columns)?;
        Some(matrix)
    }

    pub(super) fn inner(self) -> Option<TypeInner> {
        Some(TypeInner::CooperativeMatrix {
            columns: cooperative_size(self.columns)?,
            rows: cooperative_size(self.rows)?,
            scalar: self.scalar.naga(),
            role: self.role,
        })
    }
}

pub(super) fn cooperative_size(size: u32) -> Option<CooperativeSize> {
    match size {
        8 => Some(CooperativeSize::Eight),
        16 => Some(CooperativeSize::Sixteen),
        _ => None,
    }
}

/// Where a memref lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Storage,
    Workgroup,
    Private,
}

/// A strided memref type. `None` is a dynamic extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BufferType {
    pub(super) element: ValueType,
    pub(super) sizes: Vec<Option<i64>>,
    pub(super) strides: Vec<Option<i64>>,
    pub(super) offset: Option<i64>,
    /// Whether the layout is the identity: dense, row-major.
    pub(super) identity: bool,
    /// Memory space as written; none when the type names none.
    pub(super) space: Option<Space>,
}

impl BufferType {
    pub(super) fn is_buffer(ty: Type<'_>) -> bool {
        MemRefType::try_from(ty).is_ok()
    }

    pub(super) fn read(ty: Type<'_>) -> Result<Self, String> {
        let memref =
            MemRefType::try_from(ty).map_err(|_| format!("has type {ty}, not a ranked memref"))?;
        let element = ValueType::parse(&memref.element().to_string())?;
        if element.scalar == ScalarType::Bool || element.lanes == 3 {
            return Err(format!(
                "has type {ty}; memory holds f32, f16, i32, i64 and vectors of 2 or 4 of them, use i32 for booleans"
            ));
        }
        let layout = memref.layout().to_string();
        let identity = is_identity(&layout);
        if !layout.starts_with("strided<") && !identity {
            return Err(format!(
                "has the layout {layout}; only identity and strided layouts have constant strides, run -normalize-memrefs"
            ));
        }
        let fixed = |value: i64| (value != i64::MIN).then_some(value);
        let (strides, offset) = memref.strides_and_offset();
        let mut sizes = Vec::new();
        for index in 0..memref.rank() {
            sizes.push(match memref.dim_size(index) {
                Ok(DimSize::Static(size)) => {
                    Some(i64::try_from(size).map_err(|_| format!("has type {ty}, too large"))?)
                }
                _ => None,
            });
        }
        let buffer = Self {
            element,
            sizes,
            strides: strides.into_iter().map(fixed).collect(),
            offset: fixed(offset),
            identity,
            space: match memref.memory_space().map(|space| space.to_string()) {
                None => None,
                Some(space) => Some(memory_space(&space)?),
            },
        };
        match buffer.span() {
            Some(span) if span > i128::from(i32::MAX) => Err(format!(
                "has type {ty} that spans {span} elements; index is 32 bits wide and the limit is 2^31 - 1, split the buffer"
            )),
            _ => Ok(buffer),
        }
    }

    /// Elements from the first to the last one addressed, where static.
    pub(super) fn span(&self) -> Option<i128> {
        let mut last = i128::from(self.offset?);
        for (size, stride) in self.sizes.iter().zip(&self.strides) {
            let size = i128::from((*size)?);
            if size == 0 {
                return Some(0);
            }
            last += (size - 1) * i128::from((*stride)?);
        }
        Some(last + 1)
    }
}

fn memory_space(text: &str) -> Result<Space, String> {
    let number = text.split(' ').next().unwrap_or_default();
    match (text, number) {
        ("#gpu.address_space<global>", _) | (_, "0" | "1") => Ok(Space::Storage),
        ("#gpu.address_space<workgroup>", _) | (_, "3") => Ok(Space::Workgroup),
        ("#gpu.address_space<private>", _) | (_, "5") => Ok(Space::Private),
        _ => Err(format!(
            "has the memory space {text}; global (1), workgroup (3) and private (5) are supported"
        )),
    }
}

fn is_identity(layout: &str) -> bool {
    layout
        .strip_prefix("affine_map<")
        .and_then(|map| map.strip_suffix('>'))
        .and_then(|map| map.split_once(" -> "))
        .is_some_and(|(from, to)| from == to)
}
