//! One expression's values for all invocations of a workgroup.

use naga::{AddressSpace, Scalar, ScalarKind, TypeInner, VectorSize};

/// Values of all components of all invocations: component c of invocation i at
/// c · invocations + i.
#[derive(Clone, Debug)]
pub(super) enum Column<V> {
    /// Not evaluated yet.
    Empty,
    /// Integers, and booleans as 0 and 1.
    Integers(Vec<i64>),
    Floats(Vec<V>),
    Pointers(Pointers),
}

/// Places in one variable.
#[derive(Clone, Debug)]
pub(super) struct Pointers {
    pub variable: Variable,
    /// Bytes from its start; negative where an index left an inner array.
    pub offsets: Vec<i64>,
}

/// A variable of the module or of the function being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Global(usize),
    Local(usize),
}

/// What kind of scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed(u8),
    Unsigned(u8),
    Float(u8),
    /// Pointers; components are those of what is pointed at.
    Pointer,
    /// Nothing that is interpreted as a value.
    Other,
}

/// Kind and number of components of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub kind: Kind,
    pub components: usize,
}

impl Kind {
    pub fn of(scalar: Scalar) -> Kind {
        match scalar.kind {
            ScalarKind::Bool => Kind::Bool,
            ScalarKind::Sint => Kind::Signed(scalar.width),
            ScalarKind::Uint => Kind::Unsigned(scalar.width),
            ScalarKind::Float => Kind::Float(scalar.width),
            ScalarKind::AbstractInt | ScalarKind::AbstractFloat => Kind::Other,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::Float(_))
    }

    /// An integer's value after it wrapped.
    pub fn wrap(self, value: i64) -> i64 {
        match self {
            Kind::Signed(4) => i64::from(value as i32),
            Kind::Unsigned(4) => i64::from(value as u32),
            Kind::Bool => i64::from(value != 0),
            _ => value,
        }
    }
}

impl Shape {
    pub fn of(inner: &TypeInner) -> Shape {
        let (kind, components) = match *inner {
            TypeInner::Scalar(scalar) => (Kind::of(scalar), 1),
            TypeInner::Vector { size, scalar } => (Kind::of(scalar), count(size)),
            TypeInner::CooperativeMatrix {
                columns,
                rows,
                scalar,
                ..
            } => (Kind::of(scalar), columns as usize * rows as usize),
            TypeInner::Pointer { space, .. } | TypeInner::ValuePointer { space, .. }
                if space != AddressSpace::Handle =>
            {
                (Kind::Pointer, 1)
            }
            _ => (Kind::Other, 0),
        };
        Shape { kind, components }
    }
}

pub(super) fn count(size: VectorSize) -> usize {
    size as usize
}

impl<V> Column<V> {
    pub fn integers(&self) -> &[i64] {
        match self {
            Column::Integers(values) => values,
            _ => &[],
        }
    }

    pub fn floats(&self) -> &[V] {
        match self {
            Column::Floats(values) => values,
            _ => &[],
        }
    }

    pub fn pointers(&self) -> Option<&Pointers> {
        match self {
            Column::Pointers(pointers) => Some(pointers),
            _ => None,
        }
    }
}
