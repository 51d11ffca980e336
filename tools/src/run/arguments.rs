//! The command line.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::Parser;
use kforge_oracle::Level;
use kforge_runtime::DeviceChoice;

use super::Failure;
use crate::measure::Settings;

/// Run an MLIR module or a kforge package on a device.
///
/// Before anything runs on your data, the gate holds the kernels against an
/// independent oracle: each alone, all together, and for a module also the same
/// knobs at other shapes. Only then are there results and times.
///
/// Exit codes: 0 results, 1 bad input, 2 refused by verification, 3 no device or
/// the device failed, 70 a crash inside MLIR or a driver.
#[derive(Debug, Parser)]
#[command(name = "kforge-run", version)]
pub(super) struct Arguments {
    /// An MLIR file, or the folder of a package
    #[arg(value_name = "FILE.mlir|PACKAGE")]
    pub(super) input: PathBuf,
    /// Function to run; needed only if there are several
    #[arg(long, value_name = "NAME")]
    pub(super) entry: Option<String>,
    /// Value of argument N: an .npy file, random or zeros; without `N=`, for all
    /// arguments that are not given
    #[arg(long = "arg", value_name = "N=FILE.npy|random|zeros")]
    values: Vec<String>,
    /// Value of a size that a package leaves open; those in the shapes of given
    /// files need none
    #[arg(long = "size", value_name = "NAME=VALUE")]
    sizes: Vec<String>,
    /// Tensors for the arguments that are weights
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) weights: Option<PathBuf>,
    /// Device: auto, vulkan, metal, dx12, gl or cpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Input values and shapes of the verification: full takes several times as
    /// long, before something is shipped
    #[arg(long, value_name = "CASES", value_parser = ["quick", "full"], default_value = "quick")]
    cases: String,
    /// Level that must hold: 2, numeric on the device; 3, also exact as algebra, which
    /// --cases full tries too
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub(super) level: u8,
    /// Seed of random arguments, random weights and verification
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(super) seed: u64,
    /// Folder for result.0.npy, result.1.npy, ...
    #[arg(long, value_name = "DIR")]
    pub(super) out_dir: Option<PathBuf>,
    /// Folder to keep the package in: plan, manifest and kernels
    #[arg(long, value_name = "DIR")]
    pub(super) package_dir: Option<PathBuf>,
    /// Hold the results against the oracle, on the given inputs
    #[arg(long)]
    pub(super) check: bool,
    /// Keep the shader checks where the static proof (L1) shows them needless
    #[arg(long)]
    pub(super) keep_shader_checks: bool,
    /// Load the machine code of a CPU package, which can do whatever you can
    #[arg(long)]
    pub(super) allow_native_code: bool,
    /// Time N runs after a warm-up and report the spread. They take random arguments
    /// in turns, and there is no time unless all their results are right
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    time: Option<u32>,
    /// File for a trace of the host's work and of every dispatch, for Perfetto or
    /// chrome://tracing: the run on the given arguments, then those of --time. There is
    /// none of a refused package
    #[arg(long, value_name = "FILE.json")]
    pub(super) trace: Option<PathBuf>,
    /// Verify and time every candidate in the folder, each in a child process with a
    /// deadline; --time says how often (10), --json prints a line of JSON for each
    #[arg(long, conflicts_with_all = ["entry", "values", "sizes", "weights", "out_dir", "package_dir", "check", "trace"])]
    pub(super) measure: bool,
    /// Longest a candidate of --measure may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// The child of --measure: folders on standard input, JSON on standard output
    #[arg(long, hide = true)]
    pub(super) measure_worker: bool,
    /// The child of kforge verify: jobs on standard input, verdicts on standard output
    #[arg(long, hide = true)]
    pub(super) gate_worker: bool,
    /// The regression corpus whose cases --measure-worker tries first, and to which it adds
    #[arg(long, hide = true, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// The child of kforge mutate-and-test, which judges mutants
    #[arg(long, hide = true)]
    pub(super) mutation_worker: bool,
    /// Print a report as JSON instead of a summary
    #[arg(long)]
    pub(super) json: bool,
}

