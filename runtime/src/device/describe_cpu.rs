//! Reads a description off this machine's processor, as far as it tells.
//!
//! Name and caches come from Linux's /proc and /sys; elsewhere they stay empty.

use std::{fs, path::Path};

use super::{Cache, DeviceDescription, DeviceKind, Target};
use crate::cpu::host;

/// The processor's SIMD width, caches and threads.
pub(super) fn describe() -> DeviceDescription {
    let features = host::features();
    let has = |feature: &str| features.iter().any(|name| name == feature);
    let simd_bits = match () {
        () if has("avx512f") => 512,
        () if has("avx2") => 256,
        () => 128,
    };
    DeviceDescription {
        target: Target::Cpu,
        name: model_name().unwrap_or_else(|| std::env::consts::ARCH.into()),
        vendor: std::env::consts::ARCH.into(),
        backend: "native".into(),
        kind: DeviceKind::Processor,
        workgroups_per_dimension: u32::MAX,
        storage_binding_bytes: u64::MAX,
        buffer_bytes: u64::MAX,
        storage_offset_alignment: 64,
        workgroup_memory: 0,
        invocations: 1,
        workgroup_size: [1, 1, 1],
        immediate_bytes: 256,
        timestamps: true,
        simd_bits,
        caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        features,
        ..DeviceDescription::default()
    }
}

fn model_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Data and unified caches, smallest level first.
fn caches(folder: &Path) -> Vec<Cache> {
    let cache = |index: u32| {
        let read = |file: &str| {
            let text = fs::read_to_string(folder.join(format!("index{index}")).join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        if read("type")? == "Instruction" {
            return None;
        }
        let size = read("size")?;
        let bytes = match size.strip_suffix('K') {
            Some(kilobytes) => kilobytes.parse::<u64>().ok()?.checked_mul(1024)?,
            None => size.parse().ok()?,
        };
        Some(Cache {
            level: read("level")?.parse().ok()?,
            bytes,
        })
    };
    (0..8).filter_map(cache).collect()
}
