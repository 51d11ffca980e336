//! The programs that mutants are made of: one per kernel family, with tails everywhere, and
//! two of several stages. Small, so that thousands of mutants run in minutes.

use crate::compile::Source;

/// A program by its name.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// As after `--kernel`.
    pub name: &'static str,
    text: &'static str,
}

macro_rules! programs {
    ($($name:literal),* $(,)?) => {
        /// Every program.
        pub const PROGRAMS: &[Program] = &[$(Program {
            name: $name,
            text: include_str!(concat!("programs/", $name, ".mlir")),
        }),*];
    };
}

programs![
    "matmul",
    "matmul_epilogue",
    "matmul_vector",
    "matmul_half",
    "softmax",
    "layer_norm",
    "layer_norm_plain",
    "rms_norm",
    "attention",
    "attention_masked",
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
