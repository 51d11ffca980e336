//! Faults of the gate itself, for mutation runs.
//!
//! A gate that is never wrong on purpose has never been tested. A mutation run puts one of
//! these faults in and shows that wrong kernels then pass, or right ones no longer do: so
//! the check in question is needed and tested. Without the feature `faults`, which is off
//! in what is shipped, [`Faults`] has no value but "none", and every question is false.

/// One mistake in the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// NaN compares as equal.
    NanPasses,
    /// The last row of an output is not compared.
    LastRowSkipped,
    /// A verdict of another driver is enough to be timed.
    VerdictReused,
    /// The outputs of timed runs are not compared.
    TimedRunsUnchecked,
    /// Other shapes are not tried.
    OneShape,
    /// Bounds are a thousand times as large.
    BoundTimes1000,
    /// Bounds are a thousandth.
    BoundByAMillion,
    /// Both runs have the same behind their inputs.
    PoisonOff,
    /// Changed guards are ignored.
    GuardsIgnored,
    /// The seed does not reach the inputs.
    SeedFixed,
    /// Only the first kind of values is tried.
    OneKindOfValues,
    /// The reference is not compared with the kernels' programs.
    ProgramsIgnored,
    /// Units are not run alone.
    UnitsIgnored,
    /// Two runs need not agree.
    DifferencesIgnored,
    /// The first inputs do not come back.
    RepeatsSkipped,
    /// Arguments may be overwritten.
    OverwritesIgnored,
    /// Outputs are compared by one norm, not element by element.
    NormOnly,
    /// A launch that fails counts as a success.
    LaunchFailureIgnored,
}

/// Which fault is in, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults(#[cfg(feature = "faults")] Option<Fault>);

impl Faults {
    /// A gate with a fault.
    #[cfg(feature = "faults")]
    pub const fn one(fault: Fault) -> Self {
        Self(Some(fault))
    }

    /// Whether this fault is in.
    #[cfg(feature = "faults")]
    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 == Some(fault)
    }

    /// Whether this fault is in: never.
    #[cfg(not(feature = "faults"))]
    pub(crate) const fn has(self, _: Fault) -> bool {
        false
    }
}
