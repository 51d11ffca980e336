//! Integers of a kernel as expressions: sums of integer multiples of atoms.
//!
//! An atom is an id, a loop counter, or an operation that is not linear. Expressions and
//! atoms are interned, so that two spellings of one sum are one number; that is what lets
//! a condition on `i` bound an address that was computed from another `i`.
//!
//! Values are mathematical integers. Where 32 bits may not hold a result it becomes an
//! atom of its own ([`Node::Wrap`]) whose value is what remains after wrapping, so nothing
//! is ever concluded from a sum that a device would not form.
//!
//! Limits: 120 variables; a coefficient or constant beyond 2^62, or an operation that is
//! written with more than 1,024 others, makes an expression unknown data. The latter bounds
//! the depth and the time of everything that walks over expressions.

use std::collections::HashMap;

pub(super) use super::number::{Bits, Int, Range};

/// An interned sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Expr(u32);

/// An interned atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Atom(pub(super) u32);

/// Multiples of atoms, of which a sum is made.
pub(super) type Terms = Vec<(Atom, i64)>;

/// An interned condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Cond(u32);

/// A variable: an id or the number of an iteration.
pub(super) type Var = u8;

/// The workgroup's number along x, y, z.
pub(super) const WORKGROUP: [Var; 3] = [0, 1, 2];
/// The invocation's number in its workgroup.
pub(super) const LOCAL: [Var; 3] = [3, 4, 5];
/// Most variables: one bit each in a [`Vars`].
const MAX_VARS: usize = 120;
/// Most operations that an atom or condition is written with, repetitions counted.
const MAX_WEIGHT: u32 = 1024;

/// A set of variables; the topmost bit stands for values that are not known.
pub(super) type Vars = u128;
/// The bit of data.
pub(super) const DATA: Vars = 1 << 127;
/// The bits of the ids within a workgroup.
pub(super) const LOCALS: Vars = 0b111 << 3;

/// What an atom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// A variable.
    Var(Var),
    /// Quotient towards zero; the divisor is positive.
    Div(Expr, Expr),
    /// Its remainder.
    Rem(Expr, Expr),
    /// The smaller one.
    Min(Expr, Expr),
    /// The larger one.
    Max(Expr, Expr),
    /// A product of two that vary.
    Mul(Expr, Expr),
    /// An operation on bits of the type.
    Bits(Bits, Int, Expr, Expr),
    /// What 32 bits keep.
    Wrap(Int, Expr),
    /// One or the other.
    Select(Cond, Expr, Expr),
    /// A value of the type that is not known: read from memory, or computed from it.
    Data(u32, Int),
}

/// What a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Known(bool),
    /// Not negative.
    NotNegative(Expr),
    /// Zero.
    Zero(Expr),
    /// Not zero.
    NotZero(Expr),
    Both(Cond, Cond),
    Either(Cond, Cond),
    /// Not known; the bit says whether the value may differ within a workgroup.
    Data(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sum {
    /// By atom, without zeros.
    terms: Vec<(Atom, i64)>,
    constant: i64,
}

/// All expressions of one proof.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// With variables and weight.
    sums: Vec<(Sum, Vars, u32)>,
    sum_ids: HashMap<Sum, Expr>,
    nodes: Vec<(Node, Vars, u32)>,
    node_ids: HashMap<Node, Atom>,
    tests: Vec<(Test, Vars, u32)>,
    test_ids: HashMap<Test, Cond>,
    /// Values of each variable.
    vars: Vec<Range>,
    unknown: u32,
}

/// There are more loops than variables.
#[derive(Debug)]
pub(super) struct TooManyVariables;

impl Pool {
    // --- Variables ----------------------------------------------------------

    /// A new variable with the values of `range`.
    pub(super) fn var(&mut self, range: Range) -> Result<Var, TooManyVariables> {
        if self.vars.len() >= MAX_VARS {
            return Err(TooManyVariables);
        }
        self.vars.push(range);
        Ok((self.vars.len() - 1) as Var)
    }

