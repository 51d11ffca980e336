//! The passes. A file is named as its flag: `kforge-tile-matmul` is
//! `tile_matmul.rs`.

mod attach_device;
mod convert_kforge_to_cpu;
mod convert_kforge_to_gpu;
mod eliminate_dead_ops;
mod fold_constants;
mod fuse_attention;
mod fuse_matmul_activation;
mod fuse_mlp_block;
mod keep_reference;
mod mutate;
mod name_ops;
mod serialize;
mod tile_attention;
mod tile_matmul;
mod vectorize_layernorm;
mod verify;

pub use attach_device::OPTIONS as DEVICE_OPTIONS;
use kforge_dialect::pass::PassDef;

/// Every pass, in the order a full pipeline uses them, and the one that makes mistakes on
/// purpose, which only mutation runs register.
#[rustfmt::skip]
const ALL: &[PassDef] = &[
    keep_reference::PASS,
    attach_device::PASS,
    name_ops::PASS,
    fold_constants::PASS,
    fuse_attention::PASS,
    fuse_matmul_activation::PASS,
    fuse_mlp_block::PASS,
    eliminate_dead_ops::PASS,
    tile_matmul::PASS,
    tile_attention::PASS,
    vectorize_layernorm::PASS,
    convert_kforge_to_gpu::PASS,
    convert_kforge_to_cpu::PASS,
    serialize::PASS,
    verify::PASS,
    mutate::PASS,
];

/// Every pass of pipelines and plans.
pub static PASSES: &[PassDef] = ALL.split_at(ALL.len() - 1).0;

/// The same, and `kforge-mutate`.
pub static WITH_MUTATIONS: &[PassDef] = ALL;
