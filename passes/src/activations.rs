//! Activation functions as IR spells them: `kforge.activation`, or the formula
//! in `arith` and `math` on tensors, matched operation for operation.
//!
//! A formula is read as a term over x, then compared with the known ones; the
//! order of factors and of summands does not matter, constants must be the
//! formula's, rounded to the element type. Nothing is recognised beyond
//! 32 operations.

use kforge_dialect::{Activation, ActivationKind, Element, ir};
use melior::ir::{OperationRef, Value, operation::OperationLike};

use crate::rewrite;

const MAX_OPERATIONS: usize = 32;

/// An activation of a value: which, and the ops that spell it, program order,
/// the last one gives the result.
pub struct Spelled<'c, 'a> {
    pub kind: ActivationKind,
    pub ops: Vec<OperationRef<'c, 'a>>,
}

/// Looks among the ops that read `x`, directly or through others of the same
/// block, for one that is an activation of `x`.
pub fn of_value<'c: 'a, 'a>(
    x: Value<'c, 'a>,
    element: Element,
    home: OperationRef<'c, 'a>,
) -> Option<Spelled<'c, 'a>> {
    let mut seen: Vec<OperationRef> = Vec::new();
    let mut next = 0;
    let mut values = vec![x];
    while seen.len() < MAX_OPERATIONS {
        let value = *values.get(next)?;
        next += 1;
        for user in ir::users(value) {
            if seen.contains(&user) || user.block() != home.block() || !is_elementwise(user) {
                continue;
            }
            seen.push(user);
            if let Some(spelled) = spelled(user, x, element) {
                return Some(spelled);
            }
            values.extend(rewrite::result(user));
        }
    }
    None
}

/// Whether an op may be part of a formula.
pub fn is_elementwise(op: OperationRef) -> bool {
    matches!(
        ir::name(op),
        "kforge.activation"
            | "arith.addf"
            | "arith.mulf"
            | "arith.divf"
            | "arith.negf"
            | "arith.maximumf"
            | "math.erf"
            | "math.tanh"
            | "math.exp"
            | "math.powf"
    )
}

