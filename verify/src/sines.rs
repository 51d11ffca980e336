//! What sine and cosine of a device are worth.
//!
//! WGSL lets them be off by 2^-11, a hundred times of what devices do: a kernel with sines in
//! half precision would pass. So where a program has any, they are taken at [`ANGLES`] angles
//! across a turn by a kernel that does nothing else, and the largest error times
//! [`MARGIN`] is allowed, at least [`LEAST`] and at most WGSL's guarantee, which also holds
//! where the device gives no answer.
//!
//! Native code calls the C library's, which are right to a unit of the last place: [`LEAST`].

use std::{collections::BTreeMap, f64::consts::PI};

use kforge_oracle::{Op, Program, SIN_COS_ABSOLUTE, UnaryKind};
use kforge_runtime::{
    Device, Dtype, ExecOptions, Executable, HostTensor, Package, RunOptions,
    device::Target,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Manifest,
        Port, Role, Step, Symbols, VerifierSettings,
    },
};

use crate::{Options, Subject};

/// Angles that are tried.
const ANGLES: usize = 1 << 16;
/// What is allowed, in errors seen.
const MARGIN: f64 = 4.0;
/// Four units of the last place of the number 1/2.
const LEAST: f64 = 1.0 / (1 << 22) as f64;
/// The angles reach beyond half a turn, as reduced ones may by their rounding.
const REACH: f64 = 1.01 * PI;
const FILE: &str = "kernels/sines.wgsl";

/// Sine and cosine of each angle.
const SINES: &str = "
@group(0) @binding(0) var<storage, read> angles: array<f32>;
@group(0) @binding(1) var<storage, read_write> sines: array<f32>;
@group(0) @binding(2) var<storage, read_write> cosines: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    sines[id.x] = sin(angles[id.x]);
    cosines[id.x] = cos(angles[id.x]);
}";

/// The options with what was measured, where `subject` has sines.
pub(crate) fn measured(subject: &Subject, device: &Device, options: &Options) -> Options {
    let sin_cos = match has_any(subject) {
        false => options.sin_cos,
        true if device.description().target == Target::Cpu => LEAST,
        true => worst(device, options.timeout_ms).map_or(SIN_COS_ABSOLUTE, |error| {
            (MARGIN * error).clamp(LEAST, SIN_COS_ABSOLUTE)
        }),
    };
    Options {
        sin_cos,
        ..options.clone()
    }
}

/// Whether any program of `subject` has sines.
pub(crate) fn has_any(subject: &Subject) -> bool {
    let units = subject.units.iter().map(|unit| &unit.program);
    units.chain([&subject.function.program]).any(has_sines)
}

fn has_sines(program: &Program) -> bool {
    program.nodes.iter().any(|node| match &node.op {
        Op::Rope { .. } => true,
        Op::Unary { kind, .. } => matches!(kind, UnaryKind::Sin | UnaryKind::Cos),
        _ => false,
    })
}

/// The largest error; `None` where there is no answer, or none that is a number.
fn worst(device: &Device, timeout_ms: u64) -> Option<f64> {
    let angles: Vec<f64> = (0..ANGLES)
        .map(|index| ((index as f64 + 0.5) / ANGLES as f64 * 2.0 - 1.0) * REACH)
        .map(|angle| f64::from(angle as f32))
        .collect();
    let input = HostTensor::from_f64(Dtype::F32, &[ANGLES], &angles).ok()?;
    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device, &package(), "main", &Symbols::new(), &options).ok()?;
    let options = RunOptions {
        timeout_ms,
        ..RunOptions::default()
    };
    let run = executable.run(&[input], &BTreeMap::new(), &options).ok()?;
    let [sines, cosines] = &run.outputs[..] else {
        return None;
    };
    let pairs = sines.to_f64_vec().into_iter().zip(cosines.to_f64_vec());
    let errors = angles.iter().zip(pairs).map(|(angle, (sine, cosine))| {
        (sine - angle.sin()).abs().max((cosine - angle.cos()).abs())
    });
    let worst = errors.fold(0.0, |worst: f64, error| match error.is_nan() {
        true => f64::INFINITY,
        false => worst.max(error),
    });
    worst.is_finite().then_some(worst)
}

fn package() -> Package {
    let shape = [Expr::from(ANGLES as i64)];
    let buffers = [
        ("angles", Role::Input),
        ("sines", Role::Output),
        ("cosines", Role::Output),
    ];
    let port = |(index, (name, _)): (usize, &(&str, Role))| Port {
        name: (*name).into(),
        buffer: BufferId(index as u32),
        dtype: Dtype::F32,
        shape: shape.to_vec(),
    };
    let binding = |(_, role): &(&str, Role)| Binding {
        access: match role {
            Role::Input => Access::Read,
            _ => Access::ReadWrite,
        },
        dtype: Dtype::F32,
        elements: None,
    };
    let kernel = Kernel {
        entry_point: "main".into(),
        code: Code::Wgsl { file: FILE.into() },
        workgroup_size: [64, 1, 1],
        bindings: buffers.iter().map(binding).collect(),
        immediates: Vec::new(),
        stage: "sines".into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    };
    let mut ports: Vec<Port> = buffers.iter().enumerate().map(port).collect();
    let outputs = ports.split_off(1);
    let entry = Entry {
        inputs: ports,
        outputs,
        steps: vec![Step::Dispatch(Dispatch {
            kernel: "main".into(),
            workgroups: [ANGLES as i64 / 64, 1, 1].map(Expr::from),
            args: (0..3).map(|id| BufferId(id).into()).collect(),
            immediates: Vec::new(),
            shape: Vec::new(),
        })],
    };
    let dense =
        |(name, role): &(&str, Role)| Buffer::dense(*name, Dtype::F32, shape.clone(), *role);
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: buffers.iter().map(dense).collect(),
        kernels: BTreeMap::from([("main".to_owned(), kernel)]),
        entries: BTreeMap::from([("main".to_owned(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package.files.insert(FILE.into(), SINES.into());
    package
}

#[cfg(test)]
mod tests {
    use kforge_runtime::DeviceChoice;

    use super::*;

    #[test]
    fn sines_are_better_than_promised() {
        let device = Device::open(DeviceChoice::Auto).expect("a GPU, or lavapipe");
        let worst = worst(&device, 60_000).expect("an answer");
        assert!(worst > 0.0 && MARGIN * worst < SIN_COS_ABSOLUTE, "{worst}");
    }
}
