//! `kforge verify`: what kforge emits, or a WGSL kernel of yours, before the gate.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use kforge_oracle::Level;
use kforge_planner::{Plan, plan::from_json};
use kforge_runtime::device::Target;
use kforge_verify::{
    Case,
    foreign::{Bound, ForeignKernel, Formula},
};

use super::{
    Failure,
    device::DeviceArgument,
    kept::RegressionCorpus,
    shrink::{self, Refused, Shrinking},
    workload::stem,
};
use crate::gate::{Gate, Work, interface, kernel};

/// Verify what kforge emits, or a WGSL kernel of yours in the place of an emitted one
///
/// A kernel meets the same gate as everything that kforge compiles: other shapes, kinds of values,
/// poisoned buffers and guards, determinism. FILE.toml beside FILE.wgsl says which binding is
/// what, where sizes come from and how many workgroups are launched. What a refused plan, without
/// kernels of yours, shrinks to is written next to the report, or to reduced/ beside the
/// regression corpus. Exit code 0: verified; 2: refused; 1: the files or the command line are
/// wrong.
///
/// Examples:
///   kforge verify matmul.mlir
///   kforge verify matmul.mlir --kernel matmul=tiled.wgsl --time 20
///   kforge verify block.mlir --kernel q=q.wgsl --kernel final=norm.wgsl --cases full
///   kforge verify softmax.mlir --kernel softmax=s.wgsl --bindings x,out --workgroups 64,1,1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    device: DeviceArgument,
    /// Input values, and shapes of emitted kernels: quick, or full for every kind
    #[arg(long, value_name = "CASES", default_value = "quick", value_parser = ["quick", "full"])]
    cases: String,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Time so many runs of the whole function, if it is verified
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time: Option<u32>,
    /// Longest it may take once the module is compiled
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    #[command(flatten)]
    corpus: RegressionCorpus,
    #[command(flatten)]
    shrinking: Shrinking,
    /// Write the report to a file as JSON
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A module with kernels and a pipeline.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// An MLIR module, or the folder of a package
    #[arg(value_name = "FILE.mlir|PACKAGE")]
    pub(super) file: PathBuf,
    /// A kernel for the stage NAME: the kforge.name of its op
    #[arg(long = "kernel", value_name = "NAME=FILE.wgsl")]
    kernels: Vec<String>,
    /// How a kernel is bound and launched, if not as FILE.toml beside it says
    #[arg(
        long = "interface",
        value_name = "[NAME=]FILE.toml",
        requires = "kernels"
    )]
    interfaces: Vec<String>,
    /// What the storage buffers of the only kernel are, in order of group and binding
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        requires = "kernels"
    )]
    bindings: Vec<String>,
    /// Workgroups of the only kernel: integers, or formulas over the op's sizes
    #[arg(
        long,
        value_name = "X,Y,Z",
        requires = "kernels",
        allow_hyphen_values = true
    )]
    workgroups: Option<String>,
    /// Compile by this pipeline in place of the default one
    #[arg(long, value_name = "PIPELINE", conflicts_with = "plan")]
    pass_pipeline: Option<String>,
    /// Compile by this plan: JSON, or a pipeline
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    // What is asked for here may be a mistake on purpose.
    kforge_passes::register_with_mutations();
    let device = arguments.device.choice(target);
    let device = device.map_err(|failure| Failure::Input(failure.to_string()))?;
    let gate = Gate {
        device: device.unwrap_or_default().to_string(),
        cases: match arguments.cases.as_str() {
            "full" => Level::Full,
            _ => Level::Quick,
        },
        seed: arguments.seed,
        repeats: arguments.time.unwrap_or(0) as usize,
        deadline: Duration::from_secs(arguments.deadline),
        corpus: arguments.corpus.path(),
        ..Gate::default()
    };
    let report = gate.verify(&arguments.selection.work()?)?;
    let json = serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n";
    if let Some(path) = &arguments.report {
        super::write_file(path, &json)?;
    }
    let text = match arguments.json {
        true => json,
        false => report.to_string(),
    };
    io::stdout().write_all(text.as_bytes())?;
    if let Some(refused) = &report.refused {
        let verdict = report.verdict.as_ref();
        let case = verdict.and_then(|verdict| verdict.regression_case.as_ref());
        arguments.shrink(&gate, &refused.reason, case)?;
    }
    match report.verified {
        true => Ok(()),
        false => Err(Failure::NotVerified),
    }
}

impl Arguments {
    /// Shrinks a refused plan. Whoever wrote a kernel knows better where to begin.
    fn shrink(&self, gate: &Gate, reason: &str, case: Option<&Case>) -> Result<(), Failure> {
        let selection = &self.selection;
        let beside = self.report.as_deref().map(shrink::beside);
        let Some(folder) = beside.or_else(|| self.corpus.reduced()) else {
            return Ok(());
        };
        if selection.file.is_dir() || !selection.kernels.is_empty() {
            return Ok(());
        }
        let refused = Refused {
            name: stem(&selection.file),
            module: crate::reduce::read(&selection.file)?.text().to_owned(),
            pipeline: selection.pipeline()?,
            reason: reason.to_owned(),
            cases: case.map_or_else(|| self.cases.clone(), |_| "full".into()),
        };
        let how = shrink::Gate {
            device: gate.device.clone(),
            seed: case.map_or(self.seed, |case| case.seed),
        };
        self.shrinking.shrink([refused], &how, &folder, None)
    }
}

