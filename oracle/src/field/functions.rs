//! `Field`: functions of numbers, and what is drawn for them.
//!
//! - exp(x) = w^(x mod q): sums of exponents become products. Below -10^6 it is 0, as in f32;
//!   from there to -1000 also, marked, since a product of two such may not underflow.
//! - exp2(x) = exp(x / c) and log2(x) = c·log(x), c the number that f32(log2 e) reads as.
//! - tanh(x) = (e - 1)/(e + 1), e = exp(2x): kernels may write it as they like.
//! - √x = x^((p+1)/4): √(xy) = √x·√y always, √x·√x = x where x is a square modulo p, which
//!   half of all numbers are. Else the value is marked: its square is -x.
//! - sin and cos of x - 2πk, k the integer nearest to x/2π, are hashes. What a kernel asks of
//!   them outside [-π, π], where WGSL promises nothing, is noted.
//! - erf, log and what is not listed: a keyed hash of the argument, so that equal arguments
//!   give equal values and no other identity holds.
//! - abs, sign, floor, ceil, round, trunc, max, min: decided by the real number.
//!
//! exp of a value that itself came through exp has no exponent modulo q: it is a hash, marked.

use std::cell::Cell;

use crate::cases::rng::hash;

use super::{
    literal::Literals,
    number::{Marks, Number},
    prime::{FIELD_P, FIELD_Q},
};

/// Elementwise functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Abs,
    Sign,
    Exp,
    Exp2,
    Log,
    Log2,
    Sqrt,
    Rsqrt,
    Tanh,
    Erf,
    Sin,
    Cos,
    Floor,
    Ceil,
    Round,
    Trunc,
}

/// Bits of an exponent that one table serves.
const WINDOW: usize = 4;
/// Tables for exponents below 2^64.
const WINDOWS: usize = 16;
/// Real exponents below which exp is 0, for certain and perhaps.
const UNDERFLOW: [f64; 2] = [-1e6, -1e3];
/// Reals so close, relative to their size, may be ordered another way by other roundings.
const TIE: f64 = 1e-12;
/// Angles whose sine WGSL promises, and a hundredth for the roundings of their reduction.
const HALF_TURN: f64 = 1.01 * std::f64::consts::PI;
/// Angles of a program up to which their reduction in f32 must be as good as that.
const REDUCED: f64 = 4e5;

/// What was drawn for one comparison, and what went wrong in it.
#[derive(Debug)]
pub struct Field {
    key: u64,
    /// w^(digit·16^window).
    powers: Vec<[u64; 1 << WINDOW]>,
    pub(super) literals: Literals,
    tied: Cell<bool>,
    turned_too_far: Cell<Option<f64>>,
    /// The largest angle of the program's own.
    angle: Cell<f64>,
}

impl Field {
    /// Draws w and the keys, and reads the constants of a program.
    pub fn new(program: &crate::program::Program, seed: u64) -> Self {
        let key = hash(seed, 0x6669_656c_6473, 0);
        // Any square but 0 and 1 has order q.
        let base = FIELD_P.number(hash(key, 1, 0).max(2));
        let mut power = FIELD_P.mul(base, base);
        let powers = (0..WINDOWS)
            .map(|_| {
                let mut row = [FIELD_P.one(); 1 << WINDOW];
                for digit in 1..row.len() {
                    row[digit] = FIELD_P.mul(row[digit - 1], power);
                }
                power = FIELD_P.mul(row[row.len() - 1], power);
                row
            })
            .collect();
        Self {
            key,
            powers,
            literals: Literals::of(program, key),
            tied: Cell::new(false),
            turned_too_far: Cell::new(None),
            angle: Cell::new(0.0),
        }
    }

    /// A number drawn at random, its real value given.
    pub fn random(&self, stream: u64, index: u64, real: f64) -> Number {
        Number {
            over: 1,
            ..draw(self.key ^ stream, index, real)
        }
    }

    /// Whether a comparison of reals was too close to call: differences say nothing then.
    pub fn is_tied(&self) -> bool {
        self.tied.get()
    }

    /// An angle outside [-π, π] of which a kernel took sine or cosine, since [`Field::listen`].
    pub fn turned_too_far(&self) -> Option<f64> {
        self.turned_too_far.get()
    }

