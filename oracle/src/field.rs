//! Programs over finite fields: exact algebra in the place of rounded arithmetic.
//!
//! A float is a [`Number`]: residues modulo two primes p and q with q | p - 1, and a real
//! number. The three know nothing of each other: inputs are drawn independently, each
//! operation works on all of them. The residues make sums, products and quotients exact
//! whatever their order; exp(x) is w^(x mod q) modulo p, where w has order q, so that
//! exp(a + b) = exp(a)·exp(b) holds. The real number decides every comparison, so `max`,
//! `select` and a loop's bound take the branch that a real run would take.
//!
//! Two programs that are equal as functions of real numbers have equal residues, whichever
//! inputs are drawn (`number.rs` and `functions.rs` list the identities that hold, and mark
//! values where one may fail). Two that differ have equal residues with a probability of at
//! most d/p + d/q per draw, d their degree (`bound.rs`).
//!
//! Roundings are no part of this algebra, those of literals included (`literal.rs`).
//! Limits: integers and booleans are concrete; a program of more than 2^26 elements or
//! multiply-adds is refused.

mod bound;
mod evaluate;
mod functions;
mod layers;
mod literal;
mod moves;
mod number;
mod prime;
mod reading;
mod tensor;

pub use bound::error_bound;
pub use evaluate::{FieldError, evaluate_in_field, field_work};
pub use functions::{Field, Function};
pub use number::{Marks, Number};
pub use prime::{P, Q};
pub use tensor::{FieldTensor, field_inputs};
