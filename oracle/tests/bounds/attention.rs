//! Attention as written down: scores, mask, softmax, weighted values, one query at a time.

use kforge_oracle::*;

use crate::rows::softmax;
use crate::{Pair, U, X, Y, Z, eval, eval_as, gamma, loose, tensor};

/// Heads share keys and values in groups; more rows than are computed at a time.
const BATCH: usize = 2;
const HEADS: usize = 4;
const SHARED: usize = 2;
const DEPTH: usize = 3;
const WIDTH: usize = 2;

struct Case {
    rows: usize,
    keys: usize,
    q: Vec<Pair>,
    k: Vec<Pair>,
    v: Vec<Pair>,
    /// Per batch, head, row and key.
    mask: Option<Vec<Pair>>,
    causal: bool,
    scale: Option<f32>,
    dtype: DType,
}

impl Case {
    fn new(rows: usize, keys: usize, most: f64) -> Self {
        Case {
            rows,
            keys,
            q: loose(BATCH * HEADS * rows * DEPTH, 51, most),
            k: loose(BATCH * SHARED * keys * DEPTH, 52, most),
            v: loose(BATCH * SHARED * keys * WIDTH, 53, most),
            mask: None,
            causal: false,
            scale: None,
            dtype: DType::F32,
        }
    }

    fn op(&self) -> Op {
        Op::Attention {
            q: X,
            k: Y,
            v: Z,
            mask: self.mask.as_ref().map(|_| ValueId(3)),
            causal: self.causal,
            scale: self.scale,
        }
    }

    fn got(&self, rounding: Rounding) -> Array {
        let (rows, keys) = (self.rows, self.keys);
        let mut inputs = vec![
            tensor(self.dtype, &[BATCH, HEADS, rows, DEPTH], &self.q),
            tensor(self.dtype, &[BATCH, SHARED, keys, DEPTH], &self.k),
            tensor(self.dtype, &[BATCH, SHARED, keys, WIDTH], &self.v),
        ];
        let shape = [BATCH, HEADS, rows, keys];
        let mask = self.mask.as_ref();
        inputs.extend(mask.map(|mask| tensor(self.dtype, &shape, mask)));
        let shape = [BATCH, HEADS, rows, WIDTH];
        eval_as(rounding, &inputs, self.op(), self.dtype, &shape)
    }

    /// The score of a key, or `None` where it is not seen.
    fn score(&self, plane: usize, i: usize, j: usize) -> Option<Pair> {
        if self.causal && j + self.rows > i + self.keys {
            return None;
        }
        let kv = self.kv(plane);
        let q = &self.q[(plane * self.rows + i) * DEPTH..][..DEPTH];
        let k = &self.k[(kv * self.keys + j) * DEPTH..][..DEPTH];
        let far = |it: &Pair| it.0.abs() + it.1;
        let value: f64 = q.iter().zip(k).map(|(q, k)| q.0 * k.0).sum();
        let size: f64 = q.iter().zip(k).map(|(q, k)| (q.0 * k.0).abs()).sum();
        let reach: f64 = q.iter().zip(k).map(|(q, k)| far(q) * far(k)).sum();
        let scale = self.scale.map_or(1.0 / (DEPTH as f64).sqrt(), f64::from);
        let error = scale.abs() * (reach - size + gamma(DEPTH + 3) * reach);
        let Some(mask) = &self.mask else {
            return Some((scale * value, error));
        };
        let (m, dm) = mask[(plane * self.rows + i) * self.keys + j];
        let error = error + dm;
        let added = U * ((scale * value).abs() + m.abs() + error);
        (m > -1e9).then_some((scale * value + m, error + added))
    }

    /// The keys of a head: groups of neighbours share theirs.
    fn kv(&self, plane: usize) -> usize {
        plane / HEADS * SHARED + plane % HEADS / (HEADS / SHARED)
    }

    fn expected(&self, at: usize) -> Pair {
        let (plane, i, column) = (at / (self.rows * WIDTH), at / WIDTH % self.rows, at % WIDTH);
        let scores: Vec<Option<Pair>> = (0..self.keys).map(|j| self.score(plane, i, j)).collect();
        let n = scores.iter().flatten().count();
        if n == 0 {
            return (0.0, 0.0);
        }
        let kv = self.kv(plane);
        let (mut y, mut moved, mut size) = (0.0, 0.0, 0.0);
        let weights = softmax(&scores);
        let most = weights.iter().fold(0.0f64, |most, it| most.max(it.0));
        for (j, (p, mut dp)) in weights.into_iter().enumerate() {
            if self.dtype == DType::F16 && p > 0.0 {
                // One spacing of a weight, 2^-24 of the largest below the normal range.
                dp += 2f64.powi(-10) * (p + dp) + 2f64.powi(-24) * most;
            }
            let (v, dv) = self.v[(kv * self.keys + j) * WIDTH + column];
            y += p * v;
            moved += dp * (v.abs() + dv) + p * dv;
            size += (p + dp) * (v.abs() + dv);
        }
        let error = moved + gamma(2 * n + 2) * size;
        if self.dtype == DType::F32 {
            return (y, error);
        }
        let reach = y.abs() + error;
        let flushed = f64::from(y.abs() - error < 2f64.powi(-14)) * 2f64.powi(-14);
        let spacing = 2f64.powi((reach.log2().floor() as i32).max(-14) - 10);
        let spacing = if reach < 2f64.powi(-14) {
            2f64.powi(-14)
        } else {
            spacing
        };
        (y, error + spacing + flushed)
    }

