//! A whole run: programs compiled, mutants made, judged, counted and kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use kforge_mutate::{
    Corpus, Fate, Instance, Judged, Place, Purpose,
    corpus::{self, About, Kept},
};
use kforge_oracle::Level;
use kforge_planner::{
    Plan, Problem, heuristic,
    problem::{ExtractError, of_module},
};
use kforge_runtime::{
    Device, DeviceChoice, DeviceDescription,
    device::{DeviceKind, Target},
};
use kforge_verify::{Case, Failure};

use super::{
    drawn, ir,
    job::{Answer, Ask, Job},
    plan,
    pool::{End, Pool},
    program::with_knobs,
    record::Record,
    report::Report,
    sample::sample,
    settings::{MutateError, Settings},
};
use crate::{
    compile::{Session, Source},
    measure::Refusal,
    optimize::{Cases, candidate},
};

/// How many times the deadline of a mutant a submission has that must be accepted: what is
/// right may take its time.
const PATIENCE: u32 = 20;

/// A job about what must be accepted.
pub(super) fn patient(job: Job) -> Job {
    Job {
        timeout_ms: job.timeout_ms.saturating_mul(PATIENCE.into()),
        ..job
    }
}

/// A run and what it has found so far.
pub(super) struct Campaign<'a> {
    pub(super) settings: &'a Settings,
    pub(super) device: DeviceDescription,
    pub(super) folder: &'a Path,
    pub(super) end: End<'a>,
    corpus: Corpus,
    new: Vec<Kept>,
    pub(super) records: Vec<Record>,
    /// Who watches.
    seen: &'a mut dyn FnMut(&Record),
}

/// A program as a candidate.
pub(super) struct Prepared {
    pub name: String,
    pub source: Source,
    pub problem: Problem,
    pub plan: Plan,
    pub folder: PathBuf,
    /// The hash by which its cases are kept.
    pub key: String,
    pub cases: Vec<Case>,
}

/// Judges the mutants of several programs.
pub fn run(
    sources: &[(String, Source)],
    settings: &Settings,
    seen: &mut dyn FnMut(&Record),
    warn: &mut dyn FnMut(&str),
) -> Result<Report, MutateError> {
    let start = Instant::now();
    known_kinds(settings)?;
    kforge_passes::register_with_mutations();
    let choice: DeviceChoice = settings.device.parse()?;
    let device = Device::open(choice)?.description().clone();
    let folder = tempfile::tempdir().map_err(|source| MutateError::Io {
        path: std::env::temp_dir(),
        source,
    })?;
    let mut campaign = Campaign {
        settings,
        device,
        folder: folder.path(),
        end: End {
            at: settings.most.map(|most| start + most),
            stop: &settings.stop,
        },
        corpus: campaign_corpus(settings, warn)?,
        new: Vec::new(),
        records: Vec::new(),
        seen,
    };
    #[cfg(feature = "faults")]
    campaign.of_verifier()?;
    let mut skipped = Vec::new();
    for (name, source) in sources {
        if campaign.is_over() {
            break;
        }
        if let Err(error) = campaign.program(name, source) {
            // What was found so far is worth keeping, and the run is not clean.
            if sources.len() == 1 {
                return Err(error);
            }
            warn(&error.to_string());
            skipped.push(error.to_string());
        }
    }
    campaign.keep(warn)?;
    Ok(Report::new(
        campaign.device,
        settings,
        campaign.records,
        skipped,
        start.elapsed(),
    ))
}

/// Every kind of every place.
pub fn all_kinds() -> Vec<kforge_mutate::Kind> {
    let plans = plan::OPERATORS.iter().map(|it| it.kind);
    let plans = plans.chain([drawn::KIND]);
    let all = plans.chain(ir::kinds()).chain(kforge_mutate::kinds());
    #[cfg(feature = "faults")]
    let all = all.chain(super::verifier::kinds());
    all.collect()
}

fn known_kinds(settings: &Settings) -> Result<(), MutateError> {
    let known = all_kinds();
    for name in &settings.kinds {
        if known.iter().all(|kind| kind.name != name) {
            return Err(MutateError::Kind { name: name.clone() });
        }
    }
    Ok(())
}

fn campaign_corpus(settings: &Settings, warn: &mut dyn FnMut(&str)) -> Result<Corpus, MutateError> {
    let Some(path) = &settings.corpus else {
        return Ok(Corpus::default());
    };
    let (corpus, warning) = Corpus::load(path).map_err(|source| MutateError::Io {
        path: path.clone(),
        source,
    })?;
    if let Some(warning) = warning {
        warn(&warning);
    }
    Ok(corpus)
}

