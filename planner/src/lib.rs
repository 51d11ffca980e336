//! Plans: what is proposed, checked, searched, learnt and kept.
//!
//! - [`plan`]: a plan as plain data, as pass pipeline and as JSON, and what must hold.
//! - [`problem`]: what a plan is for.
//! - [`archive`]: what was tried, kept in a file.
//! - [`space`]: the values that knobs may take.
//! - [`heuristic`]: the plan made from shapes and limits alone.
//! - [`search`]: plans in order, by chance, or by what was learnt from those tried.
//! - [`budget`]: when a run ends, and by which rule.
//! - [`report`]: what a run found, as text, JSON and one page.

pub mod archive;
pub mod attempt;
pub mod budget;
pub mod device;
pub mod heuristic;
pub mod llm;
pub mod plan;
pub mod problem;
pub mod propose;
pub mod report;
pub mod search;
pub mod space;

pub use attempt::{Attempt, Outcome};
pub use budget::Budget;
pub use plan::{Plan, check};
pub use problem::Problem;
pub use propose::{Propose, ProposeError};
