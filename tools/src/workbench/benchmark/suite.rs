//! `kforge benchmark-suite`: a fixed set of verified cases, and what changed since.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use kforge_passes::report::write_whole;
use kforge_runtime::device::Target;
use serde_json::json;

use super::{Failure, Place, figure, origin, source};
use crate::benchmark::{Case, Change, Compared, Measurement, Outcome, SCHEMA, Suite, compare};

/// Bytes of a baseline that are read; one has 10 KiB.
const MAX_BYTES: u64 = 16 << 20;

/// The cases, as other subcommands take them: matmuls of M x N x K.
const CASES: [(&str, &str); 7] = [
    ("decoder_mha_qkv", "--kernel matmul --m 64 --n 64 --k 128"),
    (
        "decoder_mlp_up_proj",
        "--kernel matmul --m 128 --n 192 --k 192",
    ),
    (
        "decoder_mlp_down_proj",
        "--kernel matmul --m 128 --n 128 --k 256",
    ),
    ("softmax", "--kernel softmax --m 512 --n 512"),
    ("layer_norm", "--kernel layer_norm --m 512 --n 512"),
    ("attention", "--kernel attention --m 128 --n 8 --k 64"),
    (
        "transformer_block",
        "--workload transformer --seq 64 --d-model 128",
    ),
];

/// Verify and time a fixed set of cases, and compare them with an earlier file
///
/// Decoder matmuls (M x N x K: qkv 64x64x128, up 128x192x192, down 128x128x256), softmax and
/// layer norm of 512x512, attention of 8 heads of 128x64, and a transformer block of 64
/// positions of 128 features; f32, on the CPU unless --target or --device says otherwise.
///
/// Each case is verified and timed in rounds that take turns. Against a baseline a case is
/// slower, or faster, when the ranges of the rounds' medians do not touch and the
/// latencies differ by more than --least-change. Exit code 1: something is slower, or
/// refused.
///
/// Examples:
///   kforge benchmark-suite --output today.json
///   kforge benchmark-suite --output new.json --baseline old.json --filter decoder
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::workbench) struct Arguments {
    /// The file to write
    #[arg(long, value_name = "FILE.json")]
    output: PathBuf,
    /// An earlier file of this device
    #[arg(long, value_name = "OLD.json")]
    baseline: Option<PathBuf>,
    /// Per cent by which a latency must change to count
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    least_change: u32,
    /// Only cases with this in their name
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// How often each case is verified and timed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    rounds: u32,
    #[command(flatten)]
    place: Place,
    /// Print what is written and the comparison as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::workbench) fn run(
    arguments: &Arguments,
    target: Option<Target>,
) -> Result<(), Failure> {
    let place = arguments.place.open(target, arguments.rounds)?;
    // What cannot be read or written is said before anything is measured.
    writable(&arguments.output)?;
    let baseline = match &arguments.baseline {
        Some(path) => Some(read(path, |text| Suite::baseline(text, &place.device))?),
        None => None,
    };
    let chosen = |name: &str| name.contains(&arguments.filter);
    let cases = CASES.iter().filter(|(name, _)| chosen(name));
    let cases = cases.map(|(name, options)| place.case(name, source(options)?, None));
    let cases: Vec<Case> = cases.collect::<Result<_, _>>()?;
    if cases.is_empty() {
        let names = CASES.map(|(name, _)| name).join(", ");
        let filter = arguments.filter.escape_debug();
        let message = format!("--filter '{filter}' is in no case's name; there are: {names}");
        return Err(Failure::Usage(message));
    }
    let suite = Suite {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        device: place.device.clone(),
        rounds: arguments.rounds,
        repeats: arguments.place.time,
        seed: arguments.place.seed,
        cases: place.measure(&cases)?,
    };
    let compared = baseline.map(|mut old| {
        old.cases.retain(|case| chosen(&case.name));
        let least = f64::from(arguments.least_change) / 100.0;
        compare(&suite.cases, &old.cases, least)
    });
    let written = serde_json::to_string_pretty(&suite).map_err(io::Error::from)? + "\n";
    write_whole(&arguments.output, &written).map_err(|source| Failure::Write {
        path: arguments.output.clone(),
        source,
    })?;
    let text = match arguments.json {
        true => {
            let report = json!({ "suite": suite, "comparison": compared });
            serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n"
        }
        false => table(&suite, compared.as_deref()),
    };
    io::stdout().write_all(text.as_bytes())?;
    let refused = suite.cases.iter().any(|it| it.result.figures().is_none());
    let slower = |it: &Compared| it.change == Change::Slower;
    match compared.iter().flatten().any(slower) {
        _ if refused => Err(Failure::Reported("a case is refused")),
        true => Err(Failure::Reported("a case is slower than the baseline's")),
        false => Ok(()),
    }
}

