//! How far a sum reaches at most, by combining what intervals look at one by one.
//!
//! Every step replaces a sum by one that is at least as large: a quotient by what it is a
//! quotient of, a minimum by one of its operands, a part of the sum by the bound that a
//! condition sets to it. A minimum from below is either operand, so both cases must hold.
//! Multiples of g that are at most n are at most n rounded down to a multiple of g.
//!
//! Limits: 6 steps deep, 600 sums per question; then the bound of the intervals stands.

use super::{
    expr::{Atom, Expr, Node},
    range::{Place, Terrain, common},
};

const DEPTH: u32 = 6;
const SUMS: u32 = 600;
/// What is as large may have been cut off.
const FAR: i64 = 1 << 60;

/// A sum that need not be interned.
#[derive(Clone)]
struct Sum {
    terms: Vec<(Atom, i64)>,
    constant: i64,
}

impl Terrain {
    /// An upper bound of `expr` at `place`.
    pub(super) fn reaches_up_to(&mut self, place: Place, expr: Expr) -> i64 {
        let (terms, constant) = self.pool.terms(expr);
        let sum = Sum {
            terms: terms.to_vec(),
            constant,
        };
        let mut left = SUMS;
        self.most(place, &sum, DEPTH, &mut left)
    }

    /// A lower bound.
    pub(super) fn reaches_down_to(&mut self, place: Place, expr: Expr) -> i64 {
        let negated = self.pool.scale(expr, -1);
        self.reaches_up_to(place, negated).saturating_neg()
    }

    fn most(&mut self, place: Place, sum: &Sum, depth: u32, left: &mut u32) -> i64 {
        let mut best = self.range_of(place, &sum.terms, sum.constant).hi;
        if depth == 0 || *left == 0 || sum.terms.is_empty() {
            return rounded(sum, best);
        }
        *left -= 1;
        for (index, (atom, factor)) in sum.terms.iter().enumerate() {
            let rest = sum.without(index);
            if let Some(bound) = self.step(place, &rest, *atom, *factor, depth - 1, left) {
                best = best.min(bound);
            }
        }
        for constraint in self.constraints(place).to_vec() {
            // Single terms are in the interval of their atom.
            if constraint.terms.len() < 2 {
                continue;
            }
            let shared = constraint.terms.iter().find_map(|(atom, own)| {
                let (_, factor) = sum.terms.iter().find(|(other, _)| other == atom)?;
                (factor % own == 0).then_some(factor / own)
            });
            let Some(factor) = shared else { continue };
            let bound = match factor > 0 {
                true => constraint.range.hi,
                false => constraint.range.lo,
            };
            if bound.unsigned_abs() >= FAR as u64 {
                continue;
            }
            let rest = sum.plus(&constraint.terms, -factor, bound.saturating_mul(factor));
            best = best.min(self.most(place, &rest, depth - 1, left));
        }
        rounded(sum, best)
    }

