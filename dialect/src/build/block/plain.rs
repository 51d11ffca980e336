//! Blocks of plain ops, norms first: nothing is fused that a pass can fuse.

use melior::ir::Value;

use super::{Block, BlockConfig, BlockInputs};
use crate::{ActivationArgs, Error, build};

pub(super) fn encoder<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    x: Value<'c, 'a>,
    inputs: BlockInputs<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let BlockConfig {
        width,
        heads,
        head_size,
        hidden,
        activation,
        ..
    } = *block.config;
    let h = block.norm("attention_norm", "attention.norm", x)?;
    let seen = block.seen(h, inputs)?;
    let sizes = [heads * head_size, width];
    let o = block.linear("o", "attention.output.dense", seen, sizes, None)?;
    let x = block.function.add(o, x)?;

    let h = block.norm("output_norm", "output.norm", x)?;
    let up = block.linear("up", "intermediate.dense", h, [width, hidden], None)?;
    let args = ActivationArgs {
        kind: activation,
        ..ActivationArgs::new(up)
    };
    let h = build::activation(block.function, &block.name("activation"), args)?;
    let y = block.linear("down", "output.dense", h, [hidden, width], None)?;
    block.function.add(y, x)
}

/// The heads together are as wide as x.
pub(super) fn micro<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    x: Value<'c, 'a>,
    inputs: BlockInputs<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let h = block.norm("norm", "norm", x)?;
    let seen = block.seen(h, inputs)?;
    block.function.add(seen, x)
}
