//! Softmax and the norms, row by row.

use super::{Fault, Fault::*, Order, spoil, sum};

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
