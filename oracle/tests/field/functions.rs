//! The identities that functions keep, what they decide by real numbers, and what ties.

use kforge_oracle::*;

use crate::{drawn, plain_field};

pub fn pair(field: &Field, reals: [f64; 2]) -> [Number; 2] {
    let numbers = drawn(field, 7, &reals);
    [numbers[0], numbers[1]]
}

#[test]
fn real_numbers_go_through_the_function_itself() {
    use Function::*;
    let field = plain_field(1);
    for x in [0.75, 2.5, -1.25, 0.0, 3.0] {
        let number = drawn(&field, 1, &[x])[0];
        for (function, f) in [
            (Abs, f64::abs as fn(f64) -> f64),
            (Exp, f64::exp),
            (Exp2, f64::exp2),
            (Log, f64::ln),
            (Log2, f64::log2),
            (Sqrt, f64::sqrt),
            (Rsqrt, |x| 1.0 / x.sqrt()),
            (Tanh, f64::tanh),
            (Sin, f64::sin),
            (Cos, f64::cos),
            (Floor, f64::floor),
            (Ceil, f64::ceil),
            (Round, f64::round_ties_even),
            (Trunc, f64::trunc),
            (Sign, |x: f64| if x == 0.0 { 0.0 } else { x.signum() }),
        ] {
            let (got, want) = (field.apply(function, number).real, f(x));
            let near = (got - want).abs() < 1e-6 * (1.0 + want.abs());
            assert!(
                near || got == want || want.is_nan(),
                "{function:?}({x}) = {got}"
            );
        }
    }
    assert!((field.apply(Erf, drawn(&field, 1, &[1.0])[0]).real - 0.842700792949715).abs() < 1e-12);
}

#[test]
fn functions_keep_their_identities() {
    use Function::*;
    let field = plain_field(4);
    let of = |function, x| field.apply(function, x);
    let one = Number::integer(1);
    let [a, b] = pair(&field, [0.75, 2.5]);
    // Roots of products are products of roots; squares of roots where there is one.
    assert!(of(Sqrt, a * b).equals(&(of(Sqrt, a) * of(Sqrt, b))));
    assert!((of(Rsqrt, a) * of(Sqrt, a)).equals(&one));
    let square = of(Sqrt, a * a);
    assert!((square * square).equals(&(a * a)) && square.is_certain());
    let roots: Vec<Number> = (2..40).map(|n| of(Sqrt, Number::integer(n))).collect();
    for (n, root) in (2..40).zip(&roots) {
        let number = Number::integer(n);
        let back = *root * *root;
        assert_eq!(root.is_certain(), back.equals(&number), "{n}");
        assert!(back.equals(&number) || back.equals(&-number), "{n}");
    }
    assert!(roots.iter().any(|it| !it.is_certain()));
    // tanh by exponentials, exp2 and log2 by the same constant.
    let double = of(Exp, a + a);
    assert!(of(Tanh, a).equals(&((double - one) / (double + one))));
    assert!((of(Exp2, a) * of(Exp2, b)).equals(&of(Exp2, a + b)));
    let factor = field.literal(f64::from(std::f32::consts::LOG2_E));
    assert!(of(Exp2, a * factor).equals(&of(Exp, a)));
    assert!(of(Log2, a).equals(&(of(Log, a) * factor)));
    // What turns by 2π comes back; nothing else is known of sin, cos, erf and log.
    let turn = field.literal(6.28125) + field.literal(0.001_937_866_210_937_5);
    let rest = f64::from((std::f64::consts::TAU - 6.28125 - 0.001_937_866_210_937_5) as f32);
    let turn = turn + field.literal(rest);
    for function in [Sin, Cos] {
        for turns in [1, -2, 5] {
            let moved = a + turn * Number::integer(turns);
            assert!(
                of(function, moved).equals(&of(function, a)),
                "{function:?} {turns}"
            );
        }
    }
    let images: Vec<Number> = [Sin, Cos, Erf, Log, Exp, Tanh, Sqrt]
        .iter()
        .flat_map(|it| [of(*it, a), of(*it, b)])
        .collect();
    for (at, image) in images.iter().enumerate() {
        let alike = images.iter().filter(|it| it.equals(image)).count();
        assert_eq!(alike, 1, "{at}");
    }
    assert!(of(Erf, a).equals(&of(Erf, a)));
}

#[test]
fn exp_of_exp_is_only_a_hash() {
    let field = plain_field(4);
    let of = |function, x| field.apply(function, x);
    let [a, _] = pair(&field, [0.75, 2.5]);
    let power = of(Function::Exp, a);
    for function in [Function::Exp, Function::Tanh] {
        let twice = of(function, power);
        assert!(power.is_certain() && !twice.is_certain());
        assert!(twice.equals(&of(function, power)));
        assert!(of(function, a).is_certain());
    }
    // A hash has an exponent again, an integer too.
    assert!(of(Function::Exp, of(Function::Erf, power)).is_certain());
    assert!(of(Function::Exp, of(Function::Floor, power)).is_certain());
    assert!(of(Function::Exp, of(Function::Sign, power)).is_certain());
}

