//! Values of expressions, for the invocations that take part.

use naga::{Expression, Handle, ScalarKind};

use super::{
    Domain, Run,
    column::{Column, Kind, Shape, count},
    machine::{Frame, Machine},
    unsupported,
};

impl<'m, D: Domain> Machine<'m, D> {
    /// Evaluates an expression that a statement emits.
    pub fn evaluate(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        handle: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        let shape = frame.code.shape(handle);
        self.spend(lanes.len() * shape.components.max(1))?;
        let old = std::mem::replace(&mut frame.columns[handle.index()], Column::Empty);
        let function = frame.code.function;
        let column = match &function.expressions[handle] {
            Expression::Compose { components, .. } => {
                self.compose(frame, shape, components, lanes, old)?
            }
            Expression::Splat { size, value } => {
                let parts = vec![*value; count(*size)];
                self.compose(frame, shape, &parts, lanes, old)?
            }
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => {
                let parts: Vec<usize> = pattern[..count(*size)]
                    .iter()
                    .map(|part| *part as usize)
                    .collect();
                self.pick(frame, *vector, &parts, old)?
            }
            Expression::Access { base, index } => {
                self.access(frame, *base, Some(*index), 0, shape, lanes, old)?
            }
            Expression::AccessIndex { base, index } => {
                self.access(frame, *base, None, *index, shape, lanes, old)?
            }
            Expression::Load { pointer } => self.load(frame, *pointer, shape, lanes, old)?,
            Expression::Unary { op, expr } => self.unary(frame, *op, *expr, shape, lanes, old)?,
            Expression::Binary { op, left, right } => {
                self.binary(frame, *op, *left, *right, shape, lanes, old)?
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => self.select(frame, [*condition, *accept, *reject], shape, lanes, old)?,
            Expression::Relational { fun, argument } => {
                self.relational(frame, *fun, *argument, lanes)?
            }
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                ..
            } => {
                let operands: Vec<_> = [Some(*arg), *arg1, *arg2].into_iter().flatten().collect();
                self.math(frame, *fun, &operands, shape, lanes, old)?
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => self.convert(frame, *expr, *kind, *convert, shape, lanes)?,
            Expression::ArrayLength(pointer) => self.length(frame, *pointer)?,
            Expression::CooperativeLoad {
                columns,
                rows,
                data,
                ..
            } => self.load_matrix(frame, (*columns, *rows), data, lanes, old)?,
            Expression::CooperativeMultiplyAdd { a, b, c } => {
                self.multiply_matrices(frame, [*a, *b, *c], lanes, old)?
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(', '{']).next().unwrap_or_default();
                return unsupported(format!("'{name}' is not interpreted"));
            }
        };
        frame.columns[handle.index()] = column;
        Ok(())
    }

    /// A buffer for floats, the old one where there is one.
    pub fn floats(&self, old: Column<D::Value>, components: usize) -> Vec<D::Value> {
        let mut values = match old {
            Column::Floats(values) => values,
            _ => Vec::new(),
        };
        values.resize(components * self.width, self.domain.integer(0));
        values
    }

    pub fn integers(&self, old: Column<D::Value>, components: usize) -> Vec<i64> {
        let mut values = match old {
            Column::Integers(values) => values,
            _ => Vec::new(),
        };
        values.resize(components * self.width, 0);
        values
    }

    fn compose(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        shape: Shape,
        parts: &[Handle<Expression>],
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        if shape.components == 0 {
            return unsupported("whole arrays and structures are not interpreted as values");
        }
        let width = self.width;
        let mut place = 0;
        if shape.kind.is_float() {
            let mut values = self.floats(old, shape.components);
            for part in parts {
                let from = frame.columns[part.index()].floats();
                for component in 0..from.len() / width {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        values[place * width + lane] = from[component * width + lane];
                    }
                    place += 1;
                }
            }
            return Ok(Column::Floats(values));
        }
        let mut values = self.integers(old, shape.components);
        for part in parts {
            let from = frame.columns[part.index()].integers();
            for component in 0..from.len() / width {
                for lane in lanes.iter().map(|lane| *lane as usize) {
                    values[place * width + lane] = from[component * width + lane];
                }
                place += 1;
            }
        }
        Ok(Column::Integers(values))
    }

    /// Some components of a vector.
    pub fn pick(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        vector: Handle<Expression>,
        parts: &[usize],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let width = self.width;
        Ok(match &frame.columns[vector.index()] {
            Column::Floats(from) => {
                let mut values = self.floats(old, 0);
                for part in parts {
                    values.extend_from_slice(&from[part * width..(part + 1) * width]);
                }
                Column::Floats(values)
            }
            Column::Integers(from) => {
                let mut values = self.integers(old, 0);
                for part in parts {
                    values.extend_from_slice(&from[part * width..(part + 1) * width]);
                }
                Column::Integers(values)
            }
            _ => return unsupported("components of something that is no vector"),
        })
    }

    fn select(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        [condition, accept, reject]: [Handle<Expression>; 3],
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let width = self.width;
        let conditions = frame.columns[condition.index()].integers();
        let per_component = conditions.len() > width;
        let holds = |component: usize, lane: usize| {
            conditions[if per_component { component * width } else { 0 } + lane] != 0
        };
        let columns = &frame.columns;
        Ok(match (&columns[accept.index()], &columns[reject.index()]) {
            (Column::Floats(yes), Column::Floats(no)) => {
                let mut values = self.floats(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let place = component * width + lane;
                        let from = if holds(component, lane) { yes } else { no };
                        values[place] = from[place];
                    }
                }
                Column::Floats(values)
            }
            (Column::Integers(yes), Column::Integers(no)) => {
                let mut values = self.integers(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let place = component * width + lane;
                        let from = if holds(component, lane) { yes } else { no };
                        values[place] = from[place];
                    }
                }
                Column::Integers(values)
            }
            _ => return unsupported("a choice between values of no scalar type"),
        })
    }

