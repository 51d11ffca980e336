//! A GPU's peaks, from two kernels.

use std::{collections::BTreeMap, ops::ControlFlow};

use crate::{
    Device, Dtype, Executable, Manifest, Package, RunError,
    execute::{ExecOptions, Repeats, RunOptions},
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Role, Step,
        Symbols, VerifierSettings,
    },
};

/// Invocations per workgroup of both kernels.
const WORKGROUP: u64 = 256;
/// Bytes of an element: vec4<f32>.
const ELEMENT: u64 = 16;
/// Bytes that are copied, if a binding may hold as many.
const COPIED: u64 = 128 << 20;
/// Operations of one invocation: 1024 times 8 chains of 4 multiply-adds.
const FLOPS: u64 = 1024 * 8 * 4 * 2;
/// Workgroups of the arithmetic: first so many, then more until it takes long enough.
const GROUPS: [u64; 2] = [8, 16384];
/// Milliseconds that are long enough.
const LONG: f64 = 4.0;

pub fn bytes_per_second(device: &Device) -> Result<Option<f64>, RunError> {
    let bytes = COPIED.min(device.description().storage_binding_bytes);
    let groups = bytes / ELEMENT / WORKGROUP;
    let text = include_str!("copy.wgsl");
    let ms = shortest(device, &package("copy", text, groups, groups * WORKGROUP))?;
    Ok(ms.map(|ms| (2 * groups * WORKGROUP * ELEMENT) as f64 / (ms / 1e3)))
}

pub fn flops_per_second(device: &Device) -> Result<Option<f64>, RunError> {
    let [mut groups, most] = GROUPS;
    let text = include_str!("multiply_add.wgsl");
    loop {
        let elements = groups * WORKGROUP + 1;
        let package = package("multiply_add", text, groups, elements);
        let Some(ms) = shortest(device, &package)? else {
            return Ok(None);
        };
        if ms >= LONG || groups >= most {
            return Ok(Some((groups * WORKGROUP * FLOPS) as f64 / (ms / 1e3)));
        }
        groups *= 8;
    }
}

/// The shortest of three runs, if there is a believable one.
fn shortest(device: &Device, package: &Package) -> Result<Option<f64>, RunError> {
    let exec = ExecOptions {
        // A binding may be as large as the device allows.
        guard_zones: false,
        ..ExecOptions::default()
    };
    let mut executable = Executable::new(device, package, "main", &Symbols::new(), &exec)?;
    let (repeats, options) = (Repeats::exactly(3), RunOptions::default());
    let mut inspect = |_: crate::TimedRun| ControlFlow::Continue(());
    let sets = [Vec::new()];
    let timing = executable.time(&sets, &BTreeMap::new(), repeats, &options, &mut inspect)?;
    let total = timing.map(|timing| timing.total);
    let spread = total.and_then(|total| total.gpu_ms.or(total.wall_ms));
    Ok(spread.map(|spread| spread.min))
}

/// One kernel from a buffer of the device's into another of `elements` elements.
fn package(name: &str, text: &str, groups: u64, elements: u64) -> Package {
    let file = format!("kernels/{name}.wgsl");
    let size = i64::try_from(4 * elements).unwrap_or(i64::MAX);
    let buffer = |name| Buffer::dense(name, Dtype::F32, [size], Role::State);
    let binding = |access| Binding {
        access,
        dtype: Dtype::F32,
        elements: None,
    };
    let kernel = Kernel {
        entry_point: name.into(),
        code: Code::Wgsl { file: file.clone() },
        workgroup_size: [WORKGROUP as u32, 1, 1],
        bindings: vec![binding(Access::Read), binding(Access::Write)],
        immediates: Vec::new(),
        stage: name.into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    };
    let groups = i64::try_from(groups).unwrap_or(i64::MAX);
    let dispatch = Dispatch {
        kernel: name.into(),
        workgroups: [groups, 1, 1].map(Expr::from),
        args: [0, 1].map(|id| BufferId(id).into()).to_vec(),
        immediates: Vec::new(),
        shape: vec![Expr::from(size)],
    };
    let entry = Entry {
        inputs: Vec::new(),
        outputs: Vec::new(),
        steps: vec![Step::Dispatch(dispatch)],
    };
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: vec![buffer("source"), buffer("target")],
        kernels: BTreeMap::from([(name.into(), kernel)]),
        entries: BTreeMap::from([("main".into(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package.files.insert(file, text.as_bytes().to_vec());
    package
}
