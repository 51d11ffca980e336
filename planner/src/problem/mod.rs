//! What a plan is for: the module and the ops in it that have knobs.

mod extract;
mod fusions;

pub(crate) use extract::prepared;
pub use extract::{ExtractError, of_module};

use std::fmt;

use kforge_dialect::Element;
use kforge_runtime::{Dtype, Roofline};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One module's optimisation problem, as data that outlives the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Hash of the module's canonical text.
    pub module: String,
    /// What people call it: `matmul 512x512x1024 f32`.
    pub workload: String,
    /// The ops a pass can schedule, by name.
    pub ops: Vec<PlannedOp>,
}

/// An op that a pass of a plan can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedOp {
    /// Its `kforge.name`.
    pub name: String,
    /// The pass that makes it, if it is not in the module from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Passes that must run before that one for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_with: Vec<String>,
    /// The pass that fuses it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_after: Option<String>,
    /// Passes that must run before that one for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_with: Vec<String>,
    /// A norm's epsilon, which a plan may state but never choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<String>,
    /// What it computes.
    pub shape: OpShape,
}

/// An op's kind with the sizes that its knobs are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum OpShape {
    /// A product of matrices.
    Matmul {
        /// Product of the batch dimensions.
        batch: u64,
        /// Rows of the result.
        m: u64,
        /// Columns of the result.
        n: u64,
        /// Contracted size.
        k: u64,
        /// Element type of the operands.
        element: Dtype,
        /// `b` is stored [N, K].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        transpose_b: bool,
    },
    /// Attention over heads.
    Attention {
        /// Batch times heads; those that share keys and are computed as one are one.
        heads: u64,
        /// Queries per head.
        queries: u64,
        /// Keys per head.
        keys: u64,
        /// Size of a query and a key.
        head: u64,
        /// Size of a value.
        value_head: u64,
        /// Element type.
        element: Dtype,
    },
    /// Softmax of rows.
    Softmax(Rows),
    /// Layer norm of rows.
    LayerNorm(Rows),
    /// RMS norm of rows.
    RmsNorm(Rows),
}

/// Rows that are reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// How many.
    pub rows: u64,
    /// Elements of each.
    pub n: u64,
    /// Element type.
    pub element: Dtype,
}

impl PlannedOp {
    /// Whether it is there after these passes, which ran in this order.
    pub fn is_there(&self, ran: &[&str]) -> bool {
        let happened = |pass: &Option<String>, with: &[String]| {
            let place = |pass: &str| ran.iter().position(|it| *it == pass);
            let place = pass.as_deref().and_then(place);
            let before = place.map(|place| &ran[..place]);
            before.is_some_and(|before| with.iter().all(|it| before.contains(&it.as_str())))
        };
        (self.made_by.is_none() || happened(&self.made_by, &self.made_with))
            && !happened(&self.gone_after, &self.gone_with)
    }
}

