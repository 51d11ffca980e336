//! The operations of 32-bit integers on expressions, simplified by what is known where
//! they are computed.
//!
//! `(128·w + l) / 4` is `32·w + l / 4`, a remainder of what is smaller is the value
//! itself, a minimum that is decided is one of its operands. What cannot be simplified
//! stays an atom; what may wrap becomes [`Node::Wrap`].

use super::{
    expr::{Atom, Bits, Cond, Expr, Int, Node, Terms, Test},
    range::{Place, Terrain, common, gcd},
};

impl Terrain {
    /// The value of 32 bits of an exact result.
    pub(super) fn fit(&mut self, place: Place, int: Int, exact: Expr) -> Expr {
        if self.range(place, exact).within(int.range()) {
            return exact;
        }
        match self.pool.known(exact) {
            Some(value) => self.pool.constant(int.wrap(value)),
            None => self.pool.node(Node::Wrap(int, exact)),
        }
    }

    /// `a * b`, exact.
    pub(super) fn product(&mut self, a: Expr, b: Expr) -> Expr {
        match (self.pool.known(a), self.pool.known(b)) {
            (Some(a), _) => self.pool.scale(b, a),
            (_, Some(b)) => self.pool.scale(a, b),
            _ => self.pool.node(Node::Mul(a.min(b), a.max(b))),
        }
    }

    /// `a / b`; data where the divisor may not be positive.
    pub(super) fn quotient(&mut self, place: Place, int: Int, a: Expr, b: Expr) -> Expr {
        if self.range(place, b).lo < 1 {
            return self.pool.data(int);
        }
        if let (Some(a), Some(b)) = (self.pool.known(a), self.pool.known(b)) {
            return self.pool.constant(a / b);
        }
        let Some(divisor) = self.pool.known(b) else {
            let (of, by) = (self.range(place, a), self.range(place, b));
            if of.lo >= 0 && of.hi < by.lo {
                return self.pool.constant(0);
            }
            return self.pool.node(Node::Div(a, b));
        };
        if divisor == 1 {
            return a;
        }
        let Some((quotient, rest)) = self.split(place, a, divisor) else {
            return self.pool.node(Node::Div(a, b));
        };
        if self.range(place, rest).hi < divisor {
            return quotient;
        }
        let (rest, _, divisor) = self.reduce(rest, divisor);
        let node = self.divided(place, rest, divisor);
        self.pool.add(quotient, node)
    }

    /// `rest / divisor` as an atom, in one spelling of several: for natural x
    /// `(x / c) / d` is `x / (c · d)` and `(x % c) / d` is `(x / d) % (c / d)`.
    fn divided(&mut self, place: Place, rest: Expr, divisor: i64) -> Expr {
        if divisor == 1 {
            return rest;
        }
        let by = self.pool.constant(divisor);
        match self.single(rest) {
            Some(Node::Div(x, c)) if self.range(place, x).lo >= 0 => {
                let both = self.pool.known(c).and_then(|c| c.checked_mul(divisor));
                if let Some(both) = both {
                    let both = self.pool.constant(both);
                    return self.quotient(place, Int::Unsigned, x, both);
                }
            }
            Some(Node::Rem(x, c)) if self.range(place, x).lo >= 0 => {
                let modulus = self.pool.known(c).filter(|c| c % divisor == 0);
                if let Some(modulus) = modulus {
                    let modulus = self.pool.constant(modulus / divisor);
                    let quotient = self.quotient(place, Int::Unsigned, x, by);
                    return self.remainder(place, Int::Unsigned, quotient, modulus);
                }
            }
            _ => {}
        }
        self.pool.node(Node::Div(rest, by))
    }

    /// The node of a sum that is one atom.
    fn single(&self, expr: Expr) -> Option<Node> {
        match self.pool.terms(expr) {
            ([(atom, 1)], 0) => Some(self.pool.of(*atom)),
            _ => None,
        }
    }

    /// `a % b`; data where the divisor may not be positive.
    pub(super) fn remainder(&mut self, place: Place, int: Int, a: Expr, b: Expr) -> Expr {
        if self.range(place, b).lo < 1 {
            return self.pool.data(int);
        }
        if let (Some(a), Some(b)) = (self.pool.known(a), self.pool.known(b)) {
            return self.pool.constant(a % b);
        }
        let Some(divisor) = self.pool.known(b) else {
            let (of, by) = (self.range(place, a), self.range(place, b));
            if of.lo >= 0 && of.hi < by.lo {
                return a;
            }
            return self.pool.node(Node::Rem(a, b));
        };
        let Some((_, rest)) = self.split(place, a, divisor) else {
            return self.pool.node(Node::Rem(a, b));
        };
        if self.range(place, rest).hi < divisor {
            return rest;
        }
        let (_, constant) = self.pool.terms(rest);
        let (reduced, factor, divisor) = self.reduce(rest, divisor);
        let left = constant.rem_euclid(factor);
        let by = self.pool.constant(divisor);
        let node = match self.single(reduced) {
            Some(Node::Rem(x, c))
                if self.pool.known(c).is_some_and(|c| c % divisor == 0)
                    && self.range(place, x).lo >= 0 =>
            {
                self.remainder(place, Int::Unsigned, x, by)
            }
            _ => self.pool.node(Node::Rem(reduced, by)),
        };
        let left = self.pool.constant(left);
        self.pool.add_scaled(left, node, factor)
    }

