//! Operators.

use std::cmp::Ordering;

use naga::{BinaryOperator, Expression, Handle, RelationalFunction, UnaryOperator};

use super::{
    Arithmetic, Domain, Run, Stop,
    column::{Column, Kind, Shape},
    machine::{Frame, Machine},
    unsupported,
};

impl<'m, D: Domain> Machine<'m, D> {
    pub fn unary(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        operator: UnaryOperator,
        operand: Handle<Expression>,
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let width = self.width;
        match &frame.columns[operand.index()] {
            Column::Floats(values) => {
                let mut results = self.floats(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes {
                        let place = component * width + *lane as usize;
                        results[place] = self.domain.negate(values[place]);
                    }
                }
                Ok(Column::Floats(results))
            }
            Column::Integers(values) => {
                let mut results = self.integers(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes {
                        let place = component * width + *lane as usize;
                        results[place] = shape.kind.wrap(match operator {
                            UnaryOperator::Negate => values[place].wrapping_neg(),
                            UnaryOperator::LogicalNot => i64::from(values[place] == 0),
                            UnaryOperator::BitwiseNot => !values[place],
                        });
                    }
                }
                Ok(Column::Integers(results))
            }
            _ => unsupported("an operator on what has no value"),
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "an operator, its operands and its result"
    )]
    pub fn binary(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        operator: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let operand = frame.code.shape(left);
        match (&frame.columns[left.index()], &frame.columns[right.index()]) {
            (Column::Floats(a), Column::Floats(b)) => match arithmetic(operator) {
                Some(operation) => {
                    let results = self.floats(old, shape.components);
                    Ok(Column::Floats(
                        self.two(operation, a, b, results, shape, lanes),
                    ))
                }
                None => self.compare(operator, a, b, shape, lanes, old),
            },
            (Column::Integers(a), Column::Integers(b)) => {
                let mut results = self.integers(old, shape.components);
                let (a_step, b_step) = (self.stride(a.len()), self.stride(b.len()));
                for component in 0..shape.components {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let (a, b) = (a[component * a_step + lane], b[component * b_step + lane]);
                        let value = integer(operator, operand.kind, a, b).ok_or_else(|| {
                            Stop::Unsupported(format!("{a} {operator:?} {b} of integers"))
                        })?;
                        results[component * self.width + lane] = shape.kind.wrap(value);
                    }
                }
                Ok(Column::Integers(results))
            }
            _ => unsupported("an operator on matrices or on what has no value"),
        }
    }

    /// Distance of components: 0 for a scalar beside a vector.
    pub fn stride(&self, length: usize) -> usize {
        if length > self.width { self.width } else { 0 }
    }

    /// An operation on two floats, for all components.
    pub fn two(
        &self,
        operation: Arithmetic,
        a: &[D::Value],
        b: &[D::Value],
        mut results: Vec<D::Value>,
        shape: Shape,
        lanes: &[u32],
    ) -> Vec<D::Value> {
        let (a_step, b_step) = (self.stride(a.len()), self.stride(b.len()));
        for component in 0..shape.components {
            for lane in lanes.iter().map(|lane| *lane as usize) {
                let (a, b) = (a[component * a_step + lane], b[component * b_step + lane]);
                results[component * self.width + lane] = self.domain.binary(operation, a, b);
            }
        }
        results
    }

    fn compare(
        &self,
        operator: BinaryOperator,
        a: &[D::Value],
        b: &[D::Value],
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        use BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        let mut results = self.integers(old, shape.components);
        for component in 0..shape.components {
            for lane in lanes {
                let place = component * self.width + *lane as usize;
                let order = self.domain.compare(&a[place], &b[place]);
                results[place] = i64::from(match operator {
                    Equal => order == Some(Ordering::Equal),
                    NotEqual => order != Some(Ordering::Equal),
                    Less => order == Some(Ordering::Less),
                    LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    Greater => order == Some(Ordering::Greater),
                    GreaterEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    _ => return unsupported(format!("{operator:?} of floats")),
                });
            }
        }
        Ok(Column::Integers(results))
    }

    pub fn relational(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        function: RelationalFunction,
        argument: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<Column<D::Value>> {
        let components = frame.code.shape(argument).components;
        let values = frame.columns[argument.index()].integers();
        let mut results = self.integers(Column::Empty, 1);
        for lane in lanes.iter().map(|lane| *lane as usize) {
            let mut all =
                (0..components).map(|component| values[component * self.width + lane] != 0);
            results[lane] = i64::from(match function {
                RelationalFunction::All if !values.is_empty() => all.all(|value| value),
                RelationalFunction::Any if !values.is_empty() => all.any(|value| value),
                _ => return unsupported("tests for infinities and NaN are not interpreted"),
            });
        }
        Ok(Column::Integers(results))
    }
}

fn arithmetic(operator: BinaryOperator) -> Option<Arithmetic> {
    match operator {
        BinaryOperator::Add => Some(Arithmetic::Add),
        BinaryOperator::Subtract => Some(Arithmetic::Sub),
        BinaryOperator::Multiply => Some(Arithmetic::Mul),
        BinaryOperator::Divide => Some(Arithmetic::Div),
        _ => None,
    }
}

/// An operator on integers; `None` where WGSL leaves it open.
fn integer(operator: BinaryOperator, kind: Kind, a: i64, b: i64) -> Option<i64> {
    let wide = kind == Kind::Unsigned(8);
    let bits = match kind {
        Kind::Signed(8) | Kind::Unsigned(8) => 64,
        _ => 32,
    };
    let truth = |value: bool| Some(i64::from(value));
    let order = if wide {
        (a as u64).cmp(&(b as u64))
    } else {
        a.cmp(&b)
    };
    match operator {
        BinaryOperator::Add => Some(a.wrapping_add(b)),
        BinaryOperator::Subtract => Some(a.wrapping_sub(b)),
        BinaryOperator::Multiply => Some(a.wrapping_mul(b)),
        BinaryOperator::Divide if wide => {
            (a as u64).checked_div(b as u64).map(|value| value as i64)
        }
        BinaryOperator::Modulo if wide => {
            (a as u64).checked_rem(b as u64).map(|value| value as i64)
        }
        BinaryOperator::Divide => a.checked_div(b),
        BinaryOperator::Modulo => a.checked_rem(b),
        BinaryOperator::Equal => truth(a == b),
        BinaryOperator::NotEqual => truth(a != b),
        BinaryOperator::Less => truth(order == Ordering::Less),
        BinaryOperator::LessEqual => truth(order != Ordering::Greater),
        BinaryOperator::Greater => truth(order == Ordering::Greater),
        BinaryOperator::GreaterEqual => truth(order != Ordering::Less),
        BinaryOperator::And => Some(a & b),
        BinaryOperator::InclusiveOr => Some(a | b),
        BinaryOperator::ExclusiveOr => Some(a ^ b),
        BinaryOperator::LogicalAnd => truth(a != 0 && b != 0),
        BinaryOperator::LogicalOr => truth(a != 0 || b != 0),
        BinaryOperator::ShiftLeft => (0..bits).contains(&b).then(|| a.wrapping_shl(b as u32)),
        BinaryOperator::ShiftRight if wide => {
            (0..bits).contains(&b).then(|| ((a as u64) >> b) as i64)
        }
        BinaryOperator::ShiftRight => (0..bits).contains(&b).then(|| a >> b),
    }
}
