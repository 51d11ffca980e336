//! The archive: every plan that was tried, with verdict, refusal reason, time, device
//! and shaders, in one SQLite file.
//!
//! - [`Key`]: what evidence holds for; [`Record`] goes in, [`Entry`] comes out.
//! - [`Archive::best`] gives the fastest verified plan of a key, [`Archive::near`]
//!   those of similar shapes, to start from.
//! - [`Archive::history`], [`Archive::stats`] and [`Archive::show`] report.
//! - [`Archive::verify`], [`Archive::gc`], [`Archive::export`] and [`Archive::import`]
//!   keep it in order.
//!
//! A plan that comes out is a proposal: the caller verifies it once more on its own
//! device before it runs. Rows are untrusted, files may come from elsewhere; a row
//! whose hash does not match, whose outcome cannot be, or whose plan passes no check
//! is never returned, and is counted by [`Archive::verify`].
//!
//! Written with WAL, `synchronous=FULL` and `BEGIN IMMEDIATE`: what was reported as
//! stored survives a killed process, and of a write that was not finished nothing is
//! seen. Limits: 4 MiB per JSON text, 16 MiB per shader, 256 MiB per export.
//!
//! ```
//! use kforge_planner::{
//!     Attempt, Outcome, Problem, heuristic,
//!     archive::{Archive, Filter, Key, Options, Record, Shader},
//!     problem::{OpShape, PlannedOp},
//! };
//! use kforge_runtime::{DeviceDescription, Dtype};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("archive.sqlite");
//! let op = PlannedOp {
//!     name: "up".into(),
//!     made_by: None,
//!     made_with: Vec::new(),
//!     gone_after: None,
//!     gone_with: Vec::new(),
//!     epsilon: None,
//!     shape: OpShape::Matmul { batch: 1, m: 64, n: 64, k: 64, element: Dtype::F32, transpose_b: false },
//! };
//! let problem = Problem {
//!     module: "0f".repeat(16),
//!     workload: op.shape.to_string(),
//!     ops: vec![op],
//! };
//! let device = DeviceDescription {
//!     workgroup_memory: 32768,
//!     invocations: 256,
//!     ..DeviceDescription::default()
//! };
//! let plan = heuristic::propose(&problem, &device);
//! let key = Key::new(&problem, &device);
//!
//! let mut archive = Archive::open(&path, &Options::default())?;
//! archive.record(&Record {
//!     key: key.clone(),
//!     attempt: Attempt {
//!         id: plan.id(),
//!         plan,
//!         outcome: Outcome::Verified {
//!             ms: 0.25,
//!             speedup: 1.5,
//!             levels: vec!["L0".into(), "L2".into()],
//!             worst_ratio: 0.3,
//!         },
//!     },
//!     created: 1_700_000_000,
//!     seed: 7,
//!     spread: Some(0.02),
//!     every_case: true,
//!     shaders: vec![Shader { kernel: "up".into(), wgsl: "@compute fn up() {}".into() }],
//! })?;
//!
//! let best = archive.best(&key)?.ok_or("nothing verified yet")?;
//! assert_eq!(best.attempt.ms(), Some(0.25));
//! assert_eq!(archive.stats(&Filter::default())?.verified, 1);
//! # Ok(())
//! # }
//! ```

mod connect;
mod defaults;
mod error;
mod exchange;
mod gc;
mod judge;
mod key;
mod open;
mod query;
mod record;
mod schema;
mod select;
mod shaders;
mod stats;
mod write;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

pub use error::ArchiveError;
pub use exchange::Import;
pub use gc::{Collected, Verification};
pub use judge::Damage;
pub use key::{Adapter, Checks, Key, Versions};
pub use open::{Options, SetAside, default_path};
pub use query::{Neighbor, Shown};
pub use record::{Entry, Evidence, Record, Row, Shader, ShaderRef};
pub use select::Filter;
pub use stats::Stats;

/// An open archive. Several processes may have the same one open.
#[derive(Debug)]
pub struct Archive {
    connection: Connection,
    path: PathBuf,
    patience: Duration,
    read_only: bool,
    warnings: Vec<SetAside>,
}

impl Archive {
    /// Opens the archive at `path`, or begins one. Where it may only be read, it is
    /// opened for reading. See [`Archive::warnings`].
    pub fn open(path: &Path, options: &Options) -> Result<Self, ArchiveError> {
        open::open(path, options)
    }

    /// What the user should be told once: a file that was set aside.
    pub fn warnings(&self) -> &[SetAside] {
        &self.warnings
    }

    /// Whether nothing can be stored.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error of SQLite in words.
    fn failed(&self, error: rusqlite::Error) -> ArchiveError {
        error::from_sql(error, &self.path, self.patience.as_secs_f64())
    }

    /// Refuses what would write where nothing can be.
    fn writable(&self) -> Result<(), ArchiveError> {
        match self.read_only {
            true => Err(ArchiveError::ReadOnly {
                path: self.path.clone(),
            }),
            false => Ok(()),
        }
    }
}
