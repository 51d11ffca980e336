//! `cargo xtask setup`: install what is missing, then write `.cargo/llvm.toml`.
//!
//! Changes nothing else on the machine: no package source is added, nothing is
//! upgraded, packages that are present stay as they are. Run twice, the second
//! run does nothing. Debian and Ubuntu through apt, macOS through Homebrew;
//! other systems get the list of what to install. The Homebrew branch is
//! written from its documentation and has not been run.

use crate::error::{Error, Result};
use crate::llvm::{self, Llvm};
use crate::packages::{self, Given, PACKAGES, Package};
use crate::shell;
use std::process::Command;

/// Installs and configures; returns the LLVM that cargo will build against.
pub fn setup() -> Result<Llvm> {
    let missing = missing()?;
    print_missing(&missing);
    if !missing.is_empty() {
        install(&missing)?;
    }
    let llvm = llvm::find().ok_or_else(|| Error::Missing {
        what: format!("LLVM {}", llvm::MAJOR),
        mend: format!(
            "put llvm-config-{} on PATH or set {} to its prefix",
            llvm::MAJOR,
            llvm::PREFIX_VARIABLE
        ),
    })?;
    let file = llvm::configuration_path();
    if llvm::write_configuration(&file, &llvm.prefix)? {
        println!(
            "setup: wrote .cargo/llvm.toml for LLVM {} in {}",
            llvm.version,
            llvm.prefix.display()
        );
    } else if missing.is_empty() {
        println!("setup: nothing to do, LLVM {} is configured", llvm.version);
    }
    Ok(llvm)
}

/// Prints what `setup` would do; `false` when there is something to do.
pub fn describe() -> Result<bool> {
    let missing = missing()?;
    print_missing(&missing);
    if missing.is_empty() {
        println!("setup: every package is installed");
    }
    Ok(missing.is_empty())
}

fn print_missing(missing: &[Package]) {
    for package in missing {
        println!("setup: missing {:<20} {}", name(package), package.why);
    }
}

/// The packages of this system that are not there.
pub fn missing() -> Result<Vec<Package>> {
    let wanted: Vec<Package> = PACKAGES
        .iter()
        .copied()
        .filter(|package| !name(package).is_empty() && !given(package.given))
        .collect();
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let present = if cfg!(target_os = "macos") {
        brew_installed()?
    } else if shell::which("dpkg-query").is_some() {
        apt_installed(&wanted)
    } else {
        return Err(Error::Missing {
            what: "a supported package manager (apt, brew)".to_string(),
            mend: by_hand(),
        });
    };
    Ok(wanted
        .into_iter()
        .filter(|package| !present.iter().any(|found| found == name(package)))
        .collect())
}

/// The package's name on this system.
pub fn name(package: &Package) -> &'static str {
    if cfg!(target_os = "macos") {
        package.brew
    } else {
        package.apt
    }
}

fn given(given: Given) -> bool {
    match given {
        Given::Package => false,
        Given::OwnLlvm => std::env::var_os(llvm::PREFIX_VARIABLE).is_some(),
        Given::Program(names) => names.iter().any(|name| shell::which(name).is_some()),
        Given::Pip => {
            shell::capture(Command::new("python3").args(["-m", "pip", "--version"])).is_ok()
        }
    }
}

fn by_hand() -> String {
    format!(
        "install LLVM and MLIR {} with FileCheck and lit, a C++ compiler, spirv-val, cmake and ninja, and set {}",
        llvm::MAJOR,
        llvm::PREFIX_VARIABLE
    )
}

fn apt_installed(wanted: &[Package]) -> Vec<String> {
    // dpkg-query exits with 1 when it knows one of the names not at all, and
    // still lists the others, so its exit code says nothing here.
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat=${binary:Package} ${db:Status-Status}\n",
        ])
        .args(wanted.iter().map(|package| package.apt))
        .output();
    let text = output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    packages::installed(&text)
        .into_iter()
        .map(str::to_string)
        .collect()
}

fn brew_installed() -> Result<Vec<String>> {
    if shell::which("brew").is_none() {
        return Err(Error::Missing {
            what: "Homebrew".to_string(),
            mend: format!("install it from https://brew.sh, or {}", by_hand()),
        });
    }
    let text = shell::capture(Command::new("brew").args(["list", "--formula", "-1"]))?;
    Ok(text.lines().map(str::to_string).collect())
}

fn install(missing: &[Package]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(name).collect();
    if cfg!(target_os = "macos") {
        return shell::run(Command::new("brew").arg("install").args(names));
    }
    let unknown = |names: &[&str]| names.iter().any(|name| !apt_knows(name));
    // Fresh containers carry no package lists; stale ones name versions that
    // are gone. Offline, the lists that are there may still do.
    if let Err(error) = shell::run(as_root("apt-get").arg("update")) {
        println!("setup: {error}; going on with the package lists that are here");
    }
    let llvm_names: Vec<&str> = missing
        .iter()
        .filter(|package| package.given == Given::OwnLlvm)
        .map(name)
        .collect();
    if unknown(&llvm_names) {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        return Err(Error::Missing {
            what: llvm_names.join(", "),
            mend: packages::llvm_source(packages::codename(&release).unwrap_or("<codename>")),
        });
    }
    shell::run(
        as_root("apt-get")
            .args([
                "install",
                "--yes",
                "--no-install-recommends",
                "--no-upgrade",
            ])
            .args(names),
    )
}

fn apt_knows(name: &str) -> bool {
    shell::capture(Command::new("apt-cache").args(["policy", name]))
        .is_ok_and(|policy| packages::has_candidate(&policy))
}

/// The command itself for root, through sudo for anybody else, never asking questions.
fn as_root(program: &str) -> Command {
    let user = shell::capture(Command::new("id").arg("-u"));
    let assignment = "DEBIAN_FRONTEND=noninteractive";
    if user.is_ok_and(|id| id == "0") {
        let mut command = Command::new("env");
        command.args([assignment, program]);
        command
    } else {
        let mut command = Command::new("sudo");
        command.args(["env", assignment, program]);
        command
    }
}

/// The line that installs packages by hand on this system.
pub fn install_line(names: &[&str]) -> String {
    let names = names.join(" ");
    if cfg!(target_os = "macos") {
        format!("brew install {names}")
    } else {
        format!("sudo apt-get install --no-install-recommends {names}")
    }
}
