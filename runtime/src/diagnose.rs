//! A smoke test: does this device compile, run and multiply correctly?
//!
//! Five 64x64x128 f32 matmuls of other inputs against f64 sums. The bound is the one of any
//! summation order: |error| <= gamma_K * sum |a||b|, gamma_K = K u / (1 - K u),
//! u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, §3.1).

use std::{collections::BTreeMap, fmt, ops::ControlFlow};

use crate::{
    Device, DeviceDescription, Dtype, Executable, HostTensor, Manifest, Package, RunError,
    TimedRun,
    device::Target,
    execute::{ExecOptions, Poison, Repeats, RunOptions, format_ms},
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Port, Role,
        Step, Symbols, VerifierSettings,
    },
};

const M: usize = 64;
const N: usize = 64;
const K: usize = 128;
/// Timed runs, each with inputs of its own.
const REPEATS: usize = 5;
const FILE: &str = "kernels/smoke_matmul.wgsl";

/// What a device is and whether it works.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The device.
    pub device: DeviceDescription,
    /// The smoke test; `None` on a CPU, which runs no WGSL.
    pub smoke_test: Option<SmokeTest>,
}

/// Outcome of the smoke test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmokeTest {
    /// Largest absolute error of an element; infinite if one is not finite.
    pub max_abs_error: f64,
    /// Time on the device, if it has a clock.
    pub gpu_ms: Option<f64>,
    /// Whether every element is within its bound and every guard is intact.
    pub passed: bool,
}

/// Describes a device and runs the smoke test on it.
pub fn diagnose(device: &Device) -> Result<Diagnosis, RunError> {
    let description = device.description().clone();
    let smoke_test = match description.target {
        Target::Gpu => Some(smoke_test(device)?),
        Target::Cpu => None,
    };
    Ok(Diagnosis {
        device: description,
        smoke_test,
    })
}

fn smoke_test(device: &Device) -> Result<SmokeTest, RunError> {
    let package = matmul_package();
    let mut matmul = Executable::new(
        device,
        &package,
        "main",
        &Symbols::new(),
        &ExecOptions::default(),
    )?;
    let tensor = |shape: &[usize], values: &[f32]| {
        HostTensor::from_f32(shape, values).map_err(|source| RunError::Output {
            name: "smoke test input".into(),
            source,
        })
    };
    let values: Vec<[Vec<f32>; 2]> = (0..REPEATS as u32)
        .map(|set| [values(M * K, 2 * set + 1), values(K * N, 2 * set + 2)])
        .collect();
    let set = |[a, b]: &[Vec<f32>; 2]| Ok(vec![tensor(&[M, K], a)?, tensor(&[K, N], b)?]);
    let sets = values
        .iter()
        .map(set)
        .collect::<Result<Vec<_>, RunError>>()?;
    let options = RunOptions {
        poison: Some(Poison::Nan),
        timeout_ms: 10_000,
    };
    let (mut max_abs_error, mut passed) = (0.0_f64, true);
    let mut inspect = |run: TimedRun| {
        let [a, b] = &values[run.set];
        let (error, within) = errors(a, b, &run.outputs[0].to_f64_vec());
        max_abs_error = max_abs_error.max(error);
        passed &= within && run.guards.is_empty();
        ControlFlow::Continue(())
    };
    let timing = matmul.time(
        &sets,
        &BTreeMap::new(),
        Repeats::exactly(REPEATS),
        &options,
        &mut inspect,
    )?;
    Ok(SmokeTest {
        max_abs_error,
        gpu_ms: timing
            .and_then(|timing| timing.total.gpu_ms)
            .map(|spread| spread.median),
        passed,
    })
}

/// The largest error of c = a b, and whether every element is within its bound.
fn errors(a: &[f32], b: &[f32], c: &[f64]) -> (f64, bool) {
    let u = f64::from(f32::EPSILON) / 2.0;
    let gamma = K as f64 * u / (1.0 - K as f64 * u);
    let (mut max_abs_error, mut passed) = (0.0_f64, true);
    for (index, value) in c.iter().enumerate() {
        let (row, column) = (index / N, index % N);
        let products = (0..K).map(|k| f64::from(a[row * K + k]) * f64::from(b[k * N + column]));
        let (sum, magnitude) =
            products.fold((0.0, 0.0), |(sum, total), p| (sum + p, total + p.abs()));
        let error = if value.is_finite() {
            (value - sum).abs()
        } else {
            f64::INFINITY
        };
        max_abs_error = max_abs_error.max(error);
        passed &= error <= gamma * magnitude;
    }
    (max_abs_error, passed)
}

