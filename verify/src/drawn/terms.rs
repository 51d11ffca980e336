//! Random integers of a kernel: as WGSL, and what they are at given ids.

use super::Draw;

/// A 32-bit type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    I32,
    U32,
}

impl Ty {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::I32 => Self::U32,
            Self::U32 => Self::I32,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::U32 => "u32",
        }
    }

    /// What 32 bits keep.
    fn keep(self, value: i64) -> i64 {
        match self {
            Self::I32 => i64::from(value as i32),
            Self::U32 => i64::from(value as u32),
        }
    }
}

/// Numbers of an invocation: workgroup, x and y within it, iteration.
pub(crate) type Ids = [u32; 4];

/// How the kernel spells them.
const NAMES: [&str; 4] = ["w.x", "l.x", "l.y", "i"];

const OPERATORS: [&str; 12] = [
    "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "min", "max",
];

/// An integer.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Id(usize),
    Number(u32),
    Two(&'static str, Box<Term>, Box<Term>),
    Not(Box<Term>),
    Negated(Box<Term>),
    Choice(Box<Check>, Box<Term>, Box<Term>),
    /// Of the other type.
    Other(Box<Term>),
    /// Of a boolean.
    Truth(Box<Check>),
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// Compares integers of this type.
    Order(&'static str, Ty, Term, Term),
    Both(Box<Check>, Box<Check>),
    Either(Box<Check>, Box<Check>),
    Not(Box<Check>),
}

pub(crate) fn two(op: &'static str, a: Term, b: Term) -> Term {
    Term::Two(op, Box::new(a), Box::new(b))
}

impl Term {
    /// Any integer, at most so deep.
    pub(crate) fn draw(draw: &mut Draw, ty: Ty, depth: u32) -> Self {
        let own = |draw: &mut Draw| Box::new(Self::draw(draw, ty, depth - 1));
        if depth == 0 {
            return Self::Id(draw.below(4));
        }
        match draw.below(13) {
            0..4 => {
                let op = OPERATORS[draw.below(12)];
                Self::Two(op, own(draw), own(draw))
            }
            4..9 => {
                let op = OPERATORS[draw.below(12)];
                let number = match op {
                    "<<" | ">>" => draw.below(32) as u32,
                    _ => {
                        [1, 2, 3, 4, 5, 7, 8, 12, 16, 63, 1 << 30, i32::MAX as u32][draw.below(12)]
                    }
                };
                Self::Two(op, own(draw), Box::new(Self::Number(number)))
            }
            9 => Self::Not(own(draw)),
            10 if ty == Ty::I32 => Self::Negated(own(draw)),
            10 => Self::Truth(Box::new(Check::draw(draw, 1))),
            11 => Self::Choice(Box::new(Check::draw(draw, 1)), own(draw), own(draw)),
            _ => Self::Other(Box::new(Self::draw(draw, ty.other(), depth - 1))),
        }
    }

    pub(crate) fn text(&self, ty: Ty) -> String {
        match self {
            Self::Id(id) => format!("{}({})", ty.name(), NAMES[*id]),
            Self::Number(number) => format!("{}({number}u)", ty.name()),
            Self::Two(op @ ("min" | "max"), a, b) => {
                format!("{op}({}, {})", a.text(ty), b.text(ty))
            }
            // An amount is unsigned.
            Self::Two(op @ ("<<" | ">>"), a, b) => match &**b {
                Self::Number(amount) => format!("({} {op} {amount}u)", a.text(ty)),
                b => format!("({} {op} (u32({}) % 32u))", a.text(ty), b.text(ty)),
            },
            Self::Two(op, a, b) => format!("({} {op} {})", a.text(ty), b.text(ty)),
            Self::Not(a) => format!("(~{})", a.text(ty)),
            Self::Negated(a) => format!("(-{})", a.text(ty)),
            Self::Choice(check, a, b) => {
                format!("select({}, {}, {})", b.text(ty), a.text(ty), check.text())
            }
            Self::Other(a) => format!("{}({})", ty.name(), a.text(ty.other())),
            Self::Truth(check) => format!("{}({})", ty.name(), check.text()),
        }
    }

    pub(crate) fn value(&self, ty: Ty, ids: Ids) -> i64 {
        let of = |term: &Self| term.value(ty, ids);
        ty.keep(match self {
            Self::Id(id) => i64::from(ids[*id]),
            Self::Number(number) => i64::from(*number),
            Self::Two(op, a, b) => {
                let (a, b) = (of(a), of(b));
                match *op {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a.wrapping_mul(b),
                    // What WGSL makes of a division by zero.
                    "/" => a.checked_div(b).unwrap_or(a),
                    "%" => a.checked_rem(b).unwrap_or(0),
                    "&" => a & b,
                    "|" => a | b,
                    "^" => a ^ b,
                    "<<" => a << b.rem_euclid(32),
                    ">>" => a >> b.rem_euclid(32),
                    "min" => a.min(b),
                    _ => a.max(b),
                }
            }
            Self::Not(a) => !of(a),
            Self::Negated(a) => -of(a),
            Self::Choice(check, a, b) => match check.holds(ids) {
                true => of(a),
                false => of(b),
            },
            Self::Other(a) => a.value(ty.other(), ids),
            Self::Truth(check) => i64::from(check.holds(ids)),
        })
    }
}

impl Check {
    pub(crate) fn draw(draw: &mut Draw, depth: u32) -> Self {
        let own = |draw: &mut Draw| Box::new(Self::draw(draw, depth - 1));
        match draw.below(7) {
            4 if depth > 0 => Self::Both(own(draw), own(draw)),
            5 if depth > 0 => Self::Either(own(draw), own(draw)),
            6 if depth > 0 => Self::Not(own(draw)),
            _ => {
                let op = ["<", "<=", ">", ">=", "==", "!="][draw.below(6)];
                let ty = [Ty::I32, Ty::U32][draw.below(2)];
                let left = Term::draw(draw, ty, 2);
                let right = match draw.below(3) {
                    0 => Term::draw(draw, ty, 1),
                    _ => Term::Number(draw.below(9) as u32),
                };
                Self::Order(op, ty, left, right)
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Order(op, ty, a, b) => format!("({} {op} {})", a.text(*ty), b.text(*ty)),
            // Without the branches of `&&` and `||`.
            Self::Both(a, b) => format!("({} & {})", a.text(), b.text()),
            Self::Either(a, b) => format!("({} || {})", a.text(), b.text()),
            Self::Not(a) => format!("(!{})", a.text()),
        }
    }

    pub(crate) fn holds(&self, ids: Ids) -> bool {
        match self {
            Self::Order(op, ty, a, b) => {
                let (a, b) = (a.value(*ty, ids), b.value(*ty, ids));
                match *op {
                    "<" => a < b,
                    "<=" => a <= b,
                    ">" => a > b,
                    ">=" => a >= b,
                    "==" => a == b,
                    _ => a != b,
                }
            }
            Self::Both(a, b) => a.holds(ids) && b.holds(ids),
            Self::Either(a, b) => a.holds(ids) || b.holds(ids),
            Self::Not(a) => !a.holds(ids),
        }
    }
}
