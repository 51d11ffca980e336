//! One op of a stated size.

use clap::Args;
use kforge_dialect::{AttentionArgs, LayerNormArgs, MatmulArgs, SoftmaxArgs, build};

use super::{Failure, Source, size, tensor};

/// An op and its sizes.
#[derive(Clone, Debug, Args)]
#[group(id = "op", conflicts_with = "block")]
pub(super) struct Kernel {
    /// One op instead of a file; a matmul if nothing else is said
    #[arg(long, value_name = "KERNEL", value_parser = ["matmul", "softmax", "layer_norm", "attention"])]
    kernel: Option<String>,
    /// Rows; for attention, queries and keys per head; 512 if not given
    #[arg(long, value_name = "ROWS", value_parser = size())]
    m: Option<u64>,
    /// Columns, 512 if not given; for attention heads, 8 if not given
    #[arg(long, value_name = "COLUMNS", value_parser = size())]
    n: Option<u64>,
    /// Contracted size, 512 if not given; for attention the size of a head, 64 if not given
    #[arg(long, value_name = "SIZE", value_parser = size())]
    k: Option<u64>,
}

impl Kernel {
    pub(super) fn name(&self) -> &str {
        self.kernel.as_deref().unwrap_or("matmul")
    }

    pub(super) const fn is_given(&self) -> bool {
        self.kernel.is_some() || self.is_sized()
    }

    /// The same op of other sizes: two of a kernel of rows, else three.
    pub(super) fn at(&self, sizes: &[u64]) -> Option<Self> {
        let of_rows = !matches!(self.name(), "matmul" | "attention");
        let (m, n, k) = match sizes {
            [m, n] if of_rows => (m, n, None),
            [m, n, k] if !of_rows => (m, n, Some(*k)),
            _ => return None,
        };
        Some(Self {
            kernel: self.kernel.clone(),
            m: Some(*m),
            n: Some(*n),
            k,
        })
    }

    /// Whether a size is stated.
    pub(super) const fn is_sized(&self) -> bool {
        self.m.is_some() || self.n.is_some() || self.k.is_some()
    }

    pub(super) fn source(&self) -> Result<Source, Failure> {
        let context = kforge_dialect::context();
        let kernel = self.name();
        let m = self.m.unwrap_or(512);
        let (n, k) = match kernel {
            "attention" => (self.n.unwrap_or(8), self.k.unwrap_or(64)),
            _ => (self.n.unwrap_or(512), self.k.unwrap_or(512)),
        };
        let of_rows = ["softmax", "layer_norm"].contains(&kernel);
        if let (true, Some(k)) = (of_rows, self.k) {
            return Err(Failure::Usage(format!(
                "--k {k} is no size of {kernel}, which has --m rows of --n elements"
            )));
        }
        let rows = tensor(&[m, n])?;
        let row = tensor(&[n])?;
        let (a, b) = (tensor(&[m, k])?, tensor(&[k, n])?);
        let heads = match kernel {
            "attention" => tensor(&[1, n, m, k])?,
            _ => rows.clone(),
        };
        let module = build::module(&context, kernel, |f| {
            let y = match kernel {
                "softmax" => {
                    let x = f.argument(&rows);
                    build::softmax(f, kernel, SoftmaxArgs::new(x))?
                }
                "layer_norm" => {
                    let x = f.argument(&rows);
                    let gamma = Some(f.argument(&row));
                    let beta = Some(f.argument(&row));
                    let args = LayerNormArgs {
                        gamma,
                        beta,
                        ..LayerNormArgs::new(x)
                    };
                    build::layer_norm(f, kernel, args)?
                }
                "attention" => {
                    let [q, key, v] = [(); 3].map(|()| f.argument(&heads));
                    build::attention(f, kernel, AttentionArgs::new(q, key, v))?
                }
                _ => {
                    let (a, b) = (f.argument(&a), f.argument(&b));
                    build::matmul(f, kernel, MatmulArgs::new(a, b))?
                }
            };
            Ok(vec![y])
        })?;
        Ok(Source::of_text(kernel, module.as_operation().to_string()))
    }
}
