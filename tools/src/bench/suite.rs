//! What `kforge bench emit` writes beside the packages, as plain data with a schema.

use std::{fmt, str::FromStr};

use kforge_runtime::DeviceDescription;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Results, Work};

/// The version of both formats, that of the suite and that of its results.
pub const SCHEMA: u32 = 1;

/// A suite of packages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Version of this format: 1.
    pub schema: u32,
    /// The version of the program that compiled.
    pub version: String,
    /// Which works.
    pub suite: SuiteName,
    /// The device that was planned for.
    pub device: DeviceDescription,
    /// The works, in order.
    pub works: Vec<Work>,
    /// Works of the suite that have no package.
    pub left_out: Vec<LeftOut>,
}

/// A work without a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// What it would be called.
    pub name: String,
    /// Why there is none.
    pub because: String,
}

/// The suites there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuiteName {
    /// What transformers are made of, with the goals.
    Gpu,
    /// The same kinds of tiny sizes, for tests; no goals.
    Smoke,
    /// Products n x n x n from 256 to 16384, for a curve; no goals.
    Growth,
}

impl SuiteName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gpu, Self::Smoke, Self::Growth];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Smoke => "smoke",
            Self::Growth => "growth",
        }
    }
}

impl fmt::Display for SuiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SuiteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no such suite; there are: {names}")
        })
    }
}

/// The published JSON Schema of [`Suite`].
pub fn suite_schema() -> String {
    let text = serde_json::to_string_pretty(&schema_for!(Suite)).unwrap_or_default();
    format!("{text}\n")
}

/// The published JSON Schema of [`Results`].
pub fn results_schema() -> String {
    let text = serde_json::to_string_pretty(&schema_for!(Results)).unwrap_or_default();
    format!("{text}\n")
}
