//! Attention, in one block of keys or in several, and rope.

use super::{Fault, Fault::*, Order, dot, spoil};

pub struct AttentionArgs<'a> {
    pub shape: kforge_oracle::AttentionShape,
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
    /// [B,1,Sq,Sk]
    pub mask: Option<&'a [f32]>,
    pub absent: f32,
    pub causal: bool,
    /// The type that weights are stored in, and by how much they are larger there.
    pub weights: (kforge_oracle::DType, f32),
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
                (block, p.weights),
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
    (block, (stored, larger)): (Option<usize>, (kforge_oracle::DType, f32)),
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
            let p = stored.round(f64::from(p * larger)) as f32 / larger;
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
