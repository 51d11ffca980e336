//! What a mutant is called, where it is put, and what it must come to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a mistake is put.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A plan's knobs or its JSON.
    Plan,
    /// Ops on tensors, or a kernel in the gpu dialect.
    Ir,
    /// A kernel's shader text, as a naga module.
    Kernel,
    /// A package's launches, buffers and programs.
    Host,
    /// The gate itself.
    Verifier,
}

impl Place {
    /// Every place, from the plan to the gate.
    pub const ALL: [Self; 5] = [
        Self::Plan,
        Self::Ir,
        Self::Kernel,
        Self::Host,
        Self::Verifier,
    ];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Ir => "ir",
            Self::Kernel => "kernel",
            Self::Host => "host",
            Self::Verifier => "verifier",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the gate must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Refuse it.
    Mutant,
    /// Accept it: nothing that matters is changed.
    Control,
}

/// One kind of mistake, or of harmless change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name, unique among the kinds of all places.
    pub name: &'static str,
    /// Where it is put.
    pub place: Place,
    /// Whether it is a mistake.
    pub purpose: Purpose,
    /// What is wrong, in a few words.
    pub what: &'static str,
}

impl Kind {
    /// A mistake.
    pub const fn mutant(place: Place, name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            place,
            purpose: Purpose::Mutant,
            what,
        }
    }

    /// A harmless change.
    pub const fn control(place: Place, name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            place,
            purpose: Purpose::Control,
            what,
        }
    }
}
