//! The programs that mutants are made of: one per kernel family, with tails everywhere, one
//! for each way of sharing a row that no default plan takes here, and two of several stages.
//! Small, so that thousands of mutants run in minutes.

use kforge_planner::{Plan, Problem, check, plan::Knob};

use crate::compile::Source;

/// A program by its name.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// As after `--kernel`.
    pub name: &'static str,
    text: &'static str,
    /// Knobs that differ from the default plan's, where the device has what they need.
    knobs: &'static [(&'static str, i64)],
}

macro_rules! programs {
    ($($name:literal $(of $file:literal with $knobs:expr)?),* $(,)?) => {
        /// Every program.
        pub const PROGRAMS: &[Program] = &[$(programs!(@ $name $($file $knobs)?)),*];
    };
    (@ $name:literal) => { programs!(@ $name $name &[]) };
    (@ $name:literal $file:literal $knobs:expr) => {
        Program {
            name: $name,
            text: include_str!(concat!("programs/", $file, ".mlir")),
            knobs: $knobs,
        }
    };
}

programs![
    "matmul",
    "matmul_epilogue",
    "matmul_vector",
    "matmul_half",
    "softmax",
    "softmax_shuffled" of "softmax" with &[
        ("workgroup-size", 32),
        ("rows", 2),
        ("shuffle", 1),
    ],
    "layer_norm",
    "layer_norm_plain",
    "rms_norm",
    "attention",
    "attention_masked",
    "attention_split" of "attention" with &[("block-q", 8), ("split-head", 2)],
    "attention_sliced" of "attention" with &[
        ("block-q", 4),
        ("block-kv", 8),
        ("split-head", 1),
        ("slice-kv", 4),
    ],
    "attention_parts" of "attention" with &[("block-q", 4), ("split-kv", 3)],
    "mlp",
    "rope",
    "elementwise",
    "chain",
    "block",
];

impl Program {
    /// Its module.
    pub fn source(&self) -> Source {
        Source::of_text(self.name, self.text.to_owned())
    }
}

/// The plan with the knobs of the program of that name, if there is one and they fit.
pub(super) fn with_knobs(name: &str, plan: Plan, problem: &Problem) -> Plan {
    let program = PROGRAMS.iter().find(|program| program.name == name);
    let mut changed = plan.clone();
    for (knob, value) in program.map_or(&[][..], |program| program.knobs) {
        for step in &mut changed.passes {
            if let Some(old) = step.knobs.get_mut(*knob) {
                *old = Knob::Integer(*value);
            }
        }
    }
    match check(&changed, Some(problem)) {
        Ok(()) => changed,
        Err(_) => plan,
    }
}
