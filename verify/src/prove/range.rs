//! Intervals of expressions under the conditions that hold at a place.
//!
//! A [`Place`] is a set of linear constraints: those of every condition on the way there.
//! The interval of a sum is that of its atoms, narrowed by every constraint whose terms
//! are among the sum's. Limits: a disjunction gives no constraint; constraints are used
//! one after another, never combined (`reach.rs` does that where this is too coarse).

use std::collections::HashMap;

use super::expr::{Atom, Bits, Cond, Expr, Int, Node, Pool, Range, Test, Var};

/// An interned set of constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u32);

/// Nothing is known.
pub(super) const ANYWHERE: Place = Place(0);

/// A sum of terms without common factor, the first of them positive, and its values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constraint {
    pub(super) terms: Vec<(Atom, i64)>,
    pub(super) range: Range,
}

#[derive(Clone, Debug, Default)]
struct Known {
    constraints: Vec<Constraint>,
    /// Conditions that are no linear constraints, by what they are.
    facts: Vec<(Cond, bool)>,
    impossible: bool,
}

/// Expressions with places.
#[derive(Debug)]
pub(super) struct Terrain {
    pub(super) pool: Pool,
    places: Vec<Known>,
    entered: HashMap<(Place, Cond), Place>,
    ranges: HashMap<(Place, Expr), Range>,
    atoms: HashMap<(Place, Atom), Range>,
    /// Values that an atom was seen to take, if all could be tried.
    tried: HashMap<Atom, Option<Range>>,
}

/// Combinations that are tried of a quotient or remainder by what varies: once in a proof,
/// over the workgroups of a launch, of which there are more than 2^16 in two dimensions.
const TRIED: u64 = 1 << 18;

/// Beyond every value of 32 bits, and far from the limits of 64.
const FAR: Range = Range::new(-(1 << 62), 1 << 62);

impl Default for Terrain {
    fn default() -> Self {
        Self {
            pool: Pool::default(),
            places: vec![Known::default()],
            entered: HashMap::new(),
            ranges: HashMap::new(),
            atoms: HashMap::new(),
            tried: HashMap::new(),
        }
    }
}

/// The greatest common divisor, not negative.
pub(super) fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

/// The greatest common divisor of the factors; 0 where there are none.
pub(super) fn common(terms: &[(Atom, i64)]) -> i64 {
    terms.iter().fold(0, |all, (_, factor)| gcd(all, *factor))
}

/// The quotient rounded up; `b` is positive.
pub(super) fn ceil_div(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
}

/// `terms` = factor · constraint terms, if that is so for a part of `terms`.
fn multiple(terms: &[(Atom, i64)], of: &[(Atom, i64)]) -> Option<i64> {
    let mut factor = None;
    for (atom, own) in of {
        let index = terms.binary_search_by_key(atom, |(atom, _)| *atom).ok()?;
        let other = terms[index].1;
        if other % own != 0 || factor.is_some_and(|factor| factor != other / own) {
            return None;
        }
        factor = Some(other / own);
    }
    factor
}

impl Terrain {
    /// Forgets intervals, because those of a variable changed.
    pub(super) fn forget(&mut self, var: Var) {
        self.ranges.clear();
        self.atoms.clear();
        let pool = &self.pool;
        self.tried
            .retain(|atom, _| pool.atom_vars(*atom) >> var & 1 == 0);
    }

    /// Whether no invocation can be there.
    pub(super) fn is_impossible(&self, place: Place) -> bool {
        self.places[place.0 as usize].impossible
    }

    /// The constraints of a place.
    pub(super) fn constraints(&self, place: Place) -> &[Constraint] {
        &self.places[place.0 as usize].constraints
    }

    /// `place`, where `cond` holds as well.
    pub(super) fn enter(&mut self, place: Place, cond: Cond) -> Place {
        if let Some(known) = self.entered.get(&(place, cond)) {
            return *known;
        }
        let mut known = self.places[place.0 as usize].clone();
        self.assume(place, &mut known, cond);
        let id = Place(self.places.len() as u32);
        self.places.push(known);
        self.entered.insert((place, cond), id);
        id
    }

