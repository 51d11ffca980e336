//! How a run is made, and why there is none.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use kforge_mutate::{Place, corpus};
use kforge_runtime::DeviceError;

use crate::measure::{Refusal, Worker};

/// How mutants are chosen and judged.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As `--device`.
    pub device: String,
    /// Places to put mistakes in; all if empty.
    pub places: Vec<Place>,
    /// Kinds of mistakes; all if empty.
    pub kinds: Vec<String>,
    /// Instances of each kind in each program, at most.
    pub limit: usize,
    /// Seed of the inputs and of what is drawn.
    pub seed: u64,
    /// When no further mutant begins.
    pub most: Option<Duration>,
    /// Deadline of one submission of a mutant; what must be accepted has twenty times as long.
    pub deadline: Duration,
    /// Child processes at a time.
    pub workers: usize,
    /// The regression corpus; `None`: none is read or written.
    pub corpus: Option<PathBuf>,
    /// The kforge-run that judges.
    pub runner: PathBuf,
    /// No further mutant begins once it is true.
    pub stop: Arc<AtomicBool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            places: Vec::new(),
            kinds: Vec::new(),
            limit: 4,
            seed: 0,
            most: None,
            deadline: Duration::from_secs(3),
            workers: std::thread::available_parallelism().map_or(1, |it| it.get().min(8)),
            corpus: Some(corpus::DEFAULT.into()),
            runner: Worker::beside(),
            stop: Arc::default(),
        }
    }
}

/// Why no mutants were judged.
#[derive(Debug, thiserror::Error)]
pub enum MutateError {
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A program does not compile: there is nothing right to make mistakes in.
    #[error("'{program}' is refused ({}): {}", .refusal.reason, .refusal.detail)]
    Program {
        /// Which.
        program: String,
        /// Why.
        refusal: Refusal,
    },
    /// A child process did not answer as it must.
    #[error("'{program}': {why}")]
    Child {
        /// About which program.
        program: String,
        /// What it said.
        why: String,
    },
    /// Folders and files.
    #[error("'{path}': {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A kind that there is not.
    #[error("there is no kind '{name}'; kforge mutate-and-test --list shows all")]
    Kind {
        /// What was asked for.
        name: String,
    },
}