    fn convert(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        value: Handle<Expression>,
        kind: ScalarKind,
        convert: Option<u8>,
        shape: Shape,
        lanes: &[u32],
    ) -> Run<Column<D::Value>> {
        let from = frame.code.shape(value);
        let width = self.width;
        let places = || {
            (0..shape.components).flat_map(|component| {
                lanes
                    .iter()
                    .map(move |lane| component * width + *lane as usize)
            })
        };
        let to_float = kind == ScalarKind::Float;
        if convert.is_none() && from.kind.is_float() != to_float {
            return unsupported("bits of floats as integers are not interpreted");
        }
        match &frame.columns[value.index()] {
            Column::Floats(values) if to_float => Ok(Column::Floats(values.clone())),
            Column::Floats(values) => {
                let mut results = self.integers(Column::Empty, shape.components);
                for place in places() {
                    let value = match kind {
                        ScalarKind::Bool => {
                            let zero = self.domain.integer(0);
                            let order = self.domain.compare(&values[place], &zero);
                            Some(i64::from(order != Some(std::cmp::Ordering::Equal)))
                        }
                        _ => self.domain.to_integer(&values[place]),
                    };
                    let Some(value) = value else {
                        return unsupported("it makes an integer of what is none");
                    };
                    results[place] = match shape.kind {
                        Kind::Signed(4) => value.clamp(i32::MIN.into(), i32::MAX.into()),
                        Kind::Unsigned(4) => value.clamp(0, u32::MAX.into()),
                        _ => value,
                    };
                }
                Ok(Column::Integers(results))
            }
            Column::Integers(values) if to_float => {
                let mut results = self.floats(Column::Empty, shape.components);
                for place in places() {
                    results[place] = self.domain.integer(values[place]);
                }
                Ok(Column::Floats(results))
            }
            Column::Integers(values) => {
                let mut results = self.integers(Column::Empty, shape.components);
                for place in places() {
                    results[place] = shape.kind.wrap(values[place]);
                }
                Ok(Column::Integers(results))
            }
            _ => unsupported("a conversion of what has no value"),
        }
    }
}
