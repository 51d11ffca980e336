//! What number a literal stands for.
//!
//! A literal is the rounding of a number that somebody meant; 0.020833334 is 1/48. Both
//! sides read literals by the same rules, the first that fits:
//!
//! 1. A constant of the program: log2 e times 1 or a scale of its attention, times 2^±3 and
//!    within a unit of f32's last place; the
//!    frequencies theta^(-2i/R) of its rope and their inverses, powers of one drawn number;
//!    f32(2π), f32(1/2π). A frequency that a kernel computes by `pow`, `exp` or `exp2` of
//!    constants is recognised within 2·10^-6 of its value.
//! 2. An integer, and what is beyond 2^±60: its exact value.
//! 3. √(a/b), a·b <= 4096 of primes up to 13, where the literal is within a unit of its last
//!    place of it and no simple fraction is.
//! 4. The fraction of least denominator within a unit of the last place: of the literal, or,
//!    where that is not plain, of its part within [1, 2), so that 2c reads as twice c.
//!
//! A literal is *plain* where only one number is likely to have been meant: a fraction a/b
//! with a·b <= 4096, 1/n up to n = 16384, a root, a decimal of at most 4 digits, a constant
//! with a name (`NAMED`), an exact multiple of a power of two by at most 4096, and 10^30 or
//! more, which stands for infinity. About one f32 in a thousand is. A kernel whose other
//! literals are not those of the program may have folded constants that no rule knows: a
//! difference says nothing then, and the gate gives no L3 instead of a refusal.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use crate::{
    cases::rng::hash,
    op::{Op, UnaryKind},
    program::Program,
};

use super::{
    number::Number,
    prime::{FIELD_P, FIELD_Q},
    reading::{normal, plain_reading, signed_reading},
};

/// Parts of 2π of so few bits that small multiples of the first two are exact in f32.
const TURN_PARTS: [f64; 3] = [
    6.28125,
    0.001_937_866_210_937_5,
    std::f64::consts::TAU - 6.28125 - 0.001_937_866_210_937_5,
];
/// How far a computed frequency may be from its value, relative to it: some roundings of an
/// exponent of at most 20.
const FREQUENCY: f64 = 2e-6;

/// The readings of one field.
#[derive(Debug)]
pub(super) struct Literals {
    table: HashMap<u32, Number>,
    frequencies: Vec<Number>,
    read: RefCell<HashMap<u64, Number>>,
    /// Literals that are not plain and that the program has.
    known: RefCell<Vec<u64>>,
    /// Those that it does not have.
    foreign: RefCell<Vec<f64>>,
    listening: Cell<bool>,
    turn: Number,
    log2_e: Number,
}

impl Literals {
    pub fn of(program: &Program, key: u64) -> Self {
        let log2_e = plain_reading(single(std::f64::consts::LOG2_E)).0;
        let parts = TURN_PARTS.map(signed_reading);
        let turn = parts[0] + parts[1] + parts[2];
        let mut literals = Self {
            table: HashMap::new(),
            frequencies: Vec::new(),
            read: RefCell::default(),
            known: RefCell::default(),
            foreign: RefCell::default(),
            listening: Cell::new(false),
            turn: Number {
                real: std::f64::consts::TAU,
                ..turn
            },
            log2_e,
        };
        let mut turns = false;
        for node in &program.nodes {
            match &node.op {
                Op::Attention { q, scale, .. } => {
                    let depth = program.type_of(*q).and_then(|ty| ty.shape.last().copied());
                    let scale = attention_scale(*scale, depth.unwrap_or(1));
                    let product = f64::from(scale as f32) * std::f64::consts::LOG2_E;
                    literals.add_product(product, signed_reading(scale) * log2_e);
                }
                Op::Rope {
                    x,
                    inv_freq: None,
                    theta,
                    rotary_dim,
                    ..
                } => {
                    turns = true;
                    let depth = program.type_of(*x).and_then(|ty| ty.shape.last().copied());
                    let rotated = rotary_dim.or(depth).unwrap_or(0);
                    literals.add_frequencies(f64::from(*theta), rotated, key);
                }
                Op::Rope { .. }
                | Op::Unary {
                    kind: UnaryKind::Sin | UnaryKind::Cos,
                    ..
                } => turns = true,
                _ => {}
            }
        }
        literals.add_product(std::f64::consts::LOG2_E, log2_e);
        if turns {
            for part in TURN_PARTS {
                literals.add(part, signed_reading(part));
            }
            literals.add(std::f64::consts::TAU, literals.turn);
            literals.add(1.0 / std::f64::consts::TAU, literals.turn.reciprocal());
        }
        literals
    }

