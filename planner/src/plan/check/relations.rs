//! The relations between a schedule's knobs, the op and the device.

use kforge_dialect::{
    Element,
    device::Device,
    schedule::{AttentionSchedule, Heads, MatmulSchedule, RowSchedule, Unfit},
};
use kforge_runtime::Dtype;

use super::super::Step;
use crate::problem::{OpShape, element};

/// Every relation of a step that does not hold for an op; without one, whatever the op.
pub(super) fn judge(step: &Step, shape: Option<OpShape>, device: &Device) -> Vec<Unfit> {
    let knob = |name: &str| step.integer(name);
    match (step.pass.as_str(), shape) {
        (pass, Some(shape)) if shape.pass() == pass => of_op(shape, knob, device),
        (_, Some(_)) => Vec::new(),
        ("kforge-tile-matmul", None) => MatmulSchedule::judge(knob, None, device),
        ("kforge-tile-attention", None) => AttentionSchedule::judge(knob, None, device),
        ("kforge-vectorize-layernorm", None) => RowSchedule::judge(knob, device),
        _ => Vec::new(),
    }
}

/// Least and most of a schedule's knob.
pub(super) fn range(pass: &str, knob: &str, device: &Device) -> Option<(i64, i64)> {
    match pass {
        "kforge-tile-matmul" => MatmulSchedule::range(knob, device),
        "kforge-tile-attention" => AttentionSchedule::range(knob, device),
        "kforge-vectorize-layernorm" => RowSchedule::range(knob, device),
        _ => None,
    }
}

/// Whether no relation is broken between a schedule's knobs, the op and the device.
pub(crate) fn fits(shape: OpShape, knob: impl FnMut(&str) -> Option<i64>, device: &Device) -> bool {
    of_op(shape, knob, device).is_empty()
}

fn of_op(shape: OpShape, knob: impl FnMut(&str) -> Option<i64>, device: &Device) -> Vec<Unfit> {
    // Element types without kernels are refused by the lowering, with a location.
    let of = |dtype: Dtype| element(dtype).unwrap_or(Element::F32);
    match shape {
        OpShape::Matmul { element, .. } => MatmulSchedule::judge(knob, Some(of(element)), device),
        OpShape::Attention {
            head,
            value_head,
            element,
            ..
        } => {
            let heads = Heads {
                head,
                value_head,
                element: of(element),
            };
            AttentionSchedule::judge(knob, Some(heads), device)
        }
        OpShape::Softmax(_) | OpShape::LayerNorm(_) | OpShape::RmsNorm(_) => {
            RowSchedule::judge(knob, device)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_fits_where_no_relation_is_broken() {
        let fits = |head: u64, block: Option<i64>| {
            let shape = OpShape::Attention {
                heads: 1,
                queries: 8,
                keys: 8,
                head,
                value_head: 16,
                element: Dtype::F32,
            };
            let knob = |name: &str| block.filter(|_| name == "block-kv");
            super::fits(shape, knob, &Device::default())
        };
        assert!(fits(16, None) && fits(16, Some(8)));
        assert!(!fits(16, Some(0)) && !fits(1 << 20, None));
    }
}
