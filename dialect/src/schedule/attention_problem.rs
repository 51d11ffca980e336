//! What an attention's schedule depends on.

use super::attention::FEW;
use crate::{AttentionSignature, Element};

/// The sizes a schedule is chosen for, as a kernel sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionProblem {
    /// Batch times heads.
    pub heads: u64,
    /// Queries of a head.
    pub queries: u64,
    /// Keys of a head.
    pub keys: u64,
    /// Size of a query and a key.
    pub head: u64,
    /// Size of a value.
    pub value_head: u64,
    /// Element type.
    pub element: Element,
}

impl AttentionProblem {
    /// The problem of an attention of static shape.
    ///
    /// Heads that share keys and values are one head with the queries of all of them, which
    /// lie one behind the other, wherever nothing tells them apart: see [`shared_heads`].
    pub fn of(signature: &AttentionSignature) -> Option<Self> {
        let (q, k, v) = (
            signature.q.sizes()?,
            signature.k.sizes()?,
            signature.v.sizes()?,
        );
        let [batch, heads, queries, head] = q[..] else {
            return None;
        };
        let shared = shared_heads(signature)?;
        Some(Self {
            heads: batch.checked_mul(heads / shared)?,
            queries: queries.checked_mul(shared)?,
            keys: *k.get(2)?,
            head,
            value_head: *v.get(3)?,
            element: signature.q.element,
        })
    }
}

/// How many heads are computed as one, since they read the same keys and values: as many of a
/// key's heads as have 8 queries together, where every query sees the same keys, as without
/// `causal` or with one query, and where the mask has a row for every query of every head or one
/// for all; else 1. More queries share keys as a block of their own head.
pub fn shared_heads(signature: &AttentionSignature) -> Option<u64> {
    let (q, k) = (signature.q.sizes()?, signature.k.sizes()?);
    let (heads, queries, kv_heads) = (*q.get(1)?, *q.get(2)?, *k.get(1)?);
    let ordered = signature.causal && queries > 1;
    let told_apart = match &signature.mask {
        None => false,
        Some(mask) => {
            let own = mask.sizes()?;
            let size = |from_end: usize| own.iter().rev().nth(from_end).copied().unwrap_or(1);
            ![[1, 1], [heads, queries]].contains(&[size(2), size(1)])
        }
    };
    if ordered || told_apart {
        return Some(1);
    }
    let group = heads.checked_div(kv_heads)?;
    let fits = |shared: &u64| group % shared == 0 && queries.saturating_mul(*shared) <= FEW as u64;
    Some(
        (2..=FEW as u64)
            .rev()
            .find(|it| *it <= group && fits(it))
            .unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorType;

    fn signature(queries: u64, causal: bool, mask: Option<&[u64]>) -> AttentionSignature {
        let ty = |sizes: &[u64]| TensorType::fixed(sizes, Element::F32);
        AttentionSignature {
            q: ty(&[2, 8, queries, 64]),
            k: ty(&[2, 2, 96, 64]),
            v: ty(&[2, 2, 96, 32]),
            mask: mask.map(ty),
            causal,
            scale: None,
        }
    }

    #[test]
    fn heads_are_one_where_nothing_tells_them_apart() {
        let shared = |queries, causal, mask| shared_heads(&signature(queries, causal, mask));
        assert_eq!(shared(1, true, None), Some(4));
        assert_eq!(shared(2, false, None), Some(4));
        assert_eq!(shared(2, true, None), Some(1));
        for mask in [&[96][..], &[1, 96], &[2, 1, 1, 96], &[8, 2, 96]] {
            assert_eq!(shared(2, false, Some(mask)), Some(4), "{mask:?}");
        }
        for mask in [&[2, 96][..], &[8, 1, 96], &[2, 1, 2, 1]] {
            assert_eq!(shared(2, false, Some(mask)), Some(1), "{mask:?}");
        }
        // No more than are few together.
        assert_eq!(shared(4, false, None), Some(2));
        assert_eq!(shared(5, false, None), Some(1));
        let problem = AttentionProblem::of(&signature(1, true, None)).unwrap();
        assert_eq!((problem.heads, problem.queries), (4, 4));
        let none = AttentionSignature {
            q: TensorType::fixed(&[1, 0, 4, 8], Element::F32),
            ..signature(4, false, None)
        };
        assert_eq!(shared_heads(&none), Some(1));
        let one_key_head = AttentionSignature {
            q: TensorType::fixed(&[1, 36, 1, 64], Element::F32),
            k: TensorType::fixed(&[1, 1, 96, 64], Element::F32),
            ..signature(1, true, None)
        };
        assert_eq!(shared_heads(&one_key_head), Some(6));
    }
}
