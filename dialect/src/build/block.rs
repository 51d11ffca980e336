//! One transformer block, as BERT and as Llama write it.
//!
//! BERT: attention, residual, layer norm, mlp, residual, layer norm. Llama: rms
//! norm, attention with rotary positions and grouped key and value heads,
//! residual, rms norm, gated mlp, residual. Weights are [out, in] and called as in
//! the models' own files; their linear layers become flags, not transposes.

use melior::ir::Value;

use super::{FunctionBuilder, attention, layer_norm, matmul, mlp, rms_norm, rope};
use crate::{
    ActivationKind, AttentionArgs, Element, Error, LayerNormArgs, MatmulArgs, MlpArgs, RmsNormArgs,
    RopeArgs, TensorType,
};

/// Which architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Norms after the residual sums; biases; a mask.
    Bert,
    /// Norms before; no biases; rotary positions; causal.
    Llama,
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
    /// for BERT, positions `[sequence]` for Llama.
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
    match config.kind {
        BlockKind::Bert => bert(&mut Block { function, config }, x, inputs),
        BlockKind::Llama => llama(&mut Block { function, config }, x, inputs),
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

    /// x·Wᵀ, with the bias that BERT's layers have.
    fn linear(
        &mut self,
        op: &str,
        weights: &str,
        x: Value<'c, 'a>,
        [input, output]: [u64; 2],
        residual: Option<Value<'c, 'a>>,
    ) -> Result<Value<'c, 'a>, Error> {
        let w = self.weight(&format!("{weights}.weight"), &[output, input]);
        let bias = (self.config.kind == BlockKind::Bert)
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
}

fn bert<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    x: Value<'c, 'a>,
    inputs: BlockInputs<'c, 'a>,
) -> Result<Value<'c, 'a>, Error> {
    let BlockConfig {
        width,
        heads,
        head_size,
        hidden,
        epsilon,
        activation,
        ..
    } = *block.config;
    let inner = heads * head_size;
    let q = block.linear("q", "attention.self.query", x, [width, inner], None)?;
    let k = block.linear("k", "attention.self.key", x, [width, inner], None)?;
    let v = block.linear("v", "attention.self.value", x, [width, inner], None)?;
    let (q, k, v) = (
        block.split(q, heads)?,
        block.split(k, heads)?,
        block.split(v, heads)?,
    );
    let args = AttentionArgs {
        mask: inputs.mask,
        ..AttentionArgs::new(q, k, v)
    };
    let seen = attention(block.function, &block.name("attention"), args)?;
    let seen = block.merge(seen)?;
    let x = block.linear("o", "attention.output.dense", seen, [inner, width], Some(x))?;
    let x = bert_norm(
        block,
        "attention_norm",
        "attention.output.LayerNorm",
        x,
        epsilon,
    )?;

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
    bert_norm(block, "output_norm", "output.LayerNorm", y, epsilon)
}

fn bert_norm<'c, 'a>(
    block: &mut Block<'_, 'c, 'a>,
    op: &str,
    weights: &str,
    x: Value<'c, 'a>,
    epsilon: f32,
) -> Result<Value<'c, 'a>, Error> {
    let width = block.config.width;
    let args = LayerNormArgs {
        gamma: Some(block.weight(&format!("{weights}.weight"), &[width])),
        beta: Some(block.weight(&format!("{weights}.bias"), &[width])),
        epsilon,
        ..LayerNormArgs::new(x)
    };
    layer_norm(block.function, &block.name(op), args)
}

fn llama<'c, 'a>(
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
