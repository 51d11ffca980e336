//! One plan that may be used, with the audit of how it was found.

use std::path::Path;

use kforge_oracle::Level;
use kforge_planner::{
    Plan, ProposeError, archive::ArchiveError, check, heuristic, plan::Violation, propose::Propose,
};
use kforge_runtime::{Package, PackageError};

use super::{
    Cases, Event, OptimizeError, Optimizer,
    audit::{AUDIT_SCHEMA, Audit, Proposal, Unread},
    candidate,
    memory::{Memory, shaders},
    trial::{Part, Trial, attempt, outcome, refused},
};
use crate::measure::{Ask, Candidate, MeasuredResult, PACKAGE, Refusal};

/// Who proposes the plan.
pub enum Proposer<'p> {
    /// The archive, where it holds a verified plan for exactly this problem and device;
    /// otherwise, or if that plan is refused now, the heuristic.
    Known,
    /// The archive alone.
    Archive,
    /// A planner, with what the archive holds as its history.
    Planner(&'p mut dyn Propose),
    /// The caller: a plan with the name of its source.
    Given(&'p str, &'p Plan),
}

/// What happens on the way, for whoever watches.
#[derive(Debug)]
pub enum Stage<'a> {
    /// A plan is there.
    Proposed {
        /// From where.
        proposer: &'a str,
        /// It.
        plan: &'a Plan,
    },
    /// It was held against the problem; it fits if nothing is said.
    Checked(&'a [Violation]),
    /// Its passes ran and gave this.
    Compiled(&'a Package),
    /// Its kernels were held against the reference, or did not come to be.
    Verified(&'a MeasuredResult),
    /// Something that the user should know.
    Warning(&'a str),
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// How.
    pub audit: Audit,
    /// What the accepted plan compiles to; none where no plan is accepted.
    pub package: Option<Package>,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The archive or the device fails.
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// The planner has no plan.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// Nobody has a plan.
    #[error("{proposer} has no plan for '{workload}' on '{device}'; {instead}")]
    Nothing {
        /// Who was asked.
        proposer: String,
        /// For what.
        workload: String,
        /// On which device.
        device: String,
        /// What to do.
        instead: &'static str,
    },
    /// What was compiled cannot be read back.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// What an audit calls the archive as a proposer.
const ARCHIVE: &str = "archive";

/// A plan to be decided on.
struct Queued {
    proposer: String,
    plan: Plan,
    /// Every case; or the quick ones, for a plan that passed every case here before.
    cases: Level,
}

impl Queued {
    fn new(proposer: impl Into<String>, plan: Plan) -> Self {
        let (proposer, cases) = (proposer.into(), Level::Full);
        Self {
            proposer,
            plan,
            cases,
        }
    }
}

/// The verdict, if it is about the package of that hash: the child read its files anew, and
/// what is used is what was read before.
fn about(compiled: String, verdict: MeasuredResult) -> MeasuredResult {
    match &verdict {
        MeasuredResult::Verified { package, .. } if *package != Some(compiled) => {
            let detail = "the package that was verified is not the one that was compiled";
            MeasuredResult::Refused(Refusal::new("package", detail))
        }
        _ => verdict,
    }
}

impl Optimizer {
    /// Checks, compiles, verifies and times the proposed plan; the archive gets the
    /// result. A plan that passed every case before, as the archive says, is verified with
    /// the quick ones, any other with all of them. A refused plan is not accepted; the audit then says why.
    ///
    /// ```no_run
    /// use kforge_tools::{compile::Source, optimize::{Optimizer, Proposer, Settings}};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let source = Source::read("layer.mlir".as_ref())?;
    /// let optimizer = Optimizer::new(source, Settings::default())?;
    /// let decision = optimizer.decide(Proposer::Known, &mut |_| ())?;
    /// match (decision.audit.accepted(), decision.package) {
    ///     (Some(accepted), Some(mut package)) => {
    ///         println!("{}", accepted.pipeline);
    ///         package.save("layer.kforge")?;
    ///     }
    ///     _ => println!("refused: {:?}", decision.audit.proposals),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If there is nothing to decide on. A refusal is no error.
    pub fn decide(
        &self,
        proposer: Proposer<'_>,
        watch: &mut dyn FnMut(Stage<'_>),
    ) -> Result<Decision, DecideError> {
        let folder = tempfile::tempdir().map_err(OptimizeError::Folder)?;
        let folder = folder.path();
        let mut warnings = Vec::new();
        let mut memory = self.memory(&mut |event| {
            if let Event::Warning(text) = event {
                warnings.push(text);
            }
        })?;
        let queue = self.queue(proposer, memory.as_ref(), &mut warnings)?;
        let mut audit = self.audit();
        let warn = |text: String, audit: &mut Audit, watch: &mut dyn FnMut(Stage<'_>)| {
            watch(Stage::Warning(&text));
            audit.warnings.push(text);
        };
        warnings
            .into_iter()
            .for_each(|it| warn(it, &mut audit, watch));
        let mut accepted = None;
        let mut left = queue.into_iter().peekable();
        while let Some(queued) = left.next() {
            let (proposal, package) = self.tried(&queued, folder, watch)?;
            if package.is_some() {
                audit.accepted = Some(proposal.id.clone());
                self.beside_default(&proposal, &mut audit, folder);
            } else if let Some(next) = left.peek() {
                let text = format!(
                    "the plan of {} is refused now, that of {} takes its place: {}",
                    queued.proposer,
                    next.proposer,
                    proposal.reasons().join("; ")
                );
                warn(text, &mut audit, watch);
            }
            let kept = memory
                .as_mut()
                .map(|memory| self.keep(memory, &proposal, queued.cases, &audit, folder));
            if let Some(Err(error)) = kept {
                warn(
                    format!("the attempt is not kept: {error}"),
                    &mut audit,
                    watch,
                );
            }
            audit.proposals.push(proposal);
            accepted = package;
            if accepted.is_some() {
                break;
            }
        }
        Ok(Decision {
            audit,
            package: accepted,
        })
    }

    /// The audit of a text that is no plan: what was given, and why it is refused.
    pub fn refuse_unread(&self, unread: Unread) -> Audit {
        Audit {
            unread: Some(unread),
            ..self.audit()
        }
    }

    /// An audit of nothing yet.
    fn audit(&self) -> Audit {
        Audit {
            schema: AUDIT_SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            problem: self.problem().clone(),
            device: self.device.clone(),
            seed: self.settings.seed,
            proposals: Vec::new(),
            unread: None,
            accepted: None,
            baseline: None,
            speedup: None,
            warnings: Vec::new(),
        }
    }

    /// What is to be decided on, in order: the first that is verified is accepted.
    fn queue(
        &self,
        proposer: Proposer<'_>,
        memory: Option<&Memory>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Queued>, DecideError> {
        let known = || {
            let best = memory.map_or(Ok(None), Memory::best)?;
            let Some((memory, plan)) = memory.zip(best) else {
                return Ok::<_, OptimizeError>(None);
            };
            let mut queued = Queued::new(ARCHIVE, plan);
            // What a search verified was not tried with every case.
            if memory.passed_every_case(&queued.plan)? {
                queued.cases = Level::Quick;
            }
            Ok(Some(queued))
        };
        let nothing = |proposer: &str, instead| DecideError::Nothing {
            proposer: proposer.to_owned(),
            workload: self.problem().workload.clone(),
            device: self.device.name.clone(),
            instead,
        };
        match proposer {
            Proposer::Known => {
                let default = heuristic::propose(self.problem(), &self.device);
                let mut queue = Vec::from_iter(known()?);
                queue.push(Queued::new("heuristic", default));
                Ok(queue)
            }
            Proposer::Archive => match known()? {
                Some(queued) => Ok(vec![queued]),
                None => Err(nothing(
                    "the archive",
                    "run kforge optimize first, or let the heuristic propose one",
                )),
            },
            Proposer::Planner(planner) => {
                let history = memory.map_or(Ok(Vec::new()), Memory::prior);
                let history = history.map_err(OptimizeError::from)?;
                let plans = planner.propose(self.problem(), &self.device, &history, 1)?;
                warnings.extend(planner.take_warnings());
                match plans.into_iter().next() {
                    // Another planner may have stood in for the one asked.
                    Some(plan) => Ok(vec![Queued::new(plan.provenance.planner.clone(), plan)]),
                    None => Err(nothing(planner.name(), "ask another planner")),
                }
            }
            Proposer::Given(source, plan) => Ok(vec![Queued::new(source, plan.clone())]),
        }
    }

    /// One proposal, with its package if it was verified.
    fn tried(
        &self,
        queued: &Queued,
        folder: &Path,
        watch: &mut dyn FnMut(Stage<'_>),
    ) -> Result<(Proposal, Option<Package>), DecideError> {
        let Queued {
            proposer,
            plan,
            cases,
        } = queued;
        watch(Stage::Proposed { proposer, plan });
        let mut proposal = Proposal {
            id: plan.id(),
            proposer: proposer.clone(),
            plan: plan.clone(),
            pipeline: plan.text(),
            violations: check(plan, Some(self.problem())).err().unwrap_or_default(),
            verdict: None,
        };
        watch(Stage::Checked(&proposal.violations));
        if !proposal.violations.is_empty() {
            return Ok((proposal, None));
        }
        let mut package = None;
        let verdict = match candidate(
            &self.sizes[0].source,
            self.problem(),
            plan,
            folder,
            Cases::Of(*cases),
        ) {
            Ok(place) => {
                let compiled = Package::load(place.join(PACKAGE))?;
                watch(Stage::Compiled(&compiled));
                let compiled = package.insert(compiled);
                let full = *cases == Level::Full;
                let candidate = Candidate {
                    folder: place,
                    full,
                };
                let verdict = self.worker().measure(candidate, Ask::default()).result;
                about(compiled.content_hash()?, verdict)
            }
            Err(refusal) => MeasuredResult::Refused(refusal),
        };
        watch(Stage::Verified(&verdict));
        let passed = matches!(verdict, MeasuredResult::Verified { .. });
        proposal.verdict = Some(verdict);
        Ok((proposal, package.filter(|_| passed)))
    }

    /// Times the default plan in turns with another one that was accepted and is new.
    fn beside_default(&self, proposal: &Proposal, audit: &mut Audit, folder: &Path) {
        let default = heuristic::propose(self.problem(), &self.device);
        if default.id() == proposal.id || proposal.proposer == ARCHIVE {
            return;
        }
        let plans = [
            (&default, Cases::OwnShape),
            (&proposal.plan, Cases::OwnShape),
        ];
        let (ask, mut worker) = (Ask::default(), self.worker());
        let results = self.sizes[0].measure(&plans, ask, &mut worker, folder);
        let times = results.iter().filter_map(|it| Some(it.time()?.ms.median));
        if let [default, own] = times.collect::<Vec<_>>()[..] {
            audit.speedup = Some(default / own);
        }
        audit.baseline = results.into_iter().next();
    }

    /// Gives the archive what it does not hold. A time that could not be compared with
    /// the default plan's is of no use to it.
    fn keep(
        &self,
        memory: &mut Memory,
        proposal: &Proposal,
        cases: Level,
        audit: &Audit,
        folder: &Path,
    ) -> Result<(), ArchiveError> {
        let time = proposal.verdict.as_ref().and_then(MeasuredResult::time);
        let uncompared = audit.baseline.is_some() && audit.speedup.is_none();
        if time.is_some() && (uncompared || proposal.proposer == ARCHIVE) {
            return Ok(());
        }
        let outcome = match &proposal.verdict {
            None => refused(Refusal::new(
                "validation",
                Violation::list(&proposal.violations),
            )),
            Some(verdict) => {
                let default_ms = audit.speedup.zip(time).map(|(it, own)| it * own.ms.median);
                outcome(verdict.clone(), default_ms)
            }
        };
        let attempt = attempt(&proposal.plan, outcome);
        let part = Part {
            attempt: attempt.clone(),
            spread: time.map(|time| time.ms.range()),
            shaders: shaders(&folder.join(&proposal.id)),
        };
        let trial = Trial {
            attempt,
            parts: vec![part],
            range: None,
            every_case: cases == Level::Full,
        };
        memory.record(&trial, self.settings.seed)
    }
}
