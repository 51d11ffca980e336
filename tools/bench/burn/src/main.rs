//! Times a work of a suite through Burn, whose kernels are CubeCL's, on wgpu and Vulkan.
//!
//! The work is JSON on standard input, as in `suite.json`; the argument is how many samples are
//! wanted. What it prints is `{"ms": [...], "how": "..."}`: milliseconds of one call by the
//! host's clock, where as many calls are queued as take 2 ms or more, and then waited for.
//! Autotuning, which Burn does when it first meets a shape, comes before.

use std::{io::Read, process::ExitCode, time::Instant};

use burn::{
    nn::{LayerNormConfig, RmsNormConfig},
    tensor::{
        DType, Device, DeviceKind, Distribution, Tensor, TensorCreationOptions,
        activation::softmax, module::attention, ops::AttentionModuleOptions,
    },
};
use serde_json::Value;

/// As the other peers' and kforge-run's: sets of inputs that take turns, and their bytes.
const SETS: std::ops::RangeInclusive<u64> = 4..=15;
const SET_BYTES: u64 = 256 << 20;
/// Milliseconds of a sample, at least, and its calls and bytes of results, at most.
const SAMPLE_MS: f64 = 2.0;
const MOST_CALLS: f64 = 100.0;
const RESULT_BYTES: f64 = (2_u64 << 30) as f64;

type Call = Box<dyn Fn() -> Tensor<3>>;
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let samples: usize = std::env::args()
        .nth(1)
        .ok_or("how many samples?")?
        .parse()?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let work: Value = serde_json::from_str(&text)?;
    let device = Device::vulkan(DeviceKind::DefaultDevice);
    let bytes = work["bytes"].as_u64().ok_or("the work has no bytes")?;
    let sets = (SET_BYTES / bytes.max(1)).clamp(*SETS.start(), *SETS.end());
    let calls = (0..sets).map(|_| call(&work, &device));
    let calls: Vec<Call> = calls.collect::<Result<_, _>>()?;

    // Autotuning, compilation, and then how long a call takes.
    for _ in 0..3 {
        once(&calls, calls.len(), &device)?;
    }
    let ms = once(&calls, calls.len(), &device)?;
    let most = (RESULT_BYTES / bytes.max(1) as f64).clamp(1.0, MOST_CALLS);
    let count = (SAMPLE_MS / ms).ceil().clamp(1.0, most) as usize;
    let times = (0..samples).map(|_| once(&calls, count, &device));
    let times: Vec<f64> = times.collect::<Result<_, _>>()?;
    let how = format!("{count} calls by the host's clock");
    println!("{}", serde_json::json!({ "ms": times, "how": how }));
    Ok(())
}

/// Milliseconds of a call, of so many that are queued before the last is waited for.
fn once(calls: &[Call], count: usize, device: &Device) -> Result<f64, Failure> {
    device.sync()?;
    let begin = Instant::now();
    // Results are kept: what nobody holds need not be computed.
    let results: Vec<_> = (0..count).map(|it| calls[it % calls.len()]()).collect();
    device.sync()?;
    let ms = begin.elapsed().as_secs_f64() * 1e3 / count as f64;
    drop(results);
    Ok(ms)
}

/// The call of a work, on inputs of its own.
fn call(work: &Value, device: &Device) -> Result<Call, Failure> {
    let dtype = match work["element"].as_str() {
        Some("f32") => DType::F32,
        Some("f16") => DType::F16,
        other => return Err(format!("element {other:?} is neither f32 nor f16").into()),
    };
    let options = || TensorCreationOptions::new(device.clone()).with_dtype(dtype);
    let normal = Distribution::Normal(0.0, 1.0);
    let (kind, sizes) = work["op"]
        .as_object()
        .and_then(|it| it.iter().next())
        .ok_or("the work has no op")?;
    let size = |name: &str| {
        let size = sizes[name].as_u64().and_then(|it| usize::try_from(it).ok());
        size.ok_or_else(|| format!("{kind} has no {name}"))
    };
    Ok(match kind.as_str() {
        "matmul" => {
            let (m, n, k) = (size("m")?, size("n")?, size("k")?);
            let a = Tensor::<3>::random([1, m, k], normal, options());
            let b = Tensor::<3>::random([1, k, n], normal, options());
            Box::new(move || a.clone().matmul(b.clone()))
        }
        "softmax" => {
            let x = Tensor::<3>::random([1, size("rows")?, size("columns")?], normal, options());
            Box::new(move || softmax(x.clone(), 2))
        }
        "layer_norm" => {
            let columns = size("columns")?;
            let x = Tensor::<3>::random([1, size("rows")?, columns], normal, options());
            let norm = LayerNormConfig::new(columns).init(device);
            Box::new(move || norm.forward(x.clone()))
        }
        "rms_norm" => {
            let columns = size("columns")?;
            let x = Tensor::<3>::random([1, size("rows")?, columns], normal, options());
            let norm = RmsNormConfig::new(columns).init(device);
            Box::new(move || norm.forward(x.clone()))
        }
        "attention" => {
            let shape = [
                size("batch")?,
                size("heads")?,
                size("positions")?,
                size("head")?,
            ];
            let [q, k, v] = [(); 3].map(|()| Tensor::<4>::random(shape, normal, options()));
            let causal = sizes["causal"].as_bool().unwrap_or_default();
            let chosen = AttentionModuleOptions {
                is_causal: causal,
                ..Default::default()
            };
            Box::new(move || {
                let [q, k, v] = [&q, &k, &v].map(|it| (*it).clone());
                let y = attention(q, k, v, None, None, chosen.clone());
                y.reshape([shape[0] * shape[1], shape[2], shape[3]])
            })
        }
        other => return Err(format!("there is no {other} here").into()),
    })
}
