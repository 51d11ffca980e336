//! What an attempt's evidence holds for: the problem, the device and the tools.
//!
//! Evidence counts for an equal key alone. Another driver, another version or another
//! shape makes another key, whose attempts are at most proposals ([`Key::distance`]).

use kforge_runtime::{
    DeviceDescription,
    device::{DeviceKind, Target},
};
use serde::{Deserialize, Serialize};

use crate::{plan::SCHEMA, problem::Problem};

/// Everything that a verdict or a time may depend on but the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Canonical module hash, workload, the ops with their shapes and dtypes.
    pub problem: Problem,
    /// Who ran it.
    pub adapter: Adapter,
    /// Version of the plan format.
    pub plan_schema: u32,
    /// Versions of what compiled, checked and translated it.
    pub versions: Versions,
    /// The run-time checks that its shaders had.
    pub checks: Checks,
}

/// A device and its driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// GPU or CPU.
    pub target: Target,
    /// The driver's name for it.
    pub name: String,
    /// Vendor, as PCI id or name.
    pub vendor: String,
    /// API, or `native`.
    pub backend: String,
    /// Driver name.
    pub driver: String,
    /// Driver version and whatever else it tells.
    pub driver_info: String,
    /// Discrete, integrated, software, ...
    pub kind: DeviceKind,
}

/// Versions of the software between a plan and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Of kforge.
    pub kforge: String,
    /// Of the gate.
    pub verifier: String,
    /// Of wgpu.
    pub wgpu: String,
    /// Of naga.
    pub naga: String,
}

/// Run-time checks of WGSL kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// Accesses are held inside their buffers.
    pub bounds: bool,
    /// Loops are made to end.
    pub loops: bool,
    /// Divisors are tested.
    pub division: bool,
}

impl Default for Checks {
    /// All on: the mode in which kernels are verified.
    fn default() -> Self {
        Self {
            bounds: true,
            loops: true,
            division: true,
        }
    }
}

impl Versions {
    /// Those that this program was built with, as its lock file states them.
    pub fn of_build() -> Self {
        let of = |package| locked(include_str!("../../../Cargo.lock"), package);
        Self {
            kforge: env!("CARGO_PKG_VERSION").to_owned(),
            verifier: of("kforge-verify"),
            wgpu: of("wgpu"),
            naga: of("naga"),
        }
    }
}

/// Every version of a package in a lock file, joined by `+`; empty if there is none.
fn locked(lock: &str, package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while lines.any(|line| line == name) {
        let version = lines.next().and_then(|line| line.split('"').nth(1));
        found.extend(version);
    }
    found.join("+")
}

impl Key {
    /// The key of what this build does for `problem` on `device`, all shader checks on.
    pub fn new(problem: &Problem, device: &DeviceDescription) -> Self {
        Self {
            problem: problem.clone(),
            adapter: Adapter {
                target: device.target,
                name: device.name.clone(),
                vendor: device.vendor.clone(),
                backend: device.backend.clone(),
                driver: device.driver.clone(),
                driver_info: device.driver_info.clone(),
                kind: device.kind,
            },
            plan_schema: SCHEMA,
            versions: Versions::of_build(),
            checks: Checks::default(),
        }
    }

    /// A hash of all of it.
    pub fn digest(&self) -> String {
        digest(&self.text())
    }

    /// How far another key's problem is: the Euclidean distance of the logarithms of
    /// all sizes, so that doubling one size is ln 2. `None` for other ops, another
    /// dtype or another target.
    pub fn distance(&self, other: &Key) -> Option<f64> {
        if self.signature() != other.signature() {
            return None;
        }
        let of = |key: &Key| -> Vec<f64> {
            let ops = key.problem.ops.iter();
            ops.flat_map(|op| op.shape.sizes())
                .map(|size| (size.max(1) as f64).ln())
                .collect()
        };
        let squares = of(self)
            .into_iter()
            .zip(of(other))
            .map(|(a, b)| (a - b).powi(2));
        Some(squares.sum::<f64>().sqrt())
    }

    /// The canonical JSON.
    pub fn text(&self) -> String {
        // A key is strings, integers and booleans: it always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What near keys have in common: target, ops and dtypes.
    pub(super) fn signature(&self) -> String {
        let target = match self.adapter.target {
            Target::Gpu => "gpu",
            Target::Cpu => "cpu",
        };
        let ops = self.problem.ops.iter();
        let ops: Vec<String> = ops
            .map(|op| format!("{}:{}", op.shape.kind(), op.shape.element()))
            .collect();
        format!("{target} {}", ops.join("+"))
    }

    /// The kinds of its ops, each once, for filters.
    pub(super) fn kernel(&self) -> String {
        let mut kinds: Vec<&str> = self.problem.ops.iter().map(|op| op.shape.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.join("+")
    }
}

/// The digest of a key's canonical text.
pub(super) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().as_str()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"naga\"\nversion = \"1.2.3\"\n\n[[package]]\n\
                    name = \"naga-x\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"naga\"\n\
                    version = \"2.0.0\"\n";
        assert_eq!(locked(lock, "naga"), "1.2.3+2.0.0");
        assert_eq!(locked(lock, "none"), "");
        let built = Versions::of_build();
        for version in [built.kforge, built.verifier, built.wgpu, built.naga] {
            assert!(version.split('.').count() >= 3, "'{version}'");
        }
    }
}