    /// The bound after one term of a sum is replaced by what is at least as large.
    fn step(
        &mut self,
        place: Place,
        rest: &Sum,
        atom: Atom,
        factor: i64,
        depth: u32,
        left: &mut u32,
    ) -> Option<i64> {
        let with = |this: &Self, expr: Expr, factor: i64, constant: i64| {
            let (terms, own) = this.pool.terms(expr);
            rest.plus(
                terms,
                factor,
                own.saturating_mul(factor).saturating_add(constant),
            )
        };
        match self.pool.of(atom) {
            Node::Div(a, b) => {
                let divisor = self.pool.known(b)?;
                if self.range(place, a).lo < 0 {
                    return None;
                }
                if factor % divisor == 0 {
                    // d·(a / d) is at most a, and at least a - (d - 1).
                    let factor = factor / divisor;
                    let slack = match factor > 0 {
                        true => 0,
                        false => (divisor - 1).saturating_mul(-factor),
                    };
                    let next = with(self, a, factor, slack);
                    return Some(self.most(place, &next, depth, left));
                }
                if factor < 0 {
                    return None;
                }
                let (terms, constant) = self.pool.terms(a);
                let terms = terms.to_vec();
                let inner = Sum {
                    terms: terms.clone(),
                    constant,
                };
                let inner = self.most(place, &inner, depth, left).div_euclid(divisor);
                let others = self.most(place, rest, depth, left);
                let apart = others.saturating_add(inner.saturating_mul(factor));
                // f·(a / d) + b is at most (f·a + d·b) / d: what a and b share may go.
                let Some(together) = rest.times(divisor) else {
                    return Some(apart);
                };
                let together = together.plus(&terms, factor, constant.saturating_mul(factor));
                let together = self.most(place, &together, depth, left);
                Some(match together < FAR {
                    true => apart.min(together.div_euclid(divisor)),
                    false => apart,
                })
            }
            // A remainder by what varies is below it.
            Node::Rem(_, b) if factor > 0 && self.pool.known(b).is_none() => {
                let next = with(self, b, factor, factor.saturating_neg());
                Some(self.most(place, &next, depth, left))
            }
            Node::Min(a, b) | Node::Max(a, b) => {
                let is_min = matches!(self.pool.of(atom), Node::Min(..));
                let (first, second) = (with(self, a, factor, 0), with(self, b, factor, 0));
                if is_min == (factor > 0) {
                    let one = self.most(place, &first, depth, left);
                    let other = self.most(place, &second, depth, left);
                    return Some(one.min(other));
                }
                // Either operand, whichever it is.
                let order = match is_min {
                    true => self.pool.at_least(b, a),
                    false => self.pool.at_least(a, b),
                };
                self.either(place, order, &first, &second, depth, left)
            }
            Node::Select(cond, a, b) => {
                let (first, second) = (with(self, a, factor, 0), with(self, b, factor, 0));
                self.either(place, cond, &first, &second, depth, left)
            }
            _ => None,
        }
    }

    fn either(
        &mut self,
        place: Place,
        cond: super::expr::Cond,
        first: &Sum,
        second: &Sum,
        depth: u32,
        left: &mut u32,
    ) -> Option<i64> {
        let opposite = self.pool.not(cond);
        let mut worst = None;
        for (cond, sum) in [(cond, first), (opposite, second)] {
            let there = self.enter(place, cond);
            if self.is_impossible(there) {
                continue;
            }
            let bound = self.most(there, sum, depth, left);
            worst = Some(worst.map_or(bound, |worst: i64| worst.max(bound)));
        }
        worst
    }
}

/// A bound of a sum, as its terms can reach it.
fn rounded(sum: &Sum, bound: i64) -> i64 {
    match common(&sum.terms) {
        0 => sum.constant,
        factor => (bound.saturating_sub(sum.constant))
            .div_euclid(factor)
            .saturating_mul(factor)
            .saturating_add(sum.constant),
    }
}

impl Sum {
    fn without(&self, index: usize) -> Self {
        let mut terms = self.terms.clone();
        terms.remove(index);
        Self {
            terms,
            constant: self.constant,
        }
    }

    /// Its multiple, if that is not beyond all bounds.
    fn times(&self, factor: i64) -> Option<Self> {
        let times = |own: i64| {
            own.checked_mul(factor)
                .filter(|it| it.unsigned_abs() < FAR as u64)
        };
        let terms = self.terms.iter();
        let terms = terms.map(|(atom, own)| Some((*atom, times(*own)?)));
        Some(Self {
            terms: terms.collect::<Option<_>>()?,
            constant: times(self.constant)?,
        })
    }

    /// The sum with `factor` · `terms` and a constant added.
    fn plus(&self, terms: &[(Atom, i64)], factor: i64, constant: i64) -> Self {
        let mut sum = self.clone();
        sum.constant = sum.constant.saturating_add(constant);
        for (atom, own) in terms {
            let own = own.saturating_mul(factor);
            match sum.terms.binary_search_by_key(atom, |(atom, _)| *atom) {
                Ok(index) => sum.terms[index].1 = sum.terms[index].1.saturating_add(own),
                Err(index) => sum.terms.insert(index, (*atom, own)),
            }
        }
        sum.terms.retain(|(_, factor)| *factor != 0);
        sum
    }
}
