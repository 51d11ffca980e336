//! What compiling and planning need: LLVM, a linker, the archive, a language model.

use std::{
    env::{self, consts},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use kforge_lowering::cpu::{CpuTarget, llvm_version};
use kforge_planner::{
    archive::{Archive, ArchiveError, Options, Verification, default_path},
    llm::{Config, ConfigError},
};

use super::{Finding, first_line, missing, ok, warn};

/// What code is made with.
pub(super) fn tools() -> Vec<Finding> {
    let target = match CpuTarget::host() {
        Ok(target) => ok(
            "CPU code",
            format!("for {}, {}", target.triple, target.tune),
        ),
        Err(error) => warn("CPU code", error.to_string(), "work with --target gpu"),
    };
    let linker = match first_line(&mut Command::new("cc")) {
        Ok(line) => ok("C compiler", line),
        Err(error) => warn(
            "C compiler",
            format!("cc: {error}"),
            "install one (Debian: apt install gcc); without it nothing is measured or saved \
             with --target cpu",
        ),
    };
    vec![
        ok("LLVM and MLIR", llvm_version()),
        plugin(),
        target,
        linker,
    ]
}

/// The plugin for stock mlir-opt, beside this program.
fn plugin() -> Finding {
    let name = format!("{}kforge_plugin{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    let own = env::current_exe().unwrap_or_default();
    let folder = own.parent().unwrap_or(Path::new("."));
    let places = [folder.join(&name), folder.join("../lib").join(&name)];
    match places.iter().find(|it| it.is_file()) {
        Some(path) => ok("plugin", path.display().to_string()),
        None => warn(
            "plugin",
            format!("no '{}'", places[0].display()),
            "only stock mlir-opt needs it: cargo build -p kforge-plugin",
        ),
    }
}

/// What is kept between runs, and who can be asked.
pub(super) fn knowledge() -> Vec<Finding> {
    let mut findings = match default_path() {
        Ok(path) => vec![folder(&path), archive(&path)],
        Err(error) => vec![warn("data folder", error.to_string(), WITHOUT_ARCHIVE)],
    };
    findings.push(language_model());
    findings
}

const WITHOUT_ARCHIVE: &str =
    "give XDG_DATA_HOME or --archive another place, or work with --no-archive";

/// Whether the archive's folder, or the first that is there above it, takes files.
fn folder(archive: &Path) -> Finding {
    let what = "data folder";
    let wanted = archive.parent().unwrap_or(archive);
    let here = wanted.ancestors().find(|it| it.exists()).unwrap_or(wanted);
    let shown = match here == wanted {
        true => format!("'{}'", wanted.display()),
        false => format!("'{}', to be made in '{}'", wanted.display(), here.display()),
    };
    // A file without a name is gone when it is closed.
    match fs::read_dir(here).and_then(|_| tempfile::tempfile_in(here)) {
        Ok(_) => ok(what, shown),
        Err(error) => missing(what, format!("{shown}: {error}"), WITHOUT_ARCHIVE),
    }
}

fn archive(path: &Path) -> Finding {
    let what = "archive";
    let options = Options {
        create: false,
        set_aside: false,
        ..Options::default()
    };
    let opened = match path.try_exists() {
        Ok(false) => Err(ArchiveError::Missing { path: path.into() }),
        Ok(true) => Archive::open(path, &options),
        Err(source) => return warn(what, describe(path, &source), WITHOUT_ARCHIVE),
    };
    let (checked, read_only) = match &opened {
        Ok(archive) => (archive.verify(), archive.is_read_only()),
        Err(ArchiveError::Missing { .. }) => return ok(what, "none yet; optimize begins it"),
        Err(error) => return warn(what, error.to_string(), WITHOUT_ARCHIVE),
    };
    match checked {
        Ok(found) if !found.is_sound() => {
            let Verification {
                attempts, intact, ..
            } = found;
            let found = format!(
                "'{}': {intact} of {attempts} attempts intact",
                path.display()
            );
            warn(
                what,
                found,
                "`kforge archive verify` says more, `kforge archive gc` mends it",
            )
        }
        Ok(found) => {
            let found = format!(
                "'{}': {} attempts, all intact",
                path.display(),
                found.attempts
            );
            match read_only {
                true => warn(what, found + ", read-only", WITHOUT_ARCHIVE),
                false => ok(what, found),
            }
        }
        Err(error) => warn(what, error.to_string(), WITHOUT_ARCHIVE),
    }
}

fn describe(path: &Path, error: &io::Error) -> String {
    format!("'{}': {error}", path.display())
}

/// Whether a model could be asked; none is. The key is never shown.
fn language_model() -> Finding {
    let what = "language model";
    let config = Config::from_env(|name| env::var(name).ok(), None::<PathBuf>.as_deref());
    match config {
        Ok(config) => {
            let key = match config.has_key() {
                true => "with a key",
                false => "without a key",
            };
            ok(
                what,
                format!("{} at {}, {key}", config.model(), config.host()),
            )
        }
        Err(error @ ConfigError::NoKey { .. }) => warn(
            what,
            "none configured",
            format!("only --planner llm needs one: {error}"),
        ),
        Err(error) => warn(what, "wrongly configured", error.to_string()),
    }
}
