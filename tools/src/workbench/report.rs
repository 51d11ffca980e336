//! `kforge report`: what `kforge optimize --json` found, for people.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use kforge_planner::report::{self, Report, Run};

use super::{Failure, write_file};

/// Bytes of a run that are read; 10,000 attempts take 40 MB.
const MAX_BYTES: u64 = 256 << 20;

/// Show a run of `kforge optimize`: learning curve, times, the impact of each setting
///
/// The page is one file: no script, no network. With --format text the report is printed,
/// otherwise it is written to reports/<kernel>_optimization_report.<format>. Further runs
/// of the same problem and device, by other planners, are compared with the first at equal
/// budget.
///
/// Examples:
///   kforge optimize --kernel softmax --json > run.json && kforge report run.json
///   kforge report run.json --format html -o softmax.html
///   kforge report evolve.json random.json llm.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// What `kforge optimize --json` printed
    #[arg(value_name = "RUN.json", required = true)]
    runs: Vec<PathBuf>,
    /// text, json or html
    #[arg(long, default_value = "text", value_parser = ["text", "json", "html"])]
    format: String,
    /// Print the report as JSON: --format json --output -
    #[arg(long, conflicts_with_all = ["format", "output"])]
    json: bool,
    /// Where to; - is standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runs = arguments.runs.iter().map(|path| read(path));
    let runs: Vec<Run> = runs.collect::<Result<_, _>>()?;
    let Some(run) = runs.first() else {
        return Ok(());
    };
    let compared = report::compare(&runs).map_err(|error| Failure::Other(error.to_string()))?;
    let mut found = Report::of(run);
    found.comparison = compared;
    let format = match arguments.json {
        true => "json",
        false => arguments.format.as_str(),
    };
    let text = match format {
        "html" => report::html(&found),
        "json" => report::json(&found).map_err(io::Error::from)?,
        _ => report::text(&found),
    };
    let place = match (&arguments.output, format) {
        (Some(path), _) => path.clone(),
        (None, _) if arguments.json => "-".into(),
        (None, "text") => "-".into(),
        (None, format) => {
            let kernel = plain(run.problem.kernel());
            let name = format!("{kernel}_optimization_report.{format}");
            Path::new("reports").join(name)
        }
    };
    if place.as_os_str() == "-" {
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    write(&place, &text)?;
    // The report is there, whether or not anybody reads where.
    let _ = writeln!(io::stderr(), "{}", place.display());
    Ok(())
}

fn read(path: &Path) -> Result<Run, Failure> {
    let refused = |why: String| Failure::Other(format!("'{}': {why}", path.display()));
    let bytes = fs::metadata(path)
        .map_err(|error| refused(error.to_string()))?
        .len();
    if bytes > MAX_BYTES {
        return Err(refused(format!(
            "{bytes} bytes are over the limit of {MAX_BYTES}"
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let run: Run = serde_json::from_str(&text)
        .map_err(|error| refused(format!("is no run of 'kforge optimize --json': {error}")))?;
    match run.impossible() {
        None => Ok(run),
        Some(why) => Err(refused(why)),
    }
}

/// Writes the report, into a folder that is made if need be.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| Failure::Write {
            path: folder.to_path_buf(),
            source,
        })?;
    }
    write_file(path, text)
}

/// A kernel as a part of a file's name.
fn plain(workload: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    workload.chars().take(64).map(keep).collect()
}
