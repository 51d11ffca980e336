//! `cargo xtask test`: every check a change must pass, all of them even when one fails.
//!
//! Ends with a table of outcomes and times. A step that could not run because
//! an earlier one failed counts as failed.

use crate::error::{Error, Result};
use crate::llm_server;
use crate::llvm::{self, Llvm};
use crate::probe;
use crate::reference;
use crate::setup;
use crate::shell;
use crate::tidy;
use crate::workspace;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One check, in the order in which they run: the quick ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Step {
    /// Formatting, `cargo fmt --check`
    Fmt,
    /// The house rules, `cargo xtask tidy`
    Tidy,
    /// clippy over all targets, warnings are errors
    Clippy,
    /// Every library, tool and the plugin
    Build,
    /// Unit and integration tests
    Cargo,
    /// The gate with faults put into it
    Faults,
    /// The planner against a language model's server from PyPI
    LlmServer,
    /// The examples in the documentation
    DocTests,
    /// The IR and tool tests under test/
    Lit,
    /// The generated pages are current and the documentation builds without a warning
    Docs,
    /// kforge-run without the compiler links neither LLVM nor MLIR
    NoLlvm,
}

const ALL: [Step; 11] = [
    Step::Fmt,
    Step::Tidy,
    Step::Clippy,
    Step::Build,
    Step::Cargo,
    Step::Faults,
    Step::LlmServer,
    Step::DocTests,
    Step::Lit,
    Step::Docs,
    Step::NoLlvm,
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Nothing to check yet, and why.
    Empty(String),
    Failed(String),
}

struct Row {
    name: &'static str,
    outcome: Outcome,
    time: Duration,
}

/// Runs the steps in `only`, or all, without those in `skip`; `false` when one failed.
pub fn test(only: &[Step], skip: &[Step]) -> Result<bool> {
    let steps = selected(only, skip);
    let mut rows = Vec::new();
    let mut llvm = None;
    if steps.iter().any(|step| needs_llvm(*step)) {
        let start = Instant::now();
        let found = setup::setup();
        rows.push(row("set-up", start, outcome(&found)));
        llvm = found.ok();
    }
    for step in steps {
        println!("== {}", name(step));
        let start = Instant::now();
        let outcome = match blocked(step, &rows) {
            Some(reason) => Outcome::Failed(reason),
            None => check(step, llvm.as_ref()).unwrap_or_else(|error| failed(&error)),
        };
        rows.push(row(name(step), start, outcome));
    }
    print!("{}", table(&rows));
    Ok(rows
        .iter()
        .all(|row| !matches!(row.outcome, Outcome::Failed(_))))
}

fn selected(only: &[Step], skip: &[Step]) -> Vec<Step> {
    let mut steps = if only.is_empty() { &ALL } else { only }.to_vec();
    steps.sort();
    steps.dedup();
    steps.retain(|step| !skip.contains(step));
    steps
}

fn row(name: &'static str, start: Instant, outcome: Outcome) -> Row {
    Row {
        name,
        outcome,
        time: start.elapsed(),
    }
}

fn outcome<T>(result: &Result<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Passed,
        Err(error) => failed(error),
    }
}

fn failed(error: &Error) -> Outcome {
    println!("error: {error}");
    Outcome::Failed(error.to_string())
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Fmt => "fmt",
        Step::Tidy => "tidy",
        Step::Clippy => "clippy",
        Step::Build => "build",
        Step::Cargo => "cargo",
        Step::Faults => "faults",
        Step::LlmServer => "llm-server",
        Step::DocTests => "doc-tests",
        Step::Lit => "lit",
        Step::Docs => "docs",
        Step::NoLlvm => "no-llvm",
    }
}

fn needs_llvm(step: Step) -> bool {
    !matches!(step, Step::Fmt | Step::Tidy | Step::Faults | Step::NoLlvm)
}

/// Why this step cannot tell anything after what failed before it.
///
/// lit would otherwise run the tools of an earlier build and could pass.
fn blocked(step: Step, before: &[Row]) -> Option<String> {
    let has_failed = |name: &str| {
        before
            .iter()
            .any(|row| row.name == name && matches!(row.outcome, Outcome::Failed(_)))
    };
    if needs_llvm(step) && has_failed("set-up") {
        return Some("not run: set-up failed".to_string());
    }
    (step == Step::Lit && has_failed("build")).then(|| "not run: build failed".to_string())
}

fn check(step: Step, llvm: Option<&Llvm>) -> Result<Outcome> {
    let cargo = |arguments: &[&str]| shell::run(workspace::cargo().args(arguments));
    let tests = |arguments: &[&str]| shell::run_tests(workspace::cargo().args(arguments));
    match step {
        Step::Fmt => cargo(&["fmt", "--all", "--", "--check", "--files-with-diff"])?,
        Step::Tidy => return check_tidy(),
        Step::Clippy => cargo(&["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"])?,
        Step::Build => cargo(&["build", "--workspace", "--lib", "--bins"])?,
        Step::Cargo => tests(&[
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ])?,
        // Alone, for features of one crate reach every other of the same build.
        Step::Faults => tests(&[
            "test",
            "--package=kforge-mutate",
            "--features=faults",
            "--test=faults",
        ])?,
        Step::LlmServer => test_with_llm_server()?,
        Step::DocTests => tests(&["test", "--workspace", "--doc"])?,
        Step::Lit => lit(llvm)?,
        Step::Docs => return docs(llvm),
        Step::NoLlvm => return no_llvm(),
    }
    Ok(Outcome::Passed)
}

