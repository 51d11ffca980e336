//! `kforge-run`: from a command line to results.
//!
//! A file is an MLIR module: it is scanned, lowered for the device, serialised. A
//! folder is a package. Both are verified before anything of the user's runs; a
//! package that has nothing to be verified against runs with a warning and without
//! times, for a time without a verdict is no result.
//!
//! Exit codes: 0 the results are there, 1 a bad command line or input, 2 refused by
//! verification, 3 the device failed or is missing, 70 a crash inside MLIR or a driver.

mod arguments;
mod bind;
mod check;
mod failure;
#[cfg(feature = "mlir")]
pub(crate) mod lower;
mod output;
mod random;
mod report;
mod sizes;
mod trace;
mod verify;
mod weights;

use std::{ffi::OsString, fs, io::Write, path::Path, process::ExitCode, time::Instant};

use clap::Parser;
use kforge_oracle::Level;
use kforge_runtime::{
    Device, Executable, Package, Poison, RunOptions,
    cpu::NativeKernels,
    execute::{ExecOptions, Phase, Repeats},
};
use kforge_verify::{Subject, Timer};

use crate::measure::{CandidateError, Worker, measure_all};
use arguments::Arguments;
use failure::Failure;

/// Runs the tool and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap's own code for a wrong command line means a refusal here.
            let wrong = error.use_stderr();
            return match error.print() {
                Ok(()) if !wrong => ExitCode::SUCCESS,
                _ => ExitCode::from(1),
            };
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = match &arguments.trace {
                Some(path) => trace::withheld(failure, path),
                None => failure,
            };
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Reads a command line, the program's name first, and does nothing else.
///
/// # Errors
/// What is wrong with it, in the words that the tool prints.
pub fn read(arguments: Vec<OsString>) -> Result<(), String> {
    let arguments = Arguments::try_parse_from(arguments).map_err(|it| it.to_string())?;
    let parts = || -> Result<(), Failure> {
        arguments.device()?;
        arguments.sizes()?;
        arguments.sources().map(|_| ())
    };
    parts().map_err(|it| it.to_string())
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.measure_worker {
        let (device, settings) = (arguments.device()?, arguments.settings());
        return crate::measure::work(device, &settings).map_err(Failure::Output);
    }
    if arguments.gate_worker {
        return crate::gate::work(arguments.device()?).map_err(Failure::Output);
    }
    if arguments.mutation_worker {
        return crate::mutate::work(arguments.device()?).map_err(Failure::Output);
    }
    if arguments.measure {
        return measure(arguments);
    }
    // Before minutes of verification, not after them.
    if let Some(folder) = &arguments.out_dir {
        output::prepare(folder)?;
    }
    if let Some(path) = &arguments.trace {
        trace::prepare(path)?;
    }
    let (begin, mut host) = (Instant::now(), Vec::new());
    let choice = arguments.device()?;
    let device = trace::phase(&mut host, "open device", || Device::open(choice))?;
    let read = match arguments.input.is_dir() {
        true => "read package",
        false => "compile module",
    };
    let mut loaded = trace::phase(&mut host, read, || {
        load(&arguments.input, &device, arguments.seed)
    })?;
    let load_ms = milliseconds(&host);
    let package = &loaded.package;
    let entry = entry(package, arguments.entry.as_deref())?;
    let bound = trace::phase(&mut host, "read arguments", || {
        bind::bind(package, &entry, arguments)
    })?;
    for warning in &bound.warnings {
        warn(warning);
    }
    let exec = ExecOptions {
        native: loaded.native.clone(),
        allow_native_code: arguments.allow_native_code,
        ..ExecOptions::default()
    };
    Executable::check(&device, package, &entry, &bound.sizes, &exec)?;
    if loaded.needs_permission() && !arguments.allow_native_code {
        return Err(Failure::Input(format!(
            "'{}' is machine code, which can do whatever you can; give --allow-native-code if you \
             trust who made it",
            arguments.input.display()
        )));
    }
    let options = kforge_verify::Options {
        cases: arguments.cases(),
        level: arguments.level,
        seed: arguments.seed,
        keep_checks: arguments.keep_shader_checks,
        ..Default::default()
    };
    let verdict = trace::phase(&mut host, "verify", || {
        let subject = loaded.subject(&entry, options.cases);
        verify::verify(subject, &device, &exec, &options)
    })?;
    let verify_ms = milliseconds(&host);
    if let Some(why) = &verdict.missing {
        warn(&format!("not verified: {why}"));
        if arguments.repeats().is_some() || arguments.trace.is_some() {
            let message = format!("cannot time what is not verified: {why}");
            return Err(Failure::Refused(message));
        }
    }
    let mut timer = match (&verdict.verdict, &verdict.subject, arguments.repeats()) {
        (Some(passed), Some(subject), Some(repeats)) => {
            let timer = trace::phase(&mut host, "prepare timing", || {
                Timer::new(subject, passed, &device, &exec, &options)
            });
            Some((timer.map_err(verify::no_time)?, repeats))
        }
        _ => None,
    };
    let exec = match &verdict.verdict {
        Some(passed) => passed.exec(package, &exec),
        None => exec,
    };
    let mut executable = trace::phase(&mut host, "compile pipelines", || {
        Executable::new(&device, package, &entry, &bound.sizes, &exec)
    })?;
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    let mut result = executable.run(&bound.inputs, &bound.weights, &options)?;
    if let Some(violation) = result.guards.first() {
        return Err(Failure::Refused(violation.to_string()));
    }
    let mut runs = vec![result.trace.clone()];
    if let Some((timer, repeats)) = &mut timer {
        let repeats = Repeats::exactly(*repeats);
        let timing = match arguments.trace {
            Some(_) => timer.time_traced(repeats).map(|(timing, traces)| {
                runs.extend(traces);
                timing
            }),
            None => timer.time(repeats),
        };
        let timing = timing.map_err(verify::no_time)?;
        (result.dispatches, result.total) = (timing.dispatches, timing.total);
    }
    let files = match &arguments.out_dir {
        Some(folder) => output::write(folder, &result.outputs)?,
        None => Vec::new(),
    };
    let checks = match arguments.check {
        true => check::check(package, &entry, &bound, &result.outputs)?,
        false => Vec::new(),
    };
    let wrong = checks.iter().any(|check| check.mismatches > 0);
    if let (Some(path), Some(subject), false) = (&arguments.trace, &verdict.subject, wrong) {
        let missing = trace::write(
            path,
            &trace::Trace {
                entry: &entry,
                device: device.description(),
                package,
                sizes: &bound.sizes,
                start: begin,
                host: &host,
                runs: &runs,
                dispatches: &result.dispatches,
                work: &kforge_verify::least_work(subject),
            },
        )?;
        missing.iter().for_each(|missing| warn(missing));
    }
    let names = output::names(package, &entry);
    if let Some(folder) = &arguments.package_dir {
        loaded.save(folder)?;
    }
    let report = report::Report::new(
        &entry,
        device.description(),
        &verdict,
        &names,
        &result,
        &files,
    )
    .with_host(load_ms, verify_ms)
    .with_package(&loaded.package, arguments.package_dir.as_deref())
    .with_checks(&checks);
    let text = match arguments.json {
        true => report.json()?,
        false => report.text(),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    match wrong {
        true => Err(Failure::Refused(
            "a result is outside its bound on the given inputs".into(),
        )),
        false => Ok(()),
    }
}

/// Measures candidates: a line each, refused ones included.
fn measure(arguments: &Arguments) -> Result<(), Failure> {
    arguments.device()?;
    let program = std::env::current_exe().map_err(Failure::Output)?;
    let mut worker = Worker::new(program, arguments.settings());
    let input = |error: CandidateError| Failure::Input(error.to_string());
    measure_all(
        &arguments.input,
        &mut worker,
        arguments.is_full(),
        |measured| {
            let line = match arguments.json {
                true => serde_json::to_string(measured)?,
                false => measured.to_string(),
            };
            writeln!(std::io::stdout(), "{line}")
        },
    )
    .map_err(input)
}

/// How long the last phase took.
fn milliseconds(phases: &[Phase]) -> f64 {
    let last = phases.last();
    last.map_or(0.0, |it| (it.time.end - it.time.start).as_secs_f64() * 1e3)
}

/// What is run.
struct Loaded {
    package: Package,
    /// Native kernels that were compiled in this process.
    native: NativeKernels,
    /// The module, if there was one: its object for a package that is to be kept,
    /// its knobs for other shapes.
    #[cfg(feature = "mlir")]
    module: Option<crate::compile::Compiled>,
}

impl Loaded {
    /// What the gate checks of an entry.
    fn subject(&self, entry: &str, cases: Level) -> Result<Subject, Failure> {
        #[cfg(feature = "mlir")]
        if let Some(module) = &self.module {
            return Ok(module.subject(entry, cases)?);
        }
        let _ = cases;
        let subject = Subject::of_package(&self.package, entry)?;
        let open = self.package.manifest.symbols.keys();
        let open: Vec<&str> = open.map(String::as_str).collect();
        match open.is_empty() {
            true => Ok(subject),
            false => Err(Failure::Refused(format!(
                "'{entry}' has open sizes ({}), and the gate verifies fixed ones only",
                open.join(", ")
            ))),
        }
    }

    /// Whether it has machine code that was not compiled in this process.
    fn needs_permission(&self) -> bool {
        let mut kernels = self.package.manifest.kernels.iter();
        kernels.any(|(name, kernel)| kernel.is_native() && !self.native.contains_key(name))
    }

    fn save(&mut self, folder: &Path) -> Result<(), Failure> {
        #[cfg(feature = "mlir")]
        if let Some(module) = &mut self.module {
            module
                .serialized
                .link()
                .map_err(|error| Failure::Input(error.to_string()))?;
            self.package = module.serialized.package.clone();
        }
        Ok(self.package.save(folder)?)
    }
}

/// The file that makes a folder a package.
const MANIFEST: &str = "manifest.json";

/// A package from a folder, or from a module that is lowered for the device.
fn load(input: &Path, device: &Device, seed: u64) -> Result<Loaded, Failure> {
    if input.is_dir() {
        if fs::exists(input.join(MANIFEST)).is_ok_and(|exists| !exists) {
            return Err(Failure::Input(format!(
                "'{}' is no package: it has no {MANIFEST}",
                input.display()
            )));
        }
        return Ok(Loaded {
            package: Package::load(input)?,
            native: NativeKernels::default(),
            #[cfg(feature = "mlir")]
            module: None,
        });
    }
    if let Err(source) = fs::metadata(input) {
        let path = input.to_path_buf();
        return Err(Failure::Read { path, source });
    }
    if input.file_name().is_some_and(|name| name == MANIFEST) {
        return Err(Failure::Input(format!(
            "'{}' is a part of a package; give its folder",
            input.display()
        )));
    }
    #[cfg(feature = "mlir")]
    {
        let module = lower::lower(input, device.description(), seed)?;
        Ok(Loaded {
            package: module.serialized.package.clone(),
            native: module.serialized.functions(),
            module: Some(module),
        })
    }
    #[cfg(not(feature = "mlir"))]
    {
        let _ = (device, seed);
        let path = input.display();
        Err(Failure::Input(format!(
            "'{path}' is no package folder, and this kforge-run was built without MLIR; \
             serialise the module with kforge-opt --kforge-serialize first"
        )))
    }
}

/// The entry asked for, or the only one.
fn entry(package: &Package, wanted: Option<&str>) -> Result<String, Failure> {
    let entries = &package.manifest.entries;
    let known: Vec<&str> = entries
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "init")
        .collect();
    match (wanted, known.as_slice()) {
        (Some(name), _) if entries.contains_key(name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Failure::Input(format!(
            "there is no entry '{}'; entries are: {}",
            name.escape_default(),
            known.join(", ")
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Failure::Input(format!(
            "there are {} entries, choose one with --entry: {}",
            known.len(),
            known.join(", ")
        ))),
    }
}

fn warn(message: &str) {
    // A warning nobody can read changes nothing.
    let _ = writeln!(std::io::stderr(), "warning: {message}");
}
