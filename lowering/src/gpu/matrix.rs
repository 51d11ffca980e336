//! Square matrices that a subgroup holds together, and what its matrix unit does with them.

use kforge_dialect::Element;
use melior::ir::{Attribute, Type, Value, attribute::IntegerAttribute};

use crate::{
    LoweringError,
    emit::{Emit, Emitted, Ix},
};

/// Which operand of a product a matrix is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    A,
    B,
}

/// A matrix of memory.
pub(super) struct Place<'c, 'a> {
    pub memory: Value<'c, 'a>,
    /// The access that its first element begins.
    pub at: Vec<Ix<'c, 'a>>,
    /// Accesses from one row of memory to the next.
    pub pitch: i64,
}

/// Matrices of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrices {
    /// Rows, and columns.
    pub edge: i64,
    /// Element type of the operands; sums are f32.
    pub element: Element,
}

impl Matrices {
    fn ty<'c>(&self, emit: &Emit<'c, '_>, element: Element, role: &str) -> Emitted<Type<'c>> {
        let edge = self.edge;
        let text = format!("!gpu.mma_matrix<{edge}x{edge}x{element}, \"{role}\">");
        Type::parse(emit.context, &text).ok_or_else(|| {
            let message = format!("{text} is no type; the gpu dialect is not loaded");
            LoweringError::from(kforge_dialect::Error::Message(message))
        })
    }

    /// A sum to begin with.
    pub(super) fn zero<'c, 'a>(&self, emit: &Emit<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let f32 = Type::float32(emit.context);
        let zero = emit.float(f32, f32, 0.0)?;
        let ty = self.ty(emit, Element::F32, "COp")?;
        emit.value("gpu.subgroup_mma_constant_matrix", &[zero], ty, &[])
    }

    /// An operand, whose rows lie in memory as its columns where it is `transposed`.
    pub(super) fn load<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        role: Role,
        place: &Place<'c, 'a>,
        transposed: bool,
    ) -> Emitted<Value<'c, 'a>> {
        let role = match role {
            Role::A => "AOp",
            Role::B => "BOp",
        };
        let mut operands = vec![place.memory];
        for at in &place.at {
            operands.push(emit.index(at)?);
        }
        let mut attributes = vec![pitch(emit, place)];
        if transposed {
            attributes.push(("transpose", Attribute::unit(emit.context)));
        }
        let ty = self.ty(emit, self.element, role)?;
        emit.value("gpu.subgroup_mma_load_matrix", &operands, ty, &attributes)
    }

    /// sum + a·b.
    pub(super) fn multiply<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        a: Value<'c, 'a>,
        b: Value<'c, 'a>,
        sum: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let ty = self.ty(emit, Element::F32, "COp")?;
        emit.value("gpu.subgroup_mma_compute", &[a, b, sum], ty, &[])
    }

    /// Writes a sum.
    pub(super) fn store<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        sum: Value<'c, 'a>,
        place: &Place<'c, 'a>,
    ) -> Emitted<()> {
        let mut operands = vec![sum, place.memory];
        for at in &place.at {
            operands.push(emit.index(at)?);
        }
        let attributes = [pitch(emit, place)];
        emit.op("gpu.subgroup_mma_store_matrix", &operands, &[], &attributes)?;
        Ok(())
    }
}

fn pitch<'c>(emit: &Emit<'c, '_>, place: &Place) -> (&'static str, Attribute<'c>) {
    let pitch = IntegerAttribute::new(emit.index_type(), place.pitch);
    ("leadDimension", pitch.into())
}
