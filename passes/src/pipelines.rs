//! Named pipelines, written so that they read as prose: each line is one pass,
//! with the reason for its place.

use kforge_dialect::pass::{PipelineDef, PipelineOptions};

use crate::passes::DEVICE_OPTIONS;

/// Every named pipeline.
pub static PIPELINES: &[PipelineDef] = &[PipelineDef {
    argument: "kforge-default-pipeline",
    summary: "kforge on tensors to kernels and launches for the given device",
    options: DEVICE_OPTIONS,
    build: default_pipeline,
}];

fn default_pipeline(options: &PipelineOptions) -> String {
    let device: Vec<String> = DEVICE_OPTIONS
        .iter()
        .map(|option| (option.name, options.value(option.name)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let convert = match options.value("target").as_str() {
        "cpu" => "convert-kforge-to-cpu",
        _ => "convert-kforge-to-gpu",
    };
    [
        // First of all, what verification will trust.
        "kforge-keep-reference",
        // Every later pass reads target and limits from the module.
        &format!("kforge-attach-device{{{}}}", device.join(" ")),
        // Functions are lowered one by one, so calls go first.
        "inline",
        // Upstream folds and ours bring equal things into one form.
        "canonicalize",
        "cse",
        // Names before fusion: a fused op keeps the name of its first matmul.
        "kforge-name-ops",
        "kforge-fold-constants",
        // Attention before epilogues: its scores must still be a plain matmul.
        "kforge-fuse-attention",
        "kforge-fuse-matmul-activation",
        "kforge-eliminate-dead-ops",
        // Ops without a schedule get one that fits the device.
        convert,
        // Index arithmetic is emitted plainly; upstream folds and shares it.
        "canonicalize",
        "cse",
    ]
    .join(",")
}
