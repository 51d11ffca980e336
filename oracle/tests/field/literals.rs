//! What number a literal stands for: constants of the program first, then simple fractions.

use kforge_oracle::*;

use crate::common::*;
use crate::plain_field;

fn f32(x: f64) -> f64 {
    DType::F32.round(x)
}

#[test]
fn simple_fractions_and_roots_are_meant() {
    let field = plain_field(1);
    let read = |x: f64| field.literal(f32(x));
    let ratio = |a: i64, b: i64| Number::integer(a) / Number::integer(b);
    for (x, a, b) in [
        (1.0 / 48.0, 1, 48),
        (-1.0 / 3.0, -1, 3),
        (0.999, 999, 1000),
        (2.5, 5, 2),
    ] {
        assert!(read(x).equals(&ratio(a, b)), "{x}");
        assert_eq!(read(x).real, f32(x));
    }
    let half = read(std::f64::consts::FRAC_1_SQRT_2);
    assert!(
        (half * half).equals(&ratio(1, 2)) && half.real == f32(std::f64::consts::FRAC_1_SQRT_2)
    );
    assert!((-half).equals(&read(-std::f64::consts::FRAC_1_SQRT_2)));
    for (x, a, b) in [(6f64, 6, 1), (1.0 / 6.0, 1, 6), (35.0 / 2.0, 35, 2)] {
        let root = read(x.sqrt());
        assert!((root * root).equals(&ratio(a, b)), "{x}");
    }
    // Roots of other primes, and of fractions that are not simple, are numbers of their own.
    for (a, b) in [
        (17, 1),
        (1, 17),
        (17, 2),
        (2, 17),
        (17, 19),
        (77, 65),
        (5005, 1),
    ] {
        let root = read((a as f64 / b as f64).sqrt());
        assert!(!(root * root).equals(&ratio(a, b)), "{a}/{b}");
    }
    // An integer within a unit of the last place is meant.
    assert!(read(f64::from(3f32.next_up())).equals(&Number::integer(3)));
    assert!(read(f64::from(1f32.next_up())).equals(&Number::integer(1)));
    assert!(read(f64::from(3f32.next_down())).equals(&Number::integer(3)));
    let least = field.literal(2f64.powi(-1074)) * field.literal(2f64.powi(1000));
    assert!((least * read(2f64.powi(74))).equals(&Number::integer(1)));
    for n in [0, 1, -1, 7, 1 << 20, -(1 << 24)] {
        assert!(read(n as f64).equals(&Number::integer(n)));
        assert_eq!(read(n as f64).real, n as f64);
    }
    // Powers of two far out are themselves: product and quotient are exact.
    let far = read(2f64.powi(100)) * read(2f64.powi(-100));
    assert!(far.equals(&Number::integer(1)));
    let far = read(3.0 * 2f64.powi(70)) / read(2f64.powi(70));
    assert!(far.equals(&Number::integer(3)));
    // Twice a number is twice what it reads as.
    for x in [0.797_884_56, 0.035_677_408, 1.000_1, 1.234_567] {
        assert!((Number::integer(2) * read(x)).equals(&read(2.0 * x)), "{x}");
        assert!((read(x) / Number::integer(8)).equals(&read(x / 8.0)), "{x}");
    }
    // Infinity stands for absence: only its real value matters.
    assert_eq!(read(f64::INFINITY).real, f64::INFINITY);
    assert_eq!(read(f64::NEG_INFINITY).real, f64::NEG_INFINITY);
}

#[test]
fn literals_that_nobody_meant_are_noticed_in_kernels_alone() {
    let odd = [f32(0.035_677_408), f32(0.127_516_4)];
    let heard = |program: &[f64], kernel: &[f64]| {
        let field = plain_field(2);
        program
            .iter()
            .for_each(|x| assert!(field.literal(*x).real == *x));
        field.listen();
        kernel
            .iter()
            .for_each(|x| assert!(field.literal(*x).real == *x));
        field.foreign_literal()
    };
    assert_eq!(heard(&[], &[0.5, odd[0]]), Some(odd[0]));
    assert_eq!(heard(&[], &[-odd[0]]), Some(-odd[0]));
    assert_eq!(heard(&[], &[odd[1], odd[0]]), Some(odd[1]));
    assert_eq!(heard(&odd, &[odd[0], odd[1]]), None);
    assert_eq!(heard(&odd[..1], &odd), Some(odd[1]));
    assert_eq!(heard(&odd, &[0.5, 0.999f32.into(), 3.0]), None);
    // Powers of two apart is the same literal.
    assert_eq!(heard(&odd[..1], &[4.0 * odd[0], -odd[0]]), None);
}

