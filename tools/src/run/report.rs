//! What a run prints: a summary, or JSON.

use std::{
    collections::BTreeSet,
    fmt::Write,
    path::{Path, PathBuf},
};

use kforge_oracle::Comparison;

use kforge_runtime::{
    DeviceDescription, HostTensor, Package, RunResult,
    execute::{DispatchTime, Spread, TotalTime, format_ms},
};
use kforge_verify::{Exact, KernelProof, NotExact, OwnShapeOnly, Verdict, Warning};
use serde::Serialize;

use super::{
    Failure,
    verify::{Counts, Outcome},
};

/// Everything a run says.
#[derive(Debug, Serialize)]
pub(super) struct Report<'r> {
    entry: &'r str,
    device: &'r str,
    backend: &'r str,
    verification: Verification<'r>,
    host: Host,
    /// The plan as a pass pipeline, and where the kernels lie; with --package-dir.
    plan: Option<&'r str>,
    kernels: Vec<PathBuf>,
    dispatches: Vec<DispatchTime>,
    total: TotalTime,
    results: Vec<Summary<'r>>,
    /// Results against the oracle, on the given inputs; with --check.
    checks: Vec<Check>,
}

/// What came before the run, in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Host {
    /// Reading the package, or lowering the module to one.
    load_ms: f64,
    verify_ms: f64,
}

/// A result against the oracle.
#[derive(Debug, Serialize)]
struct Check {
    elements: usize,
    outside_bound: usize,
    /// Elements whose bound says nothing.
    undecided: usize,
    max_abs_error: f64,
    worst_error_per_bound: f64,
}

#[derive(Debug, Serialize)]
struct Verification<'r> {
    passed: bool,
    levels: &'r [String],
    comparisons: usize,
    /// The same by what was compared.
    checked: Counts,
    worst_error_per_bound: Option<f64>,
    /// Errors inside their bound that are larger than usual.
    warnings: &'r [Warning],
    /// Stages whose knobs were not tried at other shapes, and why.
    own_shape_only: &'r [OwnShapeOnly],
    /// What was shown statically of every launch.
    proofs: &'r [KernelProof],
    /// Whether it passed without shader checks, too, and ran without them.
    without_checks: bool,
    /// What the proof does not reach, in lines; `proofs` has it for machines.
    #[serde(skip)]
    l2_only: Vec<String>,
    /// What exact algebra showed; null where it was not tried.
    exact: Option<&'r Exact>,
    /// Stages about which it says nothing, and why.
    not_exact: &'r [NotExact],
    /// Why there is no verdict.
    missing: Option<&'r str>,
}

/// One result in numbers.
#[derive(Debug, Serialize)]
struct Summary<'r> {
    name: &'r str,
    dtype: String,
    shape: Vec<usize>,
    /// Of the finite elements; none if there are none.
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    /// NaNs and infinities.
    not_finite: usize,
    file: Option<&'r PathBuf>,
}

impl<'r> Report<'r> {
    pub(super) fn new(
        entry: &'r str,
        device: &'r DeviceDescription,
        outcome: &'r Outcome,
        names: &'r [String],
        result: &RunResult,
        files: &'r [PathBuf],
    ) -> Self {
        let verdict = outcome.verdict.as_ref();
        let mut report = Self {
            entry,
            device: &device.name,
            backend: &device.backend,
            verification: Verification {
                passed: verdict.is_some(),
                levels: verdict.map_or(&[], |verdict| &verdict.levels),
                comparisons: verdict.map_or(0, |verdict| verdict.checks.len()),
                checked: verdict.map(Counts::of).unwrap_or_default(),
                worst_error_per_bound: verdict.map(|verdict| verdict.worst_ratio),
                warnings: verdict.map_or(&[], |verdict| &verdict.warnings),
                own_shape_only: verdict.map_or(&[], |verdict| &verdict.own_shape_only),
                proofs: verdict.map_or(&[], |verdict| &verdict.proofs),
                without_checks: verdict.is_some_and(|verdict| verdict.without_checks),
                l2_only: verdict.map(Verdict::l2_only).unwrap_or_default(),
                exact: verdict.and_then(|verdict| verdict.exact.as_ref()),
                not_exact: verdict.map_or(&[], |verdict| &verdict.not_exact),
                missing: outcome.missing.as_deref(),
            },
            host: Host::default(),
            plan: None,
            kernels: Vec::new(),
            checks: Vec::new(),
            dispatches: result.dispatches.clone(),
            total: result.total.clone(),
            results: result
                .outputs
                .iter()
                .enumerate()
                .map(|(index, tensor)| {
                    let name = names.get(index).map_or("", String::as_str);
                    Summary::of(name, tensor, files.get(index))
                })
                .collect(),
        };
        if verdict.is_none() {
            report.withhold_times();
        }
        report
    }

    pub(super) fn with_host(mut self, load_ms: f64, verify_ms: f64) -> Self {
        self.host = Host { load_ms, verify_ms };
        self
    }

    /// Where the package was kept, if it was.
    pub(super) fn with_package(mut self, package: &'r Package, folder: Option<&Path>) -> Self {
        if let Some(folder) = folder {
            self.plan = Some(&package.manifest.plan);
            let files = package
                .manifest
                .kernels
                .values()
                .filter_map(|kernel| kernel.code.file());
            let files: BTreeSet<&str> = files.collect();
            self.kernels = files.into_iter().map(|file| folder.join(file)).collect();
        }
        self
    }

