//! Package format v1: what a package says, as plain data.
//!
//! A package is a directory: `manifest.json` (the [`Manifest`]), optionally
//! `program.json` (the reference for the verifier, opaque here), the kernel
//! files under `kernels/`, and `constants.safetensors`. Everything read from
//! disk is treated as untrusted: see [`Package::load`] and
//! [`Package::validate`].

mod buffer;
mod dtype;
mod expr;
mod kernel;
mod load;
mod names;
mod package;
mod parse;
mod program;
mod save;
mod unit;
mod validate;
mod validate_program;

pub(crate) use buffer::row_major;
pub use buffer::{Buffer, BufferId, Extent, ExtentError, Role, SymbolRange};
pub use dtype::Dtype;
pub use expr::{Expr, ExprError, ExprOp, Symbols};
pub use kernel::{
    Abi, Access, Binding, Code, Kernel, Knob, MatrixShape, Place, RequiredLimits, Requires,
    ScalarType,
};
pub use package::{Package, PackageError};
pub use parse::ParseExprError;
pub use program::{Dispatch, Entry, Float, Immediate, KernelArgument, Port, Step};
pub use unit::{UNIT_ENTRY, Unit};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only format number this crate reads and writes.
pub const FORMAT: u32 = 1;

/// The entry that runs once after weights are bound, if a package has it.
///
/// It casts, transposes, pads or packs weights into `state` buffers; it has no
/// inputs and no outputs of its own.
pub const INIT_ENTRY: &str = "init";

/// `manifest.json`: everything needed to run a package except the bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format number, [`FORMAT`].
    pub format: u32,
    /// Version of kforge that wrote the package.
    pub kforge_version: String,
    /// Canonical text of the plan the kernels were made from.
    #[serde(default)]
    pub plan: String,
    /// Sizes left open at compile time, with the values they may take.
    #[serde(default)]
    pub symbols: BTreeMap<String, SymbolRange>,
    /// All buffers; a [`BufferId`] is an index into this list.
    pub buffers: Vec<Buffer>,
    /// All kernels, by name.
    pub kernels: BTreeMap<String, Kernel>,
    /// All programs, by entry name; see [`INIT_ENTRY`].
    pub entries: BTreeMap<String, Entry>,
    /// blake3 (hex) of every other file of the package, by relative path.
    /// Written by [`Package::seal`].
    #[serde(default)]
    pub hashes: BTreeMap<String, String>,
    /// How the verifier makes its cases; tensors are never stored.
    #[serde(default)]
    pub verifier: VerifierSettings,
    /// The verifier's report, if one was made. A report, never a licence:
    /// readers compare its hashes themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<serde_json::Value>,
}

/// How verification cases are generated for this package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifierSettings {
    /// Seed of the case generator.
    pub seed: u64,
    /// Settings of the case generator, in the oracle's own format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<serde_json::Value>,
}

/// JSON Schema of `manifest.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}
