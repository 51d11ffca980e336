//! `cargo xtask demo`: one MiniLM layer, from IR to a verified run on this machine's GPU.
//!
//! Set-up, the weights, a release build, the run; each stage prints its time.
//! Without network the weights are seeded random numbers: the kernels and
//! their verification are the same, the numbers mean nothing.

use crate::error::{Error, Result};
use crate::setup;
use crate::shell;
use crate::weights;
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const INPUT: &str = "test/Inputs/minilm_layer.mlir";
const PACKAGE: &str = "target/demo/package";

/// Runs the demo; `extra` goes to `kforge-run` as it is.
pub fn demo(extra: &[String]) -> Result<()> {
    stage("set-up", setup::setup)?;
    let metadata = workspace::metadata(false)?;
    let target = workspace::target_dir(&metadata);
    let weights = stage("weights", || Ok(weights_or_seed(&target.join("demo"))))?;
    stage("build", || build(&metadata))?;
    let input = workspace::root().join(INPUT);
    if !input.is_file() {
        return Err(Error::Missing {
            what: INPUT.to_string(),
            mend: "the demo runs this module; restore it from git".to_string(),
        });
    }
    let tool = target.join("release/kforge-run");
    stage("run", || {
        shell::run(&mut run_command(&tool, weights.as_deref(), extra))
    })
}

/// The command that compiles, verifies and runs the layer.
fn run_command(tool: &Path, weights: Option<&Path>, extra: &[String]) -> Command {
    let mut command = Command::new(tool);
    // Hidden states are random numbers of their scale; the mask hides nothing.
    command
        .current_dir(workspace::root())
        .arg(INPUT)
        .args(["--arg", "0=random", "--arg", "1=zeros", "--check"])
        .args(["--package-dir", PACKAGE]);
    if let Some(weights) = weights {
        command.arg("--weights").arg(weights);
    }
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Mesa complains about its absence on every start, and needs nothing there.
        command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    }
    command.args(extra);
    command
}

fn build(metadata: &serde_json::Value) -> Result<()> {
    if !workspace::has_binary(metadata, "kforge-tools", "kforge-run") {
        return Err(Error::Missing {
            what: "the binary kforge-run".to_string(),
            mend: "declare it in tools/Cargo.toml".to_string(),
        });
    }
    shell::run(workspace::cargo().args([
        "build",
        "--release",
        "--package=kforge-tools",
        "--bin=kforge-run",
    ]))
}

fn weights_or_seed(folder: &Path) -> Option<PathBuf> {
    match weights::fetch(folder) {
        Ok(tensors) => Some(tensors),
        Err(error) => {
            println!("demo: no real weights: {error}");
            println!("demo: going on with seeded random weights");
            None
        }
    }
}

fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = Instant::now();
    let result = work();
    println!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &str = "--arg 0=random --arg 1=zeros --check --package-dir target/demo/package";

    #[test]
    fn weights_and_further_arguments_reach_the_tool() {
        let extra = ["--seed=7".to_string()];
        let with = run_command(
            Path::new("kforge-run"),
            Some(Path::new("w.safetensors")),
            &extra,
        );
        assert_eq!(
            shell::line(&with),
            format!("kforge-run {INPUT} {FLAGS} --weights w.safetensors --seed=7")
        );
        let without = run_command(Path::new("kforge-run"), None, &[]);
        assert_eq!(shell::line(&without), format!("kforge-run {INPUT} {FLAGS}"));
    }
}
