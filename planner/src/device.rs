//! A described device as the limits that plans and passes know.

use kforge_runtime::{DeviceDescription, device::Target};

use crate::plan::{Knob, Knobs};

/// The options of `kforge-attach-device`, but `target`, for a device.
pub fn limits(device: &DeviceDescription) -> Knobs {
    let mut knobs = Knobs::new();
    let mut text = |name: &str, value: String| knobs.insert(name.to_owned(), Knob::Name(value));
    text("name", one_word(&device.name));
    text("kind", device.kind.as_str().to_owned());
    text("features", device.features.join("+"));
    let shapes = device.matrix_shapes.iter();
    let shapes: Vec<String> = shapes
        .map(|it| format!("{}x{}x{}:{}:{}", it.m, it.n, it.k, it.ab, it.cr))
        .collect();
    text("matrix-shapes", shapes.join("+"));
    let mut number = |name: &str, value: u64| {
        let value = i64::try_from(value).unwrap_or(i64::MAX).min(1 << 48);
        knobs.insert(name.to_owned(), Knob::Integer(value))
    };
    let fixed = device.subgroup_min == device.subgroup_max;
    number(
        "subgroup-size",
        if fixed { device.subgroup_min.into() } else { 0 },
    );
    number("cores", device.cores.into());
    match device.target {
        Target::Gpu => {
            number("workgroup-memory", device.workgroup_memory.into());
            number("invocations", device.invocations.into());
            number("storage-buffers", device.storage_buffers.into());
            number("storage-binding", device.storage_binding_bytes);
        }
        Target::Cpu => {
            number("simd-bits", device.simd_bits.max(1).into());
            for (level, name) in [(1, "l1"), (2, "l2")] {
                if let Some(cache) = device.caches.iter().find(|cache| cache.level == level) {
                    number(name, cache.bytes.max(1));
                }
            }
        }
    }
    knobs
}

/// A driver's name for a device, without what pipeline text gives a meaning.
fn one_word(name: &str) -> String {
    let keep = |c: char| match c.is_ascii_alphanumeric() || "._".contains(c) {
        true => c,
        false => '-',
    };
    name.chars().take(64).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_cannot_add_passes() {
        let device = DeviceDescription {
            name: "llvmpipe (LLVM 15) },cse{x=".into(),
            ..Default::default()
        };
        let name = limits(&device)["name"].to_string();
        assert_eq!(name, "llvmpipe--LLVM-15----cse-x-");
    }
}