    /// The values of a variable.
    pub(super) fn var_range(&self, var: Var) -> Range {
        self.vars[var as usize]
    }

    /// Gives a variable other values.
    pub(super) fn set_var_range(&mut self, var: Var, range: Range) {
        self.vars[var as usize] = range;
    }

    /// How many variables there are.
    pub(super) fn var_count(&self) -> usize {
        self.vars.len()
    }

    // --- Interning ----------------------------------------------------------

    fn sum(&mut self, sum: Sum) -> Expr {
        if let Some(known) = self.sum_ids.get(&sum) {
            return *known;
        }
        let vars = sum
            .terms
            .iter()
            .fold(0, |vars, (atom, _)| vars | self.atom_vars(*atom));
        let weight = sum.terms.iter().fold(1_u32, |all, (atom, _)| {
            all.saturating_add(self.nodes[atom.0 as usize].2)
        });
        let id = Expr(self.sums.len() as u32);
        self.sums.push((sum.clone(), vars, weight));
        self.sum_ids.insert(sum, id);
        id
    }

    fn weight(&self, expr: Expr) -> u32 {
        self.sums[expr.0 as usize].2
    }

    fn weight_of(&self, node: Node) -> u32 {
        let parts = match node {
            Node::Var(_) | Node::Data(..) => 0,
            Node::Div(a, b)
            | Node::Rem(a, b)
            | Node::Min(a, b)
            | Node::Max(a, b)
            | Node::Mul(a, b)
            | Node::Bits(_, _, a, b) => self.weight(a).saturating_add(self.weight(b)),
            Node::Wrap(_, a) => self.weight(a),
            Node::Select(cond, a, b) => self.tests[cond.0 as usize]
                .2
                .saturating_add(self.weight(a))
                .saturating_add(self.weight(b)),
        };
        parts.saturating_add(1)
    }

    /// The atom of a node, as an expression.
    pub(super) fn node(&mut self, node: Node) -> Expr {
        let atom = match self.node_ids.get(&node) {
            Some(known) => *known,
            None => {
                let vars = match node {
                    Node::Var(var) => 1 << var,
                    Node::Div(a, b)
                    | Node::Rem(a, b)
                    | Node::Min(a, b)
                    | Node::Max(a, b)
                    | Node::Mul(a, b)
                    | Node::Bits(_, _, a, b) => self.vars(a) | self.vars(b),
                    Node::Wrap(_, a) => self.vars(a),
                    Node::Select(cond, a, b) => self.cond_vars(cond) | self.vars(a) | self.vars(b),
                    Node::Data(..) => DATA,
                };
                let weight = self.weight_of(node);
                if weight > MAX_WEIGHT {
                    // Any value of either type.
                    let (one, other) = (self.data(Int::Signed), self.data(Int::Unsigned));
                    return self.add(one, other);
                }
                let atom = Atom(self.nodes.len() as u32);
                self.nodes.push((node, vars, weight));
                self.node_ids.insert(node, atom);
                atom
            }
        };
        self.sum(Sum {
            terms: vec![(atom, 1)],
            constant: 0,
        })
    }

    /// A condition.
    pub(super) fn test(&mut self, test: Test) -> Cond {
        if let Some(known) = self.test_ids.get(&test) {
            return *known;
        }
        let vars = match test {
            Test::Known(_) => 0,
            Test::NotNegative(a) | Test::Zero(a) | Test::NotZero(a) => self.vars(a),
            Test::Both(a, b) | Test::Either(a, b) => self.cond_vars(a) | self.cond_vars(b),
            Test::Data(_) => DATA,
        };
        let weight = match test {
            Test::Known(_) | Test::Data(_) => 1,
            Test::NotNegative(a) | Test::Zero(a) | Test::NotZero(a) => self.weight(a),
            Test::Both(a, b) | Test::Either(a, b) => {
                let of = |cond: Cond| self.tests[cond.0 as usize].2;
                of(a).saturating_add(of(b)).saturating_add(1)
            }
        };
        if weight > MAX_WEIGHT {
            return self.data_test();
        }
        let id = Cond(self.tests.len() as u32);
        self.tests.push((test, vars, weight));
        self.test_ids.insert(test, id);
        id
    }

