//! Expressions of one invocation.

use naga::{Expression, Handle, TypeInner};

use super::{Done, Machine, Pointer, Root, Stop};
use crate::prove::concrete::values::{self, Value};

impl Machine<'_> {
    pub(super) fn value(&mut self, handle: Handle<Expression>) -> Done<Value> {
        match self.frame.values.get(&handle) {
            Some(value) => Ok(value.clone()),
            None => self.compute(handle),
        }
    }

    pub(super) fn compute(&mut self, handle: Handle<Expression>) -> Done<Value> {
        let function = self.frame.function;
        Ok(match &function.expressions[handle] {
            Expression::Literal(literal) => Value::literal(*literal),
            Expression::Constant(constant) => {
                self.constant(self.code.module.constants[*constant].init)
            }
            Expression::ZeroValue(ty) => Value::zero(&self.code.module.types[*ty].inner),
            Expression::Compose { ty, components } => {
                let mut parts = Vec::new();
                for component in components {
                    match self.value(*component)? {
                        Value::Parts(more) => parts.extend(more),
                        one => parts.push(one),
                    }
                }
                match &self.code.module.types[*ty].inner {
                    TypeInner::Vector { size, .. } if parts.len() == *size as usize => {
                        Value::Parts(parts)
                    }
                    _ => Value::Unknown,
                }
            }
            Expression::Splat { size, value } => {
                let value = self.value(*value)?;
                Value::Parts(vec![value; *size as usize])
            }
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => {
                let vector = self.value(*vector)?;
                let picked = pattern.iter().take(*size as usize);
                Value::Parts(picked.map(|lane| vector.part(*lane as usize)).collect())
            }
            Expression::FunctionArgument(index) => {
                let argument = self.frame.arguments.get(*index as usize);
                argument.cloned().unwrap_or(Value::Unknown)
            }
            Expression::GlobalVariable(global) => Value::Pointer(Pointer {
                root: Root::Global(*global),
                address: 0,
                part: false,
                whole: None,
            }),
            Expression::LocalVariable(local) => Value::Pointer(Pointer {
                root: Root::Local(*local),
                address: 0,
                part: false,
                whole: None,
            }),
            Expression::Access { base, index } => {
                let index = self.value(*index)?.index().ok_or(Stop::Unknown);
                self.element(*base, index?, handle)?
            }
            Expression::AccessIndex { base, index } => {
                self.element(*base, i64::from(*index), handle)?
            }
            Expression::Load { pointer } => self.load(*pointer, handle)?,
            Expression::Unary { op, expr } => {
                let value = self.value(*expr)?;
                values::lanes(&[value], &|lane| values::unary(*op, &lane[0]))
            }
            Expression::Binary { op, left, right } => {
                let operands = [self.value(*left)?, self.value(*right)?];
                values::lanes(&operands, &|lane| values::binary(*op, &lane[0], &lane[1]))
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => {
                let (accept, reject) = (self.value(*accept)?, self.value(*reject)?);
                match self.value(*condition)? {
                    Value::Bool(true) => accept,
                    Value::Bool(false) => reject,
                    condition @ Value::Parts(_) => {
                        values::lanes(&[condition, accept, reject], &|lane| match lane[0] {
                            Value::Bool(true) => lane[1].clone(),
                            Value::Bool(false) => lane[2].clone(),
                            _ => Value::Unknown,
                        })
                    }
                    _ => Value::Unknown,
                }
            }
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                ..
            } => {
                let mut arguments = vec![self.value(*arg)?];
                for more in [arg1, arg2].into_iter().flatten() {
                    arguments.push(self.value(*more)?);
                }
                values::lanes(&arguments, &|lane| values::math(*fun, lane))
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => {
                let value = self.value(*expr)?;
                match convert {
                    None | Some(4) | Some(1) => {
                        values::lanes(&[value], &|lane| values::convert(*kind, &lane[0]))
                    }
                    _ => Value::Unknown,
                }
            }
            _ => Value::Unknown,
        })
    }

    fn constant(&self, handle: Handle<Expression>) -> Value {
        match &self.code.module.global_expressions[handle] {
            Expression::Literal(literal) => Value::literal(*literal),
            Expression::ZeroValue(ty) => Value::zero(&self.code.module.types[*ty].inner),
            Expression::Constant(constant) => {
                self.constant(self.code.module.constants[*constant].init)
            }
            Expression::Splat { size, value } => {
                Value::Parts(vec![self.constant(*value); *size as usize])
            }
            _ => Value::Unknown,
        }
    }
}
