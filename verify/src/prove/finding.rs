//! What became of a launch.

use super::trace::Line;

/// What was shown of a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Indices that are below their length.
    pub indices: usize,
    /// Barriers that whole workgroups meet.
    pub barriers: usize,
    /// Barrier intervals in which workgroup memory is free of races.
    pub intervals: usize,
    /// Buffers that invocations write apart.
    pub buffers: usize,
}

/// Something that is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What, in one sentence.
    pub what: String,
    /// The line of the text, counted from 1; 0 where there is none.
    pub line: Line,
    /// It is of a loop that has no end, if it is ever entered.
    pub endless: bool,
}

/// Something that is wrong, met by following invocations step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What, where, by whom, and the limit, in one sentence.
    pub what: String,
    /// The line of the text, counted from 1.
    pub line: Line,
}

/// The outcome of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every access is in bounds, nothing races, barriers are met by all.
    Proved(Facts),
    /// Something of that is violated.
    Wrong(Defect),
    /// Neither is shown.
    Open(Vec<Open>),
}

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.what),
            line => write!(f, "{} (line {line})", self.what),
        }
    }
}
