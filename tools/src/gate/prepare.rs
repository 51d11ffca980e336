//! From a module and kernels to a job for the child, and from its answer to a report.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use kforge_dialect::program;
use kforge_oracle::{Level, Program};
use kforge_passes::verify::VerifyError;
use kforge_runtime::{Device, DeviceChoice, DeviceDescription, DeviceError, device::Target};
use kforge_verify::foreign::{
    ForeignError, ForeignKernel, Interface, MAX_INTERFACE_BYTES, MAX_WGSL_BYTES, is_single,
};

use super::{
    job::{Answer, Base, Job},
    report::{Refused, Report},
};
use crate::{
    compile::{CompileError, Session, Source, SourceError},
    measure::{CandidateError, Lost, Process, Worker, write},
    run::lower::pipeline,
};

/// Why nothing was verified: the files or the question are wrong, or there is no device.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The module cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file that cannot be read.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An interface, a stage or a combination that is wrong.
    #[error("{0}")]
    Input(String),
    /// The module cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// There is no device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The folder for the child cannot be written.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The knobs of an emitted stage do not fit another shape: a refusal.
    #[error("{0}")]
    Shape(String),
    /// There is no temporary folder.
    #[error("cannot make a temporary folder: {0}")]
    Folder(io::Error),
}

/// What is verified: a module or a package, and kernels that take the place of its own.
#[derive(Clone, Debug)]
pub struct Work {
    from: Input,
    kernels: Vec<ForeignKernel>,
    pipeline: Option<String>,
}

#[derive(Clone, Debug)]
enum Input {
    Module(Source),
    Package(PathBuf),
}

impl Work {
    /// A module from a file.
    pub fn of_module(path: &Path) -> Result<Self, GateError> {
        Ok(Self::of_source(Source::read(path)?))
    }

    /// A module.
    pub fn of_source(source: Source) -> Self {
        Self {
            from: Input::Module(source),
            kernels: Vec::new(),
            pipeline: None,
        }
    }

    /// A package in a folder.
    pub fn of_package(folder: &Path) -> Self {
        Self {
            from: Input::Package(folder.to_path_buf()),
            kernels: Vec::new(),
            pipeline: None,
        }
    }

    /// With a kernel in the place of an emitted one.
    #[must_use]
    pub fn with(mut self, kernel: ForeignKernel) -> Self {
        self.kernels.push(kernel);
        self
    }

    /// Compiled by another pipeline than the default one.
    #[must_use]
    pub fn through(mut self, pipeline: String) -> Self {
        self.pipeline = Some(pipeline);
        self
    }

    fn name(&self) -> String {
        match &self.from {
            Input::Module(source) => source.name().to_owned(),
            Input::Package(folder) => folder.display().to_string(),
        }
    }
}

/// Reads a kernel, with the interface of the same name ending in `.toml` where there is one.
pub fn kernel(stage: &str, path: &Path) -> Result<ForeignKernel, GateError> {
    let beside = path.with_extension("toml");
    let interface = match beside.is_file() {
        true => interface(&beside)?,
        false => Interface::default(),
    };
    Ok(ForeignKernel {
        stage: stage.to_owned(),
        name: path.display().to_string(),
        wgsl: text(path, MAX_WGSL_BYTES)?,
        interface,
    })
}

/// Reads an interface.
pub fn interface(path: &Path) -> Result<Interface, GateError> {
    let text = text(path, MAX_INTERFACE_BYTES)?;
    Interface::from_toml(&path.display().to_string(), &text).map_err(input)
}

fn input(error: ForeignError) -> GateError {
    GateError::Input(error.to_string())
}

/// A text file of at most `limit` bytes; what is longer is left to whoever counts.
fn text(path: &Path, limit: usize) -> Result<String, GateError> {
    let failed = |source| GateError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() > limit {
        return Err(GateError::Input(format!(
            "'{}' has more than {limit} bytes, the limit",
            path.display()
        )));
    }
    String::from_utf8(text)
        .map_err(|_| GateError::Input(format!("'{}' is not UTF-8 text", path.display())))
}

/// How a verification is made.
#[derive(Clone, Debug)]
pub struct Gate {
    /// As `--device`.
    pub device: String,
    /// Which input values, and for emitted kernels which shapes.
    pub cases: Level,
    /// Seed of the inputs.
    pub seed: u64,
    /// Timed runs, if it passes; 0 for none.
    pub repeats: usize,
    /// Longest it may take, compiling the module not included.
    pub deadline: Duration,
    /// The regression corpus, whose cases run first and to which that of a refusal is added;
    /// `None`: none.
    pub corpus: Option<PathBuf>,
    /// The kforge-run that is the child.
    pub runner: PathBuf,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            cases: Level::Quick,
            seed: 0,
            repeats: 0,
            deadline: Duration::from_secs(120),
            corpus: None,
            runner: Worker::beside(),
        }
    }
}

