//! One size of the kernel that is optimised: its module and its problem.

use std::path::Path;

use kforge_oracle::Level;
use kforge_planner::{Plan, Problem, problem::of_module};

use super::{Cases, OptimizeError, candidate};
use crate::{
    compile::{Session, Source},
    measure::{Ask, Candidate, MeasuredResult, Refusal, Worker},
};

/// One size of the kernel.
#[derive(Debug)]
pub(super) struct Size {
    pub source: Source,
    pub problem: Problem,
}

impl Size {
    pub fn read(source: Source) -> Result<Self, OptimizeError> {
        let session = Session::default();
        let module = session.parse(&source)?;
        let problem =
            of_module(session.context(), &module).map_err(|error| OptimizeError::Problem {
                name: source.name().to_owned(),
                source: error,
            })?;
        Ok(Self { source, problem })
    }

    /// Compiles plans and measures them in turns, in the order given, each with its cases.
    pub fn measure(
        &self,
        plans: &[(&Plan, Cases)],
        ask: Ask,
        worker: &mut Worker,
        folder: &Path,
    ) -> Vec<MeasuredResult> {
        let compiled = plans.iter().map(|(plan, cases)| {
            let folder = candidate(&self.source, &self.problem, plan, folder, *cases)?;
            let full = *cases == Cases::Of(Level::Full);
            Ok(Candidate { folder, full })
        });
        let compiled: Vec<Result<Candidate, Refusal>> = compiled.collect();
        let there: Vec<Candidate> = compiled.iter().flatten().cloned().collect();
        let measured = match there.is_empty() {
            true => Vec::new(),
            false => worker.measure_in_turns(there, ask),
        };
        let mut measured = measured.into_iter();
        let results = compiled.into_iter().map(|candidate| match candidate {
            Ok(_) => measured.next().map(|it| it.result),
            Err(refusal) => Some(MeasuredResult::Refused(refusal)),
        });
        results.flatten().collect()
    }
}
