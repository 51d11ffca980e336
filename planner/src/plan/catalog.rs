//! The closed set of passes a plan may use, and the fixed ones around them.
//!
//! The options come from the passes' own declarations: a new knob of a pass is a
//! knob of plans without a line here.

use kforge_dialect::pass::{OptionDef, OptionKind, PassDef};
use kforge_passes::passes::PASSES;
use kforge_runtime::device::Target;

use super::Knob;

/// `kforge-attach-device`, whose options are a plan's device.
pub(crate) const ATTACH_DEVICE: &str = "kforge-attach-device";

/// kforge passes that a plan may choose. Verification, serialisation and the kept
/// reference are not choices.
const CHOSEN: &[&str] = &[
    "kforge-fold-constants",
    "kforge-fuse-attention",
    "kforge-fuse-matmul-activation",
    "kforge-fuse-mlp-block",
    "kforge-eliminate-dead-ops",
    "kforge-tile-matmul",
    "kforge-tile-attention",
    "kforge-vectorize-layernorm",
];

/// Passes that make or take away ops with knobs, in the order in which each finds what
/// it needs.
pub(crate) const FUSIONS: &[&str] = &[
    "kforge-fold-constants",
    // Before epilogues: its scores must still be a plain matmul.
    "kforge-fuse-attention",
    "kforge-fuse-matmul-activation",
    // It reads activations from the matmuls.
    "kforge-fuse-mlp-block",
];

/// Options that would change what is computed or what is trusted; they keep their default.
const FIXED: &[(&str, &str)] = &[
    ("kforge-fuse-attention", "assume-visible-rows"),
    ("kforge-fold-constants", "inexact-scales"),
];

/// Upstream's canonicaliser as MLIR prints it.
pub(crate) const CANONICALIZE: &str = "canonicalize{  max-iterations=10 max-num-rewrites=-1 \
     region-simplify=normal test-convergence=false top-down=true}";
/// Upstream's inliner as MLIR prints it.
const INLINE: &str =
    "inline{default-pipeline=canonicalize inlining-threshold=4294967295 max-iterations=4 }";

/// Passes before the device is attached.
pub(crate) const FIRST: &[&str] = &["kforge-keep-reference"];
/// Passes between the device and the chosen ones: calls are inlined, equal things
/// brought into one form and ops named, so that a plan can name them.
pub(crate) const PREPARE: &[&str] = &[INLINE, CANONICALIZE, "cse", "kforge-name-ops"];

/// Passes after the chosen ones.
pub(crate) fn finish(target: Target) -> [&'static str; 3] {
    let convert = match target {
        Target::Gpu => "convert-kforge-to-gpu",
        Target::Cpu => "convert-kforge-to-cpu",
    };
    [convert, CANONICALIZE, "cse"]
}

/// One pass that a plan may choose.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// A kforge pass, with its options.
    Kforge(&'static PassDef),
    /// An upstream pass with upstream's defaults, as MLIR prints it.
    Upstream(&'static str),
}

/// The passes a plan may choose, by name.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHOSEN.iter().copied().chain(["canonicalize", "cse"])
}

/// The pass called `name`, if plans may choose it.
pub fn find(name: &str) -> Option<Known> {
    match name {
        "canonicalize" => Some(Known::Upstream(CANONICALIZE)),
        "cse" => Some(Known::Upstream("cse")),
        _ if CHOSEN.contains(&name) => declared(name).map(Known::Kforge),
        _ => None,
    }
}

fn declared(name: &str) -> Option<&'static PassDef> {
    PASSES.iter().find(|pass| pass.argument == name)
}

impl Known {
    fn options(self) -> &'static [OptionDef] {
        match self {
            Known::Kforge(pass) => pass.options,
            Known::Upstream(_) => &[],
        }
    }

    /// Whether the pass can be told which ops it is about.
    pub fn takes_op(self) -> bool {
        self.options().iter().any(|option| option.name == "op")
    }

    /// Its knobs with their defaults: every option but `op`.
    pub fn knobs(self) -> Vec<(&'static str, Knob)> {
        let options = self.options().iter().filter(|option| option.name != "op");
        options
            .map(|option| (option.name, default(option)))
            .collect()
    }

    /// The option called `name`.
    pub fn option(self, name: &str) -> Option<&'static OptionDef> {
        self.options().iter().find(|option| option.name == name)
    }
}

/// Whether an option of a pass keeps its default in every plan.
pub fn is_fixed(pass: &str, option: &str) -> bool {
    FIXED.contains(&(pass, option))
}

/// The device's limits with their defaults.
pub(crate) fn device_options() -> Vec<(&'static str, Knob)> {
    let options = declared(ATTACH_DEVICE).map_or(&[][..], |pass| pass.options);
    let limits = options.iter().filter(|option| option.name != "target");
    limits
        .map(|option| (option.name, default(option)))
        .collect()
}

/// An option's default.
pub(crate) fn default(option: &OptionDef) -> Knob {
    match option.kind {
        OptionKind::Integer(value) => Knob::Integer(value),
        OptionKind::Bool(value) => Knob::Flag(value),
        OptionKind::Text(value) => Knob::Name(value.to_owned()),
        OptionKind::Choice(names) => Knob::Name(names.first().copied().unwrap_or("").to_owned()),
    }
}
