//! One transformer block, as BERT and as Llama write it, and two plain ones.
//!
//! BERT: attention, residual, layer norm, mlp, residual, layer norm. Llama: rms
//! norm, attention with rotary positions and grouped key and value heads,
//! residual, rms norm, gated mlp, residual. Weights are [out, in] and called as in
//! the models' own files; their linear layers become flags, not transposes.
//! The plain ones leave every fusion to the passes: see [`BlockKind`].

mod bert;
mod llama;
mod plain;

use melior::ir::Value;

use super::{FunctionBuilder, attention, layer_norm, matmul};
use crate::{ActivationKind, AttentionArgs, Element, Error, LayerNormArgs, MatmulArgs, TensorType};

/// Which architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Norms after the residual sums; biases; a mask.
    Bert,
    /// Norms before; no biases; rotary positions; causal.
    Llama,
    /// An encoder block with norms before and biases: norm, attention, projection,
    /// residual, norm, layer, activation, layer, residual, each an op of its own.
    Encoder,
    /// Norm, attention, residual: the smallest block that needs every kind of kernel.
    Micro,
}

/// The sizes of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockConfig {
    /// Which architecture.
    pub kind: BlockKind,
    /// Sequences.
    pub batch: u64,
    /// Positions of each.
    pub sequence: u64,
    /// Features of a position.
    pub width: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads; they divide `heads`.
    pub kv_heads: u64,
    /// Features of a head.
    pub head_size: u64,
    /// Features between the two layers of the mlp.
    pub hidden: u64,
    /// Of both norms.
    pub epsilon: f32,
    /// Of the rotary positions.
    pub theta: f32,
    /// Of the mlp.
    pub activation: ActivationKind,
    /// Of activations and weights.
    pub element: Element,
    /// What the weights' names begin with, such as `encoder.layer.0`.
    pub weights: String,
    /// What the ops' names begin with, such as `layer0`.
    pub name: String,
}

impl BlockConfig {
    /// A BERT block in f32, called as the first of its model.
    pub fn bert(batch: u64, sequence: u64, width: u64, heads: u64, hidden: u64) -> Self {
        Self {
            kind: BlockKind::Bert,
            batch,
            sequence,
            width,
            heads,
            kv_heads: heads,
            head_size: width / heads.max(1),
            hidden,
            epsilon: 1e-12,
            theta: 10000.0,
            activation: ActivationKind::Gelu,
            element: Element::F32,
            weights: "encoder.layer.0".into(),
            name: "layer0".into(),
        }
    }

    /// A Llama block in f32, called as the first of its model.
    pub fn llama(
        batch: u64,
        sequence: u64,
        width: u64,
        heads: u64,
        kv_heads: u64,
        hidden: u64,
    ) -> Self {
        Self {
            kind: BlockKind::Llama,
            kv_heads,
            epsilon: 1e-5,
            activation: ActivationKind::Silu,
            weights: "model.layers.0".into(),
            ..Self::bert(batch, sequence, width, heads, hidden)
        }
    }

    /// An encoder block in f32 with norms before.
    pub fn encoder(sequence: u64, width: u64, heads: u64) -> Self {
        Self {
            kind: BlockKind::Encoder,
            epsilon: 1e-5,
            ..Self::bert(1, sequence, width, heads, width * 4)
        }
    }

    /// A norm, attention and residual in f32.
    pub fn micro(sequence: u64, width: u64, heads: u64) -> Self {
        Self {
            kind: BlockKind::Micro,
            ..Self::encoder(sequence, width, heads)
        }
    }

    /// The type of the block's input and output, `[batch, sequence, width]`.
    pub fn activations(&self) -> TensorType {
        TensorType::fixed(&[self.batch, self.sequence, self.width], self.element)
    }
}

/// What all blocks of a model share.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockInputs<'c, 'a> {
    /// Additive, broadcastable to `[batch, heads, sequence, sequence]`.
    pub mask: Option<Value<'c, 'a>>,
    /// i32, `[sequence]` or `[batch, sequence]`; a Llama block needs them.
    pub positions: Option<Value<'c, 'a>>,
}

impl<'c, 'a> BlockInputs<'c, 'a> {
    /// Arguments as the architecture wants them: a mask `[batch, 1, 1, sequence]`
    /// for BERT, positions `[sequence]` for Llama, none for the others.
    pub fn arguments(function: &mut FunctionBuilder<'c, 'a>, config: &BlockConfig) -> Self {
        match config.kind {
            BlockKind::Bert => {
                let dims = [config.batch, 1, 1, config.sequence];
                let mask = function.argument(&TensorType::fixed(&dims, config.element));
                Self {
                    mask: Some(mask),
                    positions: None,
                }
            }
            BlockKind::Llama => {
                let ty = TensorType::fixed(&[config.sequence], Element::I32);
                Self {
                    mask: None,
                    positions: Some(function.argument(&ty)),
                }
            }
            BlockKind::Encoder | BlockKind::Micro => Self::default(),
        }
    }
}

