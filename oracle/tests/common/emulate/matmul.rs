//! Matmul and mlp, and the activations behind them.

use kforge_oracle::DType;

use super::{Fault, Fault::*, Order, dot, spoil};

fn half(x: f32) -> f32 {
    DType::F16.round(f64::from(x)) as f32
}

pub struct MatmulArgs<'a> {
    pub sizes: (usize, usize, usize),
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub residual: Option<&'a [f32]>,
    pub activation: Option<fn(f32) -> f32>,
}

pub fn matmul(p: &MatmulArgs, order: Order, fault: Option<Fault>) -> Vec<f32> {
    let (m, n, k) = p.sizes;
    let is = |f| fault == Some(f);
    let mut c = vec![0.0; m * n];
    let act = |x: f32| p.activation.map_or(x, |f| f(x));
    for i in 0..m {
        for j in 0..n {
            let mut row: Vec<f32> = p.a[i * k..(i + 1) * k].to_vec();
            if is(SwappedRows) && m > 1 {
                row = p.a[(i ^ 1).min(m - 1) * k..][..k].to_vec();
            }
            let mut column: Vec<f32> = if is(TransposedB) {
                (0..k).map(|q| p.b[(j * k + q) % (k * n)]).collect()
            } else {
                (0..k).map(|q| p.b[q * n + j]).collect()
            };
            if is(DropLastK) {
                column[k - 1] = 0.0;
            }
            if is(FirstKFrom1) {
                column[0] = 0.0;
            }
            if is(F16Inputs) {
                row.iter_mut()
                    .chain(&mut column)
                    .for_each(|x| *x = half(*x));
            }
            let mut acc = if is(F16Accumulator) {
                row.iter()
                    .zip(&column)
                    .fold(0.0, |s, (a, b)| half(s + half(a * b)))
            } else {
                dot(&row, &column, order)
            };
            if is(AccStart) {
                acc += 1e-3;
            }
            let bias = match p.bias {
                Some(_) if is(BiasIgnored) => 0.0,
                Some(bias) if is(BiasAlongM) => bias[i % n],
                Some(bias) => bias[j],
                None => 0.0,
            };
            let residual = p.residual.map_or(0.0, |r| r[i * n + j]);
            let mut y = match fault {
                Some(ActivationBeforeBias) => act(acc) + bias + residual,
                Some(ResidualBeforeActivation) => act(acc + bias + residual),
                Some(GeluTanhForGelu) => gelu_tanh(acc + bias) + residual,
                _ => act(acc + bias) + residual,
            };
            match fault {
                Some(Scaled999) => y *= 0.999,
                Some(StrayRelu) => y = y.max(0.0),
                Some(ClampAt1e4) => y = y.clamp(-1e4, 1e4),
                Some(LastElementOnly) if i + j + 2 < m + n => y = 0.0,
                _ => {}
            }
            c[i * n + j] = y;
        }
    }
    spoil(&mut c, n, fault);
    c
}

pub struct MlpArgs<'a> {
    /// Rows, width, hidden width.
    pub sizes: (usize, usize, usize),
    pub x: &'a [f32],
    pub up: &'a [f32],
    pub down: &'a [f32],
    pub gate: Option<&'a [f32]>,
    /// How the hidden layer is stored.
    pub hidden: DType,
}

pub fn mlp(p: &MlpArgs, order: Order, fault: Option<Fault>) -> Vec<f32> {
    let MlpArgs {
        sizes: (rows, d, h),
        x,
        up,
        down,
        gate,
        hidden: hidden_dtype,
    } = *p;
    let relu: fn(f32) -> f32 = |x| x.max(0.0);
    let act: fn(f32) -> f32 = match (fault, gate) {
        (Some(ReluForActivation), _) => relu,
        (_, Some(_)) => silu,
        (_, None) => gelu,
    };
    let project = |b: &[f32], activation| {
        let args = MatmulArgs {
            sizes: (rows, h, d),
            a: x,
            b,
            bias: None,
            residual: None,
            activation,
        };
        let y = matmul(&args, order, None);
        y.iter()
            .map(|&y| hidden_dtype.round(f64::from(y)) as f32)
            .collect::<Vec<_>>()
    };
    let hidden = match gate {
        None => project(up, Some(act)),
        Some(_) if fault == Some(GateIgnored) => project(up, Some(act)),
        Some(gate) => {
            let (g, u) = (project(gate, Some(act)), project(up, None));
            let y = g.iter().zip(&u).map(|(g, u)| g * u);
            y.map(|y| hidden_dtype.round(f64::from(y)) as f32).collect()
        }
    };
    let args = MatmulArgs {
        sizes: (rows, d, h),
        a: &hidden,
        b: down,
        bias: None,
        residual: None,
        activation: None,
    };
    matmul(&args, order, fault)
}

/// Abramowitz-Stegun 7.1.26, its constants as published.
#[allow(clippy::excessive_precision)]
pub fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * x.abs());
    let poly = t
        * (0.254829592
            + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    (1.0 - poly * (-x * x).exp()).copysign(x)
}

pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

pub fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044715 * x * x * x)).tanh())
}

pub fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}
