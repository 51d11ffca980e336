//! What the gate says: the verdict, with its evidence.

mod display;

use kforge_oracle::{Comparison, Values};
use kforge_runtime::DeviceDescription;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Case, Options, hold::Held, prove::Facts};

/// The outcome for one package on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether everything agreed. Nothing else may be used, timed or shipped.
    pub passed: bool,
    /// The levels that hold, such as L0 and L2; empty when refused.
    pub levels: Vec<String>,
    /// The device's name.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// The seed of the inputs.
    pub seed: u64,
    /// Absolute error that sine and cosine were allowed, where a program has them: four times the
    /// measured one, or WGSL's guarantee where the device gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sin_cos: Option<f64>,
    /// Every comparison that agreed.
    pub checks: Vec<Check>,
    /// The comparison that came closest to its bound.
    pub worst_ratio: f64,
    /// Agreement that is odd: errors inside their bound, but larger than correct kernels
    /// make them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// What was refused: the first failure of each stage.
    pub failures: Vec<Failure>,
    /// Cases of the regression corpus that agreed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replayed: usize,
    /// The one that refused; nothing else was tried then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression_case: Option<Case>,
    /// Stages that were tried at their own shape alone, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_shape_only: Vec<OwnShapeOnly>,
    /// What was shown statically of every launch of the function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<KernelProof>,
    /// Whether the function passed once more with the shader checks off that the proofs
    /// show needless, and runs so.
    #[serde(default)]
    pub without_checks: bool,
    /// The package that may run so; known to the process alone that verified it.
    #[serde(skip)]
    pub(crate) unchecked: Option<[u8; 32]>,
    /// What exact algebra showed, where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
    /// Stages about which it says nothing, each with the reason: without L3 for their sake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_exact: Vec<NotExact>,
}

/// One launch under the static proof, level L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelProof {
    /// What reports call it.
    pub stage: String,
    /// The kernel that is launched.
    pub kernel: String,
    /// What was shown; absent where the proof does not reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// Why it does not; completes the words "L2 only, because".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// What was shown of a launch: all of its accesses are in bounds, no two invocations race
/// and every barrier is met by whole workgroups. In numbers, what that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Indices below their length.
    pub indices: usize,
    /// Barriers met by whole workgroups.
    pub barriers: usize,
    /// Barrier intervals in which workgroup memory is free of races.
    pub intervals: usize,
    /// Buffers that invocations write apart.
    pub buffers: usize,
}

impl Shown {
    pub(crate) const fn of(facts: &Facts) -> Self {
        Self {
            indices: facts.indices,
            barriers: facts.barriers,
            intervals: facts.intervals,
            buffers: facts.buffers,
        }
    }
}

/// Equality of kernels and programs over finite fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exact {
    /// Stages whose kernels are equal to their programs.
    pub stages: usize,
    /// Shapes at which units were compared, their own among them.
    pub shapes: usize,
    /// The prime modulo which values are compared, in hexadecimal.
    pub p: String,
    /// The prime modulo which exponents are taken.
    pub q: String,
    /// Draws of all inputs in which every element agreed, at every shape.
    pub draws: usize,
    /// Degree of the difference of any element, at most.
    pub degree: u64,
    /// Logarithm to base two of the probability that a wrong element agreed in every draw.
    pub log2_error: f64,
    /// Operations interpreted.
    pub operations: u64,
}

/// A stage without exact algebra.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotExact {
    /// What reports call it.
    pub stage: String,
    /// Why; completes the words "no L3, because".
    pub because: String,
}

/// A stage whose knobs were not tried at other shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnShapeOnly {
    /// What reports call it.
    pub stage: String,
    /// Why; completes the words "shape: own only, because".
    pub because: String,
}

/// Errors inside their bound that are larger than usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What reports call it.
    pub stage: String,
    /// What it is about.
    pub scope: Scope,
    /// The kind of input values.
    pub values: String,
    /// Elements whose error is beyond its typical size, 6·√K·u·Σ|a||b| of a product.
    pub elements: usize,
    /// The largest error in units of its typical size.
    pub typical_ratio: f64,
}

/// What a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The reference program against the kernels' programs.
    Program,
    /// One unit on the device.
    Kernel,
    /// One unit's knobs at another shape.
    Shape,
    /// The whole function on the device.
    Function,
}