    /// A natural `rest` over a divisor, without the factor that all terms share with it:
    /// `(g·x + c) / (g·d)` is `(x + c / g) / d`. Gives the quotient's operands and g.
    fn reduce(&mut self, rest: Expr, divisor: i64) -> (Expr, i64, i64) {
        let (terms, constant) = self.pool.terms(rest);
        let factor = gcd(common(terms), divisor);
        if factor <= 1 {
            return (rest, 1, divisor);
        }
        let terms = terms
            .iter()
            .map(|(atom, own)| (*atom, own / factor))
            .collect();
        match self.pool.collect(terms, constant.div_euclid(factor)) {
            Some(reduced) => (reduced, factor, divisor / factor),
            None => (rest, 1, divisor),
        }
    }

    /// A natural `a` as `divisor · quotient + rest` with a natural rest; all terms that
    /// are multiples of the divisor are in the quotient.
    fn split(&mut self, place: Place, a: Expr, divisor: i64) -> Option<(Expr, Expr)> {
        if self.range(place, a).lo < 0 {
            return None;
        }
        let (terms, constant) = self.pool.terms(a);
        let (mut whole, rest): (Terms, Terms) =
            terms.iter().partition(|(_, factor)| factor % divisor == 0);
        let mut quotient = constant.div_euclid(divisor);
        let mut remainder = constant.rem_euclid(divisor);
        let range = self.range_of(place, &rest, remainder);
        // Another multiple, where it makes the rest natural or smaller than the divisor.
        let lift = range.lo.div_euclid(divisor);
        if range.lo < 0 || range.hi.saturating_sub(lift.saturating_mul(divisor)) < divisor {
            quotient = quotient.checked_add(lift)?;
            remainder = remainder.checked_sub(lift.checked_mul(divisor)?)?;
        }
        for (_, factor) in &mut whole {
            *factor /= divisor;
        }
        let quotient = self.pool.collect(whole, quotient)?;
        Some((quotient, self.pool.collect(rest, remainder)?))
    }

    /// The smaller one.
    pub(super) fn minimum(&mut self, place: Place, a: Expr, b: Expr) -> Expr {
        let ordered = self.pool.at_least(b, a);
        match self.decide(place, ordered) {
            Some(true) => a,
            Some(false) => b,
            None => self.pool.node(Node::Min(a.min(b), a.max(b))),
        }
    }

    /// The larger one.
    pub(super) fn maximum(&mut self, place: Place, a: Expr, b: Expr) -> Expr {
        let ordered = self.pool.at_least(a, b);
        match self.decide(place, ordered) {
            Some(true) => a,
            Some(false) => b,
            None => self.pool.node(Node::Max(a.min(b), a.max(b))),
        }
    }

    /// An operation on bits.
    pub(super) fn bits(&mut self, place: Place, bits: Bits, int: Int, a: Expr, b: Expr) -> Expr {
        let (left, right) = (self.pool.known(a), self.pool.known(b));
        match (bits, left, right) {
            (_, Some(a), Some(b)) => self.pool.constant(bits.apply(int, a, b)),
            (Bits::Left, _, Some(amount)) if (0..32).contains(&amount) => {
                let shifted = self.pool.scale(a, 1 << amount);
                self.fit(place, int, shifted)
            }
            (Bits::Right, _, Some(amount))
                if (0..31).contains(&amount) && self.range(place, a).lo >= 0 =>
            {
                let divisor = self.pool.constant(1 << amount);
                self.quotient(place, int, a, divisor)
            }
            (Bits::And, _, Some(mask)) if mask >= 0 && (mask + 1).count_ones() == 1 => {
                if self.range(place, a).lo < 0 {
                    return self.pool.node(Node::Bits(bits, int, a, b));
                }
                let modulus = self.pool.constant(mask + 1);
                self.remainder(place, int, a, modulus)
            }
            (Bits::And, Some(mask), None) if mask >= 0 => self.bits(place, bits, int, b, a),
            _ => self.pool.node(Node::Bits(bits, int, a, b)),
        }
    }