    fn assume(&mut self, place: Place, known: &mut Known, cond: Cond) {
        match self.pool.of_cond(cond) {
            Test::Known(value) => known.impossible |= !value,
            Test::Both(a, b) => {
                self.assume(place, known, a);
                self.assume(place, known, b);
            }
            Test::NotNegative(sum) => {
                let (terms, constant) = self.pool.terms(sum);
                let (terms, least) = (terms.to_vec(), constant.saturating_neg());
                self.restrict(place, known, terms, Range::new(least, FAR.hi));
            }
            Test::Zero(sum) => {
                let (terms, constant) = self.pool.terms(sum);
                let (terms, value) = (terms.to_vec(), constant.saturating_neg());
                self.restrict(place, known, terms, Range::new(value, value));
            }
            Test::NotZero(_) | Test::Either(..) | Test::Data(_) => {}
        }
        known.facts.push((cond, true));
        let opposite = match self.pool.of_cond(cond) {
            // The opposite of unknown data would be another unknown.
            Test::Data(_) => return,
            _ => self.pool.not(cond),
        };
        known.facts.push((opposite, false));
    }

    /// The sum of `terms` is in `range`.
    fn restrict(
        &mut self,
        place: Place,
        known: &mut Known,
        mut terms: Vec<(Atom, i64)>,
        mut range: Range,
    ) {
        let mut factor = common(&terms);
        if factor == 0 {
            known.impossible |= range.lo > 0 || range.hi < 0;
            return;
        }
        if terms[0].1 < 0 {
            factor = -factor;
        }
        for (_, own) in &mut terms {
            *own /= factor;
        }
        if factor < 0 {
            range = range.times(-1);
        }
        let divisor = factor.abs();
        range = Range::new(ceil_div(range.lo, divisor), range.hi.div_euclid(divisor));
        let now = self.range_of(place, &terms, 0).and(range);
        if now.lo > now.hi {
            known.impossible = true;
        }
        match terms[..] {
            [(atom, 1)] => self.inwards(place, known, atom, now),
            _ => self.each_term(place, known, &terms, now),
        }
        match known.constraints.iter_mut().find(|one| one.terms == terms) {
            Some(one) => one.range = one.range.and(range),
            None => known.constraints.push(Constraint { terms, range }),
        }
    }

    /// What an interval of a sum says about each of its atoms, given those of the others.
    fn each_term(&mut self, place: Place, known: &mut Known, terms: &[(Atom, i64)], range: Range) {
        for (index, (atom, factor)) in terms.iter().enumerate() {
            let mut left = range;
            for (other, factor) in terms[..index].iter().chain(&terms[index + 1..]) {
                left = left.plus(self.atom_range(place, *other).times(-factor));
            }
            let left = if *factor < 0 { left.times(-1) } else { left };
            let divisor = factor.abs();
            let now = self.atom_range(place, *atom);
            let mut own = FAR;
            // What is as far as that may have been cut off on the way.
            if left.lo > FAR.lo {
                own.lo = ceil_div(left.lo, divisor);
            }
            if left.hi < FAR.hi {
                own.hi = left.hi.div_euclid(divisor);
            }
            if own.lo > now.lo || own.hi < now.hi {
                self.restrict(place, known, vec![(*atom, 1)], own);
            }
        }
    }

    /// What an interval of an operation says about its operands.
    fn inwards(&mut self, place: Place, known: &mut Known, atom: Atom, range: Range) {
        let mut operand = |this: &mut Self, expr: Expr, range: Range| {
            let (terms, constant) = this.pool.terms(expr);
            let terms = terms.to_vec();
            let range = Range::new(
                range.lo.saturating_sub(constant).max(FAR.lo),
                range.hi.saturating_sub(constant).min(FAR.hi),
            );
            if !terms.is_empty() {
                this.restrict(place, known, terms, range);
            }
        };
        match self.pool.of(atom) {
            Node::Div(a, b) => {
                let whole = self.range(place, a);
                if let (Some(divisor), true) = (self.pool.known(b), whole.lo >= 0) {
                    let last = range.hi.saturating_mul(divisor).saturating_add(divisor - 1);
                    let first = range.lo.max(0).saturating_mul(divisor);
                    operand(self, a, Range::new(first, last));
                }
            }
            Node::Min(a, b) => {
                let both = [self.range(place, a), self.range(place, b)];
                // Below what the one can be, it is the other.
                let hi = |other: Range| {
                    if other.lo > range.hi {
                        range.hi
                    } else {
                        FAR.hi
                    }
                };
                operand(self, a, Range::new(range.lo, hi(both[1])));
                operand(self, b, Range::new(range.lo, hi(both[0])));
            }
            Node::Max(a, b) => {
                let both = [self.range(place, a), self.range(place, b)];
                let lo = |other: Range| {
                    if other.hi < range.lo {
                        range.lo
                    } else {
                        FAR.lo
                    }
                };
                operand(self, a, Range::new(lo(both[1]), range.hi));
                operand(self, b, Range::new(lo(both[0]), range.hi));
            }
            _ => {}
        }
    }

