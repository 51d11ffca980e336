//! Residues add, multiply and divide as the integers do; marks and degrees go along.

use kforge_oracle::field::P;
use kforge_oracle::*;

use crate::{drawn, plain_field};

fn modulo(x: i128) -> u64 {
    x.rem_euclid(i128::from(P)) as u64
}

#[test]
fn residues_are_those_of_the_integers() {
    let numbers = [0, 1, -1, 2, -7, 49, 1 << 40, i64::MAX, i64::MIN];
    for a in numbers {
        let x = Number::integer(a);
        assert_eq!((x.residue(), x.real), (modulo(a.into()), a as f64));
        assert_eq!(
            ((-x).residue(), (-x).real),
            (modulo(-i128::from(a)), -(a as f64))
        );
        for b in numbers {
            let y = Number::integer(b);
            let (wide, other) = (i128::from(a), i128::from(b));
            assert_eq!((x + y).residue(), modulo(wide + other));
            assert_eq!((x - y).residue(), modulo(wide - other));
            assert_eq!((x * y).residue(), modulo(wide * other));
            assert_eq!((x + y).real, a as f64 + b as f64);
            assert_eq!((x - y).real, a as f64 - b as f64);
            assert_eq!((x * y).real, a as f64 * b as f64);
            if b != 0 {
                let quotient = x / y;
                assert_eq!((quotient * y).residue(), x.residue());
                assert_eq!(quotient.real, a as f64 / b as f64);
                assert_eq!(y.reciprocal().real, 1.0 / b as f64);
                assert!((y.reciprocal() * y).equals(&Number::integer(1)));
                assert!(quotient.is_certain() && !quotient.is_undefined());
            }
        }
    }
    assert_eq!(Number::ZERO.residue(), 0);
}

#[test]
fn exponents_are_sums_in_the_other_field() {
    let field = plain_field(3);
    let exp = |x: Number| field.apply(Function::Exp, x);
    let one = Number::integer(1);
    let [a, b] = drawn(&field, 1, &[0.5, -0.25])[..] else {
        unreachable!("two numbers");
    };
    assert!(exp(a + b).equals(&(exp(a) * exp(b))));
    assert!(exp(a - b).equals(&(exp(a) / exp(b))));
    assert!((exp(a) * exp(-a)).equals(&one));
    assert!(exp(a * Number::integer(3)).equals(&(exp(a) * exp(a) * exp(a))));
    let third = a / Number::integer(3);
    assert!((exp(third) * exp(third) * exp(third)).equals(&exp(a)));
    assert!(exp(Number::ZERO).equals(&one) && !exp(one).equals(&one));
    assert!(exp(Number::integer(2)).equals(&(exp(one) * exp(one))));
    let fraction = field.literal(0.5);
    assert!((exp(fraction) * exp(fraction)).equals(&exp(one)));
    assert!(!exp(a).equals(&exp(b)) && !exp(a).equals(&a));
}

#[test]
fn division_by_zero_is_undefined_or_doubtful() {
    let one = Number::integer(1);
    let undefined = one / Number::ZERO;
    assert!(undefined.is_undefined() && (undefined + one).is_undefined());
    assert!(!one.is_undefined() && !(Number::ZERO / one).is_undefined());
    // Two that are undefined are the same, one is not the same as any number.
    assert!(undefined.equals(&(Number::integer(2) / Number::ZERO)));
    assert!(!undefined.equals(&one) && !one.equals(&undefined));
    // A residue that happens to be zero, though the number is not.
    let modulus = Number::integer(P as i64);
    assert_eq!(modulus.residue(), 0);
    let doubtful = modulus.reciprocal();
    assert!(!doubtful.is_undefined() && !doubtful.is_certain() && modulus.is_certain());
    // The other residue may be zero as well: that matters to exponents alone.
    let other = Number::integer(field::Q as i64);
    assert!(other.residue() != 0 && !other.reciprocal().is_certain());
    assert!(
        Number::integer(field::Q as i64 + 1)
            .reciprocal()
            .is_certain()
    );
    // Not where there is no such residue.
    let power = plain_field(1).apply(Function::Exp, Number::integer(2));
    assert!(power.is_certain() && power.reciprocal().is_certain());
}

#[test]
fn what_nothing_has_written_equals_nothing() {
    let (memory, one) = (Number::unwritten(), Number::integer(1));
    assert!(memory.is_unwritten() && memory.real.is_nan() && !one.is_unwritten());
    assert!((memory + one).is_unwritten() && (memory * Number::ZERO).is_unwritten());
    assert!(!memory.equals(&Number::ZERO) && !Number::ZERO.equals(&memory));
    assert!(!memory.equals(&memory) && one.equals(&one) && !one.equals(&Number::ZERO));
    let field = plain_field(1);
    assert!(field.max(memory, one).is_unwritten() && field.max(one, memory).is_unwritten());
    assert!(!field.max(one, Number::ZERO).is_unwritten());
    assert_eq!(field.to_integer(&memory), None);
    assert_eq!(field.to_integer(&Number::integer(-7)), Some(-7));
}

#[test]
fn degrees_are_those_of_numerator_and_denominator() {
    let field = plain_field(2);
    let [a, b, c] = drawn(&field, 1, &[1.0, 2.0, 3.0])[..] else {
        unreachable!("three numbers");
    };
    let one = Number::integer(1);
    assert_eq!((one.degree(), a.degree()), (0, 1));
    assert_eq!(
        ((a + b).degree(), (a * b).degree(), (a * b * c).degree()),
        (1, 2, 3)
    );
    assert_eq!((a + b * c).degree(), 2);
    assert_eq!((a - one).degree(), 1);
    assert_eq!((a / b).degree(), 2);
    assert_eq!(a.reciprocal().degree(), 1);
    // (a + c·b)/b: two over one.
    assert_eq!((a / b + c).degree(), 3);
    assert_eq!((c + a / b).degree(), 3);
    // (a·b + 1)/b and (a·c + b·b)/(b·c).
    assert_eq!((a + b.reciprocal()).degree(), 3);
    assert_eq!((a / b + b / c).degree(), 4);
    assert_eq!(field.apply(Function::Exp, a * b).degree(), 4);
    assert_eq!(field.apply(Function::Erf, a / b).degree(), 2);
}

#[test]
fn a_wrong_element_passes_with_the_probability_of_a_root() {
    let once = |degree: f64| (2.0 * degree / P as f64 + 2.0 * degree / field::Q as f64).log2();
    for (degree, draws) in [(1, 1), (1000, 1), (77, 3)] {
        let want = once(degree as f64) * draws as f64;
        assert!((error_bound(degree, draws) - want).abs() < 1e-9);
    }
    assert_eq!(error_bound(0, 2), error_bound(1, 2));
    assert!(error_bound(1, 1) < -58.0 && error_bound(1, 1) > -60.0);
    assert_eq!(error_bound(u64::MAX, 5), 0.0);
}
