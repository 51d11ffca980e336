//! What earlier runs learnt, and what this one adds.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use kforge_planner::{
    Attempt, Plan, Problem,
    archive::{Archive, ArchiveError, Entry, Key, Options, Record, Shader},
};
use kforge_runtime::DeviceDescription;

use super::trial::{self, Trial, together};

/// Problems of other shapes that a planner starts from.
const NEAR: usize = 8;

/// The archive with the key of every size on one device.
#[derive(Debug)]
pub(super) struct Memory {
    archive: Archive,
    /// Not empty.
    keys: Vec<Key>,
}

impl Memory {
    /// Opens or begins the archive; warnings say what was set aside.
    pub(super) fn open<'p>(
        path: &Path,
        problems: impl Iterator<Item = &'p Problem>,
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
        let keys = problems.map(|problem| Key::new(problem, device)).collect();
        Ok((Self { archive, keys }, warnings))
    }

    /// Attempts at near shapes, then those at this one; with several sizes, those at all.
    pub(super) fn prior(&self) -> Result<Vec<Attempt>, ArchiveError> {
        let [key] = &self.keys[..] else {
            let everywhere = self.everywhere()?.into_iter();
            return Ok(everywhere.map(|(_, attempt)| attempt).collect());
        };
        let near = self.archive.near(key, NEAR)?.into_iter();
        let mut prior: Vec<Attempt> = near.map(|neighbor| neighbor.entry.attempt).collect();
        let own = self.archive.attempts(key)?.into_iter();
        prior.extend(own.map(|entry| entry.attempt));
        Ok(prior)
    }

    /// The best plan for exactly these problems and this device; to be verified again.
    pub(super) fn best(&self) -> Result<Option<Plan>, ArchiveError> {
        if let [key] = &self.keys[..] {
            let best = self.archive.best(key)?;
            return Ok(best.map(|entry| entry.attempt.plan));
        }
        let verified = self.everywhere()?.into_iter();
        let verified = verified.filter_map(|(accepted, it)| Some((!accepted, it.ms()?, it.plan)));
        let best = verified.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Ok(best.map(|(.., plan)| plan))
    }

    /// Whether a plan for one size passed every case here, so that fewer are enough to see
    /// that it still does.
    pub(super) fn passed_every_case(&self, plan: &Plan) -> Result<bool, ArchiveError> {
        let [key] = &self.keys[..] else {
            return Ok(false);
        };
        let entries = self.archive.attempts(key)?;
        Ok(entries.iter().any(|entry| {
            let same = entry.attempt.plan.id() == plan.id();
            same && entry.evidence.every_case && entry.attempt.ms().is_some()
        }))
    }

    /// Plans that were tried at every size, together, and whether they passed every case there.
    fn everywhere(&self) -> Result<Vec<(bool, Attempt)>, ArchiveError> {
        let sizes = self.keys.iter().map(|key| self.archive.attempts(key));
        let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
        let (first, others) = sizes
            .split_first()
            .map_or((&[][..], &[][..]), |(a, b)| (a, b));
        let found = first.iter().filter_map(|attempt| {
            let id = &attempt.attempt.id;
            let same = |size: &'_ Vec<Entry>| size.iter().rposition(|it| it.attempt.id == *id);
            let others = others.iter().map(|size| Some(&size[same(size)?]));
            let all: Option<Vec<&Entry>> = std::iter::once(Some(attempt)).chain(others).collect();
            let all = all?;
            let accepted = all.iter().all(|it| it.evidence.every_case);
            let all: Vec<&Attempt> = all.iter().map(|it| &it.attempt).collect();
            Some((accepted, trial::attempt(&all[0].plan, together(&all))))
        });
        Ok(found.collect())
    }

    /// Keeps what became of a plan at each size, refusals too.
    pub(super) fn record(&mut self, trial: &Trial, seed: u64) -> Result<(), ArchiveError> {
        if self.archive.is_read_only() {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let created = now.map_or(0, |since| since.as_secs());
        for (key, part) in self.keys.iter().zip(&trial.parts) {
            self.archive.record(&Record {
                key: key.clone(),
                attempt: part.attempt.clone(),
                created,
                seed,
                spread: part.spread,
                every_case: trial.every_case,
                shaders: part.shaders.clone(),
            })?;
        }
        Ok(())
    }
}

/// The best verified plan that an archive has for a problem on a device; to be verified
/// again. Where there is no archive, none is made; an unusable one stays as it is.
pub fn known(
    path: &Path,
    problem: &Problem,
    device: &DeviceDescription,
) -> Result<Option<Plan>, ArchiveError> {
    let options = Options {
        create: false,
        set_aside: false,
        ..Options::default()
    };
    match Archive::open(path, &options) {
        Ok(archive) => {
            let best = archive.best(&Key::new(problem, device))?;
            Ok(best.map(|entry| entry.attempt.plan))
        }
        Err(ArchiveError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
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
