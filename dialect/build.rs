//! Generates the Rust side of KForgeOps.td, compiles the C++ bridge, and gives
//! the linker a `libMLIR-C.so`.

#[path = "build/bridge.rs"]
mod bridge;
#[path = "build/generate.rs"]
mod generate;
#[path = "build/ops.rs"]
mod ops;

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let prefix = PathBuf::from(env::var("MLIR_SYS_220_PREFIX").map_err(
        |_| "MLIR_SYS_220_PREFIX is not set; `cargo xtask setup` finds LLVM/MLIR 22 and writes it to .cargo/llvm.toml",
    )?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-env-changed=MLIR_SYS_220_PREFIX");
    for path in ["build.rs", "build", "KForgeOps.td"] {
        println!("cargo:rerun-if-changed={path}");
    }

    let ops = ops::read(&prefix.join("include"), "KForgeOps.td")?;
    fs::write(out.join("generated.rs"), generate::module(&ops))?;
    bridge::compile(&prefix, &out)?;
    bridge::bindings(&prefix, &out)?;
    bridge::link_capi(&prefix, &out)
}
