//! Values of naga's expressions: integers and booleans as expressions and conditions,
//! vectors of them by component, pointers by address, everything else as data.

use naga::{Expression, Handle, Literal, ScalarKind, Span, Type, TypeInner};

use super::{Done, Walk, memory::Pointer};
use crate::prove::{
    expr::{Cond, Expr, Int, Test},
    trace::Bound,
};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::prove) enum Value {
    /// A 32-bit integer.
    Int(Int, Expr),
    /// A boolean.
    Bool(Cond),
    /// A vector, or a struct, by component.
    Parts(Vec<Value>),
    /// Memory.
    Pointer(Pointer),
    /// Anything else.
    Data,
}

impl Walk<'_> {
    // --- Reading values -----------------------------------------------------

    /// The value of an expression that was emitted, or needs no emission.
    pub(super) fn value(&mut self, handle: Handle<Expression>) -> Done<Value> {
        if let Some(value) = self.frame.values.get(&handle) {
            return Ok(value.clone());
        }
        self.compute(handle)
    }

    /// A condition.
    pub(super) fn condition(&mut self, handle: Handle<Expression>) -> Done<Cond> {
        Ok(match self.value(handle)? {
            Value::Bool(cond) => cond,
            _ => self.terrain.pool.data_test(),
        })
    }

    /// An index as an integer; one that is not known is data.
    pub(super) fn index(&mut self, handle: Handle<Expression>) -> Done<Expr> {
        Ok(match self.value(handle)? {
            Value::Int(_, expr) => expr,
            _ => self.terrain.pool.data(Int::Signed),
        })
    }

    /// Zero of a type.
    pub(super) fn zero(&mut self, ty: Handle<Type>) -> Value {
        let inner = &self.code.module.types[ty].inner;
        let pool = &mut self.terrain.pool;
        let mut scalar = |scalar: &naga::Scalar| match (scalar.kind, scalar.width) {
            (ScalarKind::Sint, 4) => Value::Int(Int::Signed, pool.constant(0)),
            (ScalarKind::Uint, 4) => Value::Int(Int::Unsigned, pool.constant(0)),
            (ScalarKind::Bool, _) => Value::Bool(pool.test(Test::Known(false))),
            _ => Value::Data,
        };
        match inner {
            TypeInner::Scalar(one) => scalar(one),
            TypeInner::Vector { size, scalar: one } => {
                let part = scalar(one);
                Value::Parts(vec![part; *size as usize])
            }
            _ => Value::Data,
        }
    }

    /// Some value of a type.
    pub(super) fn unknown(&mut self, inner: &TypeInner) -> Value {
        let pool = &mut self.terrain.pool;
        let mut scalar = |scalar: &naga::Scalar| match (scalar.kind, scalar.width) {
            (ScalarKind::Sint, 4) => Value::Int(Int::Signed, pool.data(Int::Signed)),
            (ScalarKind::Uint, 4) => Value::Int(Int::Unsigned, pool.data(Int::Unsigned)),
            (ScalarKind::Bool, _) => Value::Bool(pool.data_test()),
            _ => Value::Data,
        };
        match inner {
            TypeInner::Scalar(one) | TypeInner::Atomic(one) => scalar(one),
            TypeInner::Vector { size, scalar: one }
                if matches!(
                    one.kind,
                    ScalarKind::Sint | ScalarKind::Uint | ScalarKind::Bool
                ) =>
            {
                Value::Parts((0..*size as usize).map(|_| scalar(one)).collect())
            }
            _ => Value::Data,
        }
    }

    /// Some value of the type of an expression.
    pub(super) fn unknown_of(&mut self, handle: Handle<Expression>) -> Value {
        let (code, info) = (self.code, self.info());
        let inner = info[handle].ty.inner_with(&code.module.types);
        self.unknown(inner)
    }

    /// Where an expression stands in the text.
    pub(super) fn span(&self, handle: Handle<Expression>) -> Span {
        self.function().expressions.get_span(handle)
    }

    // --- Computing ----------------------------------------------------------

    /// Evaluates an expression here and now.
    pub(super) fn compute(&mut self, handle: Handle<Expression>) -> Done<Value> {
        let function = self.function();
        let expression = &function.expressions[handle];
        let span = self.span(handle);
        Ok(match expression {
            Expression::Literal(literal) => self.literal(*literal),
            Expression::Constant(constant) => {
                let init = self.code.module.constants[*constant].init;
                self.global(init)
            }
            Expression::ZeroValue(ty) => self.zero(*ty),
            Expression::Compose { ty, components } => self.compose(*ty, components)?,
            Expression::Splat { size, value } => {
                let value = self.value(*value)?;
                Value::Parts(vec![value; *size as usize])
            }
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => match self.value(*vector)? {
                Value::Parts(parts) => {
                    let picked = pattern.iter().take(*size as usize);
                    let part = |index| parts.get(index).cloned().unwrap_or(Value::Data);
                    Value::Parts(picked.map(|lane| part(*lane as usize)).collect())
                }
                _ => self.unknown_of(handle),
            },
            Expression::FunctionArgument(index) => {
                let arguments = &self.frame.arguments;
                arguments
                    .get(*index as usize)
                    .cloned()
                    .unwrap_or(Value::Data)
            }
            Expression::GlobalVariable(global) => Value::Pointer(self.variable(*global, span)?),
            Expression::LocalVariable(local) => Value::Pointer(Pointer::local(*local)),
            Expression::Access { base, index } => {
                let index = self.index(*index)?;
                self.element(*base, index, handle)?
            }
            Expression::AccessIndex { base, index } => match self.value(*base)? {
                Value::Pointer(_) => {
                    let index = self.terrain.pool.constant(i64::from(*index));
                    self.element(*base, index, handle)?
                }
                Value::Parts(parts) => match parts.get(*index as usize) {
                    Some(part) => part.clone(),
                    None => self.unknown_of(handle),
                },
                _ => self.unknown_of(handle),
            },
            Expression::Load { pointer } => self.load(*pointer, handle)?,
            Expression::Unary { op, expr } => {
                let value = self.value(*expr)?;
                self.lanes(handle, &[value], |walk, lanes| match lanes {
                    [one] => walk.unary(*op, one),
                    _ => None,
                })
            }
            Expression::Binary { op, left, right } => {
                let values = [self.value(*left)?, self.value(*right)?];
                self.lanes(handle, &values, |walk, lanes| match lanes {
                    [left, right] => walk.binary(*op, left, right),
                    _ => None,
                })
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => {
                let (accept, reject) = (self.value(*accept)?, self.value(*reject)?);
                match self.value(*condition)? {
                    Value::Bool(cond) => self.select(cond, accept, reject),
                    condition => {
                        self.lanes(
                            handle,
                            &[condition, accept, reject],
                            |walk, lanes| match lanes {
                                [Value::Bool(cond), accept, reject] => {
                                    Some(walk.select(*cond, accept.clone(), reject.clone()))
                                }
                                _ => None,
                            },
                        )
                    }
                }
            }
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                ..
            } => {
                let mut values = vec![self.value(*arg)?];
                for more in [arg1, arg2].into_iter().flatten() {
                    values.push(self.value(*more)?);
                }
                self.lanes(handle, &values, |walk, lanes| walk.math(*fun, lanes))
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => {
                let value = self.value(*expr)?;
                // A boolean has one byte.
                let (kind, whole) = (*kind, matches!(convert, None | Some(1 | 4)));
                self.lanes(handle, &[value], |walk, lanes| match lanes {
                    [one] if whole => walk.convert(kind, one),
                    _ => None,
                })
            }
            Expression::CooperativeLoad {
                columns,
                rows,
                data,
                ..
            } => self.load_matrix((*columns, *rows), data, span)?,
            // Among them `arrayLength`: a binding may be longer than its data, by padding.
            _ => self.unknown_of(handle),
        })
    }

    fn literal(&mut self, literal: Literal) -> Value {
        let pool = &mut self.terrain.pool;
        match literal {
            Literal::I32(value) => Value::Int(Int::Signed, pool.constant(i64::from(value))),
            Literal::U32(value) => Value::Int(Int::Unsigned, pool.constant(i64::from(value))),
            Literal::Bool(value) => Value::Bool(pool.test(Test::Known(value))),
            _ => Value::Data,
        }
    }

    /// A constant expression of the module.
    fn global(&mut self, handle: Handle<Expression>) -> Value {
        match &self.code.module.global_expressions[handle] {
            Expression::Literal(literal) => self.literal(*literal),
            Expression::ZeroValue(ty) => self.zero(*ty),
            Expression::Constant(constant) => {
                let init = self.code.module.constants[*constant].init;
                self.global(init)
            }
            Expression::Splat { size, value } => {
                let value = self.global(*value);
                Value::Parts(vec![value; *size as usize])
            }
            Expression::Compose { ty, components }
                if matches!(self.code.module.types[*ty].inner, TypeInner::Vector { .. })
                    && self.code.module.types[*ty].inner.size_of_parts() == components.len() =>
            {
                Value::Parts(components.iter().map(|one| self.global(*one)).collect())
            }
            _ => Value::Data,
        }
    }

    fn compose(&mut self, ty: Handle<Type>, components: &[Handle<Expression>]) -> Done<Value> {
        match self.code.module.types[ty].inner {
            TypeInner::Vector { .. } => {
                let mut parts = Vec::new();
                for component in components {
                    match self.value(*component)? {
                        Value::Parts(more) => parts.extend(more),
                        one => parts.push(one),
                    }
                }
                let size = self.code.module.types[ty].inner.size_of_parts();
                Ok(match parts.len() == size {
                    true => Value::Parts(parts),
                    false => Value::Data,
                })
            }
            TypeInner::Struct { .. } => {
                let parts = components.iter().map(|one| self.value(*one));
                Ok(Value::Parts(parts.collect::<Done<_>>()?))
            }
            _ => Ok(Value::Data),
        }
    }

    /// Applies `each` to scalars, or lane by lane; data where it gives nothing.
    fn lanes(
        &mut self,
        handle: Handle<Expression>,
        values: &[Value],
        each: impl Fn(&mut Self, &[Value]) -> Option<Value>,
    ) -> Value {
        let widths: Vec<usize> = values
            .iter()
            .filter_map(|value| match value {
                Value::Parts(parts) => Some(parts.len()),
                _ => None,
            })
            .collect();
        let result = match widths.first() {
            None => each(self, values),
            Some(width) if widths.iter().all(|other| other == width) => (0..*width)
                .map(|lane| {
                    let picked: Vec<Value> = values
                        .iter()
                        .map(|value| match value {
                            Value::Parts(parts) => parts[lane].clone(),
                            one => one.clone(),
                        })
                        .collect();
                    each(self, &picked)
                })
                .collect::<Option<Vec<_>>>()
                .map(Value::Parts),
            Some(_) => None,
        };
        match result {
            Some(value) => value,
            None => self.unknown_of(handle),
        }
    }

    /// One value where a condition holds, another elsewhere.
    pub(super) fn select(&mut self, cond: Cond, accept: Value, reject: Value) -> Value {
        match (accept, reject) {
            (a, b) if a == b => a,
            (Value::Int(int, a), Value::Int(other, b)) if int == other => {
                Value::Int(int, self.terrain.choose(self.place, cond, a, b))
            }
            (Value::Bool(a), Value::Bool(b)) => Value::Bool(self.terrain.pool.one_of(cond, a, b)),
            (Value::Parts(a), Value::Parts(b)) if a.len() == b.len() => {
                let pairs = a.into_iter().zip(b);
                Value::Parts(pairs.map(|(a, b)| self.select(cond, a, b)).collect())
            }
            _ => Value::Data,
        }
    }

    /// Records that an index must be below a length.
    pub(super) fn bound(&mut self, index: Expr, length: i64, what: &str, span: Span) {
        self.trace.bounds.push(Bound {
            index,
            length,
            place: self.place,
            path: self.path(),
            line: self.code.line(span),
            what: what.to_owned(),
        });
    }
}

/// Lanes of a vector type.
trait Parts {
    fn size_of_parts(&self) -> usize;
}

impl Parts for TypeInner {
    fn size_of_parts(&self) -> usize {
        match self {
            TypeInner::Vector { size, .. } => *size as usize,
            _ => 0,
        }
    }
}
