//! `kforge.matmul`: rules C1-C6; a transposed operand is absorbed into the flag.

use melior::{
    Context, RewriterBase,
    ir::{OperationRef, Value, ValueLike, operation::OperationLike},
};

use super::rules::{self, ensure};
use crate::{
    Matmul, MatmulArgs, MatmulSignature, TensorType, Violation, ir,
    types::{broadcast, size_text},
};

pub(crate) fn infer(op: &MatmulSignature) -> Result<TensorType, Violation> {
    let (a, b) = (&op.a, &op.b);
    for (name, ty) in [("a", a), ("b", b)] {
        ensure(ty.rank() >= 2, "C1", || {
            format!("operand '{name}' is {ty}, expected rank 2 or more")
        })?;
    }
    let others = [
        ("b", Some(b)),
        ("bias", op.bias.as_ref()),
        ("residual", op.residual.as_ref()),
    ];
    let element = rules::same_elements("C2", ("a", a), &others)?;

    let (a_batch, a_last) = a.dims.split_at(a.rank() - 2);
    let (b_batch, b_last) = b.dims.split_at(b.rank() - 2);
    let (m, a_k) = if op.transpose_a {
        (a_last[1], a_last[0])
    } else {
        (a_last[0], a_last[1])
    };
    let (n, b_k) = if op.transpose_b {
        (b_last[0], b_last[1])
    } else {
        (b_last[1], b_last[0])
    };
    rules::equal(
        "C3",
        "the contracted dimensions of 'a' and 'b' differ",
        a_k,
        b_k,
    )?;
    let Some(mut dims) = broadcast(a_batch, b_batch) else {
        let text = |dims: &[Option<u64>]| {
            dims.iter()
                .map(|size| size_text(*size))
                .collect::<Vec<_>>()
                .join(", ")
        };
        return rules::broken(
            "C4",
            format!(
                "batch dimensions [{}] and [{}] do not broadcast",
                text(a_batch),
                text(b_batch)
            ),
        );
    };
    dims.extend([m, n]);
    if let Some(bias) = &op.bias {
        rules::shape("C5", "bias", bias, &[n])?;
    }
    if let Some(residual) = &op.residual {
        rules::shape("C6", "residual", residual, &dims)?;
    }
    Ok(TensorType { dims, element })
}

/// matmul(transpose(x), b) ==> matmul(x, b) {transpose_a}, likewise for `b`,
/// when the transpose swaps the last two dimensions only.
pub(crate) fn absorb_transpose<'c, 'a>(
    context: &'c Context,
    operation: OperationRef<'c, 'a>,
    rewriter: &RewriterBase<'c, 'a>,
) -> Option<()> {
    let op = Matmul::cast(operation)?;
    let (a, b) = (op.a().ok()?, op.b().ok()?);
    let (from_a, from_b) = (swapped(a), swapped(b));
    if from_a.is_none() && from_b.is_none() {
        return None;
    }
    let args = MatmulArgs {
        a: from_a.unwrap_or(a),
        b: from_b.unwrap_or(b),
        bias: op.bias(),
        residual: op.residual(),
        transpose_a: op.transpose_a() ^ from_a.is_some(),
        transpose_b: op.transpose_b() ^ from_b.is_some(),
        activation: op.activation(),
    };
    let mut replacement = args.build(context, operation.location()).ok()?;
    // The op may declare a more or less static result than it infers.
    if replacement.result(0).ok()?.r#type() != operation.result(0).ok()?.r#type() {
        return None;
    }
    ir::copy_discardable(operation, &mut replacement);
    rewriter.set_insertion_point_before(operation);
    let replacement = rewriter.insert(replacement);
    rewriter.replace_op_with_operation(operation, replacement);
    Some(())
}

/// The value whose last two dimensions a `linalg.transpose` swapped into this.
fn swapped<'c: 'a, 'a>(value: Value<'c, 'a>) -> Option<Value<'c, 'a>> {
    let transpose = ir::defining(value)?;
    let permutation = ir::transpose_permutation(transpose)?;
    let rank = permutation.len();
    if rank < 2 {
        return None;
    }
    let mut expected: Vec<i64> = (0..rank as i64).collect();
    expected.swap(rank - 1, rank - 2);
    (permutation == expected)
        .then(|| transpose.operand(0).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActivationKind, Element};

    fn matmul(a: &[u64], b: &[u64]) -> MatmulSignature {
        MatmulSignature {
            a: TensorType::fixed(a, Element::F32),
            b: TensorType::fixed(b, Element::F32),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: false,
            activation: ActivationKind::None,
        }
    }

    fn rule(op: &MatmulSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn infers_broadcast_batches() {
        let result = infer(&matmul(&[2, 1, 3, 4], &[5, 4, 6])).unwrap();
        assert_eq!(result, TensorType::fixed(&[2, 5, 3, 6], Element::F32));
    }

    #[test]
    fn dynamic_sizes_agree_with_any() {
        let mut op = matmul(&[3, 4], &[4, 6]);
        op.a.dims[1] = None;
        op.b.dims[1] = None;
        assert_eq!(infer(&op).unwrap().dims, vec![Some(3), None]);
    }

    #[test]
    fn rank_one_c1() {
        assert_eq!(rule(&matmul(&[4], &[4, 6])), "C1");
    }

    #[test]
    fn mixed_elements_c2() {
        let mut op = matmul(&[3, 4], &[4, 6]);
        op.b.element = Element::F16;
        assert_eq!(rule(&op), "C2");
    }

    #[test]
    fn contraction_differs_c3() {
        assert_eq!(rule(&matmul(&[3, 4], &[5, 6])), "C3");
    }

    #[test]
    fn batches_do_not_broadcast_c4() {
        assert_eq!(rule(&matmul(&[2, 3, 4], &[3, 4, 6])), "C4");
    }

    #[test]
    fn bias_shape_c5() {
        let mut op = matmul(&[3, 4], &[4, 6]);
        op.bias = Some(TensorType::fixed(&[3], Element::F32));
        assert_eq!(rule(&op), "C5");
    }

    #[test]
    fn residual_shape_c6() {
        let mut op = matmul(&[3, 4], &[4, 6]);
        op.residual = Some(TensorType::fixed(&[6, 3], Element::F32));
        assert_eq!(rule(&op), "C6");
    }
}