/// Appends one block; its weights become arguments.
///
/// ```
/// use kforge_dialect::build::{self, BlockConfig, BlockInputs};
///
/// let context = kforge_dialect::context();
/// let config = BlockConfig::llama(1, 16, 64, 4, 2, 128);
/// let module = build::module(&context, "main", |f| {
///     let x = f.argument(&config.activations());
///     let inputs = BlockInputs::arguments(f, &config);
///     Ok(vec![build::transformer_block(f, &config, x, inputs)?])
/// })?;
/// let text = module.as_operation().to_string();
/// assert!(text.contains(r#"{kforge.weight = "model.layers.0.self_attn.q_proj.weight"}"#));
/// assert!(text.contains(r#"kforge.attention %"#) && text.contains("causal"));
/// # Ok::<(), kforge_dialect::Error>(())
/// ```
pub fn transformer_block<'c, 'a>(
    function: &mut FunctionBuilder<'c, 'a>,
    config: &BlockConfig,
    x: Value<'c, 'a>,
    inputs: BlockInputs<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let block = &mut Block { function, config };
    match config.kind {
        BlockKind::Bert => bert::bert(block, x, inputs),
        BlockKind::Llama => llama::llama(block, x, inputs),
        BlockKind::Encoder => plain::encoder(block, x, inputs),
        BlockKind::Micro => plain::micro(block, x, inputs),
    }
}

struct Block<'f, 'c, 'a> {
    function: &'f mut FunctionBuilder<'c, 'a>,
    config: &'f BlockConfig,
}

impl<'c, 'a> Block<'_, 'c, 'a> {
    fn weight(&mut self, name: &str, dims: &[u64]) -> Value<'c, 'a> {
        let ty = TensorType::fixed(dims, self.config.element);
        let name = format!("{}.{name}", self.config.weights);
        self.function.weight(&name, &ty)
    }

    fn name(&self, op: &str) -> String {
        format!("{}.{op}", self.config.name)
    }

    /// x·Wᵀ, with the bias that all but Llama's layers have.
    fn linear(
        &mut self,
        op: &str,
        weights: &str,
        x: Value<'c, 'a>,
        [input, output]: [u64; 2],
        residual: Option<Value<'c, 'a>>,
    ) -> Result<Value<'c, 'a>, Error> {
        let w = self.weight(&format!("{weights}.weight"), &[output, input]);
        let bias = (self.config.kind != BlockKind::Llama)
            .then(|| self.weight(&format!("{weights}.bias"), &[output]));
        let args = MatmulArgs {
            bias,
            residual,
            transpose_b: true,
            ..MatmulArgs::new(x, w)
        };
        matmul(self.function, &self.name(op), args)
    }

    /// [B, S, H·D] as [B, H, S, D].
    fn split(&self, x: Value<'c, 'a>, heads: u64) -> Result<Value<'c, 'a>, Error> {
        let BlockConfig {
            batch,
            sequence,
            head_size,
            ..
        } = *self.config;
        let x = self
            .function
            .reshape(x, &[batch, sequence, heads, head_size])?;
        self.function.transpose(x, &[0, 2, 1, 3])
    }

    /// [B, H, S, D] as [B, S, H·D].
    fn merge(&self, x: Value<'c, 'a>) -> Result<Value<'c, 'a>, Error> {
        let BlockConfig {
            batch,
            sequence,
            heads,
            head_size,
            ..
        } = *self.config;
        let x = self.function.transpose(x, &[0, 2, 1, 3])?;
        self.function
            .reshape(x, &[batch, sequence, heads * head_size])
    }

    /// A layer norm with both weights.
    fn norm(&mut self, op: &str, weights: &str, x: Value<'c, 'a>) -> Result<Value<'c, 'a>, Error> {
        let width = self.config.width;
        let args = LayerNormArgs {
            gamma: Some(self.weight(&format!("{weights}.weight"), &[width])),
            beta: Some(self.weight(&format!("{weights}.bias"), &[width])),
            epsilon: self.config.epsilon,
            ..LayerNormArgs::new(x)
        };
        layer_norm(self.function, &self.name(op), args)
    }

    /// What the heads see of x, [B, S, H·D].
    fn seen(
        &mut self,
        x: Value<'c, 'a>,
        inputs: BlockInputs<'c, 'a>,
    ) -> Result<Value<'c, 'a>, Error> {
        let BlockConfig {
            width,
            heads,
            head_size,
            ..
        } = *self.config;
        let sizes = [width, heads * head_size];
        let q = self.linear("q", "attention.self.query", x, sizes, None)?;
        let k = self.linear("k", "attention.self.key", x, sizes, None)?;
        let v = self.linear("v", "attention.self.value", x, sizes, None)?;
        let (q, k, v) = (
            self.split(q, heads)?,
            self.split(k, heads)?,
            self.split(v, heads)?,
        );
        let args = AttentionArgs {
            mask: inputs.mask,
            ..AttentionArgs::new(q, k, v)
        };
        let seen = attention(self.function, &self.name("attention"), args)?;
        self.merge(seen)
    }
}
