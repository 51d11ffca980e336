//! Search over plans: every legal one in order, legal ones by chance, or the ones
//! that a cost model learnt from the history expects to be fast.
//!
//! - [`schedules`]: the knob values that fit one op and the device.
//! - [`space`]: the plans of a problem: fusions on or off, and a schedule per op.
//! - [`Grid`]: a part of that space.
//! - [`Exhaustive`], [`Random`], [`Evolve`]: planners over that space.
//!
//! Planners draw from no clock and no global generator. Random and Evolve are pure
//! functions of seed and history, so that a run that was cut off goes on as it would
//! have; Exhaustive keeps its place.

mod cost;
mod evidence;
mod evolve;
mod exhaustive;
mod grid;
mod random;
pub mod schedules;
pub mod space;
mod vary;

pub use evolve::Evolve;
pub use exhaustive::Exhaustive;
pub use grid::{Grid, GridError};
pub use random::Random;
pub use schedules::Schedules;
pub use space::{Point, Space};
