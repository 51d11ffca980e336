//! `kforge.attention`: rules C1-C8.

use super::rules::{self, ensure};
use crate::{
    AttentionSignature, TensorType, Violation,
    types::{broadcast, sizes_agree},
};

pub(crate) fn infer(op: &AttentionSignature) -> Result<TensorType, Violation> {
    let (q, k, v) = (&op.q, &op.k, &op.v);
    for (name, ty) in [("q", q), ("k", k), ("v", v)] {
        ensure(ty.rank() == 4, "C1", || {
            format!("operand '{name}' is {ty}, expected rank 4: [batch, heads, sequence, size]")
        })?;
    }
    let others = [("k", Some(k)), ("v", Some(v)), ("mask", op.mask.as_ref())];
    let element = rules::same_elements("C2", ("q", q), &others)?;
    rules::equal(
        "C3",
        "batch sizes of 'q' and 'k' differ",
        q.dims[0],
        k.dims[0],
    )?;
    rules::equal(
        "C3",
        "batch sizes of 'q' and 'v' differ",
        q.dims[0],
        v.dims[0],
    )?;
    rules::equal(
        "C4",
        "numbers of heads of 'k' and 'v' differ",
        k.dims[1],
        v.dims[1],
    )?;
    if let (Some(heads), Some(kv_heads)) = (q.dims[1], k.dims[1]) {
        ensure(kv_heads > 0 && heads % kv_heads == 0, "C4", || {
            format!("{kv_heads} key and value heads do not divide {heads} query heads")
        })?;
    }
    rules::equal(
        "C5",
        "head sizes of 'q' and 'k' differ",
        q.dims[3],
        k.dims[3],
    )?;
    rules::equal(
        "C6",
        "sequence lengths of 'k' and 'v' differ",
        k.dims[2],
        v.dims[2],
    )?;
    if let Some(mask) = &op.mask {
        let scores = [q.dims[0], q.dims[1], q.dims[2], k.dims[2]];
        let fits = mask.rank() <= 4
            && broadcast(&mask.dims, &scores).is_some_and(|dims| {
                dims.len() == 4 && dims.iter().zip(&scores).all(|(a, b)| sizes_agree(*a, *b))
            });
        ensure(fits, "C7", || {
            let scores = TensorType {
                dims: scores.to_vec(),
                element,
            };
            format!("operand 'mask' is {mask}, which does not broadcast to the scores, {scores}")
        })?;
    }
    ensure(op.scale.is_none_or(f32::is_finite), "C8", || {
        format!("scale {} must be finite", op.scale.unwrap_or_default())
    })?;
    Ok(TensorType {
        dims: vec![q.dims[0], q.dims[1], q.dims[2], v.dims[3]],
        element,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn attention(q: &[u64], k: &[u64], v: &[u64]) -> AttentionSignature {
        AttentionSignature {
            q: TensorType::fixed(q, Element::F32),
            k: TensorType::fixed(k, Element::F32),
            v: TensorType::fixed(v, Element::F32),
            mask: None,
            causal: false,
            scale: None,
        }
    }

    fn grouped() -> AttentionSignature {
        attention(&[2, 6, 5, 8], &[2, 3, 7, 8], &[2, 3, 7, 4])
    }

    fn rule(op: &AttentionSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn infers_the_value_size() {
        let result = infer(&grouped()).unwrap();
        assert_eq!(result, TensorType::fixed(&[2, 6, 5, 4], Element::F32));
    }

    #[test]
    fn rank_three_c1() {
        let op = attention(&[6, 5, 8], &[2, 3, 7, 8], &[2, 3, 7, 4]);
        assert_eq!(rule(&op), "C1");
    }

    #[test]
    fn mixed_elements_c2() {
        let mut op = grouped();
        op.mask = Some(TensorType::fixed(&[5, 7], Element::F16));
        assert_eq!(rule(&op), "C2");
    }

    #[test]
    fn batches_differ_c3() {
        let k = attention(&[2, 6, 5, 8], &[1, 3, 7, 8], &[2, 3, 7, 4]);
        let v = attention(&[2, 6, 5, 8], &[2, 3, 7, 8], &[1, 3, 7, 4]);
        assert_eq!([rule(&k), rule(&v)], ["C3", "C3"]);
    }

    #[test]
    fn heads_do_not_divide_c4() {
        let differ = attention(&[2, 6, 5, 8], &[2, 3, 7, 8], &[2, 2, 7, 4]);
        let indivisible = attention(&[2, 6, 5, 8], &[2, 4, 7, 8], &[2, 4, 7, 4]);
        let none = attention(&[2, 6, 5, 8], &[2, 0, 7, 8], &[2, 0, 7, 4]);
        assert_eq!([rule(&differ), rule(&indivisible), rule(&none)], ["C4"; 3]);
    }

    #[test]
    fn head_sizes_differ_c5() {
        let op = attention(&[2, 6, 5, 8], &[2, 3, 7, 9], &[2, 3, 7, 4]);
        assert_eq!(rule(&op), "C5");
    }

    #[test]
    fn sequences_differ_c6() {
        let op = attention(&[2, 6, 5, 8], &[2, 3, 7, 8], &[2, 3, 6, 4]);
        assert_eq!(rule(&op), "C6");
    }

    #[test]
    fn mask_does_not_broadcast_c7() {
        for dims in [&[7][..], &[5, 7], &[2, 1, 1, 7], &[2, 6, 5, 7], &[]] {
            let mut op = grouped();
            op.mask = Some(TensorType::fixed(dims, Element::F32));
            assert!(infer(&op).is_ok(), "{dims:?}");
        }
        // The last one would enlarge the scores.
        for dims in [&[6][..], &[3, 1, 5, 7], &[1, 2, 6, 5, 7]] {
            let mut op = grouped();
            op.mask = Some(TensorType::fixed(dims, Element::F32));
            assert_eq!(rule(&op), "C7", "{dims:?}");
        }
    }

    #[test]
    fn scale_is_not_finite_c8() {
        let mut op = grouped();
        op.scale = Some(f32::INFINITY);
        assert_eq!(rule(&op), "C8");
    }
}
