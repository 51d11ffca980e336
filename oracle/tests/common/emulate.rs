//! Kernels in f32, correct ones and faulty ones.

use kforge_oracle::{Array, DType};

/// Order of a summation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Forward,
    Reverse,
    Pairwise,
    /// Partial sums of this many terms, then their sum (split-K, tiles).
    Blocks(usize),
    /// One fused multiply-add per term.
    Fma,
}

pub const ORDERS: [Order; 5] = [
    Order::Forward,
    Order::Reverse,
    Order::Pairwise,
    Order::Blocks(8),
    Order::Fma,
];

/// What is wrong with a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    // matmul
    DropLastK,
    FirstKFrom1,
    AccStart,
    Scaled999,
    StrayRelu,
    ClampAt1e4,
    TransposedB,
    F16Accumulator,
    F16Inputs,
    BiasAlongM,
    ActivationBeforeBias,
    BiasIgnored,
    ResidualBeforeActivation,
    GeluTanhForGelu,
    LastElementOnly,
    SwappedRows,
    // any
    Zeros,
    Nan,
    LastRowMissing,
    // softmax and attention
    NoMax,
    MaxFromZero,
    OneTermShort,
    NoDivision,
    Exp2ForExp,
    Uniform,
    NoScale,
    ScaleByD,
    MaskAfterSoftmax,
    KeysShort,
    KeysLong,
    WrongHead,
    NoRescaleO,
    NoRescaleL,
    CausalShift,
    MaskIgnored,
    // norms
    NoEps,
    Eps1e3,
    DivideByNMinus1,
    MeanKept,
    MeanOfSquares,
    BetaIgnored,
    StdForInverse,
    LayerNormForRms,
    // rope and mlp
    PositionOff,
    WrongPairing,
    SinSign,
    GateIgnored,
    ReluForActivation,
}

use Fault::*;

pub fn f32s(x: &Array) -> Vec<f32> {
    x.value.iter().map(|&v| v as f32).collect()
}

/// Storage in `dtype`, rounded to nearest or, as some drivers do, towards zero.
pub fn store(dtype: DType, truncate: bool, x: &[f32]) -> Vec<f64> {
    x.iter()
        .map(|&x| {
            let x = f64::from(x);
            let r = dtype.round(x);
            if truncate && dtype != DType::F32 && r.abs() > x.abs() && x.is_finite() {
                // One step towards zero.
                let inner = x.abs() - 0.51 * dtype.spacing(x);
                dtype.round(inner.max(0.0)).copysign(x)
            } else {
                r
            }
        })
        .collect()
}

pub fn sum(terms: &[f32], order: Order) -> f32 {
    match order {
        Order::Forward | Order::Fma => terms.iter().fold(0.0, |s, t| s + t),
        Order::Reverse => terms.iter().rev().fold(0.0, |s, t| s + t),
        Order::Pairwise => match terms.len() {
            0 => 0.0,
            1 => terms[0],
            n => sum(&terms[..n / 2], order) + sum(&terms[n / 2..], order),
        },
        Order::Blocks(b) => {
            let parts: Vec<f32> = terms.chunks(b).map(|c| sum(c, Order::Forward)).collect();
            sum(&parts, Order::Reverse)
        }
    }
}

pub fn dot(a: &[f32], b: &[f32], order: Order) -> f32 {
    if order == Order::Fma {
        return a.iter().zip(b).fold(0.0, |s, (a, b)| a.mul_add(*b, s));
    }
    let terms: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
    sum(&terms, order)
}

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