/// Reproducible values in (-1, 1) from a linear congruential generator.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn matmul_package() -> Package {
    let [m, n, k] = [M, N, K].map(|size| size as i64);
    let dense = |name, shape: [i64; 2], role| Buffer::dense(name, Dtype::F32, shape, role);
    let binding = |access| Binding {
        access,
        dtype: Dtype::F32,
        elements: None,
    };
    let port = |name: &str, id, shape: [i64; 2]| Port {
        name: name.into(),
        buffer: BufferId(id),
        dtype: Dtype::F32,
        shape: shape.map(Expr::from).to_vec(),
    };
    let kernel = Kernel {
        entry_point: "smoke_matmul".into(),
        code: Code::Wgsl { file: FILE.into() },
        workgroup_size: [8, 8, 1],
        bindings: vec![
            binding(Access::Read),
            binding(Access::Read),
            binding(Access::Write),
        ],
        immediates: Vec::new(),
        stage: "matmul".into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    };
    let dispatch = Dispatch {
        kernel: "smoke_matmul".into(),
        workgroups: [m / 8, n / 8, 1].map(Expr::from),
        args: [0, 1, 2].map(|id| BufferId(id).into()).to_vec(),
        immediates: Vec::new(),
        shape: [m, n, k].map(Expr::from).to_vec(),
    };
    let entry = Entry {
        inputs: vec![port("a", 0, [m, k]), port("b", 1, [k, n])],
        outputs: vec![port("c", 2, [m, n])],
        steps: vec![Step::Dispatch(dispatch)],
    };
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: vec![
            dense("a", [m, k], Role::Input),
            dense("b", [k, n], Role::Input),
            dense("c", [m, n], Role::Output),
        ],
        kernels: BTreeMap::from([("smoke_matmul".into(), kernel)]),
        entries: BTreeMap::from([("main".into(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package
        .files
        .insert(FILE.into(), include_bytes!("smoke_matmul.wgsl").to_vec());
    package
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.device;
        let driver = format!("{} {}", d.driver, d.driver_info);
        let driver = match driver.trim() {
            "" => String::new(),
            driver => format!(", {driver}"),
        };
        writeln!(f, "device: {} ({}{driver})", d.name, d.backend)?;
        match d.target {
            Target::Cpu => {
                writeln!(f, "cores: {}, SIMD: {} bit", d.cores, d.simd_bits)?;
                let cache =
                    |c: &crate::device::Cache| format!("L{} {} KiB", c.level, c.bytes >> 10);
                let caches: Vec<_> = d.caches.iter().map(cache).collect();
                writeln!(f, "caches: {}", caches.join(", "))?;
            }
            Target::Gpu => {
                let cores = match d.cores {
                    0 => "not known".into(),
                    cores => cores.to_string(),
                };
                writeln!(
                    f,
                    "vendor: {}, kind: {}, cores: {cores}",
                    d.vendor,
                    d.kind.as_str()
                )?;
                writeln!(
                    f,
                    "workgroup memory: {} bytes, invocations: {}, storage buffers: {}",
                    d.workgroup_memory, d.invocations, d.storage_buffers
                )?;
                writeln!(
                    f,
                    "largest binding: {} bytes, immediates: {} bytes, subgroups: {}..={}",
                    d.storage_binding_bytes, d.immediate_bytes, d.subgroup_min, d.subgroup_max
                )?;
            }
        }
        writeln!(f, "features: {}", d.features.join(", "))?;
        for shape in &d.matrix_shapes {
            writeln!(f, "matrix unit: {shape}")?;
        }
        match self.smoke_test {
            Some(test) => writeln!(f, "{test}"),
            None => writeln!(f, "GPU smoke test: none, the device is a CPU"),
        }
    }
}

impl fmt::Display for SmokeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.gpu_ms.map_or_else(|| "none".into(), format_ms);
        write!(
            f,
            "GPU smoke test: {M}x{N}x{K} matmul, max_abs_error={:.3e}, gpu_time={time}, passed={}",
            self.max_abs_error, self.passed
        )
    }
}
