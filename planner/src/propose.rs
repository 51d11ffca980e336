//! What every planner offers: plans for a problem, given what was tried before.

use kforge_runtime::DeviceDescription;

use crate::{attempt::Attempt, heuristic, plan::Plan, problem::Problem};

/// A source of plans. What it offers passes [`crate::check`].
pub trait Propose {
    /// Its name in provenance and reports: `heuristic`, `random`, `llm`.
    fn name(&self) -> &str;

    /// At most `count` plans that `history` does not hold; none when it has no more.
    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError>;

    /// Whether a proposal waits for a language model.
    fn asks_a_model(&self) -> bool {
        false
    }

    /// Tokens of a language model spent so far.
    fn tokens(&self) -> u64 {
        0
    }

    /// What the user should know about the last proposals, such as why another
    /// planner's stand in for them.
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a planner has no answer, as opposed to no further plan.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// What it needs is not there: a server, a key, a file.
    #[error("planner '{planner}': {message}")]
    Unavailable {
        /// The planner.
        planner: String,
        /// What is missing and what to do.
        message: String,
    },
    /// Its share of the budget is used up.
    #[error(
        "planner '{planner}': the next request takes up to {needed} {what}, {left} of {limit} are left"
    )]
    Exhausted {
        /// The planner.
        planner: String,
        /// What was used: tokens, calls.
        what: &'static str,
        /// How much of it the next request may take.
        needed: u64,
        /// How much of it is left.
        left: u64,
        /// How much of it there was.
        limit: u64,
    },
}

/// The heuristic as a planner: one plan, then no more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heuristic;

impl Propose for Heuristic {
    fn name(&self) -> &str {
        "heuristic"
    }

    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError> {
        let plan = heuristic::propose(problem, device);
        let id = plan.id();
        let seen = history.iter().any(|attempt| attempt.plan.id() == id);
        Ok(if seen || count == 0 {
            Vec::new()
        } else {
            vec![plan]
        })
    }
}
