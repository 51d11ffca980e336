//! Memory of one invocation: indices held against lengths, accesses by address.

use naga::{AddressSpace, ArraySize, Expression, GlobalVariable, Handle, Span, TypeInner};

use super::{Done, Event, Machine, Pointer, Root, Stop};
use crate::prove::{
    concrete::values::{self, Value},
    trace::{Kind, Line, Memory},
};

impl Machine<'_> {
    fn pointee(&self, handle: Handle<Expression>) -> Option<TypeInner> {
        self.code.pointee(self.frame.info, handle)
    }

    /// The memory of a variable, the first byte of it, and its bytes.
    fn memory(&self, global: Handle<GlobalVariable>) -> Done<Option<(Memory, i64, i64)>> {
        let variable = &self.code.module.global_variables[global];
        Ok(match variable.space {
            AddressSpace::WorkGroup => Some((
                Memory::Workgroup(global.index() as u32),
                0,
                self.code.size(variable.ty),
            )),
            AddressSpace::Storage { .. } => {
                let slot = self.launch.slot(variable).ok_or(Stop::Unknown)?;
                let number = |value: u64| i64::try_from(value).map_err(|_| Stop::Unknown);
                Some((
                    Memory::Buffer(slot.buffer),
                    number(slot.offset)?,
                    number(slot.bytes)?,
                ))
            }
            AddressSpace::Private | AddressSpace::Function => None,
            _ if self.launch.holds_scalars(variable) => None,
            _ => return Err(Stop::Unknown),
        })
    }

    pub(super) fn element(
        &mut self,
        base: Handle<Expression>,
        index: i64,
        handle: Handle<Expression>,
    ) -> Done<Value> {
        let value = self.value(base)?;
        let line = self
            .code
            .line(self.frame.function.expressions.get_span(handle));
        let Value::Pointer(pointer) = value else {
            let types = &self.code.module.types;
            let length = match self.frame.info[base].ty.inner_with(types) {
                TypeInner::Vector { size, .. } => Some(*size as i64),
                TypeInner::Matrix { columns, .. } => Some(*columns as i64),
                TypeInner::Array {
                    size: ArraySize::Constant(count),
                    ..
                } => Some(i64::from(count.get())),
                _ => None,
            };
            if let Some(length) = length {
                inside("a value".into(), index, length, line)?;
            }
            return Ok(value.part(index as usize));
        };
        let (stride, length, whole) = match self.pointee(base).ok_or(Stop::Unknown)? {
            TypeInner::Array { size, stride, .. } => {
                let stride = i64::from(stride);
                let length = match size {
                    ArraySize::Constant(count) => i64::from(count.get()),
                    _ => {
                        let Root::Global(global) = pointer.root else {
                            return Err(Stop::Unknown);
                        };
                        let (_, _, bytes) = self.memory(global)?.ok_or(Stop::Unknown)?;
                        (bytes - pointer.address).max(0) / stride.max(1)
                    }
                };
                (stride, length, None)
            }
            TypeInner::Vector { size, scalar } => {
                let width = i64::from(scalar.width);
                (
                    width,
                    size as i64,
                    Some((pointer.address, width * size as i64)),
                )
            }
            TypeInner::Matrix {
                columns,
                rows,
                scalar,
            } => {
                let rows = if rows as i64 == 3 { 4 } else { rows as i64 };
                let column = i64::from(scalar.width) * rows;
                let all = column * columns as i64;
                (column, columns as i64, Some((pointer.address, all)))
            }
            TypeInner::Struct { members, .. } => {
                let member = members.get(index as usize).ok_or(Stop::Unknown)?;
                return Ok(Value::Pointer(Pointer {
                    address: pointer.address + i64::from(member.offset),
                    part: true,
                    ..pointer
                }));
            }
            _ => return Err(Stop::Unknown),
        };
        inside(self.name(&pointer), index, length, line)?;
        Ok(Value::Pointer(Pointer {
            address: pointer.address + index * stride,
            part: true,
            whole: pointer.whole.or(whole),
            ..pointer
        }))
    }

    fn name(&self, pointer: &Pointer) -> String {
        let name = match pointer.root {
            Root::Local(local) => self.frame.function.local_variables[local].name.as_deref(),
            Root::Global(global) => self.code.module.global_variables[global].name.as_deref(),
        };
        format!("'{}'", name.unwrap_or("a variable").escape_default())
    }

    pub(super) fn load(
        &mut self,
        pointer: Handle<Expression>,
        handle: Handle<Expression>,
    ) -> Done<Value> {
        let Value::Pointer(at) = self.value(pointer)? else {
            return Err(Stop::Unknown);
        };
        let global = match at.root {
            Root::Local(_) if at.part => return Ok(Value::Unknown),
            Root::Local(local) => {
                let known = self.frame.locals.get(&local);
                return Ok(known.cloned().unwrap_or(Value::Unknown));
            }
            Root::Global(global) => global,
        };
        if (self.launch).holds_scalars(&self.code.module.global_variables[global]) {
            let argument = |byte: i64| {
                let index = usize::try_from(byte / 4).ok().filter(|_| byte % 4 == 0)?;
                self.launch.immediates.get(index).copied()
            };
            return Ok(match self.pointee(pointer) {
                Some(TypeInner::Scalar(scalar)) => {
                    let value = argument(at.address).map_or(Value::Unknown, Value::argument);
                    values::convert(scalar.kind, &value)
                }
                _ => Value::Unknown,
            });
        }
        let span = self.frame.function.expressions.get_span(handle);
        self.touch(pointer, &at, Kind::Read, span)?;
        Ok(Value::Unknown)
    }

    pub(super) fn touch(
        &mut self,
        pointer: Handle<Expression>,
        at: &Pointer,
        kind: Kind,
        span: Span,
    ) -> Done {
        let Root::Global(global) = at.root else {
            return Ok(());
        };
        let Some((memory, offset, bytes)) = self.memory(global)? else {
            return Ok(());
        };
        let types = &self.code.module.types;
        let pointee = self.pointee(pointer);
        let size = match (at.whole, self.frame.info[pointer].ty.inner_with(types)) {
            (Some((_, size)), _) => size,
            (None, TypeInner::Pointer { base, .. }) => self.code.size(*base),
            _ => match pointee {
                Some(TypeInner::Scalar(scalar)) => i64::from(scalar.width),
                Some(TypeInner::Vector { size, scalar }) => i64::from(scalar.width) * size as i64,
                _ => return Err(Stop::Unknown),
            },
        };
        let line = self.code.line(span);
        let all = self
            .code
            .fixed_size(self.code.module.global_variables[global].ty);
        if all > 0 {
            inside(self.name(at), all - 1, bytes, line)?;
        }
        let address = at.whole.map_or(at.address, |(address, _)| address);
        self.events.push(Event::Access {
            memory,
            kind: match pointee {
                Some(TypeInner::Atomic(_)) => Kind::Atomic,
                _ => kind,
            },
            address: address + offset,
            size,
            line,
        });
        Ok(())
    }
}

fn inside(what: String, index: i64, length: i64, line: Line) -> Done {
    match (0..length).contains(&index) {
        true => Ok(()),
        false => Err(Stop::Outside {
            what,
            index,
            length,
            line,
        }),
    }
}