#[test]
fn a_root_that_the_exponents_lack_matters_once_it_is_one() {
    let field = plain_field(4);
    let exp = |x| field.apply(Function::Exp, x);
    let (mut good, mut bad) = (0, 0);
    for n in 2..60 {
        let number = Number::integer(n);
        let root = field.apply(Function::Sqrt, number);
        if root.is_certain() {
            let holds = exp(root * root).equals(&exp(number));
            assert_eq!(exp(root).is_certain(), holds, "{n}");
            *if holds { &mut good } else { &mut bad } += 1;
        }
    }
    assert!(good > 5 && bad > 5, "{good} {bad}");
    // What came through exp has no exponent to lack a root.
    let power = field.apply(Function::Sqrt, exp(Number::integer(2)));
    let square = power * power;
    assert_eq!(power.is_certain(), square.equals(&exp(Number::integer(2))));
}

#[test]
fn marks_go_through_every_function() {
    let field = plain_field(4);
    let one = Number::integer(1);
    use Function::*;
    for function in [
        Erf, Log, Log2, Sin, Cos, Exp, Tanh, Sqrt, Rsqrt, Floor, Sign, Abs,
    ] {
        assert!(
            field.apply(function, Number::unwritten()).is_unwritten(),
            "{function:?}"
        );
    }
    // Memory that nothing has written is no exponent, not even 0.
    assert!(field.power(one + one, Number::unwritten()).is_unwritten());
    let [three, half, nine] = [3.0, 0.5, 9.0].map(|x| field.literal(x));
    for exponent in [three, half, -three, -half, nine] {
        let doubtful = exponent + Number::unwritten() * Number::ZERO;
        assert!(field.power(one + one, doubtful).is_unwritten());
        assert!(!field.power(one + one, exponent).is_unwritten());
    }
    assert!(
        field
            .power(Number::unwritten(), field.literal(9.0))
            .is_unwritten()
    );
    // tanh far out is one or minus one, no underflow.
    for x in [-6e5, -700.0, 700.0] {
        let tanh = field.apply(Tanh, drawn(&field, 1, &[x])[0]);
        assert!(tanh.is_certain() && tanh.real == x.signum(), "{x}");
    }
}

#[test]
fn exp_underflows_for_certain_or_perhaps() {
    let field = plain_field(4);
    let exp = |x: f64| field.apply(Function::Exp, drawn(&field, 9, &[x])[0]);
    for (x, zero, certain) in [
        (-999.0, false, true),
        (-1000.0, false, true),
        (-1001.0, true, false),
        (-1e6, true, false),
        (-1.1e6, true, true),
        (f64::NEG_INFINITY, true, true),
    ] {
        let power = exp(x);
        assert_eq!(power.equals(&Number::ZERO), zero, "{x}");
        assert_eq!(power.is_certain(), certain, "{x}");
    }
}

#[test]
fn powers_are_products_roots_or_hashes() {
    let field = plain_field(6);
    let [a, b] = pair(&field, [0.75, 2.5]);
    let power = |exponent: f64| field.power(a, field.literal(exponent));
    assert!(power(0.0).equals(&Number::integer(1)) && power(1.0).equals(&a));
    assert!(power(3.0).equals(&(a * a * a)));
    assert!(power(-2.0).equals(&(a * a).reciprocal()));
    assert!(power(8.0).equals(&(power(4.0) * power(4.0))));
    assert!(power(-8.0).equals(&power(8.0).reciprocal()));
    assert!(power(0.5).equals(&field.apply(Function::Sqrt, a)));
    assert!(power(-0.5).equals(&field.apply(Function::Rsqrt, a)));
    // Beyond these a hash: of both operands, and of nothing but them.
    let ninth = power(9.0);
    assert!(!ninth.equals(&(power(8.0) * a)) && ninth.equals(&power(9.0)));
    assert!(!ninth.equals(&power(10.0)) && !field.power(a, b).equals(&field.power(b, a)));
    assert!(!field.power(b, field.literal(9.0)).equals(&ninth));
    for exponent in [0.0, 3.0, -2.0, 0.5, 9.0, 1.5] {
        let (got, want) = (power(exponent).real, 0.75f64.powf(exponent));
        assert!((got - want).abs() < 1e-12, "{exponent}: {got} {want}");
    }
    // A drawn exponent is none of the small integers, whatever its real value.
    let two = drawn(&field, 3, &[2.0])[0];
    assert!(!field.power(a, two).equals(&power(2.0)));
}

#[test]
fn fields_of_other_seeds_draw_other_numbers() {
    let at = |seed: u64, stream: u64, index: u64| plain_field(seed).random(stream, index, 1.0);
    let first = at(1, 256, 0);
    assert!(first.equals(&at(1, 256, 0)) && first.degree() == 1 && first.real == 1.0);
    for other in [at(2, 256, 0), at(1, 512, 0), at(1, 256, 1)] {
        assert!(!first.equals(&other));
    }
    let streams: std::collections::HashSet<u64> = (0..64)
        .map(|stream| at(1, stream << 8, 0).residue())
        .collect();
    assert_eq!(streams.len(), 64);
    let hashes: std::collections::HashSet<u64> = (0..64)
        .map(|seed| plain_field(seed).apply(Function::Erf, Number::integer(3)))
        .map(|hash| hash.residue())
        .collect();
    assert_eq!(hashes.len(), 64);
    // exp of the same exponent differs between fields.
    let power = |seed| plain_field(seed).apply(Function::Exp, Number::integer(1));
    assert!(!power(1).equals(&power(2)));
}
