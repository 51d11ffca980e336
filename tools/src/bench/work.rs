//! One work of a suite: what is computed, and what it is compared with.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is computed, with its sizes in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// `y[m,n] = a[m,k]·b[k,n]`. One row is a vector times a matrix.
    Matmul {
        /// Rows of a.
        m: u64,
        /// Columns of b.
        n: u64,
        /// Columns of a.
        k: u64,
    },
    /// The softmax of every row.
    Softmax {
        /// Rows.
        rows: u64,
        /// Elements of a row.
        columns: u64,
    },
    /// The layer norm of every row, with gamma and beta.
    LayerNorm {
        /// Rows.
        rows: u64,
        /// Elements of a row.
        columns: u64,
    },
    /// The rms norm of every row, with gamma.
    RmsNorm {
        /// Rows.
        rows: u64,
        /// Elements of a row.
        columns: u64,
    },
    /// softmax(q·kᵀ / √head)·v, all three `[batch, heads, positions, head]`.
    Attention {
        /// Sequences.
        batch: u64,
        /// Heads.
        heads: u64,
        /// Queries, and keys, of a head.
        positions: u64,
        /// Features of a head.
        head: u64,
        /// Whether a query sees no later key.
        causal: bool,
    },
    /// An encoder block with norms first: norm, attention, projection, residual, norm,
    /// layer, gelu, layer, residual; with biases.
    Block {
        /// Positions.
        positions: u64,
        /// Features of a position.
        features: u64,
        /// Heads, which divide the features.
        heads: u64,
        /// Features between the two layers at the end.
        hidden: u64,
    },
}

impl Op {
    /// Rows of equal length, each on its own: softmax and the norms.
    pub const fn is_of_rows(&self) -> bool {
        matches!(
            self,
            Self::Softmax { .. } | Self::LayerNorm { .. } | Self::RmsNorm { .. }
        )
    }

    /// n of a product n x n x n.
    pub const fn square(&self) -> Option<u64> {
        match *self {
            Self::Matmul { m, n, k } if m == n && n == k => Some(n),
            _ => None,
        }
    }

    /// Elements of its largest argument or result.
    pub(super) fn largest(&self) -> u64 {
        match *self {
            Self::Matmul { m, n, k } => {
                product(&[m, n]).max(product(&[m, k])).max(product(&[k, n]))
            }
            Self::Softmax { rows, columns }
            | Self::LayerNorm { rows, columns }
            | Self::RmsNorm { rows, columns } => product(&[rows, columns]),
            Self::Attention {
                batch,
                heads,
                positions,
                head,
                ..
            } => product(&[batch, heads, positions, head]),
            Self::Block {
                positions,
                features,
                hidden,
                ..
            } => product(&[positions.max(features), features.max(hidden)]),
        }
    }

    /// What it is called with an element type, also as a folder.
    pub fn name(&self, element: Element) -> String {
        let rows = |op: &str, rows: u64, columns: u64| format!("{op}_{element}_{rows}x{columns}");
        match *self {
            Self::Matmul { m: 1, n, k } => format!("matvec_{element}_{k}x{n}"),
            Self::Matmul { m, n, k } => format!("matmul_{element}_{m}x{n}x{k}"),
            Self::Softmax { rows: m, columns } => rows("softmax", m, columns),
            Self::LayerNorm { rows: m, columns } => rows("layer_norm", m, columns),
            Self::RmsNorm { rows: m, columns } => rows("rms_norm", m, columns),
            Self::Attention {
                batch,
                heads,
                positions,
                head,
                causal,
            } => {
                let causal = if causal { "_causal" } else { "" };
                format!("attention{causal}_{element}_{batch}x{heads}x{positions}x{head}")
            }
            Self::Block {
                positions,
                features,
                heads,
                hidden,
            } => format!("block_{element}_{positions}x{features}x{heads}x{hidden}"),
        }
    }
}

fn product(sizes: &[u64]) -> u64 {
    let times = |a: u64, b: &u64| a.saturating_mul(*b);
    sizes.iter().fold(1, times)
}

/// Of arguments and results; sums are in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 4 bytes.
    F32,
    /// 2 bytes.
    F16,
}

impl Element {
    /// Bytes of one.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

/// Whom a work is compared with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// PyTorch eager; TF32 off, f16 sums in f32.
    Torch,
    /// PyTorch's `scaled_dot_product_attention`.
    Sdpa,
    /// `torch.compile`.
    Compile,
    /// Burn on wgpu, whose kernels are CubeCL's, by the host's clock.
    Burn,
    /// A device copy that reads and writes together as many bytes as the work.
    Copy,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torch => "torch",
            Self::Sdpa => "torch SDPA",
            Self::Compile => "torch.compile",
            Self::Burn => "CubeCL",
            Self::Copy => "copy",
        })
    }
}

/// A peer, and how fast a work is to be beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// Whom.
    pub peer: Peer,
    /// The least ratio, the peer's time by ours, that is good enough; of a copy the share of
    /// its rate, which is the same number. Absent where there is no goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    /// The works whose geometric mean the goal is for; this work alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// One work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// What it is called.
    pub name: String,
    /// Its package: a folder beside the file of the suite.
    pub package: String,
    /// What is computed.
    pub op: Op,
    /// Of arguments and results.
    pub element: Element,
    /// Floating point operations of its matrix products; those of attention are counted for
    /// every key, seen or not. 0 for rows.
    pub flops: u64,
    /// Bytes of all arguments, read once, and of the result, written once.
    pub bytes: u64,
    /// Launches of kernels in one run.
    pub launches: usize,
    /// The hash of the plan.
    pub plan: String,
    /// Whom it is compared with, the one that matters most first.
    pub peers: Vec<Against>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_op_element_and_sizes() {
        let (m, n, k) = (128, 3072, 768);
        let names = [
            Op::Matmul { m, n, k }.name(Element::F32),
            Op::Matmul { m: 1, n, k }.name(Element::F16),
        ];
        assert_eq!(names, ["matmul_f32_128x3072x768", "matvec_f16_768x3072"]);
    }

    #[test]
    fn the_largest_tensor_decides_whether_it_fits() {
        let block = Op::Block {
            positions: 512,
            features: 768,
            heads: 12,
            hidden: 3072,
        };
        assert_eq!(block.largest(), 768 * 3072);
        assert_eq!(Op::Matmul { m: 2, n: 3, k: 5 }.largest(), 15);
        let (m, n, k) = (u64::MAX, 2, 2);
        assert_eq!(Op::Matmul { m, n, k }.largest(), u64::MAX);
    }
}