    fn add(&mut self, value: f64, number: Number) {
        let number = if value < 0.0 { -number } else { number };
        let value = value.abs() as f32;
        let real = f64::from(value);
        self.table
            .entry(value.to_bits())
            .or_insert(Number { real, ..number });
    }

    /// A product that a kernel may have rounded twice, and multiply by a power of two.
    fn add_product(&mut self, value: f64, number: Number) {
        let mut power = Number::fraction(1, 8, 0.125);
        for shift in -3..=3 {
            let scaled = single(value.abs()) * 2f64.powi(shift);
            for neighbour in [0u32, 1, 2] {
                let bits = (scaled as f32)
                    .to_bits()
                    .wrapping_add(neighbour)
                    .wrapping_sub(1);
                let near = f64::from(f32::from_bits(bits));
                let near = if value < 0.0 { -near } else { near };
                self.add(near, number * power);
            }
            power = power * Number::integer(2);
        }
    }

    fn add_frequencies(&mut self, theta: f64, rotated: usize, key: u64) {
        let stream = hash(key, theta.to_bits(), rotated as u64);
        let base = Number::constant(
            FIELD_P.number(hash(stream, 0, 0)),
            FIELD_Q.number(hash(stream, 1, 0)),
            1.0,
        );
        let mut power = Number::integer(1);
        self.frequencies.push(Number { real: 1.0, ..power });
        for pair in 1..rotated / 2 {
            power = power * base;
            let exponent = -2.0 * pair as f64 / rotated as f64;
            for (exponent, power) in [(exponent, power), (-exponent, power.reciprocal())] {
                let real = theta.powf(exponent);
                self.add(real, power);
                self.frequencies.push(Number { real, ..power });
            }
        }
    }

    /// The frequency, or its inverse, that a kernel computed from constants.
    pub fn frequency(&self, real: f64) -> Option<Number> {
        let near = |number: &&Number| (number.real - real).abs() <= FREQUENCY * real.abs();
        let mut found = self.frequencies.iter().filter(near);
        found.next().copied()
    }

    /// Whether literals are those of a kernel.
    pub fn is_listening(&self) -> bool {
        self.listening.get()
    }

    /// 2π.
    pub fn turn(&self) -> Number {
        self.turn
    }

    pub fn log2_e(&self) -> Number {
        self.log2_e
    }

    fn read(&self, value: f64) -> Number {
        if let Some(number) = self.read.borrow().get(&value.to_bits()) {
            return *number;
        }
        let magnitude = value.abs();
        let in_table = self.table.get(&(magnitude as f32).to_bits());
        let in_table = in_table.filter(|number| number.real == magnitude);
        let (number, plain) = match in_table {
            Some(number) => (*number, true),
            None => plain_reading(magnitude),
        };
        let number = if value < 0.0 { -number } else { number };
        if !plain {
            let bits = normal(magnitude).0.to_bits();
            let known = self.known.borrow().contains(&bits);
            match self.listening.get() {
                false if !known => self.known.borrow_mut().push(bits),
                true if !known => self.foreign.borrow_mut().push(value),
                _ => {}
            }
        }
        self.read.borrow_mut().insert(value.to_bits(), number);
        number
    }
}

impl super::Field {
    /// The number that a literal stands for.
    pub fn literal(&self, value: f64) -> Number {
        self.literals.read(value)
    }

    /// From now on literals are those of a kernel, no longer those of the program.
    pub fn listen(&self) {
        self.literals.listening.set(true);
    }

    /// A literal of the kernel that is not plain and not the program's.
    pub fn foreign_literal(&self) -> Option<f64> {
        self.literals.foreign.borrow().first().copied()
    }
}

/// The factor of an attention's scores, as a kernel gets it.
pub(super) fn attention_scale(scale: Option<f32>, depth: usize) -> f64 {
    match scale {
        Some(scale) => f64::from(scale),
        None => single(1.0 / (depth as f64).sqrt()),
    }
}

pub(super) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}
