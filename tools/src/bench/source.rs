//! The module of a work.

use kforge_dialect::{
    AttentionArgs, Error, LayerNormArgs, MatmulArgs, RmsNormArgs, SoftmaxArgs, TensorType,
    build::{self, BlockConfig, BlockInputs},
};

use super::{Element, Op};
use crate::compile::Source;

/// The name of the one op, or of the function of a block.
const NAME: &str = "y";

/// The text of the function that a work is: its arguments are all inputs, but for the
/// weights of a block.
pub(super) fn source(name: &str, op: Op, element: Element) -> Result<Source, Error> {
    let element = match element {
        Element::F32 => kforge_dialect::Element::F32,
        Element::F16 => kforge_dialect::Element::F16,
    };
    let tensor = |sizes: &[u64]| TensorType::fixed(sizes, element);
    let context = kforge_dialect::context();
    let module = build::module(&context, name, |f| {
        let y = match op {
            Op::Matmul { m, n, k } => {
                let a = f.argument(&tensor(&[m, k]));
                let b = f.argument(&tensor(&[k, n]));
                build::matmul(f, NAME, MatmulArgs::new(a, b))?
            }
            Op::Softmax { rows, columns } => {
                let x = f.argument(&tensor(&[rows, columns]));
                build::softmax(f, NAME, SoftmaxArgs::new(x))?
            }
            Op::LayerNorm { rows, columns } => {
                let x = f.argument(&tensor(&[rows, columns]));
                let [gamma, beta] = [(); 2].map(|()| Some(f.argument(&tensor(&[columns]))));
                let args = LayerNormArgs {
                    gamma,
                    beta,
                    ..LayerNormArgs::new(x)
                };
                build::layer_norm(f, NAME, args)?
            }
            Op::RmsNorm { rows, columns } => {
                let x = f.argument(&tensor(&[rows, columns]));
                let gamma = Some(f.argument(&tensor(&[columns])));
                let args = RmsNormArgs {
                    gamma,
                    ..RmsNormArgs::new(x)
                };
                build::rms_norm(f, NAME, args)?
            }
            Op::Attention {
                batch,
                heads,
                positions,
                head,
                causal,
            } => {
                let ty = tensor(&[batch, heads, positions, head]);
                let [q, k, v] = [(); 3].map(|()| f.argument(&ty));
                let args = AttentionArgs {
                    causal,
                    ..AttentionArgs::new(q, k, v)
                };
                build::attention(f, NAME, args)?
            }
            Op::Block {
                positions,
                features,
                heads,
                hidden,
            } => {
                let config = BlockConfig {
                    hidden,
                    element,
                    ..BlockConfig::encoder(positions, features, heads)
                };
                let x = f.argument(&config.activations());
                let inputs = BlockInputs::arguments(f, &config);
                build::transformer_block(f, &config, x, inputs)?
            }
        };
        Ok(vec![y])
    })?;
    Ok(Source::of_text(name, module.as_operation().to_string()))
}
