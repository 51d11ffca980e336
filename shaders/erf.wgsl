// Error function, f32.
//
// |x| < 1: x + x * P(x^2), P a minimax polynomial of erf(x)/x - 1 (error 1.2e-9).
// |x| >= 1: 1 - exp(-Q(|x|)), Q a polynomial of -log(1 - erf(t)) on [1, 4] whose
// error, weighted with 1 - erf(t), is 6.1e-8; at t = 4 erf rounds to 1 in f32, so
// larger arguments are clamped there, infinities included.
// Both were fitted with Lawson's weighted least squares against a double precision
// erf; there is no table and no published code behind them.
//
// Bound: absolute error <= 3e-7 with an exp that keeps WGSL's accuracy
// (3 + 2 |x| ulp); 9.1e-8 with a correctly rounded exp (200,000 points on [0, 5],
// with and without fused multiply-add).
fn kforge_erf(x: f32) -> f32 {
    let s = x * x;
    let p = fma(fma(fma(fma(fma(fma(
        7.88911493e-5,
        s, -8.02083989e-4),
        s, 5.18953521e-3),
        s, -2.68544443e-2),
        s, 1.12836003e-1),
        s, -3.7612626e-1),
        s, 1.28379166e-1);
    let core = fma(x, p, x);

    let t = min(abs(x), 4.0);
    let q = fma(fma(fma(fma(fma(fma(
        -3.56005417e-4,
        t, 4.39435337e-3),
        t, -2.68887412e-2),
        t, 1.1236117e-1),
        t, 6.2874496e-1),
        t, 1.1321137),
        t, -7.63967633e-4);
    let tail = 1.0 - exp(-q);

    return select(select(tail, -tail, x < 0.0), core, abs(x) < 1.0);
}
