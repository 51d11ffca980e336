//! Accuracy of elementary functions against f64, over sweeps, in vectors and scalars.

use crate::common::{function, run};

/// Runs `op` on `x` in vectors of 16 and one by one; both must agree.
fn apply(op: &str, x: &[f64]) -> Vec<f64> {
    let count = x.len() / 16;
    assert_eq!(count * 16, x.len());
    let vector = format!("memref<{count}xvector<16xf32>>");
    let vectors = function(
        &format!("%a: {vector}, %o: {vector}"),
        &format!(
            "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : {vector}
    %y = math.{op} %x : vector<16xf32>
    memref.store %y, %o[%i] : {vector}"
        ),
    );
    let scalar = format!("memref<{}xf32>", x.len());
    let scalars = function(
        &format!("%a: {scalar}, %o: {scalar}"),
        &format!(
            "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : {scalar}
    %y = math.{op} %x : f32
    memref.store %y, %o[%i] : {scalar}"
        ),
    );
    let out = vec![0.0; x.len()];
    let wide = run(
        &vectors,
        [count as i64, 1, 1],
        &[x.to_vec(), out.clone()],
        &[],
    )
    .remove(0);
    let single = run(&scalars, [x.len() as i64, 1, 1], &[x.to_vec(), out], &[]).remove(0);
    for ((x, wide), single) in x.iter().zip(&wide).zip(&single) {
        assert!(
            wide.to_bits() == single.to_bits() || wide.is_nan() && single.is_nan(),
            "{op}({x})"
        );
    }
    wide
}

/// f32 values spread over [from, to].
fn sweep(from: f64, to: f64) -> Vec<f64> {
    const COUNT: usize = 1 << 17;
    (0..COUNT)
        .map(|i| f64::from((from + (to - from) * i as f64 / (COUNT - 1) as f64) as f32))
        .collect()
}

/// Distance between neighbours of f32 at `x`.
fn ulp(x: f64) -> f64 {
    let exponent = x.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
    (exponent - 23.0).exp2()
}

/// Largest error in ulp of the exact result.
fn worst(op: &str, x: &[f64], exact: fn(f64) -> f64) -> f64 {
    let error = |(x, y): (&f64, &f64)| (y - exact(*x)).abs() / ulp(exact(*x));
    x.iter().zip(&apply(op, x)).map(error).fold(0.0, f64::max)
}

/// Sixteen values with special ones in front.
fn special(values: &[f64]) -> Vec<f64> {
    let mut all = values.to_vec();
    all.resize(16, 0.5);
    all
}

#[test]
fn exp_is_within_two_ulp() {
    let worst_normal = worst("exp", &sweep(-87.0, 88.7), f64::exp);
    let worst_subnormal = worst("exp", &sweep(-104.0, -87.0), f64::exp);
    let near_zero = worst("exp", &sweep(-1e-3, 1e-3), f64::exp);
    println!("exp: {worst_normal} {worst_subnormal} {near_zero} ulp");
    assert!(worst_normal <= 1.1 && worst_subnormal <= 1.1 && near_zero <= 1.1);
    let edges = [
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        100.0,
        -200.0,
        0.0,
        -0.0,
        3e38,
    ];
    let found = apply("exp", &special(&edges));
    assert!(found[2].is_nan());
    let rest = [
        found[0], found[1], found[3], found[4], found[5], found[6], found[7],
    ];
    assert_eq!(
        rest,
        [
            f64::INFINITY,
            0.0,
            f64::INFINITY,
            0.0,
            1.0,
            1.0,
            f64::INFINITY
        ]
    );
}

