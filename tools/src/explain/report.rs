//! What `kforge explain` shows.

use std::fmt;

use kforge_runtime::{
    Package, Roofline,
    execute::{DispatchTime, format_ms},
    manifest::Kernel,
};
use serde::Serialize;

use super::{Bound, On};
use crate::{benchmark::Work, measure::Time};

/// A function, explained.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The device's name.
    pub device: String,
    /// The plan as a pipeline.
    pub pipeline: String,
    /// Levels of verification that hold.
    pub levels: Vec<String>,
    /// Whether it ran without shader checks.
    pub without_checks: bool,
    /// What the device reaches, where that can be measured.
    pub roofline: Option<Roofline>,
    /// One run of the whole function.
    pub time: Option<Time>,
    /// Its kernels, or the few that make one stage, in order.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What reports call it.
    pub name: String,
    /// Its kernels.
    pub kernels: Vec<Launched>,
    /// Operations of its matrix products, two per multiply-add.
    pub flops: u64,
    /// Bytes of what it reads and writes, each once.
    pub bytes: u64,
    /// Median milliseconds of its kernels together, by the device's clock.
    pub ms: Option<f64>,
    /// The least milliseconds that the roofline allows, in f32 without matrix units.
    pub least_ms: Option<f64>,
    /// The second by the first.
    pub roofline_share: Option<f64>,
    /// What bounds it.
    pub bound: Bound,
}

/// One kernel of a stage.
#[derive(Clone, Debug, Serialize)]
pub struct Launched {
    /// Its name.
    pub name: String,
    /// Workgroups launched.
    pub workgroups: u64,
    /// Invocations of a workgroup, and how many the device allows.
    pub invocations: [u64; 2],
    /// Bytes of workgroup memory, and how many the device has.
    pub workgroup_memory: [u64; 2],
    /// Median milliseconds.
    pub ms: Option<f64>,
    /// The knobs it was made with.
    pub knobs: String,
}

impl Stage {
    pub(super) fn of(
        package: &Package,
        name: &str,
        timed: &[DispatchTime],
        work: Work,
        on: &On<'_>,
    ) -> Self {
        let kernels: Vec<Launched> = timed
            .iter()
            .filter_map(|time| {
                let kernel = package.manifest.kernels.get(&time.kernel)?;
                Some(Launched::of(kernel, time, on))
            })
            .collect();
        let ms: Option<f64> = timed.iter().map(median).sum();
        let ms = ms.filter(|_| !timed.is_empty());
        let least_ms = on
            .roofline
            .map(|it| it.milliseconds(work.flops as f64, work.bytes as f64));
        let workgroups = kernels.iter().map(|it| it.workgroups).max().unwrap_or(0);
        let units = u64::from(on.device.cores);
        Self {
            name: name.to_owned(),
            kernels,
            flops: work.flops,
            bytes: work.bytes,
            ms,
            least_ms,
            roofline_share: least_ms.zip(ms).map(|(least, ms)| least / ms),
            bound: Bound::of(work, ms, on.roofline, workgroups, units),
        }
    }
}

impl Launched {
    fn of(kernel: &Kernel, time: &DispatchTime, on: &On<'_>) -> Self {
        let product = |sizes: [u32; 3]| sizes.iter().map(|size| u64::from(*size)).product();
        Self {
            name: time.kernel.clone(),
            workgroups: product(time.workgroups),
            invocations: [
                product(kernel.workgroup_size),
                u64::from(on.device.invocations),
            ],
            workgroup_memory: [
                kernel.requires.limits.workgroup_memory,
                u64::from(on.device.workgroup_memory),
            ],
            ms: median(time),
            knobs: match kernel.knobs.is_empty() {
                true => String::new(),
                false => kernel.knob_text(),
            },
        }
    }
}

fn median(time: &DispatchTime) -> Option<f64> {
    time.gpu_ms.map(|spread| spread.median)
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = match self.without_checks {
            true => ", shader checks off",
            false => "",
        };
        writeln!(
            f,
            "on '{}', verified {}{checks}",
            self.device,
            self.levels.join("+")
        )?;
        if let Some(roofline) = self.roofline {
            writeln!(
                f,
                "roofline  {:.1} GB/s of a copy, {:.1} GFLOP/s of f32 multiply-adds",
                roofline.bytes_per_second / 1e9,
                roofline.flops_per_second / 1e9
            )?;
        }
        if let Some(time) = &self.time {
            writeln!(f, "one run   {}", format_ms(time.ms.median))?;
        }
        let whole: Option<f64> = self.stages.iter().map(|stage| stage.ms).sum();
        for stage in &self.stages {
            writeln!(f)?;
            stage.write(f, whole)?;
        }
        Ok(())
    }
}

impl Stage {
    fn write(&self, f: &mut fmt::Formatter<'_>, whole: Option<f64>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(ms) = self.ms {
            write!(f, "  {}", format_ms(ms))?;
            if let Some(whole) = whole.filter(|whole| *whole > 0.0) {
                write!(f, ", {:.1} % of the kernels' time", 100.0 * ms / whole)?;
            }
        }
        writeln!(f)?;
        let ms = self.ms.filter(|ms| *ms > 0.0);
        let rate = |amount: u64, unit: &str| {
            let rate = ms.map(|ms| amount as f64 / ms / 1e6);
            rate.map_or_else(String::new, |rate| match rate < 1.0 {
                true => format!(", {rate:.3} {unit}"),
                false => format!(", {rate:.1} {unit}"),
            })
        };
        write!(
            f,
            "  moves     {} bytes{}",
            self.bytes,
            rate(self.bytes, "GB/s")
        )?;
        if self.flops > 0 {
            write!(
                f,
                "\n  computes  {} FLOP in products{}, {:.1} FLOP/byte",
                self.flops,
                rate(self.flops, "GFLOP/s"),
                self.flops as f64 / self.bytes.max(1) as f64
            )?;
        }
        writeln!(f)?;
        if let (Some(least), Some(share)) = (self.least_ms, self.roofline_share) {
            writeln!(
                f,
                "  roofline  {} at least, {:.1} % of it reached",
                format_ms(least),
                100.0 * share
            )?;
        }
        writeln!(f, "  bound by  {}", self.bound.words())?;
        for kernel in &self.kernels {
            kernel.write(f)?;
        }
        Ok(())
    }
}

impl Launched {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [invocations, most_invocations] = self.invocations;
        let [memory, most_memory] = self.workgroup_memory;
        let s = if self.workgroups == 1 { "" } else { "s" };
        write!(
            f,
            "  kernel    {}: {} workgroup{s}",
            self.name, self.workgroups
        )?;
        if most_invocations > 0 {
            write!(f, " of {invocations} of {most_invocations} invocations")?;
        }
        if most_memory > 0 {
            write!(f, ", {memory} of {most_memory} bytes of workgroup memory")?;
        }
        match self.knobs.as_str() {
            "" => writeln!(f),
            knobs => writeln!(f, "\n            {knobs}"),
        }
    }
}
