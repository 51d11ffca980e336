//! `kforge.mlp`: rules C1-C7.

use super::rules::{self, ensure};
use crate::{MlpSignature, TensorType, Violation, types::size_text};

pub(crate) fn infer(op: &MlpSignature) -> Result<TensorType, Violation> {
    ensure(op.x.rank() >= 2, "C1", || {
        format!("operand 'x' is {}, expected rank 2 or more", op.x)
    })?;
    let weights = [
        ("up", Some(&op.up)),
        ("down", Some(&op.down)),
        ("gate", op.gate.as_ref()),
    ];
    for (name, ty) in weights
        .iter()
        .filter_map(|(name, ty)| ty.map(|ty| (name, ty)))
    {
        ensure(ty.rank() == 2, "C1", || {
            format!("operand '{name}' is {ty}, expected rank 2")
        })?;
    }
    let biases = [
        ("up_bias", op.up_bias.as_ref()),
        ("down_bias", op.down_bias.as_ref()),
        ("gate_bias", op.gate_bias.as_ref()),
    ];
    let element = rules::same_elements("C2", ("x", &op.x), &weights)?;
    rules::same_elements("C2", ("x", &op.x), &biases)?;

    // [in, out], whatever the storage order.
    let sizes = |ty: &TensorType| {
        if op.transpose_weights {
            (ty.dims[1], ty.dims[0])
        } else {
            (ty.dims[0], ty.dims[1])
        }
    };
    let ((up_in, up_out), (down_in, down_out)) = (sizes(&op.up), sizes(&op.down));
    let last = op.x.dims[op.x.rank() - 1];
    rules::equal(
        "C3",
        "the last dimension of 'x' and the input size of 'up' differ",
        last,
        up_in,
    )?;
    rules::equal(
        "C4",
        "the output size of 'up' and the input size of 'down' differ",
        up_out,
        down_in,
    )?;
    if let Some(gate) = &op.gate {
        rules::shape("C5", "gate", gate, &op.up.dims)?;
    }
    for ((name, ty), size) in biases.into_iter().zip([up_out, down_out, up_out]) {
        if let Some(ty) = ty {
            rules::shape("C6", name, ty, &[size])?;
        }
    }
    ensure(op.gate.is_some() || op.gate_bias.is_none(), "C7", || {
        format!(
            "operand 'gate_bias' of size {} has no 'gate' to go with",
            size_text(up_out)
        )
    })?;
    let mut dims = op.x.dims.clone();
    dims.pop();
    dims.push(down_out);
    Ok(TensorType { dims, element })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActivationKind, Element};

    fn ty(dims: &[u64]) -> TensorType {
        TensorType::fixed(dims, Element::F32)
    }

    fn mlp(x: &[u64], up: &[u64], down: &[u64]) -> MlpSignature {
        MlpSignature {
            x: ty(x),
            up: ty(up),
            down: ty(down),
            gate: None,
            up_bias: None,
            down_bias: None,
            gate_bias: None,
            activation: ActivationKind::Gelu,
            transpose_weights: false,
        }
    }

    fn fitting() -> MlpSignature {
        mlp(&[2, 3, 4], &[4, 6], &[6, 5])
    }

    fn rule(op: &MlpSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn infers_either_storage_order() {
        assert_eq!(infer(&fitting()).unwrap(), ty(&[2, 3, 5]));
        let mut op = mlp(&[3, 4], &[6, 4], &[5, 6]);
        op.transpose_weights = true;
        assert_eq!(infer(&op).unwrap(), ty(&[3, 5]));
    }

    #[test]
    fn ranks_c1() {
        assert_eq!(rule(&mlp(&[4], &[4, 6], &[6, 5])), "C1");
        assert_eq!(rule(&mlp(&[3, 4], &[1, 4, 6], &[6, 5])), "C1");
        let mut op = fitting();
        op.gate = Some(ty(&[4]));
        assert_eq!(rule(&op), "C1");
    }

    #[test]
    fn mixed_elements_c2() {
        let mut op = fitting();
        op.down_bias = Some(TensorType::fixed(&[5], Element::F16));
        assert_eq!(rule(&op), "C2");
    }

    #[test]
    fn input_size_c3() {
        assert_eq!(rule(&mlp(&[3, 5], &[4, 6], &[6, 5])), "C3");
    }

    #[test]
    fn hidden_size_c4() {
        assert_eq!(rule(&mlp(&[3, 4], &[4, 6], &[7, 5])), "C4");
    }

    #[test]
    fn gate_shape_c5() {
        let mut op = fitting();
        op.gate = Some(ty(&[6, 4]));
        assert_eq!(rule(&op), "C5");
    }

    #[test]
    fn bias_shape_c6() {
        let mut op = fitting();
        op.up_bias = Some(ty(&[5]));
        assert_eq!(rule(&op), "C6");
        let mut op = fitting();
        op.down_bias = Some(ty(&[6]));
        assert_eq!(rule(&op), "C6");
        let mut op = fitting();
        op.gate = Some(ty(&[4, 6]));
        op.gate_bias = Some(ty(&[1, 6]));
        assert_eq!(rule(&op), "C6");
    }

    #[test]
    fn gate_bias_without_gate_c7() {
        let mut op = fitting();
        op.gate_bias = Some(ty(&[6]));
        assert_eq!(rule(&op), "C7");
    }
}
