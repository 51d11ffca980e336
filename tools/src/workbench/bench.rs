//! `kforge bench`: GPU speed beside PyTorch, compiled here, measured elsewhere, shown here.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use kforge_runtime::device::Target;

use super::{Failure, device::agree, steps::plural, write_file};
use crate::{
    bench::{EmitError, LeftOut, Results, Suite, SuiteName, Table, emit, plot},
    device::described,
};

/// Bytes of a file of results that are read; one has 100 KiB.
const MAX_BYTES: u64 = 16 << 20;

/// Measure GPU speed beside PyTorch, on a machine that needs no LLVM
///
/// `emit` compiles a suite for a device that is described and writes run.py beside the
/// packages; run.py has kforge-run verify and time them where the GPU is, in turns with
/// PyTorch; `table` shows what it wrote. benchmark-matmul and benchmark-suite are for the
/// device at hand, without peers: they tell whether a change made it faster or slower.
///
/// Examples:
///   kforge bench emit --suite gpu suite --device nvidia-h200.json
///   kforge bench table results.json -o report
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compile a suite to packages, with what measures them elsewhere
    ///
    /// Each work is a package folder with the default knobs for the device; suite.json lists
    /// them with sizes, bytes, operations, peers and goals. Then, where the GPU is:
    /// python3 DIR/run.py --runner kforge-run -o results.json
    ///
    /// Suites: gpu, what transformers are made of, with goals; growth, square products from
    /// 256 to 16384; smoke, the kinds of gpu in tiny sizes. A work that does not fit the
    /// device is left out with the reason; exit code 1: all of them are.
    ///
    /// Examples:
    ///   kforge bench emit --suite gpu suite --device nvidia-h200.json
    ///   kforge bench emit --suite smoke suite --only matmul --json
    #[command(verbatim_doc_comment)]
    Emit {
        /// Which works: gpu, smoke or growth
        #[arg(long, value_name = "SUITE")]
        suite: SuiteName,
        /// The folder: a new one, or one of an earlier suite, which is replaced
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// What is planned for: FILE.json of `kforge diagnose-gpu --json`, or auto, vulkan,
        /// metal, dx12 or gl for the device at hand; auto if not given
        #[arg(long, value_name = "DESCRIPTION")]
        device: Option<String>,
        /// Only works with this in their name
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        only: String,
    },
    /// Show what run.py measured: ratios, goals, and drawings
    ///
    /// A ratio is the peer's time by ours, so more is better. The share of the copy's rate is
    /// that of a device copy that moves as many bytes. Goals of several works together are
    /// held against their geometric mean. What is refused, or has no peer, says so.
    ///
    /// Examples:
    ///   kforge bench table results.json
    ///   kforge bench table results.json -o report
    #[command(verbatim_doc_comment)]
    Table {
        /// What run.py wrote
        #[arg(value_name = "RESULTS.json")]
        file: PathBuf,
        /// Folder for table.md (table.json with --json), ratios.svg and growth.svg; without
        /// it the table alone is printed
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    match &arguments.action {
        Action::Emit {
            suite,
            folder,
            device,
            only,
        } => {
            let choice = device.as_deref().unwrap_or("auto");
            let device = described(Some(choice))?;
            agree(choice, device.target, target)?;
            let mut watch = |name: &str| {
                // A progress line nobody can read changes nothing.
                let _ = writeln!(io::stderr(), "{name}");
            };
            let list = emit(*suite, &device, folder, only, &mut watch)?;
            written(&list, folder, arguments.json)
        }
        Action::Table { file, output } => {
            let results = read(file)?;
            let table = Table::of(&results);
            let text = match arguments.json {
                true => serde_json::to_string_pretty(&table).map_err(io::Error::from)? + "\n",
                false => table.to_string(),
            };
            match output {
                None => Ok(io::stdout().write_all(text.as_bytes())?),
                Some(folder) => {
                    let name = if arguments.json {
                        "table.json"
                    } else {
                        "table.md"
                    };
                    let files = [
                        (name, text),
                        ("ratios.svg", plot::ratios(&table)),
                        ("growth.svg", plot::growth(&results)),
                    ];
                    save(folder, &files)
                }
            }
        }
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Cpu(_) | EmitError::NoWork { .. } => Self::Usage(error.to_string()),
            error => Self::Other(error.to_string()),
        }
    }
}

/// Says what was written.
fn written(list: &Suite, folder: &Path, json: bool) -> Result<(), Failure> {
    let text = match json {
        true => serde_json::to_string_pretty(list).map_err(io::Error::from)? + "\n",
        false => {
            let left = |it: &LeftOut| format!("left out {}: {}\n", it.name, it.because);
            let left: Vec<String> = list.left_out.iter().map(left).collect();
            format!(
                "{}{} in '{}' for '{}'\nnext: python3 {} --runner kforge-run -o results.json\n",
                left.concat(),
                plural(list.works.len(), "package"),
                folder.display(),
                list.device.name,
                folder.join("run.py").display(),
            )
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    match list.works.is_empty() {
        true => Err(Failure::Reported("every work is left out")),
        false => Ok(()),
    }
}

fn read(path: &Path) -> Result<Results, Failure> {
    let failed = |source| Failure::Read {
        path: path.into(),
        source,
    };
    let refused = |why: String| Failure::Other(format!("'{}': {why}", path.display()));
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    let length = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    if length.map_err(failed)? as u64 > MAX_BYTES {
        return Err(refused(format!("more than {MAX_BYTES} bytes")));
    }
    Results::read(&text).map_err(|error| refused(error.to_string()))
}

/// Writes files that have something in them, and says which.
fn save(folder: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|source| Failure::Write {
        path: folder.to_path_buf(),
        source,
    })?;
    for (name, text) in files.iter().filter(|it| !it.1.is_empty()) {
        let path = folder.join(name);
        write_file(&path, text)?;
        // The file is there, whether or not anybody reads where.
        let _ = writeln!(io::stderr(), "{}", path.display());
    }
    Ok(())
}
