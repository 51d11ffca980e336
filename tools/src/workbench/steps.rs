//! The seven steps of `kforge compile-transformer`, one line each.

use std::io::{self, Write};

use kforge_runtime::{DeviceDescription, device::Target};

use crate::{
    measure::MeasuredResult,
    optimize::{Optimizer, Stage},
};

/// Where the lines go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    to_stderr: bool,
}

impl Steps {
    pub(super) const fn new(to_stderr: bool) -> Self {
        Self { to_stderr }
    }

    pub(super) fn workload(self, optimizer: &Optimizer, shape: String) {
        let problem = optimizer.problem();
        let (workload, module) = (&problem.workload, &problem.module);
        self.line(
            1,
            "workload",
            &format!("{shape}; {workload}, module {module}"),
        );
    }

    pub(super) fn device(self, device: &DeviceDescription) {
        let target = match device.target {
            Target::Gpu => "gpu",
            Target::Cpu => "cpu",
        };
        self.line(2, "device", &format!("'{}', {target}", device.name));
    }

    /// Step 3 of a file that is no plan.
    pub(super) fn unread(self, name: &str) {
        self.line(3, "plan", &format!("{name} cannot be read"));
    }

    /// Steps 3 to 6.
    pub(super) fn of(self, stage: &Stage<'_>) {
        match stage {
            Stage::Proposed { proposer, plan } => {
                let passes = plural(plan.passes.len(), "pass");
                let text = format!("{} with {passes}, proposed by {proposer}", plan.id());
                self.line(3, "plan", &text);
            }
            Stage::Checked([]) => self.line(4, "check", "fits the module and the device"),
            Stage::Checked(violations) => {
                let reasons = plural(violations.len(), "violation");
                self.line(4, "check", &format!("refused, {reasons}"));
                violations
                    .iter()
                    .for_each(|it| self.write(&format!("      {it}")));
            }
            Stage::Compiled(package) => {
                let kernels = plural(package.manifest.kernels.len(), "kernel");
                self.line(5, "lowering", &kernels);
            }
            Stage::Verified(verdict) => self.line(6, "verify", &told(verdict)),
            Stage::Warning(text) => {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(io::stderr(), "warning: {text}");
            }
        }
    }

    pub(super) fn written(self, files: &[String]) {
        self.line(7, "written", &files.join(", "));
    }

    fn line(self, number: usize, name: &str, text: &str) {
        self.write(&format!("[{number}/7] {name:<9} {text}"));
    }

    fn write(self, line: &str) {
        // The files say it, too; a closed pipe ends nothing.
        let _ = match self.to_stderr {
            true => writeln!(io::stderr(), "{line}"),
            false => writeln!(io::stdout(), "{line}"),
        };
    }
}

fn told(verdict: &MeasuredResult) -> String {
    match verdict {
        MeasuredResult::Refused(refusal) => {
            format!("refused ({}): {}", refusal.reason, refusal.detail)
        }
        MeasuredResult::Verified {
            levels,
            comparisons,
            worst_ratio,
            time,
            ..
        } => format!(
            "{}, {comparisons} comparisons, worst error {worst_ratio:.3} of its bound; {:.4} ms ({:.4} to {:.4})",
            levels.join("+"),
            time.ms.median,
            time.ms.min,
            time.ms.max,
        ),
    }
}

/// A count with its noun.
pub(super) fn plural(count: usize, noun: &str) -> String {
    match (count, noun.ends_with('s')) {
        (1, _) => format!("1 {noun}"),
        (_, true) => format!("{count} {noun}es"),
        (_, false) => format!("{count} {noun}s"),
    }
}