/// A comparison that agreed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What reports call it.
    pub stage: String,
    /// What it is about.
    pub scope: Scope,
    /// The kind of input values.
    pub values: String,
    /// Largest error in units of its bound.
    pub max_ratio: f64,
    /// Largest absolute error.
    pub max_abs_error: f64,
    /// Root of the mean square of the errors.
    #[serde(default)]
    pub rms_error: f64,
    /// Elements whose bound says nothing.
    pub undecided: usize,
    /// Elements of half precision that were held against the errors of a plain kernel.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub against_plain: usize,
    /// All elements.
    pub elements: usize,
}

/// How far results are from those of the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorNorms {
    /// Largest absolute error of an element.
    pub max_abs_error: f64,
    /// Root of the mean square of the errors.
    pub rms_error: f64,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The kernels' programs are not the reference.
    Program,
    /// A value outside its bound.
    NumericMismatch,
    /// Within the user's tolerance, outside the derived bound.
    OnlyWithinTolerance,
    /// No input led to a bound that says anything.
    Undecided,
    /// The kernel is another function than its program, exactly, or asks a function for more
    /// than is promised of it.
    Algebraic,
    /// Elements not written, guards or arguments overwritten, or padding read.
    Poison,
    /// Two runs differ.
    Determinism,
    /// A time that no device could reach.
    Implausible,
    /// An access out of bounds, a race or a barrier in divergent control flow, found
    /// before anything ran.
    Static,
    /// Right so far, and slower than was asked for.
    TooSlow,
    /// A submission did not end within its deadline.
    Timing,
    /// The device or the package failed.
    Execution,
}

/// A refusal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What reports call it.
    pub stage: String,
    /// What it is about.
    pub scope: Scope,
    /// The kind of input values, where inputs were given.
    pub values: Option<String>,
    /// In one word.
    pub reason: Reason,
    /// In one sentence: element, got, expected, bound; or what failed.
    pub detail: String,
    /// Knobs of the stage's kernels.
    pub knobs: String,
    /// Of values that are wrong, the largest error; absent where one is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs_error: Option<f64>,
}

impl Verdict {
    pub(crate) fn new(device: &DeviceDescription, options: &Options) -> Self {
        Self {
            passed: false,
            levels: Vec::new(),
            device: device.name.clone(),
            driver: format!("{} {}", device.driver, device.driver_info)
                .trim()
                .to_owned(),
            seed: options.seed,
            sin_cos: None,
            checks: Vec::new(),
            worst_ratio: 0.0,
            warnings: Vec::new(),
            failures: Vec::new(),
            replayed: 0,
            regression_case: None,
            own_shape_only: Vec::new(),
            proofs: Vec::new(),
            without_checks: false,
            unchecked: None,
            exact: None,
            not_exact: Vec::new(),
        }
    }

    pub(crate) fn refuse(
        &mut self,
        stage: &str,
        scope: Scope,
        values: Option<Values>,
        reason: Reason,
        detail: String,
    ) {
        self.failures.push(Failure {
            stage: stage.to_owned(),
            scope,
            values: values.map(name),
            reason,
            detail,
            knobs: String::new(),
            max_abs_error: None,
        });
    }

    pub(crate) fn pass_program(&mut self, stage: &str, values: Values) {
        self.checks.push(Check {
            stage: stage.to_owned(),
            scope: Scope::Program,
            values: name(values),
            max_ratio: 0.0,
            max_abs_error: 0.0,
            rms_error: 0.0,
            undecided: 0,
            against_plain: 0,
            elements: 0,
        });
    }

    /// A comparison that a faulty gate takes as made.
    pub(crate) fn pass_unseen(&mut self, stage: &str, scope: Scope) {
        self.pass_program(stage, Values::Normal);
        if let Some(check) = self.checks.last_mut() {
            check.scope = scope;
        }
    }