#[test]
fn erf_and_tanh_are_within_their_bounds() {
    let absolute = |op: &str, x: &[f64], exact: fn(f64) -> f64| {
        let error = |(x, y): (&f64, &f64)| (y - exact(*x)).abs();
        x.iter().zip(&apply(op, x)).map(error).fold(0.0, f64::max)
    };
    let erf = absolute("erf", &sweep(-5.0, 5.0), exact_erf);
    let tanh = absolute("tanh", &sweep(-11.0, 11.0), f64::tanh);
    println!("erf: {erf}, tanh: {tanh}");
    assert!(erf <= 1.3e-7 && tanh <= 1.1e-7);
    // Small arguments keep their relative accuracy.
    let small_erf = worst("erf", &sweep(-1e-3, 1e-3), exact_erf);
    let small_tanh = worst("tanh", &sweep(-1e-3, 1e-3), f64::tanh);
    println!("small: erf {small_erf}, tanh {small_tanh} ulp");
    assert!(small_erf <= 2.0 && small_tanh <= 2.0);
    for op in ["erf", "tanh"] {
        let found = apply(
            op,
            &special(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 1e30]),
        );
        assert_eq!([found[0], found[1], found[4]], [1.0, -1.0, 1.0]);
        assert!(found[2].is_nan());
        assert!(found[3] == 0.0 && found[3].is_sign_negative());
    }
}

#[test]
fn libm_serves_the_other_functions() {
    type Function = (&'static str, fn(f64) -> f64, f64, f64);
    let functions: [Function; 8] = [
        ("exp2", f64::exp2, -20.0, 20.0),
        ("log", f64::ln, 1e-3, 100.0),
        ("log2", f64::log2, 1e-3, 100.0),
        ("sin", f64::sin, -100.0, 100.0),
        ("cos", f64::cos, -100.0, 100.0),
        ("tan", f64::tan, -1.5, 1.5),
        ("sqrt", f64::sqrt, 0.0, 100.0),
        ("rsqrt", |x| 1.0 / x.sqrt(), 0.1, 100.0),
    ];
    for (op, exact, from, to) in functions {
        let worst = worst(op, &sweep(from, to), exact);
        assert!(worst <= 2.0, "{op}: {worst} ulp");
    }
}

#[test]
fn halves_are_computed_in_f32() {
    let kind = "memref<64xvector<16xf16>>";
    let source = function(
        &format!("%a: {kind}, %o: {kind}"),
        &format!(
            "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : {kind}
    %y = math.exp %x : vector<16xf16>
    memref.store %y, %o[%i] : {kind}"
        ),
    );
    let x: Vec<f64> = (0..1024)
        .map(|i| half::f16::from_f64(f64::from(i) / 100.0 - 5.0).to_f64())
        .collect();
    let found = run(&source, [64, 1, 1], &[x.clone(), vec![0.0; 1024]], &[]).remove(0);
    for (x, y) in x.iter().zip(&found) {
        let error = (y - x.exp()).abs() / x.exp();
        assert!(error <= 1.001 / 2048.0, "exp({x}) = {y}");
    }
}

#[test]
fn clamps_bound_from_both_sides() {
    let kind = "memref<1xvector<4xf32>>";
    let source = function(
        &format!("%a: {kind}, %o: {kind}"),
        &format!(
            "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : {kind}
    %low = arith.constant dense<-1.0> : vector<4xf32>
    %high = arith.constant dense<2.0> : vector<4xf32>
    %y = math.clampf %x to [%low, %high] : vector<4xf32>
    memref.store %y, %o[%i] : {kind}"
        ),
    );
    let found = run(
        &source,
        [1, 1, 1],
        &[vec![-3.0, 0.5, 2.5, -1.0], vec![0.0; 4]],
        &[],
    );
    assert_eq!(found[0], [-1.0, 0.5, 2.0, -1.0]);
}

/// erf in f64, from its series and its continued fraction.
pub fn exact_erf(x: f64) -> f64 {
    let size = x.abs();
    let scale = 2.0 / std::f64::consts::PI.sqrt();
    if size < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return scale * sum;
    }
    let fraction = (1..60)
        .rev()
        .fold(size, |below, n| size + f64::from(n) / 2.0 / below);
    let tail = (-x * x).exp() / fraction / std::f64::consts::PI.sqrt();
    (1.0 - tail).copysign(x)
}