    /// How two numbers compare; `None` where one is no number.
    pub fn compare(&self, a: &Number, b: &Number) -> Option<std::cmp::Ordering> {
        let (x, y) = (a.real, b.real);
        let close = (x - y).abs() <= TIE * x.abs().max(y.abs());
        let unknown = x.is_nan() || y.is_nan();
        if (x != y && close) || unknown {
            self.tied.set(true);
        }
        x.partial_cmp(&y)
    }

    /// The larger one.
    pub fn max(&self, a: Number, b: Number) -> Number {
        self.choose(a, b, std::cmp::Ordering::Less)
    }

    /// The smaller one.
    pub fn min(&self, a: Number, b: Number) -> Number {
        self.choose(a, b, std::cmp::Ordering::Greater)
    }

    /// `b` where `a` compares to it as `second` says, else `a`.
    fn choose(&self, a: Number, b: Number, second: std::cmp::Ordering) -> Number {
        let chosen = if self.compare(&a, &b) == Some(second) {
            b
        } else {
            a
        };
        // What nothing has written decides nothing.
        let unwritten = a.is_unwritten() || b.is_unwritten();
        chosen.marked(if unwritten {
            Marks::UNWRITTEN
        } else {
            Marks::NONE
        })
    }

    /// A function of one number.
    pub fn apply(&self, function: Function, x: Number) -> Number {
        match function {
            Function::Exp => self.exp(x),
            Function::Exp2 => self.exp(x / self.literals.log2_e()),
            Function::Log => self.opaque(function, x, x.real.ln()),
            Function::Log2 => {
                let log = self.opaque(Function::Log, x, x.real.ln());
                log * self.literals.log2_e()
            }
            Function::Sqrt => root(x),
            Function::Rsqrt => root(x).reciprocal(),
            Function::Tanh => self.tanh(x),
            Function::Erf => self.opaque(function, x, libm::erf(x.real)),
            Function::Sin => self.opaque(function, self.turned(x), x.real.sin()),
            Function::Cos => self.opaque(function, self.turned(x), x.real.cos()),
            Function::Abs => match self.compare(&x, &Number::ZERO) {
                Some(std::cmp::Ordering::Less) => -x,
                _ => x,
            },
            Function::Sign => {
                let sign = self
                    .compare(&x, &Number::ZERO)
                    .map_or(0, |order| order as i64);
                Number::integer(sign).marked(x.marks.without(Marks::NO_EXPONENT))
            }
            Function::Floor => self.whole(x, f64::floor),
            Function::Ceil => self.whole(x, f64::ceil),
            Function::Trunc => self.whole(x, f64::trunc),
            Function::Round => self.whole(x, f64::round_ties_even),
        }
    }

    /// a to the power b: repeated products where b is a small integer, a root where it is
    /// one half, else a hash of both.
    pub fn power(&self, a: Number, b: Number) -> Number {
        if let Some(frequency) = self.frequency(&[a, b], a.real.powf(b.real)) {
            return frequency;
        }
        let is = |value: Number| b.p == value.p && b.degree() == 0;
        // The exponent decides here, so what is doubtful about it is doubtful about the power.
        let doubts = b.marks.without(Marks::NO_EXPONENT);
        for exponent in -8i64..=8 {
            if is(Number::integer(exponent)) {
                let mut product = Number::integer(1);
                for _ in 0..exponent.unsigned_abs() {
                    product = product * a;
                }
                let power = if exponent < 0 {
                    product.reciprocal()
                } else {
                    product
                };
                return power.marked(doubts);
            }
        }
        let half = Number::fraction(1, 2, 0.5);
        if is(half) {
            return root(a).marked(doubts);
        }
        if is(-half) {
            return root(a).reciprocal().marked(doubts);
        }
        let both = Number {
            p: FIELD_P.number(hash(self.key ^ 0x706f_7765_7200, a.p, b.p)),
            marks: a.marks.with(b.marks),
            ..a
        };
        self.opaque(Function::Exp2, both, a.real.powf(b.real))
    }

    /// The integer towards 0 from a number.
    pub fn to_integer(&self, x: &Number) -> Option<i64> {
        let whole = self.whole(*x, f64::trunc).real;
        (whole.abs() < 9e15 && !x.is_unwritten()).then_some(whole as i64)
    }

