//! Values of expressions and conditions where every variable has one.

use super::expr::{Atom, Cond, DATA, Expr, Node, Pool, Test};

impl Pool {
    /// The value where every variable has one; `None` where data decides.
    pub(super) fn eval(&self, expr: Expr, env: &[i64]) -> Option<i64> {
        if self.vars(expr) & DATA != 0 {
            return None;
        }
        let (terms, constant) = self.terms(expr);
        let mut total = constant;
        for (atom, factor) in terms {
            total = total.checked_add(self.eval_atom(*atom, env)?.checked_mul(*factor)?)?;
        }
        Some(total)
    }

    /// Likewise of an atom.
    pub(super) fn eval_atom(&self, atom: Atom, env: &[i64]) -> Option<i64> {
        let two = |a, b| Some((self.eval(a, env)?, self.eval(b, env)?));
        match self.of(atom) {
            Node::Var(var) => env.get(var as usize).copied(),
            Node::Div(a, b) => two(a, b).and_then(|(a, b)| a.checked_div(b)),
            Node::Rem(a, b) => two(a, b).and_then(|(a, b)| a.checked_rem(b)),
            Node::Min(a, b) => two(a, b).map(|(a, b)| a.min(b)),
            Node::Max(a, b) => two(a, b).map(|(a, b)| a.max(b)),
            Node::Mul(a, b) => two(a, b).and_then(|(a, b)| a.checked_mul(b)),
            Node::Bits(bits, int, a, b) => two(a, b).map(|(a, b)| bits.apply(int, a, b)),
            Node::Wrap(int, a) => self.eval(a, env).map(|a| int.wrap(a)),
            Node::Select(cond, a, b) => match self.eval_cond(cond, env)? {
                true => self.eval(a, env),
                false => self.eval(b, env),
            },
            Node::Data(..) => None,
        }
    }

    /// Whether a condition holds; `None` where data decides.
    pub(super) fn eval_cond(&self, cond: Cond, env: &[i64]) -> Option<bool> {
        match self.of_cond(cond) {
            Test::Known(value) => Some(value),
            Test::NotNegative(a) => self.eval(a, env).map(|a| a >= 0),
            Test::Zero(a) => self.eval(a, env).map(|a| a == 0),
            Test::NotZero(a) => self.eval(a, env).map(|a| a != 0),
            Test::Both(a, b) => match (self.eval_cond(a, env), self.eval_cond(b, env)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Test::Either(a, b) => match (self.eval_cond(a, env), self.eval_cond(b, env)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Test::Data(_) => None,
        }
    }
}