/// Where the value of an argument comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Random,
    Zeros,
}

/// The sources given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// By number or name of the argument.
    pub(super) by_name: BTreeMap<String, Source>,
    /// For the others.
    pub(super) otherwise: Option<Source>,
}

impl Arguments {
    pub(super) fn device(&self) -> Result<DeviceChoice, Failure> {
        Ok(self.device.parse()?)
    }

    pub(super) fn cases(&self) -> Level {
        match self.cases.as_str() {
            "full" => Level::Full,
            _ => Level::Quick,
        }
    }

    pub(super) fn repeats(&self) -> Option<usize> {
        self.time.map(|repeats| repeats as usize)
    }

    pub(super) fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            device: self.device.clone(),
            repeats: self.repeats().unwrap_or(default.repeats),
            seed: self.seed,
            native: self.allow_native_code,
            deadline: Duration::from_secs(self.deadline),
            corpus: self.corpus.clone(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.cases == "full"
    }

    pub(super) fn sizes(&self) -> Result<BTreeMap<String, i64>, Failure> {
        sizes(&self.sizes)
    }

    pub(super) fn sources(&self) -> Result<Sources, Failure> {
        sources(&self.values)
    }
}

fn sizes(values: &[String]) -> Result<BTreeMap<String, i64>, Failure> {
    let mut sizes = BTreeMap::new();
    for text in values {
        let pair = text.split_once('=').and_then(|(name, value)| {
            let value: i64 = value.parse().ok()?;
            (!name.is_empty()).then_some((name, value))
        });
        let Some((name, value)) = pair else {
            return Err(Failure::Input(format!(
                "--size {text} is no NAME=VALUE with an integer value"
            )));
        };
        if sizes.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Input(format!("--size {name} is given twice")));
        }
    }
    Ok(sizes)
}

fn sources(values: &[String]) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    for value in values {
        let twice = || Failure::Input(format!("--arg {value} is given twice"));
        match value.split_once('=') {
            Some((name, text)) if name.is_empty() || text.is_empty() => {
                return Err(Failure::Input(format!(
                    "--arg {value} is no N=FILE.npy, N=random or N=zeros"
                )));
            }
            Some((name, text)) => {
                if sources
                    .by_name
                    .insert(name.to_owned(), source(text))
                    .is_some()
                {
                    return Err(twice());
                }
            }
            None => match source(value) {
                Source::File(_) => {
                    return Err(Failure::Input(format!(
                        "--arg {value} does not say which argument it is for; write --arg N={value}"
                    )));
                }
                source => {
                    if sources.otherwise.replace(source).is_some() {
                        return Err(twice());
                    }
                }
            },
        }
    }
    Ok(sources)
}

fn source(text: &str) -> Source {
    match text {
        "random" => Source::Random,
        "zeros" => Source::Zeros,
        path => Source::File(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_sources() {
        let given = ["0=a=b.npy", "arg1=zeros", "random"].map(String::from);
        let sources = sources(&given).unwrap();
        assert_eq!(sources.by_name["0"], Source::File("a=b.npy".into()));
        assert_eq!(sources.by_name["arg1"], Source::Zeros);
        assert_eq!(sources.otherwise, Some(Source::Random));
    }

    #[test]
    fn sizes_are_names_and_integers() {
        let given = ["n=4", "m=-1"].map(String::from);
        let read = super::sizes(&given).unwrap();
        assert_eq!((read["n"], read["m"]), (4, -1));
        for bad in [["n", "m=1"], ["n=x", "m=1"], ["=1", "m=1"], ["n=1", "n=1"]] {
            assert!(super::sizes(&bad.map(String::from)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_needs_its_argument_and_none_is_given_twice() {
        for bad in [
            ["x.npy", "0=zeros"],
            ["0=zeros", "0=random"],
            ["zeros", "random"],
            ["0=", "zeros"],
            ["=zeros", "zeros"],
        ] {
            assert!(sources(&bad.map(String::from)).is_err(), "{bad:?}");
        }
    }
}
