//! How likely a wrong program passes.
//!
//! Let f be the difference of the two results in one element, a quotient of sums
//! Σ P_i·exp(Q_i), P_i and Q_i rational in the inputs and in what functions gave (a hash is
//! an input of its own: two arguments that differ agree with probability (degree)/p).
//!
//! *No exp.* f is rational of degree at most d and its coefficients are no multiples of p:
//! f ≠ 0 is 0 at a random point with probability at most d/p (Schwartz, Zippel).
//!
//! *exp, independent exponents.* Let y_j = exp(Q_j) with the Q_j linear in variables of
//! their own, as are the inputs of a softmax or silu, and, for given queries, the scores of
//! one query of an attention: then the y_j are independent and uniform among the q powers of
//! w, f is a polynomial in them and the same lemma over this set gives d/q more. Each use of
//! exp(x - max) counts in numerator and denominator.
//!
//! *exp, any exponents.* Only f = Σ P_i·exp(Q_i) with few terms is known to be found:
//! J. Li and M. Wu, "Identity Testing for Circuits with Exponentiation Gates", ITCS 2026
//! (arXiv 2506.04529) prove the test complete and bound what it misses by a power of q that
//! shrinks with the number of terms. The bound given here is not claimed for such kernels
//! beyond that theorem.
//!
//! *Roots.* With s = √u, f(s)·f(-s) is free of s; its degree is twice that of f. The bound
//! counts one root per element, which is what norms have; r roots make it 2^(r-1) times as
//! large.

use super::prime::{P, Q};

/// The probability that a wrong element passes `draws` draws, if its difference has at most
/// this degree and one root; as a power of two.
pub fn error_bound(degree: u64, draws: usize) -> f64 {
    let degree = 2.0 * degree.max(1) as f64;
    let once = degree / P as f64 + degree / Q as f64;
    once.min(1.0).log2() * draws as f64
}
