//! A block as BERT writes it: norms after the residual sums, biases, a mask.

use melior::ir::Value;

use super::{Block, BlockConfig, BlockInputs};
use crate::{Error, MlpArgs, build::mlp};

pub(super) fn bert<'c, 'a>(
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
    let sizes = [heads * head_size, width];
    let seen = block.seen(x, inputs)?;
    let x = block.linear("o", "attention.output.dense", seen, sizes, Some(x))?;
    let x = block.norm("attention_norm", "attention.output.LayerNorm", x)?;

    let up = block.weight("intermediate.dense.weight", &[hidden, width]);
    let up_bias = block.weight("intermediate.dense.bias", &[hidden]);
    let down = block.weight("output.dense.weight", &[width, hidden]);
    let down_bias = block.weight("output.dense.bias", &[width]);
    let args = MlpArgs {
        up_bias: Some(up_bias),
        down_bias: Some(down_bias),
        activation,
        transpose_weights: true,
        ..MlpArgs::new(x, up, down)
    };
    let y = mlp(block.function, &block.name("mlp"), args)?;
    let y = block.function.add(y, x)?;
    block.norm("output_norm", "output.LayerNorm", y)
}