fn spelled<'c: 'a, 'a>(
    last: OperationRef<'c, 'a>,
    x: Value<'c, 'a>,
    element: Element,
) -> Option<Spelled<'c, 'a>> {
    let mut reader = Reader {
        x,
        element,
        ops: Vec::new(),
        budget: MAX_OPERATIONS,
    };
    let mut term = reader.read(rewrite::result(last)?)?;
    term.sort();
    let kind = match &term {
        Term::Activation(kind, of) if **of == Term::X && *kind != ActivationKind::None => *kind,
        _ => formulas(element)
            .into_iter()
            .find_map(|(kind, formula)| (formula == term).then_some(kind))?,
    };
    let mut ops = reader.ops;
    ops.sort_by(|a, b| {
        if a == b {
            std::cmp::Ordering::Equal
        } else if a.is_before_in_block(*b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    ops.dedup();
    Some(Spelled { kind, ops })
}

/// A formula over x. Constants are held as the element type rounds them.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    X,
    Constant(f64),
    Sum(Vec<Term>),
    Product(Vec<Term>),
    /// Of two operands whose order matters.
    Ordered(&'static str, Box<Term>, Box<Term>),
    Maximum(Vec<Term>),
    Apply(&'static str, Box<Term>),
    Activation(ActivationKind, Box<Term>),
}

impl Term {
    /// Brings summands and factors into one order, so that equal terms compare
    /// equal.
    fn sort(&mut self) {
        match self {
            Term::Sum(terms) | Term::Product(terms) | Term::Maximum(terms) => {
                terms.iter_mut().for_each(Term::sort);
                terms.sort_by_cached_key(|term| format!("{term:?}"));
            }
            Term::Ordered(_, left, right) => {
                left.sort();
                right.sort();
            }
            Term::Apply(_, of) | Term::Activation(_, of) => of.sort(),
            Term::X | Term::Constant(_) => {}
        }
    }
}

/// The formulas of each activation. tanh form of gelu: Hendrycks and Gimpel,
/// arXiv:1606.08415.
fn formulas(element: Element) -> Vec<(ActivationKind, Term)> {
    use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};
    let x = || Term::X;
    let c = |value: f64| Term::Constant(rounded(value, element));
    let apply = |name, of| Term::Apply(name, Box::new(of));
    let ordered = |name, left, right| Term::Ordered(name, Box::new(left), Box::new(right));
    let over = |left, right| ordered("arith.divf", left, right);
    let half_x_times_one_plus = |of| Term::Product(vec![c(0.5), x(), Term::Sum(vec![c(1.0), of])]);
    let sigmoid_divisor = || Term::Sum(vec![c(1.0), apply("math.exp", apply("arith.negf", x()))]);
    let cube = |power: Vec<Term>| {
        let cubic = Term::Product([vec![c(0.044715)], power].concat());
        let scaled = Term::Product(vec![c((2.0 / PI).sqrt()), Term::Sum(vec![x(), cubic])]);
        half_x_times_one_plus(apply("math.tanh", scaled))
    };
    let mut formulas = vec![
        (ActivationKind::Relu, Term::Maximum(vec![x(), c(0.0)])),
        (ActivationKind::Tanh, apply("math.tanh", x())),
        (
            ActivationKind::Gelu,
            half_x_times_one_plus(apply(
                "math.erf",
                Term::Product(vec![x(), c(FRAC_1_SQRT_2)]),
            )),
        ),
        (
            ActivationKind::Gelu,
            half_x_times_one_plus(apply("math.erf", over(x(), c(SQRT_2)))),
        ),
        (ActivationKind::GeluTanh, cube(vec![x(), x(), x()])),
        (
            ActivationKind::GeluTanh,
            cube(vec![ordered("math.powf", x(), c(3.0))]),
        ),
        (ActivationKind::Silu, over(x(), sigmoid_divisor())),
        (
            ActivationKind::Silu,
            Term::Product(vec![x(), over(c(1.0), sigmoid_divisor())]),
        ),
    ];
    for (_, formula) in &mut formulas {
        formula.sort();
    }
    formulas
}

fn rounded(value: f64, element: Element) -> f64 {
    match element {
        Element::F16 => half::f16::from_f64(value).to_f64(),
        _ => f64::from(value as f32),
    }
}

struct Reader<'c, 'a> {
    x: Value<'c, 'a>,
    element: Element,
    ops: Vec<OperationRef<'c, 'a>>,
    budget: usize,
}

impl<'c: 'a, 'a> Reader<'c, 'a> {
    fn read(&mut self, value: Value<'c, 'a>) -> Option<Term> {
        if value == self.x {
            return Some(Term::X);
        }
        if let Some(number) = rewrite::splat(value) {
            // -0 is another number than 0 to a maximum.
            let plain = !(number == 0.0 && number.is_sign_negative());
            return plain.then_some(Term::Constant(number));
        }
        self.budget = self.budget.checked_sub(1)?;
        let op = ir::defining(value)?;
        self.ops.push(op);
        if let Some(activation) = Activation::cast(op) {
            let of = self.read(activation.x().ok()?)?;
            return Some(Term::Activation(activation.kind(), Box::new(of)));
        }
        if !is_elementwise(op) {
            return None;
        }
        let first = self.read(op.operand(0).ok()?)?;
        let name = match ir::name(op) {
            "arith.negf" => "arith.negf",
            "math.erf" => "math.erf",
            "math.tanh" => "math.tanh",
            "math.exp" => "math.exp",
            _ => return self.read_binary(op, first),
        };
        Some(Term::Apply(name, Box::new(first)))
    }

    fn read_binary(&mut self, op: OperationRef<'c, 'a>, first: Term) -> Option<Term> {
        let second = self.read(op.operand(1).ok()?)?;
        Some(match (ir::name(op), second) {
            ("arith.addf", second) => Term::Sum(vec![first, second]),
            ("arith.mulf", second) => product(first, second),
            // Dividing by a power of two is multiplying by its reciprocal.
            ("arith.divf", Term::Constant(number)) if rewrite::is_power_of_two(number) => {
                product(first, Term::Constant(rounded(1.0 / number, self.element)))
            }
            ("arith.divf", second) => {
                Term::Ordered("arith.divf", Box::new(first), Box::new(second))
            }
            ("arith.maximumf", second) => Term::Maximum(vec![first, second]),
            ("math.powf", second) => Term::Ordered("math.powf", Box::new(first), Box::new(second)),
            _ => return None,
        })
    }
}

/// Factors of factors are factors: only products of powers of two and x occur in
/// the formulas, or a polynomial whose order of factors is free.
fn product(first: Term, second: Term) -> Term {
    let factors = |term| match term {
        Term::Product(factors) => factors,
        other => vec![other],
    };
    Term::Product([factors(first), factors(second)].concat())
}
