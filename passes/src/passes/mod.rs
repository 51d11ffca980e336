//! The passes. A file is named as its flag: `kforge-tile-matmul` is
//! `tile_matmul.rs`.

mod attach_device;
mod convert_kforge_to_gpu;
mod keep_reference;
mod name_ops;
mod tile_matmul;

use kforge_dialect::pass::PassDef;

/// Every pass, in the order a full pipeline uses them.
#[rustfmt::skip]
pub static PASSES: &[PassDef] = &[
    keep_reference::PASS,
    attach_device::PASS,
    name_ops::PASS,
    tile_matmul::PASS,
    convert_kforge_to_gpu::PASS,
];
