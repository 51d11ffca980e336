//! A block as Llama writes it: norms before, rotary positions, a gated mlp.

use melior::ir::Value;

use super::{Block, BlockConfig, BlockInputs};
use crate::{
    AttentionArgs, Error, MlpArgs, RmsNormArgs, RopeArgs,
    build::{attention, mlp, rms_norm, rope},
};

pub(super) fn llama<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    x: Value<'c, 'a>,
    inputs: BlockInputs<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let BlockConfig {
        width,
        heads,
        kv_heads,
        head_size,
        hidden,
        theta,
        activation,
        ..
    } = *block.config;
    let positions = inputs.positions.ok_or_else(|| {
        Error::Message("a Llama block needs positions; see BlockInputs::arguments".into())
    })?;
    let (inner, inner_kv) = (heads * head_size, kv_heads * head_size);
    let h = llama_norm(block, "attention_norm", "input_layernorm", x)?;
    let q = block.linear("q", "self_attn.q_proj", h, [width, inner], None)?;
    let k = block.linear("k", "self_attn.k_proj", h, [width, inner_kv], None)?;
    let v = block.linear("v", "self_attn.v_proj", h, [width, inner_kv], None)?;
    let (q, k, v) = (
        block.split(q, heads)?,
        block.split(k, kv_heads)?,
        block.split(v, kv_heads)?,
    );
    let turned = |block: &Block<'_, 'c, 'a>, op: &str, x| {
        let args = RopeArgs {
            theta,
            ..RopeArgs::new(x, positions)
        };
        rope(block.function, &block.name(op), args)
    };
    let (q, k) = (turned(block, "q_rope", q)?, turned(block, "k_rope", k)?);
    let args = AttentionArgs {
        mask: inputs.mask,
        causal: true,
        ..AttentionArgs::new(q, k, v)
    };
    let seen = attention(block.function, &block.name("attention"), args)?;
    let seen = block.merge(seen)?;
    let x = block.linear("o", "self_attn.o_proj", seen, [inner, width], Some(x))?;

    let h = llama_norm(block, "mlp_norm", "post_attention_layernorm", x)?;
    let gate = block.weight("mlp.gate_proj.weight", &[hidden, width]);
    let up = block.weight("mlp.up_proj.weight", &[hidden, width]);
    let down = block.weight("mlp.down_proj.weight", &[width, hidden]);
    let args = MlpArgs {
        gate: Some(gate),
        activation,
        transpose_weights: true,
        ..MlpArgs::new(h, up, down)
    };
    let y = mlp(block.function, &block.name("mlp"), args)?;
    block.function.add(y, x)
}

fn llama_norm<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    op: &str,
    weights: &str,
    x: Value<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let width = block.config.width;
    let args = RmsNormArgs {
        gamma: Some(block.weight(&format!("{weights}.weight"), &[width])),
        epsilon: block.config.epsilon,
        ..RmsNormArgs::new(x)
    };
    rms_norm(block.function, &block.name(op), args)
}
