//! What earlier runs learnt, and what this one adds.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use kforge_planner::{
    Attempt, Plan, Problem,
    archive::{Archive, ArchiveError, Key, Options, Record, Shader},
};
use kforge_runtime::DeviceDescription;

/// Problems of other shapes that a planner starts from.
const NEAR: usize = 8;

/// The archive with the key of one problem on one device.
#[derive(Debug)]
pub(super) struct Memory {
    archive: Archive,
    key: Key,
}

impl Memory {
    /// Opens or begins the archive; warnings say what was set aside.
    pub(super) fn open(
        path: &Path,
        problem: &Problem,
        device: &DeviceDescription,
    ) -> Result<(Self, Vec<String>), ArchiveError> {
        let archive = Archive::open(path, &Options::default())?;
        let mut warnings: Vec<String> =
            archive.warnings().iter().map(ToString::to_string).collect();
        if archive.is_read_only() {
            warnings.push(format!(
                "archive '{}' is read-only: nothing is added",
                path.display()
            ));
        }
        Ok((
            Self {
                archive,
                key: Key::new(problem, device),
            },
            warnings,
        ))
    }

    /// Attempts at near shapes, then those at this one.
    pub(super) fn prior(&self) -> Result<Vec<Attempt>, ArchiveError> {
        let near = self.archive.near(&self.key, NEAR)?.into_iter();
        let mut prior: Vec<Attempt> = near.map(|neighbor| neighbor.entry.attempt).collect();
        prior.extend(
            self.archive
                .attempts(&self.key)?
                .into_iter()
                .map(|entry| entry.attempt),
        );
        Ok(prior)
    }

    /// The best plan for exactly this problem and device; to be verified again.
    pub(super) fn best(&self) -> Result<Option<Plan>, ArchiveError> {
        Ok(self
            .archive
            .best(&self.key)?
            .map(|entry| entry.attempt.plan))
    }

    /// Keeps an attempt, refused ones too.
    pub(super) fn record(
        &mut self,
        attempt: &Attempt,
        seed: u64,
        shaders: Vec<Shader>,
    ) -> Result<(), ArchiveError> {
        if self.archive.is_read_only() {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.archive.record(&Record {
            key: self.key.clone(),
            attempt: attempt.clone(),
            created: now.map_or(0, |since| since.as_secs()),
            seed,
            spread: None,
            shaders,
        })?;
        Ok(())
    }
}

/// The kernels of a candidate, as far as they are shader text.
pub(crate) fn shaders(candidate: &Path) -> Vec<Shader> {
    let files = fs::read_dir(candidate.join("package/kernels"))
        .into_iter()
        .flatten()
        .flatten();
    let mut shaders: Vec<Shader> = files
        .filter_map(|file| {
            let path = file.path();
            path.extension().filter(|it| *it == "wgsl")?;
            let kernel = path.file_stem()?.to_string_lossy().into_owned();
            Some(Shader {
                kernel,
                wgsl: fs::read_to_string(&path).ok()?,
            })
        })
        .collect();
    shaders.sort_by(|a, b| a.kernel.cmp(&b.kernel));
    shaders
}
