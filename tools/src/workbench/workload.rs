//! What a subcommand works on: a file, or one op of a stated size.

use std::path::PathBuf;

use kforge_dialect::{
    AttentionArgs, Element, LayerNormArgs, MatmulArgs, SoftmaxArgs, TensorType, build,
};

use super::Failure;
use crate::compile::Source;

/// A module from a file, or a generated one.
#[derive(Debug, clap::Args)]
pub(super) struct Workload {
    /// The module
    #[arg(value_name = "FILE.mlir", conflicts_with = "kernel")]
    file: Option<PathBuf>,
    /// One op instead of a file
    #[arg(long, value_name = "KERNEL", value_parser = ["matmul", "softmax", "layer_norm", "attention"])]
    kernel: Option<String>,
    /// Rows; for attention, queries and keys per head
    #[arg(long, value_name = "ROWS", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    m: u64,
    /// Columns; for attention, heads
    #[arg(long, value_name = "COLUMNS", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    n: u64,
    /// Contracted size; for attention, the size of a head
    #[arg(long, value_name = "SIZE", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    k: u64,
}

impl Workload {
    /// Its text.
    pub(super) fn source(&self) -> Result<Source, Failure> {
        match (&self.file, &self.kernel) {
            (Some(file), _) => Ok(Source::read(file)?),
            (None, kernel) => self.generated(kernel.as_deref().unwrap_or("matmul")),
        }
    }

    /// Whether the command line names one; otherwise it is a matmul.
    pub(super) fn is_given(&self) -> bool {
        self.file.is_some() || self.kernel.is_some()
    }

    /// What reports and files are named after.
    pub(super) fn name(&self) -> String {
        let stem = self.file.as_deref().and_then(|file| file.file_stem());
        let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
        stem.or_else(|| self.kernel.clone())
            .unwrap_or_else(|| "matmul".into())
    }

    fn generated(&self, kernel: &str) -> Result<Source, Failure> {
        let context = kforge_dialect::context();
        let Self { m, n, k, .. } = *self;
        let tensor = |dims: &[u64]| TensorType::fixed(dims, Element::F32);
        let module = build::module(&context, kernel, |f| {
            let y = match kernel {
                "softmax" => {
                    let x = f.argument(&tensor(&[m, n]));
                    build::softmax(f, kernel, SoftmaxArgs::new(x))?
                }
                "layer_norm" => {
                    let x = f.argument(&tensor(&[m, n]));
                    let gamma = Some(f.argument(&tensor(&[n])));
                    let beta = Some(f.argument(&tensor(&[n])));
                    build::layer_norm(
                        f,
                        kernel,
                        LayerNormArgs {
                            gamma,
                            beta,
                            ..LayerNormArgs::new(x)
                        },
                    )?
                }
                "attention" => {
                    let heads = tensor(&[1, n, m, k]);
                    let [q, key, v] = [(); 3].map(|()| f.argument(&heads));
                    build::attention(f, kernel, AttentionArgs::new(q, key, v))?
                }
                _ => {
                    let a = f.argument(&tensor(&[m, k]));
                    let b = f.argument(&tensor(&[k, n]));
                    build::matmul(f, kernel, MatmulArgs::new(a, b))?
                }
            };
            Ok(vec![y])
        })?;
        Ok(Source::of_text(kernel, module.as_operation().to_string()))
    }
}
