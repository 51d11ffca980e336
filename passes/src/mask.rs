//! What a constant additive mask hides, read row by row.
//!
//! `kforge.attention` takes a value at or under the limit as "absent" and gives 0
//! for a row that sees nothing, where a softmax over equally low scores gives
//! their mean. So only a mask whose every row sees a key may be fused unseen.

use kforge_dialect::{Element, ir};
use melior::ir::Value;

use crate::{constant::Constant, rewrite};

/// What a mask does to the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Adds 0 everywhere.
    Nothing,
    /// 0 where key j <= i + Sk - Sq, absent elsewhere.
    Causal,
    /// Any other constant whose every row sees a key.
    Additive,
    /// A constant with a row that sees no key.
    HidesRow(usize),
    /// A constant that holds NaN or +infinity.
    NotFinite,
    /// Not a constant.
    Unknown,
}

/// At or under this a key is absent.
fn absent(element: Element) -> f64 {
    match element {
        Element::F16 => -6e4,
        _ => -1e9,
    }
}

/// Reads a mask of [..., Sk] or [..., Sq, Sk].
pub fn read(mask: Value, queries: u64) -> Mask {
    let splat = rewrite::splat(mask);
    let constant = rewrite::constant(mask).and_then(Constant::of);
    let Some(ty) = ir::tensor_type(mask) else {
        return Mask::Unknown;
    };
    let (Some(dims), Some(values)) = (
        ty.sizes(),
        splat
            .map(|number| vec![number])
            .or_else(|| constant.and_then(|constant| constant.numbers())),
    ) else {
        return Mask::Unknown;
    };
    classify(&values, &dims, queries, absent(ty.element))
}

/// `values` holds one number where all are equal.
fn classify(values: &[f64], dims: &[u64], queries: u64, absent: f64) -> Mask {
    if values
        .iter()
        .any(|value| value.is_nan() || *value == f64::INFINITY)
    {
        return Mask::NotFinite;
    }
    if values.iter().all(|value| *value == 0.0) {
        return Mask::Nothing;
    }
    let keys = dims.last().copied().unwrap_or(1) as usize;
    let width = if values.len() == 1 { 1 } else { keys };
    let hidden = |row: &[f64]| row.iter().all(|value| *value <= absent);
    if let Some(row) = values.chunks_exact(width).position(hidden) {
        return Mask::HidesRow(row);
    }
    let rows = dims.len().checked_sub(2).map_or(1, |at| dims[at]) as usize;
    let causal = values.len() > 1
        && rows as u64 == queries
        && values.chunks_exact(keys).enumerate().all(|(row, values)| {
            // Key j <= i + Sk - Sq, kept unsigned.
            let visible = |key: usize| key + rows <= row % rows + keys;
            values.iter().enumerate().all(|(key, value)| {
                if visible(key) {
                    *value == 0.0
                } else {
                    *value <= absent
                }
            })
        });
    if causal { Mask::Causal } else { Mask::Additive }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: f64 = -1e9;

    fn of(values: &[f64], dims: &[u64], queries: u64) -> Mask {
        classify(values, dims, queries, absent(Element::F32))
    }

    #[test]
    fn causal_square_and_with_earlier_keys() {
        let square = [0.0, OUT, 0.0, 0.0];
        assert_eq!(of(&square, &[2, 2], 2), Mask::Causal);
        let wide = [0.0, 0.0, OUT, 0.0, 0.0, 0.0];
        assert_eq!(of(&wide, &[2, 3], 2), Mask::Causal);
        let batches = [square, square].concat();
        assert_eq!(of(&batches, &[1, 2, 2, 2], 2), Mask::Causal);
    }

    #[test]
    fn nearly_causal_is_additive() {
        // Strictly upper, one key too many, a bias inside, one batch differs.
        assert_eq!(of(&[0.0, 0.0, OUT, 0.0], &[2, 2], 2), Mask::Additive);
        assert_eq!(of(&[0.0, OUT, 0.5, 0.0], &[2, 2], 2), Mask::Additive);
        assert_eq!(of(&[0.0, -1e8, 0.0, 0.0], &[2, 2], 2), Mask::Additive);
        let batches = [0.0, OUT, 0.0, 0.0, 0.0, OUT, OUT, 0.0];
        assert_eq!(of(&batches, &[2, 2, 2], 2), Mask::Additive);
    }

    #[test]
    fn one_row_for_all_queries_is_not_causal() {
        assert_eq!(of(&[0.0, OUT], &[2], 2), Mask::Additive);
        assert_eq!(of(&[0.0, OUT], &[1, 2], 2), Mask::Additive);
    }

    #[test]
    fn rows_that_see_nothing_are_named() {
        let more_queries = [OUT, 0.0];
        assert_eq!(of(&more_queries, &[2, 1], 2), Mask::HidesRow(0));
        assert_eq!(of(&[0.0, OUT, OUT, OUT], &[2, 2], 2), Mask::HidesRow(1));
        assert_eq!(of(&[f64::NEG_INFINITY], &[2, 2], 2), Mask::HidesRow(0));
    }

    #[test]
    fn zeros_and_splats() {
        assert_eq!(of(&[0.0], &[2, 2], 2), Mask::Nothing);
        assert_eq!(of(&[-3.0], &[2, 2], 2), Mask::Additive);
    }

    #[test]
    fn nan_and_infinity() {
        assert_eq!(of(&[0.0, f64::NAN], &[2], 1), Mask::NotFinite);
        assert_eq!(of(&[0.0, f64::INFINITY], &[2], 1), Mask::NotFinite);
    }

    #[test]
    fn f16_has_a_nearer_limit() {
        let values = [0.0, -6e4, 0.0, 0.0];
        assert_eq!(
            classify(&values, &[2, 2], 2, absent(Element::F16)),
            Mask::Causal
        );
        assert_eq!(of(&values, &[2, 2], 2), Mask::Additive);
    }
}