#[test]
fn scales_of_attention_are_products_with_log2_e() {
    let shape = AttentionShape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        queries: 2,
        keys: 2,
        depth: 48,
    };
    for given in [None, Some(0.3f32), Some(-0.3)] {
        let mut program = attention_program(DType::F32, &shape, false, false);
        if let Op::Attention { scale, .. } = &mut program.nodes[0].op {
            *scale = given;
        }
        let field = Field::new(&program, 3);
        let scale = given.map_or(f32(1.0 / 48f64.sqrt()), f64::from);
        let log2_e = f32(std::f64::consts::LOG2_E);
        let product = field.literal(scale) * field.literal(log2_e);
        // Rounded once or twice, and times powers of two.
        let folded = f32(scale * log2_e);
        for power in [0.125, 0.25, 1.0, 2.0, 8.0] {
            let read = field.literal(folded * power);
            assert!(
                read.equals(&(product * field.literal(power))),
                "{given:?} {power}"
            );
            assert_eq!(read.real, folded * power);
        }
        let bits = (folded.abs() as f32).to_bits();
        for neighbour in [bits - 1, bits + 1] {
            let near = f64::from(f32::from_bits(neighbour)) * folded.signum();
            assert!(field.literal(near).equals(&product), "{given:?}");
        }
        let off = f64::from(f32::from_bits(bits + 3)) * folded.signum();
        assert!(!field.literal(off).equals(&product), "{given:?}");
    }
}

#[test]
fn frequencies_of_rope_are_powers_of_one_number() {
    let program = rope_program(DType::F32, [1, 1, 3, 12], false);
    let field = Field::new(&program, 3);
    let exact = |i: i32| 10000f64.powf(-2.0 * f64::from(i) / 12.0);
    let read = |i: i32| field.literal(f32(exact(i)));
    let base = read(1);
    let mut power = Number::integer(1);
    for i in 0..6 {
        assert!(read(i).equals(&power), "{i}");
        assert!((read(-i) * power).equals(&Number::integer(1)), "{i}");
        power = power * base;
    }
    // Computed from constants by pow, exp or exp2 it is recognised too, within 2e-6.
    let constant = |x: f64| field.literal(f32(x));
    for i in 1..5 {
        let exponent = -2.0 * f64::from(i) / 12.0;
        assert!(
            field
                .power(constant(1e4), constant(exponent))
                .equals(&read(i)),
            "{i}"
        );
        let by_exp = constant(exponent * 1e4f64.ln());
        assert!(field.apply(Function::Exp, by_exp).equals(&read(i)), "{i}");
        let by_exp2 = constant(exponent * 1e4f64.log2());
        assert!(field.apply(Function::Exp2, by_exp2).equals(&read(i)), "{i}");
        let off = constant(exponent * 1e4f64.ln() * 1.0001);
        assert!(!field.apply(Function::Exp, off).equals(&read(i)), "{i}");
    }
    // What was drawn is no constant.
    let drawn = field.random(1, 1, -2.0 / 12.0 * 1e4f64.ln());
    assert!(!field.apply(Function::Exp, drawn).equals(&base));
    // Only those: the next power is a number like another.
    let next = Number::integer(1) / Number::integer(10_000);
    assert!(constant(1e-4).equals(&next));
}

#[test]
fn turns_are_known_wherever_something_turns() {
    let tau = std::f64::consts::TAU;
    let mut given = rope_program(DType::F32, [1, 1, 3, 12], false);
    let freq = Input {
        name: "inv_freq".to_owned(),
        ty: ty(DType::F32, &[6]),
    };
    given.inputs.push(freq);
    given.outputs = vec![ValueId(3)];
    if let Op::Rope { inv_freq, .. } = &mut given.nodes[0].op {
        *inv_freq = Some(ValueId(2));
    }
    given.validate().expect("valid");
    for program in [rope_program(DType::F32, [1, 1, 3, 12], false), given] {
        let field = Field::new(&program, 3);
        let turn = field.literal(f32(tau));
        let one = turn * field.literal(f32(1.0 / tau));
        assert!(one.equals(&Number::integer(1)));
        // The parts that a kernel subtracts one by one.
        let parts = [6.28125, 0.001_937_866_210_937_5];
        let rest = f32(tau - parts[0] - parts[1]);
        let [first, second] = parts.map(|part| field.literal(part));
        assert!(turn.equals(&(first + second + field.literal(rest))));
    }
}
