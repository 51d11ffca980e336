//! Pointers, loads and stores: every access with its address in bytes, every index with
//! the length it must stay below.

use naga::{
    AddressSpace, ArraySize, Expression, GlobalVariable, Handle, LocalVariable, Span, TypeInner,
};

use super::{Done, Value, Walk};
use crate::prove::{
    expr::Expr,
    trace::{Access, Item, Kind, Memory},
};

/// Where a pointer begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Root {
    Local(Handle<LocalVariable>),
    Global(Handle<GlobalVariable>),
}

/// A pointer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::prove) struct Pointer {
    pub(super) root: Root,
    /// Bytes from the start of the variable; `None` in locals, whose bytes do not matter.
    pub(super) address: Option<Expr>,
    /// Points into the variable, not at all of it.
    part: bool,
    /// The vector or matrix that it points into, with its bytes: an access to a component
    /// may touch all of it.
    whole: Option<(Option<Expr>, i64)>,
}

impl Pointer {
    pub(super) fn local(local: Handle<LocalVariable>) -> Self {
        Self {
            root: Root::Local(local),
            address: None,
            part: false,
            whole: None,
        }
    }

    pub(super) const fn is_local(&self) -> bool {
        matches!(self.root, Root::Local(_))
    }
}

impl Walk<'_> {
    /// A pointer to a global variable.
    pub(super) fn variable(&mut self, global: Handle<GlobalVariable>, span: Span) -> Done<Pointer> {
        let variable = &self.code.module.global_variables[global];
        if matches!(
            variable.space,
            AddressSpace::Handle | AddressSpace::TaskPayload
        ) {
            return self.outside(span, "it uses a texture or sampler");
        }
        Ok(Pointer {
            root: Root::Global(global),
            address: Some(self.terrain.pool.constant(0)),
            part: false,
            whole: None,
        })
    }

    /// What a pointer's type says it points to.
    pub(super) fn pointee(&self, handle: Handle<Expression>) -> Option<TypeInner> {
        self.code.pointee(self.info(), handle)
    }

    /// Bytes of memory behind a global variable, and which memory it is.
    pub(super) fn memory(
        &self,
        global: Handle<GlobalVariable>,
        span: Span,
    ) -> Done<Option<(Memory, i64, i64)>> {
        let variable = &self.code.module.global_variables[global];
        match variable.space {
            AddressSpace::WorkGroup => Ok(Some((
                Memory::Workgroup(global.index() as u32),
                0,
                self.code.size(variable.ty),
            ))),
            AddressSpace::Storage { .. } => match self.launch.slot(variable) {
                Some(slot) => Ok(Some((
                    Memory::Buffer(slot.buffer),
                    slot.offset.min(i64::MAX as u64 >> 2) as i64,
                    slot.bytes.min(i64::MAX as u64 >> 2) as i64,
                ))),
                None => self.outside(span, "it has a binding that the launch does not bind"),
            },
            _ => Ok(None),
        }
    }

    /// `base[index]`.
    pub(super) fn element(
        &mut self,
        base: Handle<Expression>,
        index: Expr,
        handle: Handle<Expression>,
    ) -> Done<Value> {
        let span = self.span(handle);
        let value = self.value(base)?;
        let Value::Pointer(pointer) = value else {
            return Ok(self.component(base, &value, index, handle));
        };
        let Some(inner) = self.pointee(base) else {
            return self.outside(span, "it has a pointer of an unknown type");
        };
        let (stride, length, whole) = match inner {
            TypeInner::Array { size, stride, .. } => {
                let stride = i64::from(stride);
                let length = match size {
                    ArraySize::Constant(count) => i64::from(count.get()),
                    ArraySize::Dynamic => self.dynamic_length(&pointer, stride, span)?,
                    ArraySize::Pending(_) => {
                        return self.outside(span, "the size of an array is an override");
                    }
                };
                (Some(stride), length, None)
            }
            TypeInner::Vector { size, scalar } => {
                let width = i64::from(scalar.width);
                let bytes = width * size as i64;
                (Some(width), size as i64, Some((pointer.address, bytes)))
            }
            TypeInner::Matrix {
                columns,
                rows,
                scalar,
            } => {
                // A column of three takes the room of four.
                let rows = if rows as i64 == 3 { 4 } else { rows as i64 };
                let column = i64::from(scalar.width) * rows;
                let bytes = column * columns as i64;
                (Some(column), columns as i64, Some((pointer.address, bytes)))
            }
            TypeInner::Struct { ref members, .. } => {
                let member = self.terrain.pool.known(index);
                let member = member.and_then(|index| members.get(index as usize));
                let Some(member) = member else {
                    return self.outside(span, "it has an index into a struct");
                };
                let offset = self.terrain.pool.constant(i64::from(member.offset));
                let address = match pointer.address {
                    Some(address) => Some(self.terrain.pool.add(address, offset)),
                    None => None,
                };
                return Ok(Value::Pointer(Pointer {
                    address,
                    part: true,
                    ..pointer
                }));
            }
            _ => return self.outside(span, "it indexes something that is not analysed"),
        };
        let what = self.name(&pointer);
        self.bound(index, length, &what, span);
        let address = match (pointer.address, stride) {
            (Some(address), Some(stride)) => {
                Some(self.terrain.pool.add_scaled(address, index, stride))
            }
            _ => None,
        };
        Ok(Value::Pointer(Pointer {
            address,
            part: true,
            whole: pointer.whole.or(whole),
            ..pointer
        }))
    }

    /// An index into a value.
    fn component(
        &mut self,
        base: Handle<Expression>,
        value: &Value,
        index: Expr,
        handle: Handle<Expression>,
    ) -> Value {
        let (code, info) = (self.code, self.info());
        let length = match info[base].ty.inner_with(&code.module.types) {
            TypeInner::Vector { size, .. } => Some(*size as i64),
            TypeInner::Matrix { columns, .. } => Some(*columns as i64),
            TypeInner::Array {
                size: ArraySize::Constant(count),
                ..
            } => Some(i64::from(count.get())),
            _ => None,
        };
        if let Some(length) = length {
            let span = self.span(handle);
            self.bound(index, length, "a value", span);
        }
        match (value, self.terrain.pool.known(index)) {
            (Value::Parts(parts), Some(index)) => match parts.get(index as usize) {
                Some(part) => part.clone(),
                None => self.unknown_of(handle),
            },
            _ => self.unknown_of(handle),
        }
    }

    /// Elements of an array without a size: as many as the buffer has room for.
    fn dynamic_length(&mut self, pointer: &Pointer, stride: i64, span: Span) -> Done<i64> {
        let Root::Global(global) = pointer.root else {
            return self.outside(span, "a local array has no size");
        };
        let Some((_, _, bytes)) = self.memory(global, span)? else {
            return self.outside(span, "an array without a size is in no buffer");
        };
        let start = pointer.address.and_then(|at| self.terrain.pool.known(at));
        let Some(start) = start else {
            return self.outside(span, "an array without a size has no fixed start");
        };
        Ok((bytes - start).max(0) / stride.max(1))
    }

    pub(super) fn name(&self, pointer: &Pointer) -> String {
        let name = match pointer.root {
            Root::Local(local) => self.function().local_variables[local].name.clone(),
            Root::Global(global) => self.code.module.global_variables[global].name.clone(),
        };
        match name {
            // Packages are untrusted: no control bytes in messages.
            Some(name) => format!("'{}'", name.escape_default()),
            None => "a variable without a name".to_owned(),
        }
    }

    // --- Accesses -----------------------------------------------------------

    /// A load.
    pub(super) fn load(
        &mut self,
        pointer: Handle<Expression>,
        handle: Handle<Expression>,
    ) -> Done<Value> {
        let span = self.span(handle);
        let Value::Pointer(at) = self.value(pointer)? else {
            return self.outside(span, "it loads through a pointer that is not known");
        };
        match at.root {
            Root::Local(local) if !at.part => {
                let known = self.frame.locals.get(&local).cloned();
                match known {
                    Some(Value::Data) | None => Ok(self.unknown_of(handle)),
                    Some(value) => Ok(value),
                }
            }
            Root::Local(_) => Ok(self.unknown_of(handle)),
            Root::Global(global) => {
                let variable = &self.code.module.global_variables[global];
                if self.launch.holds_scalars(variable) {
                    return Ok(self.load_immediate(pointer, &at, handle));
                }
                self.touch(pointer, Kind::Read, span)?;
                Ok(self.unknown_of(handle))
            }
        }
    }

    fn load_immediate(
        &mut self,
        pointer: Handle<Expression>,
        at: &Pointer,
        handle: Handle<Expression>,
    ) -> Value {
        let byte = at.address.and_then(|at| self.terrain.pool.known(at));
        let loaded = match (byte, self.pointee(pointer)) {
            (Some(byte), Some(TypeInner::Scalar(scalar))) if scalar.width == 4 => {
                self.immediate(byte)
            }
            (Some(byte), Some(TypeInner::Struct { members, .. })) => {
                let parts = members.iter().map(|member| {
                    let part = self.immediate(byte + i64::from(member.offset));
                    part.unwrap_or(Value::Data)
                });
                Some(Value::Parts(parts.collect()))
            }
            _ => None,
        };
        let unknown = self.unknown_of(handle);
        match (loaded, unknown) {
            // The struct's type decides how the bits are read.
            (Some(Value::Int(given, expr)), Value::Int(wanted, _)) => match given == wanted {
                true => Value::Int(given, expr),
                false => Value::Int(wanted, self.terrain.fit(self.place, wanted, expr)),
            },
            (Some(Value::Parts(parts)), Value::Data) => Value::Parts(parts),
            (_, unknown) => unknown,
        }
    }

    /// A store.
    pub(super) fn store(
        &mut self,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
        span: Span,
    ) -> Done {
        let Value::Pointer(at) = self.value(pointer)? else {
            return self.outside(span, "it stores through a pointer that is not known");
        };
        match at.root {
            Root::Local(local) => {
                let value = match at.part {
                    false => self.value(value)?,
                    true => Value::Data,
                };
                self.frame.locals.insert(local, value);
                Ok(())
            }
            Root::Global(_) => self.touch(pointer, Kind::Write, span),
        }
    }

    /// An atomic operation.
    pub(super) fn atomic(
        &mut self,
        pointer: Handle<Expression>,
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Done {
        self.touch(pointer, Kind::Atomic, span)?;
        if let Some(result) = result {
            let value = self.unknown_of(result);
            self.frame.values.insert(result, value);
        }
        Ok(())
    }

    /// Records an access through a pointer.
    pub(super) fn touch(&mut self, pointer: Handle<Expression>, kind: Kind, span: Span) -> Done {
        let Value::Pointer(at) = self.value(pointer)? else {
            return self.outside(span, "it accesses a pointer that is not known");
        };
        let Root::Global(global) = at.root else {
            return Ok(());
        };
        let Some((memory, offset, bytes)) = self.memory(global, span)? else {
            return Ok(());
        };
        let (address, size) = match (at.whole, self.pointee(pointer)) {
            (Some((Some(address), size)), _) => (address, size),
            (None, Some(inner)) => match (at.address, self.bytes_of(pointer, &inner)) {
                (Some(address), Some(size)) => (address, size),
                _ => return self.outside(span, "it accesses memory of an unknown size"),
            },
            _ => return self.outside(span, "it accesses memory at an unknown place"),
        };
        // Indices are checked one by one, against lengths that the type says: the buffer
        // must have room for what is of a fixed size.
        let all = self
            .code
            .fixed_size(self.code.module.global_variables[global].ty);
        if all > 0 {
            let last = self.terrain.pool.constant(all - 1);
            let what = self.name(&at);
            self.bound(last, bytes, &what, span);
        }
        let address = self.terrain.pool.offset(address, offset);
        let kind = match (kind, self.pointee(pointer)) {
            (Kind::Read | Kind::Write, Some(TypeInner::Atomic(_))) => Kind::Atomic,
            (kind, _) => kind,
        };
        self.access(memory, kind, address, size, span);
        Ok(())
    }

    /// Records an access to bytes of memory, where the walk now stands.
    pub(super) fn access(
        &mut self,
        memory: Memory,
        kind: Kind,
        address: Expr,
        size: i64,
        span: Span,
    ) {
        self.items.push(Item::Access(Access {
            memory,
            kind,
            address,
            size,
            place: self.place,
            path: self.path(),
            line: self.code.line(span),
        }));
    }

    fn bytes_of(&self, pointer: Handle<Expression>, inner: &TypeInner) -> Option<i64> {
        let types = &self.code.module.types;
        if let TypeInner::Pointer { base, .. } = self.info()[pointer].ty.inner_with(types) {
            return Some(self.code.size(*base));
        }
        match inner {
            TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => Some(i64::from(scalar.width)),
            TypeInner::Vector { size, scalar } => Some(i64::from(scalar.width) * *size as i64),
            _ => None,
        }
    }
}
