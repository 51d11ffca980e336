//! Compiles `bridge/`, binds its header, and provides `libMLIR-C.so`.

use std::{error::Error, fs, path::Path};

const SOURCES: [&str; 6] = ["op", "infer", "dialect", "pass", "core", "tools"];

pub fn compile(prefix: &Path, _out: &Path) -> Result<(), Box<dyn Error>> {
    let mut build = cc::Build::new();
    for source in SOURCES {
        build.file(format!("bridge/{source}.cpp"));
    }
    println!("cargo:rerun-if-changed=bridge");
    build
        .cpp(true)
        .std("c++17")
        // LLVM is built without both; a subclass of its types must match.
        .flag("-fno-rtti")
        .flag("-fno-exceptions")
        .flag("-Wno-unused-parameter")
        .flag(format!("-isystem{}", prefix.join("include").display()))
        .opt_level(1)
        .try_compile("kforge_bridge")?;
    Ok(())
}

pub fn bindings(prefix: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    bindgen::builder()
        .header("bridge/bridge.h")
        .clang_arg(format!("-I{}", prefix.join("include").display()))
        .allowlist_item("[bB]ridge.*")
        // melior and the bridge must agree on the C API's types.
        .blocklist_type("Mlir.*")
        .raw_line("use mlir_sys::*;")
        .generate()?
        .write_to_file(out.join("bridge.rs"))?;
    Ok(())
}

/// mlir-sys in shared mode links `-lMLIR-C`, which Debian does not ship: there
/// the C API comes as archives beside libMLIR.so. A linker script of that name
/// joins them. Systems that do ship the library (Homebrew) keep theirs.
pub fn link_capi(prefix: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let libraries = prefix.join("lib");
    let shipped = ["libMLIR-C.so", "libMLIR-C.dylib"]
        .iter()
        .any(|name| libraries.join(name).exists());
    if shipped {
        return Ok(());
    }
    let mut archives: Vec<String> = fs::read_dir(&libraries)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("libMLIRCAPI") && name.ends_with(".a"))
        })
        .map(|path| path.display().to_string())
        .collect();
    if archives.is_empty() {
        return Err(format!(
            "{} has neither libMLIR-C nor libMLIRCAPI*.a; install libmlir-22-dev",
            libraries.display()
        )
        .into());
    }
    archives.sort();
    fs::write(
        out.join("libMLIR-C.so"),
        format!(
            "GROUP ( {} {lib}/libMLIR.so {lib}/libLLVM.so )\n",
            archives.join(" "),
            lib = libraries.display()
        ),
    )?;
    println!("cargo:rustc-link-search=native={}", out.display());
    Ok(())
}