    pub(super) fn with_checks(mut self, checks: &[Comparison]) -> Self {
        self.checks = checks
            .iter()
            .map(|check| Check {
                elements: check.elements,
                outside_bound: check.mismatches,
                undecided: check.undecided,
                max_abs_error: check.max_abs_error,
                worst_error_per_bound: check.max_ratio,
            })
            .collect();
        self
    }

    /// A time without a verdict is no result.
    fn withhold_times(&mut self) {
        for dispatch in &mut self.dispatches {
            dispatch.gpu_ms = None;
            dispatch.why_no_time = Some("not verified".into());
        }
        self.total.gpu_ms = None;
        self.total.wall_ms = None;
    }

    pub(super) fn json(&self) -> Result<String, Failure> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} on {} ({})", self.entry, self.device, self.backend);
        if let Some(plan) = self.plan {
            let _ = writeln!(text, "plan: {plan}");
        }
        for kernel in &self.kernels {
            let _ = writeln!(text, "kernel: {}", kernel.display());
        }
        let host = &self.host;
        let _ = writeln!(
            text,
            "load {}, verify {}",
            format_ms(host.load_ms),
            format_ms(host.verify_ms)
        );
        let verification = &self.verification;
        let _ = match verification.missing {
            Some(why) => writeln!(text, "not verified: {why}"),
            None => writeln!(
                text,
                "verified: {}, {} comparisons ({}), worst error {:.3} of its bound",
                verification.levels.join("+"),
                verification.comparisons,
                verification.checked,
                verification.worst_error_per_bound.unwrap_or(0.0)
            ),
        };
        if verification.without_checks {
            let _ = writeln!(text, "shader checks: off, as L1 shows them needless");
        }
        if !verification.own_shape_only.is_empty() {
            let stages = verification.own_shape_only.iter();
            let stages: Vec<&str> = stages.map(|it| it.stage.as_str()).collect();
            let _ = writeln!(text, "at their own shape only: {}", stages.join(", "));
        }
        for line in &verification.l2_only {
            let _ = writeln!(text, "{line}");
        }
        if let (Some(exact), []) = (verification.exact, verification.not_exact) {
            let _ = writeln!(text, "{exact}");
        }
        for open in verification.not_exact {
            let _ = writeln!(text, "no L3 for {}: {}", open.stage, open.because);
        }
        for warning in verification.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        for result in &self.results {
            let number =
                |value: Option<f64>| value.map_or_else(|| "none".into(), |it| format!("{it:.6}"));
            let dims: Vec<String> = result.shape.iter().map(usize::to_string).collect();
            let _ = write!(
                text,
                "{}: {}[{}] min {} max {} mean {}",
                result.name,
                result.dtype,
                dims.join("x"),
                number(result.min),
                number(result.max),
                number(result.mean)
            );
            if result.not_finite > 0 {
                let _ = write!(text, ", {} not finite", result.not_finite);
            }
            if let Some(file) = result.file {
                let _ = write!(text, " -> {}", file.display());
            }
            text.push('\n');
        }
        for dispatch in &self.dispatches {
            let [x, y, z] = dispatch.workgroups;
            let time = match (&dispatch.gpu_ms, &dispatch.why_no_time) {
                (Some(spread), _) => spread_text(spread),
                (None, why) => format!("no time: {}", why.as_deref().unwrap_or("unknown")),
            };
            let _ = writeln!(
                text,
                "{} [{}] {x}x{y}x{z} workgroups, {time}",
                dispatch.stage, dispatch.kernel
            );
        }
        let total = &self.total;
        let spread =
            |spread: &Option<Spread>| spread.as_ref().map_or_else(|| "none".into(), spread_text);
        let _ = writeln!(
            text,
            "upload {}, submit {}, device {}, download {}",
            format_ms(total.upload_ms),
            format_ms(total.submit_ms),
            spread(&total.gpu_ms),
            format_ms(total.download_ms)
        );
        for (index, check) in self.checks.iter().enumerate() {
            let _ = writeln!(
                text,
                "result {index} against the oracle: {} of {} elements outside their bound, \
                 max_abs_error={:.3e}, worst error {:.1e} of its bound, {} undecided",
                check.outside_bound,
                check.elements,
                check.max_abs_error,
                check.worst_error_per_bound,
                check.undecided
            );
        }
    }
}

fn spread_text(spread: &Spread) -> String {
    match spread.samples {
        1 => format_ms(spread.median),
        samples => format!(
            "{} ({} to {}, {samples} runs)",
            format_ms(spread.median),
            format_ms(spread.min),
            format_ms(spread.max)
        ),
    }
}

impl<'r> Summary<'r> {
    fn of(name: &'r str, tensor: &HostTensor, file: Option<&'r PathBuf>) -> Self {
        let values = tensor.to_f64_vec();
        let finite: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        Self {
            name,
            dtype: tensor.dtype().to_string(),
            shape: tensor.shape().to_vec(),
            min: finite.iter().copied().reduce(f64::min),
            max: finite.iter().copied().reduce(f64::max),
            mean: (!finite.is_empty()).then_some(mean),
            not_finite: values.len() - finite.len(),
            file,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_leave_out_what_is_not_finite() {
        let tensor = HostTensor::from_f32(&[4], &[1.0, f32::NAN, -3.0, f32::INFINITY]).unwrap();
        let summary = Summary::of("r", &tensor, None);
        assert_eq!(
            (summary.min, summary.max, summary.mean),
            (Some(-3.0), Some(1.0), Some(-1.0))
        );
        assert_eq!(summary.not_finite, 2);
        let empty = HostTensor::from_f32(&[0], &[]).unwrap();
        assert_eq!(Summary::of("r", &empty, None).mean, None);
    }
}