    #[track_caller]
    fn check(&self, what: &str) {
        let got = self.got(Rounding::Device);
        for at in 0..got.value.len() {
            let (value, bound) = self.expected(at);
            assert!((got.value[at] - value).abs() < 1e-13, "{what} {at}");
            let near = (got.bound[at] - bound).abs() <= 1e-9 * bound;
            assert!(near, "{what} {at}: {:e} {bound:e}", got.bound[at]);
        }
    }

    fn with_mask(mut self, most: f64) -> Self {
        let mut mask = loose(BATCH * HEADS * self.rows * self.keys, 54, most);
        for (at, it) in mask.iter_mut().enumerate() {
            match at % 11 {
                3 => *it = (f64::NEG_INFINITY, 0.0),
                7 => *it = (-1e9, 0.0),
                _ => {}
            }
        }
        self.mask = Some(mask);
        self
    }
}

#[test]
fn scores_softmax_and_values_carry_their_errors() {
    for most in [0.0, 0.125] {
        Case::new(40, 5, most).check("plain");
        Case::new(3, 7, most).with_mask(most).check("masked");
        for (rows, keys) in [(4, 4), (3, 6), (35, 33)] {
            let mut case = Case::new(rows, keys, most);
            case.causal = true;
            case.check("causal");
            case.with_mask(most).check("causal and masked");
        }
        let mut case = Case::new(3, 5, most);
        case.scale = Some(-0.75);
        case.check("scaled");
        case.with_mask(most).check("scaled and masked");
    }
}

/// As operands of a matrix unit they have the type of the values.
#[test]
fn weights_may_be_stored_in_half_precision() {
    for (rows, keys) in [(3, 5), (4, 4), (3, 33)] {
        let mut case = Case::new(rows, keys, 0.0);
        case.dtype = DType::F16;
        case.check("plain");
        case.causal = true;
        case.check("causal");
    }
}

#[test]
fn errors_of_one_operand_alone_count() {
    let clean = Case::new(3, 5, 0.0);
    for operand in 0..3 {
        let mut case = Case::new(3, 5, 0.0);
        let loosened = [&mut case.q, &mut case.k, &mut case.v][operand].iter_mut();
        loosened.for_each(|it| it.1 = 0.0625);
        case.check("one operand");
        let (got, least) = (case.got(Rounding::Device), clean.got(Rounding::Device));
        let wider = |at: usize| got.bound[at] > 10.0 * least.bound[at];
        assert!((0..got.bound.len()).all(wider), "{operand}");
    }
}

#[test]
fn half_precision_masks_end_at_another_number() {
    let seen = |dtype, mask: f64| {
        let kv = |x: f64| tensor(dtype, &[1, 1, 2, 1], &[(x, 0.0), (1.0, 0.0)]);
        let inputs = [
            tensor(dtype, &[1, 1, 1, 1], &[(1.0, 0.0)]),
            kv(0.0),
            kv(0.0),
            tensor(dtype, &[2], &[(0.0, 0.0), (mask, 0.0)]),
        ];
        let op = Op::Attention {
            q: X,
            k: Y,
            v: Z,
            mask: Some(ValueId(3)),
            causal: false,
            scale: None,
        };
        eval(&inputs, op, dtype, &[1, 1, 1, 1])
    };
    // A value of the absent key would have left a bound above 0.
    let f16 = DType::F16;
    assert_eq!(seen(f16, f16.round(-6e4)).bound, [0.0]);
    assert!(seen(f16, f16.round(-59000.0)).bound[0] > 0.0);
    for dtype in [DType::F32, DType::Bf16] {
        assert!(seen(dtype, dtype.round(-9e8)).bound[0] > 0.0);
        assert_eq!(seen(dtype, dtype.round(-1.01e9)).bound, [0.0]);
    }
    assert!(seen(DType::F32, f64::NAN).bound[0].is_infinite());
}