impl Gate {
    /// Verifies. What a kernel does wrong is in the report; an error says that nothing was tried.
    pub fn verify(&self, work: &Work) -> Result<Report, GateError> {
        let folder = tempfile::tempdir().map_err(GateError::Folder)?;
        let choice: DeviceChoice = self.device.parse()?;
        let device = Device::open(choice)?.description().clone();
        let mut report = Report::new(work.name(), &work.kernels);
        let base = match self.base(work, &device, folder.path()) {
            // Knobs that fit one shape alone are as wrong as a wrong result.
            Err(GateError::Shape(problem)) => {
                report.refused = Some(Refused::new("shape", problem));
                return Ok(report);
            }
            base => base?,
        };
        let mut kernels = work.kernels.clone();
        if let (Base::Program(program), [kernel]) = (&base, &mut kernels[..]) {
            check_stage(program, kernel)?;
        }
        let ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        let job = Job {
            native: matches!(base, Base::Compiled(_)),
            base,
            kernels,
            full: self.cases == Level::Full,
            seed: self.seed,
            repeats: self.repeats,
            // Sooner than the whole, so that the gate itself can say where it was.
            timeout_ms: ms.saturating_sub(1000).max(ms / 4 * 3).max(1),
            corpus: self.corpus.clone(),
        };
        match self.ask(&job) {
            Err(lost) => report.refused = Some(Refused::lost(&lost)),
            Ok(Answer::Input(problem)) => return Err(GateError::Input(problem)),
            Ok(Answer::Device(problem)) => {
                report.refused = Some(Refused::new("no-device", problem));
            }
            Ok(Answer::Refused(refusal)) => {
                report.refused = Some(Refused::new(&refusal.reason, refusal.detail));
            }
            Ok(Answer::Judged {
                verdict,
                time,
                dispatches,
                no_time,
            }) => {
                report.judged(*verdict, time, no_time);
                report.dispatches = dispatches;
            }
        }
        report.note_limits(&device);
        Ok(report)
    }

    fn ask(&self, job: &Job) -> Result<Answer, Lost> {
        let broken = |error: serde_json::Error| Lost::Crash(error.to_string());
        let line = serde_json::to_string(job).map_err(broken)?;
        let arguments = [".", "--gate-worker", "--device", &self.device];
        let mut child = Process::start(&self.runner, &arguments)?;
        let answer = child.ask(&line, self.deadline)?;
        serde_json::from_str(&answer)
            .map_err(|error| Lost::Crash(format!("its answer is not readable: {error}")))
    }

    /// What the kernels are put into.
    fn base(
        &self,
        work: &Work,
        device: &DeviceDescription,
        folder: &Path,
    ) -> Result<Base, GateError> {
        if device.target == Target::Cpu && !work.kernels.is_empty() {
            return Err(GateError::Input(format!(
                "device '{}' runs machine code, --kernel is WGSL; choose a GPU with --device",
                device.name
            )));
        }
        let source = match &work.from {
            Input::Module(source) => source,
            Input::Package(path) => {
                let path = std::path::absolute(path).map_err(GateError::Folder)?;
                return Ok(Base::Package(path));
            }
        };
        // One op needs no compiler: its kernel is the whole program.
        if let ([_], None) = (&work.kernels[..], &work.pipeline)
            && let Ok(program) = program::of_text(source.text())
            && is_single(&program)
        {
            return Ok(Base::Program(program));
        }
        self.compile(source, work, device, folder)
    }

    fn compile(
        &self,
        source: &Source,
        work: &Work,
        device: &DeviceDescription,
        folder: &Path,
    ) -> Result<Base, GateError> {
        let session = Session::default();
        let module = session.parse(source)?;
        let pipeline = match &work.pipeline {
            Some(pipeline) => pipeline.clone(),
            None => pipeline(&module, device),
        };
        let mut compiled = session.compile(module, &pipeline, self.seed)?;
        let entry = compiled.entry()?;
        if device.target == Target::Cpu {
            let link = compiled.serialized.link();
            link.map_err(|error| GateError::Input(error.to_string()))?;
        }
        let subject = compiled
            .subject(&entry, self.cases)
            .map_err(|error| match error {
                VerifyError::Shape { .. } => GateError::Shape(error.to_string()),
                error => GateError::Input(error.to_string()),
            })?;
        let place = folder.join("candidate");
        write(&place, "", &subject)?;
        Ok(Base::Compiled(place))
    }
}

/// The one op may be called by its name, or by what `kforge-name-ops` would call it.
fn check_stage(program: &Program, kernel: &ForeignKernel) -> Result<(), GateError> {
    let Some(node) = program.nodes.first() else {
        return Ok(());
    };
    let op = node.op.name();
    let known = [node.stage.as_str(), op, &format!("{op}_0")].contains(&kernel.stage.as_str());
    match known {
        true => Ok(()),
        false => Err(GateError::Input(format!(
            "{}: '{}' has no stage '{}'; it has {}",
            kernel.name,
            program.name,
            kernel.stage.escape_default(),
            node.stage
        ))),
    }
}
