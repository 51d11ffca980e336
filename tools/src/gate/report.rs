//! What `kforge verify` says: text, or JSON.

use std::fmt;

use kforge_runtime::{DeviceDescription, execute::DispatchTime};
use kforge_verify::{Verdict, foreign::ForeignKernel};
use serde::Serialize;

use crate::measure::{Lost, Refusal, Time};

/// The outcome of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The module or package.
    pub file: String,
    /// Whether everything agreed.
    pub verified: bool,
    /// Kernels that took the place of emitted ones.
    pub kernels: Vec<KernelReport>,
    /// The first reason against it.
    pub refused: Option<Refused>,
    /// The evidence, where the gate ran.
    pub verdict: Option<Verdict>,
    /// One run of the whole function, where it was asked for.
    pub time: Option<Time>,
    /// The same by dispatch.
    #[serde(skip)]
    pub dispatches: Vec<DispatchTime>,
    /// What else may explain it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A kernel that took the place of an emitted one.
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Its stage.
    pub stage: String,
    /// Its file.
    pub file: String,
    /// Shapes that it was tried at, its own not counted.
    pub other_shapes: usize,
    /// Which sizes it takes, where its interface does not admit all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

/// Why it is not verified.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// In kebab-case: `numeric-mismatch`, `poison`, `interface`, `wgsl`, `timeout`, ...
    pub reason: String,
    /// In a sentence.
    pub detail: String,
}

impl Refused {
    pub(super) fn new(reason: &str, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            detail: detail.into(),
        }
    }

    pub(super) fn lost(lost: &Lost) -> Self {
        Self::new(lost.reason(), lost.to_string())
    }
}

impl Report {
    pub(super) fn new(file: String, kernels: &[ForeignKernel]) -> Self {
        let kernel = |kernel: &ForeignKernel| KernelReport {
            stage: kernel.stage.clone(),
            file: kernel.name.clone(),
            other_shapes: 0,
            only: only(kernel),
        };
        Self {
            file,
            verified: false,
            kernels: kernels.iter().map(kernel).collect(),
            refused: None,
            verdict: None,
            time: None,
            dispatches: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A driver may be why a kernel of long loops is refused.
    pub(super) fn note_limits(&mut self, device: &DeviceDescription) {
        let of_values = ["numeric-mismatch", "poison", "determinism"];
        let refused = self.refused.as_ref();
        let refused = refused.is_some_and(|it| of_values.contains(&it.reason.as_str()));
        if let Some(limit) = device.loop_trip_limit
            && refused
            && !self.kernels.is_empty()
        {
            self.notes.push(format!(
                "'{}' silently ends the loops of an invocation after about {limit} iterations in \
                 all; if this kernel makes more, verify it on another device",
                device.name
            ));
        }
    }

    pub(super) fn judged(
        &mut self,
        verdict: Verdict,
        time: Option<Time>,
        no_time: Option<Refusal>,
    ) {
        for kernel in &mut self.kernels {
            let prefix = format!("{} at (", kernel.stage);
            let stages = verdict.checks.iter().map(|check| &check.stage);
            let mut stages: Vec<&String> =
                stages.filter(|stage| stage.starts_with(&prefix)).collect();
            stages.dedup();
            kernel.other_shapes = stages.len();
        }
        let refusal = match (verdict.passed, verdict.failures.first()) {
            (false, Some(failure)) => Some(Refusal::of_failure(failure)),
            (false, None) => Some(Refusal::new("undecided", "verification showed nothing")),
            // A time that cannot be right says something of the kernel, too.
            (true, _) => no_time,
        };
        self.verified = refusal.is_none();
        self.refused = refusal.map(|it| Refused::new(&it.reason, it.detail));
        self.time = time;
        self.verdict = Some(verdict);
    }
}

/// The rules of an interface for sizes, in words.
fn only(kernel: &ForeignKernel) -> Option<String> {
    let rules = kernel.interface.shapes.iter();
    let rules: Vec<String> = rules
        .map(|(name, rule)| format!("{name} is {rule}"))
        .collect();
    (!rules.is_empty()).then(|| rules.join(", "))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.refused, &self.verdict) {
            (Some(refused), _) => {
                writeln!(
                    f,
                    "{}: refused ({}): {}",
                    self.file, refused.reason, refused.detail
                )?;
            }
            (None, Some(verdict)) => writeln!(f, "{}: {}", self.file, verdict.summary())?,
            (None, None) => writeln!(f, "{}: nothing was tried", self.file)?,
        }
        for kernel in &self.kernels {
            write!(f, "  {}: {}", kernel.stage, kernel.file)?;
            match kernel.other_shapes {
                _ if !self.verified => writeln!(f)?,
                0 => writeln!(f, ", at its own shape")?,
                count => {
                    let only = kernel.only.as_ref();
                    let only = only.map_or_else(String::new, |only| format!(", only where {only}"));
                    writeln!(f, ", at its own and {count} other shapes{only}")?;
                }
            }
        }
        let verdict = self.verdict.iter().filter(|_| self.verified);
        for own in verdict.flat_map(|verdict| &verdict.own_shape_only) {
            writeln!(
                f,
                "  {}: own shape only, because {}",
                own.stage, own.because
            )?;
        }
        for verdict in self.verdict.iter().filter(|_| self.verified) {
            for line in verdict.l2_only() {
                writeln!(f, "  {line}")?;
            }
        }
        if let Some(Time { ms, .. }) = &self.time {
            writeln!(
                f,
                "  time {:.4} ms ({:.4} to {:.4})",
                ms.median, ms.min, ms.max
            )?;
        }
        Ok(())
    }
}
