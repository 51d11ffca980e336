//! WGSL's operations on integers and booleans, as expressions and conditions. `None` where
//! nothing is known of the result.

use naga::{BinaryOperator as B, MathFunction as M, ScalarKind, UnaryOperator as U};

use super::{Value, Walk};
use crate::prove::{
    expr::{Bits, Int},
    range::Terrain,
};

impl Walk<'_> {
    pub(super) fn unary(&mut self, op: U, value: &Value) -> Option<Value> {
        Some(match (op, value) {
            (U::Negate, Value::Int(int, expr)) => {
                let exact = self.terrain.pool.scale(*expr, -1);
                Value::Int(*int, self.terrain.fit(self.place, *int, exact))
            }
            (U::BitwiseNot, Value::Int(int, expr)) => {
                let exact = self.terrain.pool.scale(*expr, -1);
                let last = match int {
                    Int::Signed => -1,
                    Int::Unsigned => i64::from(u32::MAX),
                };
                Value::Int(*int, self.terrain.pool.offset(exact, last))
            }
            (U::LogicalNot, Value::Bool(cond)) => Value::Bool(self.terrain.pool.not(*cond)),
            _ => return None,
        })
    }

    pub(super) fn binary(&mut self, op: B, left: &Value, right: &Value) -> Option<Value> {
        let place = self.place;
        let terrain = &mut self.terrain;
        let (int, a, b) = match (left, right) {
            (Value::Int(int, a), Value::Int(_, b)) => (*int, *a, *b),
            (Value::Bool(a), Value::Bool(b)) => {
                let (a, b) = (*a, *b);
                return Some(Value::Bool(match op {
                    B::And | B::LogicalAnd => terrain.pool.both(a, b),
                    B::InclusiveOr | B::LogicalOr => terrain.pool.either(a, b),
                    _ => return None,
                }));
            }
            _ => return None,
        };
        let bits =
            |terrain: &mut Terrain, bits| Value::Int(int, terrain.bits(place, bits, int, a, b));
        let pool = &mut terrain.pool;
        Some(match op {
            B::Add => {
                let exact = pool.add(a, b);
                Value::Int(int, terrain.fit(place, int, exact))
            }
            B::Subtract => {
                let exact = pool.sub(a, b);
                Value::Int(int, terrain.fit(place, int, exact))
            }
            B::Multiply => {
                let exact = terrain.product(a, b);
                Value::Int(int, terrain.fit(place, int, exact))
            }
            B::Divide => Value::Int(int, terrain.quotient(place, int, a, b)),
            B::Modulo => Value::Int(int, terrain.remainder(place, int, a, b)),
            B::And => bits(terrain, Bits::And),
            B::InclusiveOr => bits(terrain, Bits::Or),
            B::ExclusiveOr => bits(terrain, Bits::Xor),
            B::ShiftLeft => bits(terrain, Bits::Left),
            B::ShiftRight => bits(terrain, Bits::Right),
            B::Equal => Value::Bool(pool.equal(a, b)),
            B::NotEqual => {
                let equal = pool.equal(a, b);
                Value::Bool(pool.not(equal))
            }
            B::GreaterEqual => Value::Bool(pool.at_least(a, b)),
            B::LessEqual => Value::Bool(pool.at_least(b, a)),
            B::Less => {
                let not = pool.at_least(a, b);
                Value::Bool(pool.not(not))
            }
            B::Greater => {
                let not = pool.at_least(b, a);
                Value::Bool(pool.not(not))
            }
            B::LogicalAnd | B::LogicalOr => return None,
        })
    }

    pub(super) fn math(&mut self, fun: M, lanes: &[Value]) -> Option<Value> {
        let place = self.place;
        Some(match (fun, lanes) {
            (M::Min, [Value::Int(int, a), Value::Int(_, b)]) => {
                Value::Int(*int, self.terrain.minimum(place, *a, *b))
            }
            (M::Max, [Value::Int(int, a), Value::Int(_, b)]) => {
                Value::Int(*int, self.terrain.maximum(place, *a, *b))
            }
            (M::Clamp, [Value::Int(int, a), Value::Int(_, low), Value::Int(_, high)]) => {
                let raised = self.terrain.maximum(place, *a, *low);
                Value::Int(*int, self.terrain.minimum(place, raised, *high))
            }
            _ => return None,
        })
    }

    pub(super) fn convert(&mut self, kind: ScalarKind, value: &Value) -> Option<Value> {
        let int = match kind {
            ScalarKind::Sint => Int::Signed,
            ScalarKind::Uint => Int::Unsigned,
            ScalarKind::Bool => {
                return match value {
                    Value::Bool(cond) => Some(Value::Bool(*cond)),
                    Value::Int(_, expr) => {
                        let pool = &mut self.terrain.pool;
                        let zero = pool.constant(0);
                        let is_zero = pool.equal(*expr, zero);
                        Some(Value::Bool(pool.not(is_zero)))
                    }
                    _ => None,
                };
            }
            _ => return Some(Value::Data),
        };
        match value {
            Value::Int(_, expr) => Some(Value::Int(int, self.terrain.fit(self.place, int, *expr))),
            Value::Bool(cond) => {
                let pool = &mut self.terrain.pool;
                let (one, zero) = (pool.constant(1), pool.constant(0));
                let chosen = self.terrain.choose(self.place, *cond, one, zero);
                Some(Value::Int(int, chosen))
            }
            _ => None,
        }
    }
}