    pub(crate) fn pass(&mut self, stage: &str, scope: Scope, values: Values, held: &Held) {
        let result = &held.comparison;
        if result.atypical > 0 {
            self.warnings.push(Warning {
                stage: stage.to_owned(),
                scope,
                values: name(values),
                elements: result.atypical,
                typical_ratio: result.typical_ratio,
            });
        }
        if result.max_ratio > self.worst_ratio {
            self.worst_ratio = result.max_ratio;
        }
        self.checks.push(Check {
            stage: stage.to_owned(),
            scope,
            values: name(values),
            max_ratio: result.max_ratio,
            max_abs_error: result.max_abs_error,
            rms_error: result.rms_error,
            undecided: held.undecided(),
            against_plain: held.plain.map_or(0, |plain| plain.elements),
            elements: result.elements,
        });
    }

    pub(crate) fn close(&mut self) {
        let on_device = self
            .checks
            .iter()
            .any(|check| check.scope == Scope::Function);
        self.passed = self.failures.is_empty() && on_device;
        if self.passed {
            let proved = !self.proofs.is_empty() && self.proofs.iter().all(|it| it.shown.is_some());
            let levels = if proved {
                &["L0", "L1", "L2"][..]
            } else {
                &["L0", "L2"]
            };
            self.levels = levels.iter().map(|&level| level.into()).collect();
        }
    }

    /// Launches that the static proof does not reach, in one line for each reason, such as
    /// `stage 'gather': L2 only, because ...`.
    pub fn l2_only(&self) -> Vec<String> {
        let open = |proof: &KernelProof| {
            let because = proof.because.as_ref()?;
            Some((proof.stage.clone(), because.clone()))
        };
        let found: Vec<(String, String)> = self.proofs.iter().filter_map(open).collect();
        let all = found.len() == self.proofs.len();
        match found.first() {
            Some((_, because)) if all && found.iter().all(|(_, it)| it == because) => {
                vec![format!("L2 only, because {because}")]
            }
            _ => {
                let mut lines: Vec<String> = found
                    .iter()
                    .map(|(stage, because)| format!("stage '{stage}': L2 only, because {because}"))
                    .collect();
                lines.dedup();
                lines
            }
        }
    }

    /// Errors of the whole function on ordinary values, the largest of its outputs;
    /// `None` where they were not compared.
    pub fn error_norms(&self) -> Option<ErrorNorms> {
        let ordinary = name(Values::Normal);
        let checks = self.checks.iter();
        let checks =
            checks.filter(|check| check.scope == Scope::Function && check.values == ordinary);
        let norms = checks.map(|check| ErrorNorms {
            max_abs_error: check.max_abs_error,
            rms_error: check.rms_error,
        });
        norms.reduce(|a, b| ErrorNorms {
            max_abs_error: a.max_abs_error.max(b.max_abs_error),
            rms_error: a.rms_error.max(b.rms_error),
        })
    }

    /// What exact algebra adds to the line.
    fn exactness(&self) -> String {
        if let Some(open) = self.not_exact.first() {
            return format!("; no L3 for '{}', because {}", open.stage, open.because);
        }
        self.exact
            .as_ref()
            .map_or_else(String::new, |exact| format!("; {exact}"))
    }

    /// The verdict in one line.
    pub fn summary(&self) -> String {
        match self.failures.first() {
            None => format!(
                "verified {} on '{}' ({}), {} comparisons, worst error {:.3} of its bound{}{}",
                self.levels.join("+"),
                self.device,
                self.driver,
                self.checks.len(),
                self.worst_ratio,
                self.exactness(),
                self.warnings
                    .first()
                    .map_or_else(String::new, |first| format!(
                        "; {} warnings, first: {first}",
                        self.warnings.len()
                    ))
            ),
            Some(failure) => format!(
                "refused at stage '{}' ({:?}, {}): {}",
                failure.stage,
                failure.reason,
                failure.values.as_deref().unwrap_or("no inputs"),
                failure.detail
            ),
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The spelling of a kind of values, as in reports.
pub fn name(values: Values) -> String {
    serde_json::to_value(values)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{values:?}"))
}

/// A comparison that failed, in one sentence.
pub fn describe(result: &Comparison) -> String {
    let worst = result.worst.as_ref().map_or_else(String::new, |worst| {
        format!(
            "element {:?} is {:e}, expected {:e} within {:e}",
            worst.index, worst.got, worst.expected, worst.bound
        )
    });
    format!(
        "{worst} ({} of {} elements outside, {} NaN or infinite, {} undecided)",
        result.mismatches, result.elements, result.nan_or_inf, result.undecided
    )
}

#[cfg(test)]
mod tests;