    /// Whether a condition holds; `None` where it may and may not.
    pub(super) fn decide(&mut self, place: Place, cond: Cond) -> Option<bool> {
        let facts = &self.places[place.0 as usize].facts;
        if let Some((_, value)) = facts.iter().find(|(known, _)| *known == cond) {
            return Some(*value);
        }
        match self.pool.of_cond(cond) {
            Test::Known(value) => Some(value),
            Test::NotNegative(sum) => {
                let range = self.range(place, sum);
                (range.lo >= 0 || range.hi < 0).then_some(range.lo >= 0)
            }
            Test::Zero(sum) | Test::NotZero(sum) => {
                let is_zero = matches!(self.pool.of_cond(cond), Test::Zero(_));
                let range = self.range(place, sum);
                if range == Range::new(0, 0) {
                    return Some(is_zero);
                }
                let (terms, constant) = self.pool.terms(sum);
                let never = range.lo > 0
                    || range.hi < 0
                    || matches!(common(terms), g if g != 0 && constant % g != 0);
                never.then_some(!is_zero)
            }
            Test::Both(a, b) => match (self.decide(place, a), self.decide(place, b)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Test::Either(a, b) => match (self.decide(place, a), self.decide(place, b)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Test::Data(_) => None,
        }
    }

    /// An interval that holds every value of `expr` at `place`.
    pub(super) fn range(&mut self, place: Place, expr: Expr) -> Range {
        if let Some(known) = self.ranges.get(&(place, expr)) {
            return *known;
        }
        let (terms, constant) = self.pool.terms(expr);
        let terms = terms.to_vec();
        let range = self.range_of(place, &terms, constant);
        self.ranges.insert((place, expr), range);
        range
    }

    /// The same of a sum that need not be interned; `terms` are sorted by atom.
    pub(super) fn range_of(&mut self, place: Place, terms: &[(Atom, i64)], constant: i64) -> Range {
        let mut left = terms.to_vec();
        let mut total = Range::new(constant, constant);
        let constraints = self.places[place.0 as usize].constraints.clone();
        // Constraints with many terms first: they say what single ones cannot.
        let mut order: Vec<&Constraint> = constraints
            .iter()
            .filter(|one| one.terms.len() > 1 && one.terms.len() <= left.len())
            .collect();
        order.sort_by_key(|one| std::cmp::Reverse(one.terms.len()));
        for one in order {
            let Some(factor) = multiple(&left, &one.terms) else {
                continue;
            };
            let mut apart = Range::new(0, 0);
            for (atom, own) in &one.terms {
                let own = own.saturating_mul(factor);
                apart = apart.plus(self.atom_range(place, *atom).times(own));
            }
            let narrow = one.range.times(factor).and(apart);
            if narrow == apart {
                continue;
            }
            total = total.plus(narrow);
            left.retain(|(atom, _)| one.terms.iter().all(|(other, _)| other != atom));
        }
        for (atom, factor) in left {
            total = total.plus(self.atom_range(place, atom).times(factor));
        }
        total
    }

    /// An interval that holds every value of an atom.
    pub(super) fn atom_range(&mut self, place: Place, atom: Atom) -> Range {
        if let Some(known) = self.atoms.get(&(place, atom)) {
            return *known;
        }
        let mut range = self.node_range(place, atom);
        let constraints = &self.places[place.0 as usize].constraints;
        for one in constraints {
            if one.terms == [(atom, 1)] {
                range = range.and(one.range);
            }
        }
        self.atoms.insert((place, atom), range);
        range
    }

    fn node_range(&mut self, place: Place, atom: Atom) -> Range {
        match self.pool.of(atom) {
            Node::Var(var) => self.pool.var_range(var),
            Node::Div(a, b) => {
                let (of, by) = (self.range(place, a), self.range(place, b));
                self.among_tried(atom, b, quotients(of, by))
            }
            Node::Rem(a, b) => {
                let (of, by) = (self.range(place, a), self.range(place, b));
                let most = by.hi.max(1) - 1;
                let range = Range::new(of.lo.clamp(-most, 0), of.hi.clamp(0, most));
                self.among_tried(atom, b, range)
            }
            Node::Min(a, b) => {
                let (a, b) = (self.range(place, a), self.range(place, b));
                Range::new(a.lo.min(b.lo), a.hi.min(b.hi))
            }
            Node::Max(a, b) => {
                let (a, b) = (self.range(place, a), self.range(place, b));
                Range::new(a.lo.max(b.lo), a.hi.max(b.hi))
            }
            Node::Mul(a, b) => {
                let (a, b) = (self.range(place, a), self.range(place, b));
                a.times(b.lo).or(a.times(b.hi))
            }
            Node::Bits(bits, int, a, b) => {
                let (a, b) = (self.range(place, a), self.range(place, b));
                bit_range(bits, int, a, b)
            }
            Node::Wrap(int, a) => {
                let a = self.range(place, a);
                if a.within(int.range()) {
                    a
                } else {
                    int.range()
                }
            }
            Node::Select(cond, a, b) => {
                let opposite = self.pool.not(cond);
                let (yes, no) = (self.enter(place, cond), self.enter(place, opposite));
                let (first, second) = (self.range(yes, a), self.range(no, b));
                match (self.is_impossible(yes), self.is_impossible(no)) {
                    (true, false) => second,
                    (false, true) => first,
                    _ => first.or(second),
                }
            }
            Node::Data(_, int) => int.range(),
        }
    }

    /// The part of `range` that a quotient or remainder takes where its divisor varies: where
    /// small divisors meet small dividends only, intervals of the two say too little.
    fn among_tried(&mut self, atom: Atom, divisor: Expr, range: Range) -> Range {
        if self.pool.known(divisor).is_some() {
            return range;
        }
        let tried = match self.tried.get(&atom) {
            Some(tried) => *tried,
            None => {
                let own = self.pool.collect(vec![(atom, 1)], 0);
                let tried = own.and_then(|own| self.exact(own, &[], TRIED));
                self.tried.insert(atom, tried);
                tried
            }
        };
        tried.map_or(range, |tried| tried.and(range))
    }
}

/// Quotients towards zero by positive divisors.
fn quotients(a: Range, b: Range) -> Range {
    let (small, large) = (b.lo.max(1), b.hi.max(1));
    let all = [a.lo / small, a.lo / large, a.hi / small, a.hi / large];
    let least = all.iter().copied().min().unwrap_or(a.lo);
    let most = all.iter().copied().max().unwrap_or(a.hi);
    Range::new(least, most)
}

fn bit_range(bits: Bits, int: Int, a: Range, b: Range) -> Range {
    let natural = a.lo >= 0 && b.lo >= 0;
    match bits {
        // A natural operand leaves no more bits than it has.
        Bits::And if natural => Range::new(0, a.hi.min(b.hi)),
        Bits::And if b.lo >= 0 => Range::new(0, b.hi),
        Bits::And if a.lo >= 0 => Range::new(0, a.hi),
        Bits::Or | Bits::Xor if natural => {
            let most = a.hi.max(b.hi).unsigned_abs();
            let bits = 64 - most.leading_zeros();
            let all = if bits >= 62 {
                FAR.hi
            } else {
                (1_i64 << bits) - 1
            };
            Range::new(0, all.min(int.range().hi))
        }
        Bits::Right if a.lo >= 0 => Range::new(0, a.hi),
        _ => int.range(),
    }
}