    /// A constant.
    pub(super) fn constant(&mut self, constant: i64) -> Expr {
        self.sum(Sum {
            terms: Vec::new(),
            constant,
        })
    }

    /// A variable as an expression; the constant where it has one value.
    pub(super) fn variable(&mut self, var: Var) -> Expr {
        let range = self.var_range(var);
        match range.width() {
            0 => self.constant(range.lo),
            _ => self.node(Node::Var(var)),
        }
    }

    /// A value of `int` of which nothing is known.
    pub(super) fn data(&mut self, int: Int) -> Expr {
        self.unknown += 1;
        self.node(Node::Data(self.unknown, int))
    }

    /// A condition of which nothing is known.
    pub(super) fn data_test(&mut self) -> Cond {
        self.unknown += 1;
        self.test(Test::Data(self.unknown))
    }

    // --- Reading ------------------------------------------------------------

    /// Terms by atom, and the constant.
    pub(super) fn terms(&self, expr: Expr) -> (&[(Atom, i64)], i64) {
        let (sum, ..) = &self.sums[expr.0 as usize];
        (&sum.terms, sum.constant)
    }

    /// The number it is, if it is one.
    pub(super) fn known(&self, expr: Expr) -> Option<i64> {
        match self.terms(expr) {
            ([], constant) => Some(constant),
            _ => None,
        }
    }

    /// The variables it depends on.
    pub(super) fn vars(&self, expr: Expr) -> Vars {
        self.sums[expr.0 as usize].1
    }

    /// Likewise of an atom.
    pub(super) fn atom_vars(&self, atom: Atom) -> Vars {
        self.nodes[atom.0 as usize].1
    }

    /// Likewise of a condition.
    pub(super) fn cond_vars(&self, cond: Cond) -> Vars {
        self.tests[cond.0 as usize].1
    }

    /// What an atom is.
    pub(super) fn of(&self, atom: Atom) -> Node {
        self.nodes[atom.0 as usize].0
    }

    /// What a condition is.
    pub(super) fn of_cond(&self, cond: Cond) -> Test {
        self.tests[cond.0 as usize].0
    }

    // --- Sums ---------------------------------------------------------------

    /// A sum of terms in any order, in which atoms may repeat. `None` beyond 2^62.
    pub(super) fn collect(&mut self, mut terms: Vec<(Atom, i64)>, constant: i64) -> Option<Expr> {
        const LIMIT: u64 = 1 << 62;
        terms.sort_unstable_by_key(|(atom, _)| *atom);
        let mut merged: Vec<(Atom, i64)> = Vec::with_capacity(terms.len());
        for (atom, factor) in terms {
            match merged.last_mut() {
                Some((last, sum)) if *last == atom => *sum = sum.checked_add(factor)?,
                _ => merged.push((atom, factor)),
            }
        }
        merged.retain(|(_, factor)| *factor != 0);
        let too_large = |value: i64| value.unsigned_abs() > LIMIT;
        if too_large(constant) || merged.iter().any(|(_, factor)| too_large(*factor)) {
            return None;
        }
        Some(self.sum(Sum {
            terms: merged,
            constant,
        }))
    }

    /// `a + factor · b` as integers without a limit of bits; data beyond 2^62.
    pub(super) fn add_scaled(&mut self, a: Expr, b: Expr, factor: i64) -> Expr {
        let (left, constant) = self.terms(a);
        let (right, other) = self.terms(b);
        let mut terms = left.to_vec();
        let scaled = right
            .iter()
            .map(|(atom, own)| Some((*atom, own.checked_mul(factor)?)))
            .collect::<Option<Vec<_>>>();
        let constant = other
            .checked_mul(factor)
            .and_then(|other| other.checked_add(constant));
        let (Some(scaled), Some(constant)) = (scaled, constant) else {
            return self.data(Int::Signed);
        };
        terms.extend(scaled);
        match self.collect(terms, constant) {
            Some(sum) => sum,
            None => self.data(Int::Signed),
        }
    }

