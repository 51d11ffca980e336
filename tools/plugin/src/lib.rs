//! `libkforge_plugin.so`: the dialect and the passes for stock `mlir-opt`.
//!
//! ```text
//! mlir-opt --load-dialect-plugin=libkforge_plugin.so --load-pass-plugin=libkforge_plugin.so
//! ```
//! The entry points are exported from Rust, because rustc's version script
//! hides the C++ symbols of a cdylib.

use std::ffi::{c_char, c_void};

/// What MLIR asks a plugin for; the layout of `DialectPluginLibraryInfo` and
/// `PassPluginLibraryInfo` in `mlir/Tools/Plugins`.
#[repr(C)]
#[derive(Debug)]
pub struct PluginInfo<F> {
    api_version: u32,
    name: *const c_char,
    version: *const c_char,
    register: F,
}

const API_VERSION: u32 = 1;
const NAME: *const c_char = c"kforge".as_ptr();
const VERSION: *const c_char = concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast();

extern "C" fn register_dialect(registry: *mut c_void) {
    kforge_dialect::register_raw(registry);
}

extern "C" fn register_passes() {
    kforge_passes::register();
}

// SAFETY: the name is MLIR's entry point and collides with no other symbol.
#[unsafe(no_mangle)]
/// The dialect plugin's entry point.
pub extern "C" fn mlirGetDialectPluginInfo() -> PluginInfo<extern "C" fn(*mut c_void)> {
    PluginInfo {
        api_version: API_VERSION,
        name: NAME,
        version: VERSION,
        register: register_dialect,
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
/// The pass plugin's entry point.
pub extern "C" fn mlirGetPassPluginInfo() -> PluginInfo<extern "C" fn()> {
    PluginInfo {
        api_version: API_VERSION,
        name: NAME,
        version: VERSION,
        register: register_passes,
    }
}
