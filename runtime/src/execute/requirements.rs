//! Whether a device can run a kernel, as far as that shows before compiling.

use super::{
    error::{FailureKind, Fault},
    instance::Instance,
};
use crate::{
    device::{DeviceDescription, Target},
    manifest::{BufferId, Kernel, RequiredLimits},
};

/// What can be said about a kernel and a device without any sizes.
pub(super) fn check_kernel(kernel: &Kernel, device: &DeviceDescription) -> Result<(), Fault> {
    let unsupported = |detail: String| Err(Fault::new(FailureKind::Unsupported, detail));
    let (needs, runs) = match (kernel.is_native(), device.target) {
        (true, Target::Gpu) => ("native code", "WGSL"),
        (false, Target::Cpu) => ("WGSL", "native code"),
        _ => ("", ""),
    };
    if needs != runs {
        return unsupported(format!(
            "the kernel is {needs}, device '{}' runs {runs}; choose another device or package",
            device.name
        ));
    }
    if let Some(missing) = kernel
        .requires
        .features
        .iter()
        .find(|name| !device.has(name))
    {
        return unsupported(format!(
            "device '{}' lacks feature '{}'; plan for this device",
            device.name,
            missing.escape_default()
        ));
    }
    let shapes = &kernel.requires.matrix_shapes;
    if let Some(missing) = shapes
        .iter()
        .find(|shape| !device.matrix_shapes.contains(shape))
    {
        return unsupported(format!(
            "device '{}' has no {missing} matrix unit",
            device.name
        ));
    }
    let limits = kernel.requires.limits;
    let fixed = device.subgroup_min == device.subgroup_max;
    if limits.subgroup_size != 0 && !(fixed && device.subgroup_min == limits.subgroup_size) {
        return unsupported(format!(
            "the kernel needs subgroups of {}, device '{}' has {}..={}",
            limits.subgroup_size, device.name, device.subgroup_min, device.subgroup_max
        ));
    }
    check_trips(limits.loop_trips, device)?;
    let size = kernel.workgroup_size.map(u64::from);
    let immediates = match kernel.abi.uniform {
        Some(_) => 0,
        None => 4 * kernel.immediates.len() as u64,
    };
    let checks = [
        (
            "workgroup memory bytes",
            limits.workgroup_memory,
            u64::from(device.workgroup_memory),
        ),
        (
            "invocations per workgroup",
            size.iter().product(),
            u64::from(device.invocations),
        ),
        (
            "workgroup size in x",
            size[0],
            u64::from(device.workgroup_size[0]),
        ),
        (
            "workgroup size in y",
            size[1],
            u64::from(device.workgroup_size[1]),
        ),
        (
            "workgroup size in z",
            size[2],
            u64::from(device.workgroup_size[2]),
        ),
        (
            "storage buffers",
            kernel.bindings.len() as u64,
            u64::from(device.storage_buffers),
        ),
        (
            "bytes per binding",
            limits.storage_binding_bytes,
            device.storage_binding_bytes,
        ),
        (
            "bytes of immediates",
            immediates,
            u64::from(device.immediate_bytes),
        ),
    ];
    match checks.iter().find(|(_, needed, limit)| needed > limit) {
        Some((what, needed, limit)) => Err(limit_fault(format!(
            "{what}: {needed} exceed the limit of {limit} on '{}'; plan for this device",
            device.name
        ))),
        None => Ok(()),
    }
}

/// A driver that ends loops gives wrong results without a word.
fn check_trips(trips: u64, device: &DeviceDescription) -> Result<(), Fault> {
    let Some(limit) = device.loop_trip_limit.filter(|limit| trips > *limit) else {
        return Ok(());
    };
    let name = &device.name;
    Err(limit_fault(match trips {
        RequiredLimits::UNKNOWN_TRIPS => format!(
            "loops: how many iterations an invocation makes is not known, and '{name}' silently \
             ends loops after {limit}; choose another device"
        ),
        _ => format!(
            "loops: an invocation makes up to {trips} iterations, and '{name}' silently ends \
             loops after {limit}; unroll more, split the work or choose another device"
        ),
    }))
}

/// One buffer may be bound several times, but not read-only and writable at once.
pub(super) fn check_aliasing(
    instance: &Instance,
    kernel: &Kernel,
    args: &[(BufferId, u64)],
) -> Result<(), Fault> {
    for (i, (buffer, _)) in args.iter().enumerate() {
        for (j, (other, _)) in args.iter().enumerate().skip(i + 1) {
            let writes = |index: usize| kernel.bindings[index].access.writes();
            if buffer == other && writes(i) != writes(j) {
                let name = &instance.buffers[buffer].name;
                return Err(Fault::new(
                    FailureKind::Validation,
                    format!(
                        "buffer '{name}' is bound for reading ({}) and writing ({}) at once; \
                         declare both read_write or copy it first",
                        if writes(i) { j } else { i },
                        if writes(i) { i } else { j }
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// A limit that is exceeded.
pub(super) fn limit_fault(detail: String) -> Fault {
    Fault::new(FailureKind::Limit, detail)
}
