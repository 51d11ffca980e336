//! Plans: what is proposed, checked, searched, learnt and kept.
//!
//! - [`plan`]: a plan as plain data, as pass pipeline and as JSON, and what must hold.
//! - [`problem`]: what a plan is for.
//! - [`space`]: the values that knobs may take.
//! - [`heuristic`]: the plan made from shapes and limits alone.

pub mod attempt;
pub mod device;
pub mod heuristic;
pub mod llm;
pub mod plan;
pub mod problem;
pub mod propose;
pub mod space;

pub use attempt::{Attempt, Outcome};
pub use plan::{Plan, check};
pub use problem::Problem;
pub use propose::{Propose, ProposeError};
