//! One block of a transformer.

use clap::Args;
use kforge_dialect::{
    build::{self, BlockConfig, BlockInputs},
    schedule::MAX_HEAD,
};

use super::{Failure, Source, size, tensor};

/// A block and its sizes.
#[derive(Clone, Debug, Args)]
#[group(id = "block")]
pub(in crate::workbench) struct Block {
    /// One block: transformer (norm, attention, projection, norm, two layers with a
    /// gelu, both residuals) or microblock (norm, attention, residual)
    #[arg(long, value_name = "BLOCK", value_parser = ["transformer", "microblock"])]
    workload: Option<String>,
    /// Positions of a block; 64 if not given
    #[arg(long, value_name = "POSITIONS", value_parser = size())]
    seq: Option<u64>,
    /// Features of a position; 128 if not given
    #[arg(long, value_name = "FEATURES", value_parser = size())]
    d_model: Option<u64>,
    /// Heads of its attention, which divide --d-model; if not given one per 64 features
    /// where 64 divides them, else 1
    #[arg(long, value_name = "HEADS", value_parser = size())]
    heads: Option<u64>,
}

impl Block {
    /// What it is called; sizes alone mean a transformer block.
    pub(in crate::workbench) fn name(&self) -> &str {
        self.workload.as_deref().unwrap_or("transformer")
    }

    pub(super) const fn is_given(&self) -> bool {
        self.workload.is_some() || self.is_sized() || self.heads.is_some()
    }

    /// The same block of other sizes.
    pub(super) fn at(&self, sizes: &[u64]) -> Option<Self> {
        let [seq, d_model] = *sizes else {
            return None;
        };
        Some(Self {
            seq: Some(seq),
            d_model: Some(d_model),
            ..self.clone()
        })
    }

    /// Whether a size is stated; heads go with every size.
    pub(super) const fn is_sized(&self) -> bool {
        self.seq.is_some() || self.d_model.is_some()
    }

    /// Its sizes.
    pub(in crate::workbench) fn config(&self) -> Result<BlockConfig, Failure> {
        let (sequence, width) = (self.seq.unwrap_or(64), self.d_model.unwrap_or(128));
        let heads = match self.heads {
            Some(heads) if !width.is_multiple_of(heads) => {
                return Err(Failure::Usage(format!(
                    "--heads {heads} does not divide --d-model {width}, which its heads share equally"
                )));
            }
            Some(heads) => heads,
            None if width.is_multiple_of(64) => width / 64,
            None => 1,
        };
        fits(width, heads)?;
        let config = match self.name() {
            "microblock" => BlockConfig::micro(sequence, width, heads),
            _ => BlockConfig::encoder(sequence, width, heads),
        };
        // Its largest activations and its largest weight.
        tensor(&[sequence, config.hidden])?;
        tensor(&[width, config.hidden])?;
        Ok(config)
    }

    /// Its module.
    pub(in crate::workbench) fn source(&self) -> Result<Source, Failure> {
        let config = self.config()?;
        let context = kforge_dialect::context();
        let module = build::module(&context, self.name(), |f| {
            let x = f.argument(&config.activations());
            let inputs = BlockInputs::arguments(f, &config);
            Ok(vec![build::transformer_block(f, &config, x, inputs)?])
        })?;
        Ok(Source::of_text(
            self.name(),
            module.as_operation().to_string(),
        ))
    }
}

/// Refuses heads that are too large for every attention kernel.
fn fits(width: u64, heads: u64) -> Result<(), Failure> {
    let size = width / heads;
    if size <= MAX_HEAD {
        return Ok(());
    }
    let most = |heads: &u64| width.is_multiple_of(*heads) && width / heads <= MAX_HEAD;
    let instead = (heads + 1..=width).find(most).unwrap_or(width);
    let plural = if heads == 1 { "" } else { "s" };
    Err(Failure::Usage(format!(
        "--d-model {width} with {heads} head{plural} makes heads of {size} features, the limit of attention is {MAX_HEAD}; give more of them, such as --heads {instead}"
    )))
}
