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