impl Campaign<'_> {
    fn program(&mut self, name: &str, source: &Source) -> Result<(), MutateError> {
        if self.is_over() {
            return Ok(());
        }
        let prepared = self.prepare(name, source)?;
        self.of_plan(&prepared);
        self.of_drawn_plans(&prepared)?;
        self.of_ir(&prepared)?;
        self.of_package(&prepared)
    }

    /// Wrong plans, which never reach a device.
    fn of_plan(&mut self, prepared: &Prepared) {
        let wanted = plan::OPERATORS
            .iter()
            .filter(|it| self.wants(Place::Plan, it.kind.name));
        for operator in wanted.collect::<Vec<_>>() {
            let texts = plan::texts(operator, &prepared.plan).into_iter();
            for (at, text) in texts.enumerate().take(self.settings.limit) {
                let instance = Instance {
                    place: Place::Plan,
                    kind: operator.kind.name.into(),
                    kernel: None,
                    at,
                };
                let judged = plan::judge(&text, &prepared.problem);
                self.record_of(&prepared.name, operator.kind.purpose, instance, judged);
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.is_reached()
    }

    fn target(&self) -> Target {
        self.device.target
    }

    /// Compiles a program with its default plan. The gate must accept it.
    fn prepare(&mut self, name: &str, source: &Source) -> Result<Prepared, MutateError> {
        let refused = |refusal| MutateError::Program {
            program: name.to_owned(),
            refusal,
        };
        let read = |error: &dyn std::fmt::Display| refused(Refusal::new("read", error.to_string()));
        let session = Session::default();
        let module = session.parse(source).map_err(|error| read(&error))?;
        let problem = match of_module(session.context(), &module) {
            Ok(problem) => problem,
            // No op with knobs: a plan is then the passes alone.
            Err(ExtractError::Nothing) => Problem {
                workload: name.to_owned(),
                module: String::new(),
                ops: Vec::new(),
            },
            Err(error) => return Err(read(&error)),
        };
        let plan = heuristic::propose(&problem, &self.device);
        let plan = with_knobs(name, plan, &problem);
        let place = self.folder.join(name);
        let folder =
            candidate(source, &problem, &plan, &place, Cases::Of(Level::Quick)).map_err(refused)?;
        let key = crate::measure::candidate_subject(&folder)
            .map_err(|error| read(&error))
            .map(|subject| corpus::key(&subject.function.program))?;
        let cases = self.corpus.matching(&key, self.target());
        let prepared = Prepared {
            name: name.to_owned(),
            source: source.clone(),
            problem,
            plan,
            folder,
            key,
            cases,
        };
        let job = self.job(&prepared, prepared.folder.clone(), Ask::Unchanged);
        match self.one(&prepared.name, job)? {
            Answer::Judged { judged, .. } => match judged.fate {
                Fate::Refused(kill) => Err(refused(Refusal::new(&kill.reason, kill.detail))),
                _ => Ok(prepared),
            },
            other => Err(unexpected(&prepared, &other)),
        }
    }

    /// Mutants of kernels and of launches.
    fn of_package(&mut self, prepared: &Prepared) -> Result<(), MutateError> {
        let job = self.job(prepared, prepared.folder.clone(), Ask::List);
        let mut instances = match self.one(&prepared.name, job)? {
            Answer::Instances(instances) => instances,
            other => return Err(unexpected(prepared, &other)),
        };
        instances.retain(|it| self.wants(it.place, &it.kind));
        let instances = sample(instances, self.settings.limit, self.settings.seed);
        let jobs: Vec<Job> = instances
            .iter()
            .map(|it| self.job(prepared, prepared.folder.clone(), Ask::Mutant(it.clone())))
            .collect();
        let purpose = |it: &Instance| kforge_mutate::purpose(&it.kind).unwrap_or(Purpose::Mutant);
        let asked = instances.into_iter().map(|it| (purpose(&it), it)).collect();
        self.ask_all(prepared, jobs, asked)
    }

    pub(super) fn wants(&self, place: Place, kind: &str) -> bool {
        let Settings { places, kinds, .. } = self.settings;
        (places.is_empty() || places.contains(&place))
            && (kinds.is_empty() || kinds.iter().any(|it| it == kind))
    }

    pub(super) fn job(&self, prepared: &Prepared, folder: PathBuf, ask: Ask) -> Job {
        Job {
            folder,
            ask,
            cases: prepared.cases.clone(),
            seed: self.settings.seed,
            timeout_ms: u64::try_from(self.settings.deadline.as_millis()).unwrap_or(u64::MAX),
            native: self.target() == Target::Cpu,
        }
    }

    fn pool(&self, deadline: Duration) -> Pool {
        Pool {
            runner: self.settings.runner.clone(),
            device: self.settings.device.clone(),
            workers: self.settings.workers,
            deadline,
            exclusive: self.target() == Target::Gpu && self.device.kind != DeviceKind::Software,
        }
    }

    /// Asks one thing that must be answered.
    pub(super) fn one(&self, program: &str, job: Job) -> Result<Answer, MutateError> {
        let mut found = None;
        let job = patient(job);
        let pool = self.pool(Duration::from_millis(job.timeout_ms));
        let end = End {
            at: None,
            stop: &AtomicBool::new(false),
        };
        pool.ask_all(&[job], end, &mut |_, answer| found = Some(answer));
        found.ok_or_else(|| MutateError::Child {
            program: program.to_owned(),
            why: "no answer".into(),
        })
    }

    /// Asks about mutants, keeps what became of them and the cases that refused them.
    pub(super) fn ask_all(
        &mut self,
        prepared: &Prepared,
        jobs: Vec<Job>,
        asked: Vec<(Purpose, Instance)>,
    ) -> Result<(), MutateError> {
        let mut failed = None;
        let mut answers: BTreeMap<usize, (Record, Option<Box<Failure>>)> = BTreeMap::new();
        let target = target_name(self.target()).to_owned();
        let longest = jobs.iter().map(|job| job.timeout_ms).max();
        let pool = self.pool(Duration::from_millis(longest.unwrap_or(0)));
        let seen = &mut *self.seen;
        pool.ask_all(&jobs, self.end, &mut |number, answer| match answer {
            Answer::Judged { judged, failure } => {
                let (purpose, instance) = asked[number].clone();
                let record = Record {
                    program: prepared.name.clone(),
                    target: target.clone(),
                    instance,
                    purpose,
                    judged: *judged,
                };
                seen(&record);
                answers.insert(number, (record, failure));
            }
            other => failed = Some(unexpected(prepared, &other)),
        });
        for (record, failure) in answers.into_values() {
            self.add(prepared, record, failure.as_deref());
        }
        failed.map_or(Ok(()), Err)
    }

    /// Keeps what became of a mutant, with the case that refused it.
    pub(super) fn record(
        &mut self,
        prepared: &Prepared,
        purpose: Purpose,
        instance: Instance,
        judged: Judged,
        failure: Option<&Failure>,
    ) {
        let record = Record {
            program: prepared.name.clone(),
            target: target_name(self.target()).into(),
            instance,
            purpose,
            judged,
        };
        (self.seen)(&record);
        self.add(prepared, record, failure);
    }

    /// Keeps what became of a mutant of which no case is kept.
    pub(super) fn record_of(
        &mut self,
        program: &str,
        purpose: Purpose,
        instance: Instance,
        judged: Judged,
    ) {
        let record = Record {
            program: program.to_owned(),
            target: target_name(self.target()).into(),
            instance,
            purpose,
            judged,
        };
        (self.seen)(&record);
        self.records.push(record);
    }

    /// Keeps a record, and its case where it is a mistake that was refused.
    fn add(&mut self, prepared: &Prepared, record: Record, failure: Option<&Failure>) {
        if let Fate::Refused(kill) = &record.judged.fate
            && record.purpose == Purpose::Mutant
        {
            let about = About {
                program: &prepared.key,
                function: &prepared.name,
                target: self.target(),
                plan: &prepared.plan.text(),
                found_by: &record.instance.kind,
            };
            let kept = failure.and_then(|failure| {
                let again = kill.by.is_some().then(|| known_seed(prepared, failure));
                let seed = again.flatten().unwrap_or(self.settings.seed);
                Kept::of(failure, seed, &about)
            });
            self.new.extend(kept);
        }
        self.records.push(record);
    }

    fn keep(&mut self, warn: &mut dyn FnMut(&str)) -> Result<(), MutateError> {
        let Some(path) = &self.settings.corpus else {
            return Ok(());
        };
        let new = std::mem::take(&mut self.new);
        let warning = Corpus::record(path, new).map_err(|source| MutateError::Io {
            path: path.clone(),
            source,
        })?;
        if let Some(warning) = warning {
            warn(&warning);
        }
        Ok(())
    }
}

/// The seed of the regression case that refused.
fn known_seed(prepared: &Prepared, failure: &Failure) -> Option<u64> {
    let is_it = |case: &&Case| {
        let values = case.values.is_none() || case.values == failure.values;
        values && (&case.stage, case.scope) == (&failure.stage, failure.scope)
    };
    prepared.cases.iter().find(is_it).map(|case| case.seed)
}

const fn target_name(target: Target) -> &'static str {
    match target {
        Target::Gpu => "gpu",
        Target::Cpu => "cpu",
    }
}

fn unexpected(prepared: &Prepared, answer: &Answer) -> MutateError {
    let why = match answer {
        Answer::Failed(why) => why.clone(),
        Answer::Judged { judged, .. } => match &judged.fate {
            Fate::Refused(kill) => format!("{}: {}", kill.reason, kill.detail),
            _ => "an answer to another question".into(),
        },
        _ => "an answer to another question".into(),
    };
    MutateError::Child {
        program: prepared.name.clone(),
        why,
    }
}
