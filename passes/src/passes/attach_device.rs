//! `kforge-attach-device`: says which device the module is compiled for.
//!
//! Before:
//! ```mlir
//! module { ... }
//! ```
//! After:
//! ```mlir
//! module attributes {kforge.device = {target = "gpu", invocations = 256, ...}} { ... }
//! ```
//! Requires: nothing.
//! Ensures: `kforge.device` holds every option; later passes read target and
//! limits from it alone.
//! Does nothing when: never; an attached device is replaced.
//! Limits: every limit is positive, cores and the subgroup size may be 0; the defaults are WebGPU's base limits.

use kforge_dialect::{
    attributes,
    device::{Device, Target},
    diagnostics,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun},
};
use melior::{
    Context,
    ir::{OperationRef, operation::OperationLike},
};

/// The options, shared with the default pipeline.
pub const OPTIONS: &[OptionDef] = &[
    OptionDef {
        name: "target",
        description: "what to compile for",
        kind: OptionKind::Choice(Target::NAMES),
    },
    OptionDef {
        name: "name",
        description: "the device's name, without spaces, for reports",
        kind: OptionKind::Text("webgpu"),
    },
    OptionDef {
        name: "kind",
        description: "how the device is built",
        kind: OptionKind::Choice(Device::KINDS),
    },
    OptionDef {
        name: "workgroup-memory",
        description: "workgroup memory in bytes",
        kind: OptionKind::Integer(16384),
    },
    OptionDef {
        name: "invocations",
        description: "invocations of one workgroup",
        kind: OptionKind::Integer(256),
    },
    OptionDef {
        name: "storage-buffers",
        description: "storage buffers of one kernel",
        kind: OptionKind::Integer(8),
    },
    OptionDef {
        name: "storage-binding",
        description: "bytes of one storage binding",
        kind: OptionKind::Integer(128 << 20),
    },
    OptionDef {
        name: "subgroup-size",
        description: "invocations of one subgroup; 0 where it varies or there are none",
        kind: OptionKind::Integer(0),
    },
    OptionDef {
        name: "features",
        description: "wgpu features in kebab-case, joined by +",
        kind: OptionKind::Text(""),
    },
    OptionDef {
        name: "matrix-shapes",
        description: "matrix unit shapes as MxNxK:ab:cr, joined by +",
        kind: OptionKind::Text(""),
    },
    OptionDef {
        name: "simd-bits",
        description: "width of a CPU's vector registers in bits",
        kind: OptionKind::Integer(128),
    },
    OptionDef {
        name: "l1",
        description: "bytes of a CPU's L1 data cache",
        kind: OptionKind::Integer(32 << 10),
    },
    OptionDef {
        name: "l2",
        description: "bytes of a CPU's L2 cache",
        kind: OptionKind::Integer(256 << 10),
    },
    OptionDef {
        name: "cores",
        description: "compute units of a GPU, threads of a CPU; 0 where unknown",
        kind: OptionKind::Integer(0),
    },
];

pub const PASS: PassDef = PassDef {
    argument: "kforge-attach-device",
    name: "AttachDevice",
    summary: "attach the device that later passes compile for",
    options: OPTIONS,
    statistics: &[],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let list = |name: &str| -> Vec<String> {
        pass.text(name)
            .split('+')
            .filter(|item| !item.is_empty())
            .map(Into::into)
            .collect()
    };
    let mut device = Device {
        target: Target::parse(pass.choice("target")).unwrap_or(Target::Gpu),
        name: pass.text("name"),
        kind: pass.choice("kind").into(),
        features: list("features"),
        matrix_shapes: list("matrix-shapes"),
        ..Device::default()
    };
    for (name, limit) in device.integers_mut() {
        let value = pass.integer(name);
        let least = Device::least(name);
        if value < least {
            let message = format!(
                "{}: {name} is {value}, expected at least {least}",
                pass.argument()
            );
            diagnostics::error(module.location(), &message);
            return Err(Failed);
        }
        *limit = value as u64;
    }
    kforge_dialect::ir::set_attribute(module, attributes::DEVICE, device.to_attribute(context));
    Ok(())
}