    /// `a` where the condition holds, else `b`.
    pub(super) fn choose(&mut self, place: Place, cond: Cond, a: Expr, b: Expr) -> Expr {
        match self.decide(place, cond) {
            Some(true) => a,
            Some(false) => b,
            None if a == b => a,
            None => self.pool.node(Node::Select(cond, a, b)),
        }
    }

    /// `expr` in fewer terms, where `place` decides minima, remainders and choices.
    pub(super) fn simplified(&mut self, place: Place, expr: Expr) -> Expr {
        // No atom is `u32::MAX`: nothing is replaced, everything is built anew.
        let nothing = Atom(u32::MAX);
        let (terms, constant) = self.pool.terms(expr);
        let terms = terms.to_vec();
        let mut sum = self.pool.constant(constant);
        for (atom, factor) in terms {
            let value = self.rebuilt(place, atom, nothing, sum);
            sum = self.pool.add_scaled(sum, value, factor);
        }
        sum
    }

    /// `expr` with another value of one atom in it, simplified anew.
    pub(super) fn replace(&mut self, place: Place, expr: Expr, old: Atom, new: Expr) -> Expr {
        let wanted = self.pool.atom_vars(old);
        if self.pool.vars(expr) & wanted != wanted {
            return expr;
        }
        let (terms, constant) = self.pool.terms(expr);
        let terms = terms.to_vec();
        let mut sum = self.pool.constant(constant);
        for (atom, factor) in terms {
            let value = self.replace_atom(place, atom, old, new);
            sum = self.pool.add_scaled(sum, value, factor);
        }
        sum
    }

    fn replace_atom(&mut self, place: Place, atom: Atom, old: Atom, new: Expr) -> Expr {
        match atom == old {
            true => new,
            false => self.rebuilt(place, atom, old, new),
        }
    }

    fn rebuilt(&mut self, place: Place, atom: Atom, old: Atom, new: Expr) -> Expr {
        let node = self.pool.of(atom);
        let inner = |this: &mut Self, expr: Expr| match old.0 {
            u32::MAX => this.simplified(place, expr),
            _ => this.replace(place, expr, old, new),
        };
        let mut two = |a, b| (inner(self, a), inner(self, b));
        match node {
            Node::Div(a, b) => {
                let (a, b) = two(a, b);
                self.quotient(place, Int::Signed, a, b)
            }
            Node::Rem(a, b) => {
                let (a, b) = two(a, b);
                self.remainder(place, Int::Signed, a, b)
            }
            Node::Min(a, b) => {
                let (a, b) = two(a, b);
                self.minimum(place, a, b)
            }
            Node::Max(a, b) => {
                let (a, b) = two(a, b);
                self.maximum(place, a, b)
            }
            Node::Mul(a, b) => {
                let (a, b) = two(a, b);
                self.product(a, b)
            }
            Node::Bits(bits, int, a, b) => {
                let (a, b) = two(a, b);
                self.bits(place, bits, int, a, b)
            }
            Node::Wrap(int, a) => {
                let a = inner(self, a);
                self.fit(place, int, a)
            }
            Node::Select(cond, a, b) => {
                let (a, b) = two(a, b);
                let cond = match old.0 {
                    u32::MAX => cond,
                    _ => self.replace_cond(place, cond, old, new),
                };
                self.choose(place, cond, a, b)
            }
            Node::Var(_) | Node::Data(..) => self.pool.node(node),
        }
    }

    /// A condition with another value of one atom in it.
    pub(super) fn replace_cond(&mut self, place: Place, cond: Cond, old: Atom, new: Expr) -> Cond {
        let test = self.pool.of_cond(cond);
        match test {
            Test::Known(_) | Test::Data(_) => cond,
            Test::NotNegative(a) => {
                let a = self.replace(place, a, old, new);
                let zero = self.pool.constant(0);
                self.pool.at_least(a, zero)
            }
            Test::Zero(a) => {
                let a = self.replace(place, a, old, new);
                let zero = self.pool.constant(0);
                self.pool.equal(a, zero)
            }
            Test::NotZero(a) => {
                let a = self.replace(place, a, old, new);
                let zero = self.pool.constant(0);
                let equal = self.pool.equal(a, zero);
                self.pool.not(equal)
            }
            Test::Both(a, b) => {
                let a = self.replace_cond(place, a, old, new);
                let b = self.replace_cond(place, b, old, new);
                self.pool.both(a, b)
            }
            Test::Either(a, b) => {
                let a = self.replace_cond(place, a, old, new);
                let b = self.replace_cond(place, b, old, new);
                self.pool.either(a, b)
            }
        }
    }
}
