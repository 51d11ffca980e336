//! WGSL's functions.

use naga::{Expression, Handle, MathFunction};

use kforge_oracle::Function;

use super::{
    Arithmetic, Domain, Run,
    column::{Column, Shape},
    machine::{Frame, Machine},
    unsupported,
};

/// Operations that a function of exponents or roots counts as.
const COST: usize = 16;

impl<'m, D: Domain> Machine<'m, D> {
    pub fn math(
        &mut self,
        frame: &Frame<'_, 'm, D::Value>,
        function: MathFunction,
        operands: &[Handle<Expression>],
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let columns: Vec<&Column<D::Value>> = operands
            .iter()
            .map(|operand| &frame.columns[operand.index()])
            .collect();
        if let Column::Integers(_) = columns[0] {
            let values: Vec<&[i64]> = columns.iter().map(|column| column.integers()).collect();
            return self.integer_math(function, &values, shape, lanes, old);
        }
        let values: Vec<&[D::Value]> = columns.iter().map(|column| column.floats()).collect();
        if values.iter().any(|values| values.is_empty()) {
            return unsupported(format!("'{function:?}' of these operands"));
        }
        if let Some(function) = unary(function) {
            self.spend(COST * lanes.len() * shape.components)?;
            return Ok(Column::Floats(
                self.one(function, values[0], old, shape, lanes),
            ));
        }
        if let MathFunction::Dot = function {
            return Ok(Column::Floats(self.dot(values[0], values[1], lanes)));
        }
        let binary = match function {
            MathFunction::Min => Some(Arithmetic::Min),
            MathFunction::Max => Some(Arithmetic::Max),
            MathFunction::Pow => Some(Arithmetic::Power),
            _ => None,
        };
        if let Some(operation) = binary {
            let results = self.floats(old, shape.components);
            let results = self.two(operation, values[0], values[1], results, shape, lanes);
            return Ok(Column::Floats(results));
        }
        let mut results = self.floats(old, shape.components);
        let steps: Vec<usize> = values
            .iter()
            .map(|values| self.stride(values.len()))
            .collect();
        let on = self.domain;
        let of = |operation, a, b| on.binary(operation, a, b);
        for component in 0..shape.components {
            for lane in lanes.iter().map(|lane| *lane as usize) {
                let operand = |index: usize| values[index][component * steps[index] + lane];
                let x = operand(0);
                results[component * self.width + lane] = match function {
                    MathFunction::Fma => of(
                        Arithmetic::Add,
                        of(Arithmetic::Mul, x, operand(1)),
                        operand(2),
                    ),
                    MathFunction::Clamp => of(
                        Arithmetic::Min,
                        of(Arithmetic::Max, x, operand(1)),
                        operand(2),
                    ),
                    MathFunction::Saturate => {
                        let low = of(Arithmetic::Max, x, on.integer(0));
                        of(Arithmetic::Min, low, on.integer(1))
                    }
                    MathFunction::Mix => {
                        let rest = of(Arithmetic::Sub, on.integer(1), operand(2));
                        let second = of(Arithmetic::Mul, operand(1), operand(2));
                        of(Arithmetic::Add, of(Arithmetic::Mul, x, rest), second)
                    }
                    MathFunction::Step => {
                        let below = on.compare(&operand(1), &x) == Some(std::cmp::Ordering::Less);
                        on.integer(i64::from(!below))
                    }
                    MathFunction::Fract => of(Arithmetic::Sub, x, on.apply(Function::Floor, x)),
                    // A rounding, as is storing in half precision.
                    MathFunction::QuantizeToF16 => x,
                    _ => return unsupported(format!("'{function:?}' is not interpreted")),
                };
            }
        }
        Ok(Column::Floats(results))
    }

    /// A function of one float, for all components.
    pub fn one(
        &self,
        function: Function,
        values: &[D::Value],
        old: Column<D::Value>,
        shape: Shape,
        lanes: &[u32],
    ) -> Vec<D::Value> {
        let mut results = self.floats(old, shape.components);
        for component in 0..shape.components {
            for lane in lanes {
                let place = component * self.width + *lane as usize;
                results[place] = self.domain.apply(function, values[place]);
            }
        }
        results
    }

    fn dot(&self, a: &[D::Value], b: &[D::Value], lanes: &[u32]) -> Vec<D::Value> {
        let mut results = self.floats(Column::Empty, 1);
        for lane in lanes.iter().map(|lane| *lane as usize) {
            let mut sum = self.domain.integer(0);
            for place in (lane..a.len()).step_by(self.width) {
                let product = self.domain.binary(Arithmetic::Mul, a[place], b[place]);
                sum = self.domain.binary(Arithmetic::Add, sum, product);
            }
            results[lane] = sum;
        }
        results
    }

    fn integer_math(
        &self,
        function: MathFunction,
        values: &[&[i64]],
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let mut results = self.integers(old, shape.components);
        let steps: Vec<usize> = values
            .iter()
            .map(|values| self.stride(values.len()))
            .collect();
        for component in 0..shape.components {
            for lane in lanes.iter().map(|lane| *lane as usize) {
                let operand = |index: usize| values[index][component * steps[index] + lane];
                let x = operand(0);
                let value = match function {
                    MathFunction::Abs => x.wrapping_abs(),
                    MathFunction::Sign => x.signum(),
                    MathFunction::Min => x.min(operand(1)),
                    MathFunction::Max => x.max(operand(1)),
                    MathFunction::Clamp => x.max(operand(1)).min(operand(2)),
                    _ => return unsupported(format!("'{function:?}' of integers")),
                };
                results[component * self.width + lane] = shape.kind.wrap(value);
            }
        }
        Ok(Column::Integers(results))
    }
}

fn unary(function: MathFunction) -> Option<Function> {
    Some(match function {
        MathFunction::Abs => Function::Abs,
        MathFunction::Sign => Function::Sign,
        MathFunction::Exp => Function::Exp,
        MathFunction::Exp2 => Function::Exp2,
        MathFunction::Log => Function::Log,
        MathFunction::Log2 => Function::Log2,
        MathFunction::Sqrt => Function::Sqrt,
        MathFunction::InverseSqrt => Function::Rsqrt,
        MathFunction::Tanh => Function::Tanh,
        MathFunction::Sin => Function::Sin,
        MathFunction::Cos => Function::Cos,
        MathFunction::Floor => Function::Floor,
        MathFunction::Ceil => Function::Ceil,
        MathFunction::Round => Function::Round,
        MathFunction::Trunc => Function::Trunc,
        _ => return None,
    })
}