/// Faults any kernel may have.
fn spoil(c: &mut [f32], row: usize, fault: Option<Fault>) {
    match fault {
        Some(Zeros) => c.fill(0.0),
        Some(Nan) => c.fill(f32::NAN),
        Some(LastRowMissing) => {
            let n = c.len();
            c[n - row..].fill(0.0);
        }
        _ => {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SoftmaxStyle {
    ThreePass(Order),
    Exp2,
    /// Running maximum and sum over blocks, as flash attention does.
    Online(usize),
}

pub const SOFTMAX_STYLES: [SoftmaxStyle; 5] = [
    SoftmaxStyle::ThreePass(Order::Forward),
    SoftmaxStyle::ThreePass(Order::Pairwise),
    SoftmaxStyle::Exp2,
    SoftmaxStyle::Online(8),
    SoftmaxStyle::Online(32),
];

pub fn softmax(x: &[f32], n: usize, style: SoftmaxStyle, fault: Option<Fault>) -> Vec<f32> {
    let mut out: Vec<f32> = x
        .chunks(n)
        .flat_map(|row| softmax_row(row, style, fault))
        .collect();
    spoil(&mut out, n, fault);
    out
}

fn softmax_row(row: &[f32], style: SoftmaxStyle, fault: Option<Fault>) -> Vec<f32> {
    let n = row.len();
    let max = match fault {
        Some(NoMax) => 0.0,
        Some(MaxFromZero) => row.iter().fold(0.0, |m, &x| f32::max(m, x)),
        _ => row.iter().fold(f32::MIN, |m, &x| f32::max(m, x)),
    };
    let exp = |d: f32| match (fault, style) {
        (Some(Exp2ForExp), _) => d.exp2(),
        (_, SoftmaxStyle::Exp2) => (d * std::f32::consts::LOG2_E).exp2(),
        _ => d.exp(),
    };
    let e: Vec<f32> = row.iter().map(|x| exp(x - max)).collect();
    let terms = if fault == Some(OneTermShort) {
        &e[..n - 1]
    } else {
        &e[..]
    };
    let l = match style {
        SoftmaxStyle::ThreePass(order) => sum(terms, order),
        SoftmaxStyle::Exp2 => sum(terms, Order::Reverse),
        SoftmaxStyle::Online(block) if fault.is_none() => {
            let (mut m, mut l) = (f32::MIN, 0.0f32);
            for chunk in row.chunks(block) {
                let next = chunk.iter().fold(m, |m, &x| f32::max(m, x));
                l = l * (m - next).exp() + chunk.iter().map(|x| (x - next).exp()).sum::<f32>();
                m = next;
            }
            l
        }
        SoftmaxStyle::Online(_) => sum(terms, Order::Forward),
    };
    match fault {
        Some(NoDivision) => e,
        Some(Uniform) => vec![1.0 / n as f32; n],
        _ => e.iter().map(|e| e / l).collect(),
    }
}

pub fn layer_norm(x: &[f32], g: &[f32], b: &[f32], order: Order, fault: Option<Fault>) -> Vec<f32> {
    let n = g.len();
    let is = |f| fault == Some(f);
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(n) {
        let mean = sum(row, order) / n as f32;
        let c: Vec<f32> = row.iter().map(|x| x - mean).collect();
        let squares: Vec<f32> = c.iter().map(|c| c * c).collect();
        let mut variance = sum(&squares, order) / n as f32;
        if is(DivideByNMinus1) {
            variance = sum(&squares, order) / (n as f32 - 1.0).max(1.0);
        }
        if is(MeanOfSquares) {
            let raw: Vec<f32> = row.iter().map(|x| x * x).collect();
            variance = sum(&raw, order) / n as f32 - mean * mean;
        }
        let eps = if is(NoEps) {
            0.0
        } else if is(Eps1e3) {
            1e-3
        } else {
            1e-5
        };
        let root = (variance + eps).sqrt();
        let rs = if is(StdForInverse) { root } else { 1.0 / root };
        for j in 0..n {
            let centred = if is(MeanKept) { row[j] } else { c[j] };
            let beta = if is(BetaIgnored) { 0.0 } else { b[j] };
            out.push(centred * rs * g[j] + beta);
        }
    }
    spoil(&mut out, n, fault);
    out
}

pub fn rms_norm(x: &[f32], g: &[f32], order: Order, fault: Option<Fault>) -> Vec<f32> {
    let n = g.len();
    if fault == Some(LayerNormForRms) {
        return layer_norm(x, g, &vec![0.0; n], order, None);
    }
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(n) {
        let squares: Vec<f32> = row.iter().map(|x| x * x).collect();
        let eps = match fault {
            Some(NoEps) => 0.0,
            Some(Eps1e3) => 1e-3,
            _ => 1e-5,
        };
        let rs = 1.0 / (sum(&squares, order) / n as f32 + eps).sqrt();
        out.extend(row.iter().zip(g).map(|(x, g)| x * (rs * g)));
    }
    spoil(&mut out, n, fault);
    out
}

pub struct AttentionArgs<'a> {
    pub shape: kforge_oracle::AttentionShape,
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
    /// [B,1,Sq,Sk]
    pub mask: Option<&'a [f32]>,
    pub absent: f32,
    pub causal: bool,
}

pub fn attention(p: &AttentionArgs, block: Option<usize>, fault: Option<Fault>) -> Vec<f32> {
    let s = &p.shape;
    let is = |f| fault == Some(f);
    let scale = match fault {
        Some(NoScale) => 1.0,
        Some(ScaleByD) => 1.0 / s.depth as f32,
        _ => 1.0 / (s.depth as f32).sqrt(),
    };
    let mut out = Vec::new();
    for plane in 0..s.batch * s.heads {
        let (batch, head) = (plane / s.heads, plane % s.heads);
        let kv_head = if is(WrongHead) {
            head % s.kv_heads
        } else {
            head * s.kv_heads / s.heads
        };
        let base = (batch * s.kv_heads + kv_head) * s.keys * s.depth;
        for i in 0..s.queries {
            let q = &p.q[(plane * s.queries + i) * s.depth..][..s.depth];
            let mut scores = Vec::new();
            let mut late = Vec::new();
            for j in 0..s.keys {
                let k = &p.k[base + j * s.depth..][..s.depth];
                let mut x = dot(q, k, Order::Fma) * scale;
                let shift = usize::from(is(CausalShift));
                let beyond = p.causal && j + s.queries > i + s.keys + shift;
                let mask = p
                    .mask
                    .map_or(0.0, |m| m[(batch * s.queries + i) * s.keys + j]);
                let mask = if is(MaskIgnored) { 0.0 } else { mask };
                let gone = beyond || mask <= p.absent;
                late.push(gone);
                if !is(MaskAfterSoftmax) {
                    x = if gone { f32::NEG_INFINITY } else { x + mask };
                }
                scores.push(x);
            }
            if is(KeysShort) {
                scores[s.keys - 1] = f32::NEG_INFINITY;
            }
            out.extend(attention_row(
                &scores,
                &late,
                &p.v[base..],
                s.depth,
                block,
                fault,
            ));
        }
    }
    spoil(&mut out, s.depth, fault);
    out
}

fn attention_row(
    scores: &[f32],
    late: &[bool],
    v: &[f32],
    depth: usize,
    block: Option<usize>,
    fault: Option<Fault>,
) -> Vec<f32> {
    let is = |f| fault == Some(f);
    if scores.iter().all(|s| *s == f32::NEG_INFINITY) {
        return vec![0.0; depth];
    }
    let (mut m, mut l) = (f32::MIN, 0.0f32);
    let mut o = vec![0.0f32; depth];
    for (first, chunk) in scores.chunks(block.unwrap_or(scores.len())).enumerate() {
        let next = chunk.iter().fold(m, |m, &x| f32::max(m, x));
        let rescale = (m - next).exp();
        if !is(NoRescaleL) {
            l *= rescale;
        }
        if !is(NoRescaleO) {
            o.iter_mut().for_each(|o| *o *= rescale);
        }
        for (t, &x) in chunk.iter().enumerate() {
            let j = first * block.unwrap_or(scores.len()) + t;
            let mut p = (x - next).exp();
            l += p;
            if is(MaskAfterSoftmax) && late[j] {
                p = 0.0;
            }
            for d in 0..depth {
                o[d] = p.mul_add(v[j * depth + d], o[d]);
            }
        }
        m = next;
    }
    if is(KeysLong) {
        l += (0.0 - m).exp();
    }
    if is(NoDivision) {
        return o;
    }
    o.iter().map(|o| o / l).collect()
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

pub fn rope(
    x: &[f32],
    positions: &[f32],
    shape: [usize; 4],
    interleaved: bool,
    fault: Option<Fault>,
) -> Vec<f32> {
    let [_, _, s, d] = shape;
    let is = |f| fault == Some(f);
    let mut out = x.to_vec();
    for (row, line) in out.chunks_mut(d).enumerate() {
        let position = positions[row % s] + if is(PositionOff) { 1.0 } else { 0.0 };
        for i in 0..d / 2 {
            let freq = (-(2.0 * i as f32 / d as f32) * 10000f32.log2()).exp2();
            let (sin, cos) = (position * freq).sin_cos();
            let sin = if is(SinSign) { -sin } else { sin };
            let (p, q) = if interleaved != is(WrongPairing) {
                (2 * i, 2 * i + 1)
            } else {
                (i, i + d / 2)
            };
            let (a, b) = (line[p], line[q]);
            line[p] = a * cos - b * sin;
            line[q] = a * sin + b * cos;
        }
    }
    spoil(&mut out, d, fault);
    out
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