fn check_tidy() -> Result<Outcome> {
    let findings = tidy::tidy(&workspace::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    Ok(match findings.len() {
        0 => Outcome::Passed,
        n => Outcome::Failed(format!("rules broken at {n} places")),
    })
}

fn test_with_llm_server() -> Result<()> {
    let target = workspace::target_dir(&workspace::metadata(false)?);
    let server = llm_server::install(&target)?;
    shell::run(
        workspace::cargo()
            .args(["test", "--package=kforge-tools", "--test=llm_server"])
            .env("KFORGE_LLM_SERVER", server),
    )
}

fn docs(llvm: Option<&Llvm>) -> Result<Outcome> {
    if let Some(stale) = llvm.map(reference::stale).transpose()?.flatten() {
        return Ok(Outcome::Failed(stale));
    }
    shell::run(workspace::cargo().env("RUSTDOCFLAGS", "-Dwarnings").args([
        "doc",
        "--workspace",
        "--no-deps",
    ]))?;
    Ok(Outcome::Passed)
}

fn lit(llvm: Option<&Llvm>) -> Result<()> {
    let prefix = llvm.map(|llvm| llvm.prefix.clone());
    let lit = probe::lit(prefix.as_deref()).ok_or_else(|| Error::Missing {
        what: "lit".to_string(),
        mend: setup::install_line(&["llvm-22-tools"]),
    })?;
    let tools = workspace::target_dir(&workspace::metadata(false)?).join("debug");
    let mut command = Command::new(lit);
    command
        .current_dir(workspace::root())
        .args(["-sv", "--show-unsupported", "test"])
        .env("KFORGE_BIN_DIR", tools);
    if let Some(prefix) = prefix {
        command.env(llvm::PREFIX_VARIABLE, prefix);
    }
    shell::run(&mut command)
}

/// Builds the runner without the compiler and reads what the loader would load.
///
/// In a target folder of its own: the same path would replace the full
/// `kforge-run` that the IR tests use.
fn no_llvm() -> Result<Outcome> {
    let metadata = workspace::metadata(false)?;
    if !workspace::has_binary(&metadata, "kforge-tools", "kforge-run") {
        return Ok(Outcome::Empty("tools has no kforge-run".to_string()));
    }
    let target = workspace::target_dir(&metadata).join("no-llvm");
    shell::run(
        workspace::cargo()
            .args(["build", "--package=kforge-tools", "--bin=kforge-run"])
            .arg("--no-default-features")
            .arg("--target-dir")
            .arg(&target),
    )?;
    let libraries = loaded_libraries(&target.join("debug/kforge-run"))?;
    Ok(match llvm_libraries(&libraries).as_slice() {
        [] => Outcome::Passed,
        found => Outcome::Failed(format!("kforge-run links {}", found.join(", "))),
    })
}

fn loaded_libraries(binary: &Path) -> Result<String> {
    let mut command = if cfg!(target_os = "macos") {
        let mut command = Command::new("otool");
        command.arg("-L");
        command
    } else {
        Command::new("ldd")
    };
    shell::capture(command.arg(binary))
}

/// The LLVM and MLIR libraries in the output of `ldd` or `otool -L`.
fn llvm_libraries(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|path| path.rsplit('/').next())
        .filter(|name| name.starts_with("libLLVM") || name.starts_with("libMLIR"))
        .map(str::to_string)
        .collect()
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("\nstep        seconds  outcome\n");
    for row in rows {
        let outcome = match &row.outcome {
            Outcome::Passed => "passed".to_string(),
            Outcome::Empty(why) => format!("nothing to check: {why}"),
            Outcome::Failed(why) => format!("FAILED: {why}"),
        };
        text += &format!(
            "{:<10} {:>8.1}  {outcome}\n",
            row.name,
            row.time.as_secs_f64()
        );
    }
    let total: Duration = rows.iter().map(|row| row.time).sum();
    text + &format!("{:<10} {:>8.1}\n", "total", total.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_row(name: &'static str) -> Row {
        Row {
            name,
            outcome: Outcome::Failed("x".to_string()),
            time: Duration::from_millis(1500),
        }
    }

    #[test]
    fn selection_runs_in_fixed_order_once() {
        let steps = selected(&[Step::Lit, Step::Fmt, Step::Lit], &[]);
        assert_eq!(steps, [Step::Fmt, Step::Lit]);
        assert_eq!(selected(&[], &[]), ALL);
        let steps = selected(&[], &[Step::LlmServer]);
        assert_eq!(steps.len(), ALL.len() - 1);
        assert!(!steps.contains(&Step::LlmServer));
    }

    #[test]
    fn lit_never_runs_on_a_failed_build() {
        let before = [failed_row("build")];
        assert!(blocked(Step::Lit, &before).is_some());
        assert!(blocked(Step::Docs, &before).is_none());
    }

    #[test]
    fn failed_set_up_blocks_only_what_needs_llvm() {
        let before = [failed_row("set-up")];
        assert!(blocked(Step::Build, &before).is_some());
        assert!(blocked(Step::Fmt, &before).is_none());
    }

    #[test]
    fn llvm_is_read_from_both_loaders() {
        let ldd = "\tlibLLVM.so.22.1 => /lib/libLLVM.so.22.1 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n";
        assert_eq!(llvm_libraries(ldd), ["libLLVM.so.22.1"]);
        let otool = "kforge-run:\n\t/opt/llvm/lib/libMLIR.dylib (compatibility version 22.1.0)\n";
        assert_eq!(llvm_libraries(otool), ["libMLIR.dylib"]);
        assert!(llvm_libraries("\tlibvulkan.so.1 => /lib/libvulkan.so.1 (0x0)\n").is_empty());
    }

    #[test]
    fn table_names_what_failed_and_its_time() {
        let text = table(&[failed_row("clippy")]);
        assert!(text.contains("clippy          1.5  FAILED: x"), "{text}");
    }
}