    fn whole(&self, x: Number, round: fn(f64) -> f64) -> Number {
        let value = round(x.real);
        // Rounded up and down a little it must be the same, unless it is an integer anyway.
        let shift = TIE * x.real.abs().max(1.0);
        let steady = round(x.real + shift) == round(x.real - shift);
        if !steady && x.real.fract() != 0.0 {
            self.tied.set(true);
        }
        if value.abs() < 9e15 {
            let kept = x.marks.without(Marks::NO_EXPONENT);
            return Number::integer(value as i64).marked(kept);
        }
        self.tied.set(true);
        x
    }

    fn exp(&self, x: Number) -> Number {
        let real = x.real.exp();
        if let Some(frequency) = self.frequency(&[x], real) {
            return frequency;
        }
        if x.real < UNDERFLOW[1] {
            let doubt = if x.real < UNDERFLOW[0] {
                Marks::NONE
            } else {
                Marks::DOUBTFUL
            };
            let kept = x.marks.without(Marks::NO_EXPONENT);
            return Number::ZERO.marked(kept.with(doubt));
        }
        if !x.has_exponent() {
            return self.opaque(Function::Exp, x, real).marked(Marks::DOUBTFUL);
        }
        let exponent = FIELD_Q.residue(x.q);
        let mut power = FIELD_P.one();
        for (window, row) in self.powers.iter().enumerate() {
            let digit = (exponent >> (window * WINDOW)) as usize & ((1 << WINDOW) - 1);
            if digit != 0 {
                power = FIELD_P.mul(power, row[digit]);
            }
        }
        let twisted = x.marks.has(Marks::TWISTED_EXPONENT);
        let degree = x.over.saturating_add(x.under);
        Number {
            p: power,
            q: 0,
            real,
            over: degree,
            under: degree,
            marks: x.marks.with(Marks::NO_EXPONENT).with(if twisted {
                Marks::TWISTED
            } else {
                Marks::NONE
            }),
        }
    }

    /// What is computed from constants alone, where it is a frequency of the program's rope.
    fn frequency(&self, of: &[Number], real: f64) -> Option<Number> {
        let constant = of.iter().all(|x| x.degree() == 0);
        constant.then(|| self.literals.frequency(real)).flatten()
    }

    fn tanh(&self, x: Number) -> Number {
        let real = x.real.tanh();
        if !x.has_exponent() {
            return self.opaque(Function::Tanh, x, real).marked(Marks::DOUBTFUL);
        }
        let one = Number::integer(1);
        // Large reals would overflow; the real value is set apart.
        let e = self.exp(Number { real: 0.0, ..x + x });
        Number {
            real,
            ..(e - one) / (e + one)
        }
    }

    /// x less the multiple of 2π that leaves it within [-π, π].
    fn turned(&self, x: Number) -> Number {
        let angle = x.real.abs();
        match self.literals.is_listening() {
            false => self.angle.set(self.angle.get().max(angle)),
            true if angle > HALF_TURN && self.angle.get() <= REDUCED => {
                self.turned_too_far.set(Some(x.real));
            }
            true => {}
        }
        let turns = Number {
            real: x.real / std::f64::consts::TAU,
            ..x
        };
        x - self.whole(turns, f64::round) * self.literals.turn()
    }

    /// A hash of the function and its argument modulo p.
    fn opaque(&self, function: Function, x: Number, real: f64) -> Number {
        let kept = x.marks.without(Marks::NO_EXPONENT);
        let degree = x.over.saturating_add(x.under);
        Number {
            over: degree,
            marks: kept,
            ..draw(self.key ^ ((function as u64 + 1) << 32), x.p, real)
        }
    }
}

fn draw(stream: u64, index: u64, real: f64) -> Number {
    Number::constant(
        FIELD_P.number(hash(stream, 0x70, index)),
        FIELD_Q.number(hash(stream, 0x71, index)),
        real,
    )
}

pub(super) fn root(x: Number) -> Number {
    let (p, q) = (FIELD_P.root(x.p), FIELD_Q.root(x.q));
    let mut marks = x.marks;
    if FIELD_P.mul(p, p) != x.p {
        marks = marks.with(Marks::TWISTED);
    }
    if x.has_exponent() && FIELD_Q.mul(q, q) != x.q {
        marks = marks.with(Marks::TWISTED_EXPONENT);
    }
    Number {
        p,
        q,
        real: x.real.sqrt(),
        marks,
        ..x
    }
}