    /// `a + b`.
    pub(super) fn add(&mut self, a: Expr, b: Expr) -> Expr {
        self.add_scaled(a, b, 1)
    }

    /// `a - b`.
    pub(super) fn sub(&mut self, a: Expr, b: Expr) -> Expr {
        self.add_scaled(a, b, -1)
    }

    /// `a + constant`.
    pub(super) fn offset(&mut self, a: Expr, constant: i64) -> Expr {
        let constant = self.constant(constant);
        self.add(a, constant)
    }

    /// `factor · a`.
    pub(super) fn scale(&mut self, a: Expr, factor: i64) -> Expr {
        let zero = self.constant(0);
        self.add_scaled(zero, a, factor)
    }

    // --- Conditions ---------------------------------------------------------

    /// `a >= b`.
    pub(super) fn at_least(&mut self, a: Expr, b: Expr) -> Cond {
        let difference = self.sub(a, b);
        match self.known(difference) {
            Some(value) => self.test(Test::Known(value >= 0)),
            None => self.test(Test::NotNegative(difference)),
        }
    }

    /// `a == b`.
    pub(super) fn equal(&mut self, a: Expr, b: Expr) -> Cond {
        let difference = self.sub(a, b);
        match self.known(difference) {
            Some(value) => self.test(Test::Known(value == 0)),
            None => self.test(Test::Zero(difference)),
        }
    }

    /// The opposite.
    pub(super) fn not(&mut self, cond: Cond) -> Cond {
        match self.of_cond(cond) {
            Test::Known(value) => self.test(Test::Known(!value)),
            Test::NotNegative(a) => {
                let negated = self.scale(a, -1);
                let negated = self.offset(negated, -1);
                self.test(Test::NotNegative(negated))
            }
            Test::Zero(a) => self.test(Test::NotZero(a)),
            Test::NotZero(a) => self.test(Test::Zero(a)),
            Test::Both(a, b) => {
                let (a, b) = (self.not(a), self.not(b));
                self.either(a, b)
            }
            Test::Either(a, b) => {
                let (a, b) = (self.not(a), self.not(b));
                self.both(a, b)
            }
            Test::Data(_) => self.data_test(),
        }
    }

    /// Both hold.
    pub(super) fn both(&mut self, a: Cond, b: Cond) -> Cond {
        match (self.of_cond(a), self.of_cond(b)) {
            (Test::Known(true), _) => b,
            (_, Test::Known(true)) => a,
            (Test::Known(false), _) => a,
            (_, Test::Known(false)) => b,
            _ if a == b => a,
            _ => self.test(Test::Both(a, b)),
        }
    }

    /// One of them holds.
    pub(super) fn either(&mut self, a: Cond, b: Cond) -> Cond {
        match (self.of_cond(a), self.of_cond(b)) {
            (Test::Known(false), _) => b,
            (_, Test::Known(false)) => a,
            (Test::Known(true), _) => a,
            (_, Test::Known(true)) => b,
            _ if a == b => a,
            _ => self.test(Test::Either(a, b)),
        }
    }

    /// `a` where `cond` holds, else `b`. naga writes `a || b` as such a choice, with `true` on
    /// one side, which must not hide that both are false where it is false.
    pub(super) fn one_of(&mut self, cond: Cond, a: Cond, b: Cond) -> Cond {
        match (self.of_cond(a), self.of_cond(b)) {
            (Test::Known(true), _) => self.either(cond, b),
            (_, Test::Known(true)) => {
                let opposite = self.not(cond);
                self.either(opposite, a)
            }
            _ => {
                let opposite = self.not(cond);
                let (first, second) = (self.both(cond, a), self.both(opposite, b));
                self.either(first, second)
            }
        }
    }
}