impl OpShape {
    /// The pass that schedules such an op.
    pub const fn pass(&self) -> &'static str {
        match self {
            OpShape::Matmul { .. } => "kforge-tile-matmul",
            OpShape::Attention { .. } => "kforge-tile-attention",
            OpShape::Softmax(_) | OpShape::LayerNorm(_) | OpShape::RmsNorm(_) => {
                "kforge-vectorize-layernorm"
            }
        }
    }

    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            OpShape::Matmul { .. } => "matmul",
            OpShape::Attention { .. } => "attention",
            OpShape::Softmax(_) => "softmax",
            OpShape::LayerNorm(_) => "layer_norm",
            OpShape::RmsNorm(_) => "rms_norm",
        }
    }

    /// Its element type.
    pub const fn element(&self) -> Dtype {
        match *self {
            OpShape::Matmul { element, .. } | OpShape::Attention { element, .. } => element,
            OpShape::Softmax(it) | OpShape::LayerNorm(it) | OpShape::RmsNorm(it) => it.element,
        }
    }

    /// Its sizes, in the order of its fields.
    pub fn sizes(&self) -> Vec<u64> {
        match *self {
            OpShape::Matmul { batch, m, n, k, .. } => vec![batch, m, n, k],
            OpShape::Attention {
                heads,
                queries,
                keys,
                head,
                value_head,
                ..
            } => vec![heads, queries, keys, head, value_head],
            OpShape::Softmax(it) | OpShape::LayerNorm(it) | OpShape::RmsNorm(it) => {
                vec![it.rows, it.n]
            }
        }
    }

    /// Arithmetic it needs: multiplications and additions for products, 5 per
    /// element for reduced rows.
    pub fn flops(&self) -> f64 {
        match *self {
            OpShape::Matmul { batch, m, n, k, .. } => 2.0 * product([batch, m, n, k]),
            OpShape::Attention {
                heads,
                queries,
                keys,
                head,
                value_head,
                ..
            } => 2.0 * product([heads, queries, keys, head.saturating_add(value_head)]),
            OpShape::Softmax(it) | OpShape::LayerNorm(it) | OpShape::RmsNorm(it) => {
                5.0 * product([it.rows, it.n])
            }
        }
    }

    /// Bytes it must move at least: every operand and the result once.
    pub fn bytes(&self) -> f64 {
        match *self {
            OpShape::Matmul {
                batch,
                m,
                n,
                k,
                element,
                ..
            } => {
                let elements =
                    product([batch, m, k]) + product([batch, k, n]) + product([batch, m, n]);
                elements * size(element)
            }
            OpShape::Attention {
                heads,
                queries,
                keys,
                head,
                value_head,
                element,
            } => {
                let both = head.saturating_add(value_head);
                let each = product([queries, both]) + product([keys, both]);
                heads as f64 * each * size(element)
            }
            OpShape::Softmax(it) | OpShape::LayerNorm(it) | OpShape::RmsNorm(it) => {
                2.0 * product([it.rows, it.n]) * size(it.element)
            }
        }
    }
}

fn product<const N: usize>(sizes: [u64; N]) -> f64 {
    sizes.iter().map(|size| *size as f64).product()
}

fn size(element: Dtype) -> f64 {
    element.bytes() as f64
}

/// The dialect's element type, for those that kernels exist for.
pub(crate) fn element(dtype: Dtype) -> Option<Element> {
    match dtype {
        Dtype::F32 => Some(Element::F32),
        Dtype::F16 => Some(Element::F16),
        _ => None,
    }
}

impl fmt::Display for OpShape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = self.kind();
        match self {
            OpShape::Matmul {
                batch: 1,
                m,
                n,
                k,
                element,
                ..
            } => write!(f, "{kind} {m}x{n}x{k} {element}"),
            OpShape::Matmul {
                batch,
                m,
                n,
                k,
                element,
                ..
            } => {
                write!(f, "{kind} {batch}x{m}x{n}x{k} {element}")
            }
            OpShape::Attention {
                heads,
                queries,
                keys,
                head,
                element,
                ..
            } => {
                write!(f, "{kind} {heads}x{queries}x{keys}x{head} {element}")
            }
            OpShape::Softmax(it) | OpShape::LayerNorm(it) | OpShape::RmsNorm(it) => {
                write!(f, "{kind} {}x{} {}", it.rows, it.n, it.element)
            }
        }
    }
}

impl Problem {
    /// The op called `name`.
    pub fn op(&self, name: &str) -> Option<&PlannedOp> {
        self.ops.iter().find(|op| op.name == name)
    }

    /// What is optimised, in a word: the kind of the only op that stays, or the function.
    pub fn kernel(&self) -> &str {
        let first = self.workload.split(' ').next();
        first.unwrap_or(&self.workload)
    }

    /// Arithmetic of all ops that the plan can leave in the module.
    pub fn flops(&self) -> f64 {
        let kept = self.ops.iter().filter(|op| op.gone_after.is_none());
        kept.map(|op| op.shape.flops()).sum()
    }

    /// The least milliseconds that a device takes: every op that the plan can leave at the
    /// roofline of a kernel of its own, in f32 without matrix units. What stays in caches
    /// can be faster.
    pub fn roofline_ms(&self, roofline: &Roofline) -> f64 {
        let kept = self.ops.iter().filter(|op| op.gone_after.is_none());
        kept.map(|op| roofline.milliseconds(op.shape.flops(), op.shape.bytes()))
            .sum()
    }
}