impl Selection {
    /// What is verified.
    fn work(&self) -> Result<Work, Failure> {
        let mut work = match self.file.is_dir() {
            true => Work::of_package(&self.file),
            false => Work::of_module(&self.file)?,
        };
        for kernel in self.kernels()? {
            work = work.with(kernel);
        }
        if let Some(pipeline) = self.pipeline()? {
            work = work.through(pipeline);
        }
        Ok(work)
    }

    /// The pipeline asked for, if it is not the default one.
    pub(super) fn pipeline(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.plan else {
            return Ok(self.pass_pipeline.clone());
        };
        let text = fs::read_to_string(path).map_err(|source| Failure::Read {
            path: path.clone(),
            source,
        })?;
        let refused = |error: &dyn std::fmt::Display| {
            Failure::Input(format!("'{}' is no plan: {error}", path.display()))
        };
        let plan = match text.trim_start().starts_with("builtin.module(") {
            true => Plan::from_text(&text).map_err(|error| refused(&error))?,
            false => from_json(&text, None).map_err(|error| refused(&error))?,
        };
        Ok(Some(plan.text()))
    }

    /// The kernels with their interfaces.
    pub(super) fn kernels(&self) -> Result<Vec<ForeignKernel>, Failure> {
        let mut kernels: Vec<ForeignKernel> = Vec::new();
        for given in &self.kernels {
            let (stage, file) = named(given).ok_or_else(|| {
                usage(format!(
                    "--kernel {} is no NAME=FILE.wgsl",
                    given.escape_debug()
                ))
            })?;
            if kernels.iter().any(|kernel| kernel.stage == stage) {
                return Err(usage(format!("--kernel {stage} is given twice")));
            }
            kernels.push(kernel(stage, Path::new(file))?);
        }
        for given in &self.interfaces {
            let (stage, file) = match named(given) {
                Some((stage, file)) => (Some(stage), file),
                None => (None, given.as_str()),
            };
            let several = kernels.len() > 1;
            let mut stages = kernels.iter_mut();
            let kernel = match stage {
                Some(stage) => stages.find(|kernel| kernel.stage == stage),
                None => stages.next().filter(|_| !several),
            };
            let kernel = kernel.ok_or_else(|| {
                usage(format!(
                    "--interface {} does not say which --kernel it is for; write NAME=FILE.toml",
                    given.escape_debug()
                ))
            })?;
            kernel.interface = interface(Path::new(file))?;
        }
        self.add_flags(&mut kernels)?;
        Ok(kernels)
    }

    /// `--bindings` and `--workgroups`, in the place of an interface.
    fn add_flags(&self, kernels: &mut [ForeignKernel]) -> Result<(), Failure> {
        if self.bindings.is_empty() && self.workgroups.is_none() {
            return Ok(());
        }
        let [kernel] = kernels else {
            return Err(usage(format!(
                "--bindings and --workgroups are for one kernel, {} are given; write interfaces",
                kernels.len()
            )));
        };
        if kernel.interface != Default::default() {
            return Err(usage(format!(
                "--bindings and --workgroups contradict the interface of '{}'; leave one out",
                kernel.name
            )));
        }
        let bindings = self.bindings.iter();
        kernel.interface.bindings = bindings
            .map(|name| Bound::Name(name.trim().into()))
            .collect();
        if let Some(text) = &self.workgroups {
            kernel.interface.workgroups = Some(formulas(text)?);
        }
        Ok(())
    }
}

fn usage(problem: String) -> Failure {
    Failure::Input(problem)
}

fn named(text: &str) -> Option<(&str, &str)> {
    text.split_once('=')
        .filter(|(name, file)| !name.is_empty() && !file.is_empty())
}

/// Three formulas; commas in parentheses belong to functions.
fn formulas(text: &str) -> Result<[Formula; 3], Failure> {
    let mut depth = 0_i32;
    let parts = text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    let parsed: Result<Vec<Formula>, _> = parts.map(|part| part.trim().parse()).collect();
    let parsed = parsed.map_err(|error| usage(format!("--workgroups: {error}")))?;
    <[Formula; 3]>::try_from(parsed).map_err(|parsed| {
        usage(format!(
            "--workgroups {} has {} counts, expected X,Y,Z",
            text.escape_debug(),
            parsed.len()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workgroups_are_three_formulas() {
        let counts = formulas("ceildiv(n, 64), 2,m").unwrap();
        assert_eq!(counts[0].to_string(), "(n ceildiv 64)");
        for (text, words) in [
            ("1,2", "has 2 counts"),
            ("1,2,m/2", "column 2"),
            ("", "column 1"),
        ] {
            let error = formulas(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