/// Whether there is a folder for the file.
fn writable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let taken = tempfile::tempfile_in(folder).map(drop);
    let taken = taken.and_then(|()| match path.is_dir() {
        true => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        false => Ok(()),
    });
    taken.map_err(|source| Failure::Write {
        path: path.into(),
        source,
    })
}

/// Reads a file of limited size with `parse`.
fn read<T, E: std::fmt::Display>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let mut text = String::new();
    let opened = fs::File::open(path);
    let length = opened.and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    let length = length.map_err(|source| Failure::Read {
        path: path.into(),
        source,
    })?;
    let refused = |why: String| Failure::Other(format!("baseline '{}': {why}", path.display()));
    if length as u64 > MAX_BYTES {
        return Err(refused(format!("more than {MAX_BYTES} bytes")));
    }
    parse(&text).map_err(|error| refused(error.to_string()))
}

fn table(suite: &Suite, compared: Option<&[Compared]>) -> String {
    let mut text = format!(
        "on '{}': {} rounds of {} runs\n{:<22} {:>9} {:<21} {:>8} {:>7} {:>9} {:>9}  {}\n",
        suite.device.name,
        suite.rounds,
        suite.repeats,
        "case",
        "ms",
        "(range of rounds)",
        "GFLOP/s",
        "GB/s",
        "max error",
        "rms error",
        match compared {
            Some(_) => "against the baseline",
            None => "plan",
        }
    );
    for case in &suite.cases {
        let found = compared.and_then(|all| all.iter().find(|it| it.name == case.name));
        let last = found.map_or_else(|| origin(case.origin).into(), change);
        text += &format!("{}  {last}\n", row(case));
    }
    let missing = |it: &&Compared| it.change == Change::Missing;
    for gone in compared.into_iter().flatten().filter(missing) {
        text += &format!("{:<22} {}\n", gone.name, change(gone));
    }
    text
}

fn row(case: &Measurement) -> String {
    let name = &case.name;
    match &case.result {
        Outcome::Refused(refusal) => {
            format!(
                "{name:<22} refused ({}): {}",
                refusal.reason, refusal.detail
            )
        }
        Outcome::Verified(figures) => {
            let ms = figures.latency_ms;
            let range = format!("({:.4} to {:.4})", ms.min, ms.max);
            let errors = figures.errors.map(|it| [it.max_abs_error, it.rms_error]);
            let [most, rms] = errors.map_or(["-".into(), "-".into()], |errors| {
                errors.map(|error| format!("{error:.1e}"))
            });
            format!(
                "{name:<22} {:>9.4} {range:<21} {:>8} {:>7} {most:>9} {rms:>9}",
                ms.median,
                figures.gflops.map_or_else(|| "-".into(), figure),
                figure(figures.gb_per_s),
            )
        }
    }
}

fn change(compared: &Compared) -> String {
    let word = match compared.change {
        Change::Faster => "faster",
        Change::Slower => "slower",
        Change::Same => "same",
        Change::New => "new",
        Change::Missing => "missing: in the baseline alone",
        Change::Refused => "refused",
    };
    match compared.speedup {
        Some(speedup) => format!("{word} ({speedup:.2}x)"),
        None => word.into(),
    }
}
