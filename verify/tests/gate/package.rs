//! A package of two stages, y = 2 (a + b), with the programs it is held against.

use std::{collections::BTreeMap, sync::OnceLock};

use kforge_oracle::{BinaryKind, DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Device, DeviceChoice, Dtype, ExecOptions, Package,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Knob,
        Manifest, Port, Role, Step, Unit, VerifierSettings,
    },
};
use kforge_verify::{Failure, Options, Subject, Verdict};

/// s = a + b, on 100 elements.
pub const SUM: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> s: array<f32>;
@compute @workgroup_size(64)
fn sum(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < 100u { s[i] = a[i] + b[i]; }
}";

/// y = s + s.
pub const TWICE: &str = "
@group(0) @binding(0) var<storage, read> s: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn twice(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < 100u { y[i] = s[i] + s[i]; }
}";

pub fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
    })
}

pub fn vector() -> TensorType {
    TensorType::new(DType::F32, &[100])
}

/// A program of additions: `nodes` are pairs of value numbers.
pub fn additions(name: &str, inputs: &[&str], nodes: &[(u32, u32)]) -> Program {
    let inputs = inputs.iter().map(|name| Input {
        name: (*name).into(),
        ty: vector(),
    });
    let mut program = Program {
        name: name.into(),
        inputs: inputs.collect(),
        nodes: Vec::new(),
        outputs: Vec::new(),
    };
    let mut last = ValueId(0);
    for (a, b) in nodes {
        let op = Op::Binary {
            a: ValueId(*a),
            b: ValueId(*b),
            kind: BinaryKind::Add,
        };
        last = program.push("add", op, vector());
    }
    program.outputs = vec![last];
    program
}

fn kernel(name: &str, access: &[Access]) -> Kernel {
    Kernel {
        entry_point: name.into(),
        code: Code::Wgsl {
            file: format!("kernels/{name}.wgsl"),
        },
        workgroup_size: [64, 1, 1],
        bindings: access
            .iter()
            .map(|access| Binding {
                access: *access,
                dtype: Dtype::F32,
                elements: None,
            })
            .collect(),
        immediates: Vec::new(),
        stage: name.into(),
        knobs: BTreeMap::from([("tile".to_owned(), Knob::Integer(64))]),
        requires: Default::default(),
        abi: Default::default(),
    }
}

fn step(kernel: &str, buffers: &[u32]) -> Step {
    Step::Dispatch(Dispatch {
        kernel: kernel.into(),
        workgroups: [2, 1, 1].map(Expr::from),
        args: buffers.iter().map(|&id| BufferId(id).into()).collect(),
        immediates: Vec::new(),
        shape: Vec::new(),
    })
}

fn port(name: &str, buffer: u32) -> Port {
    Port {
        name: name.into(),
        buffer: BufferId(buffer),
        dtype: Dtype::F32,
        shape: vec![100.into()],
    }
}

fn unit(stage: &str, step: usize, inputs: &[u32], output: u32, program: Program) -> Unit {
    Unit {
        stage: stage.into(),
        entry: "main".into(),
        steps: step..step + 1,
        inputs: inputs.iter().map(|id| BufferId(*id)).collect(),
        outputs: vec![BufferId(output)],
        program: Some(serde_json::to_value(program).unwrap()),
        spec: None,
    }
}

/// The two stages with these kernels; buffers a, b, s, y.
pub fn package(sum: &str, twice: &str) -> Package {
    let dense = |name: &str, role| Buffer::dense(name, Dtype::F32, [Expr::from(100)], role);
    let entry = Entry {
        inputs: vec![port("a", 0), port("b", 1)],
        outputs: vec![port("y", 3)],
        steps: vec![step("sum", &[0, 1, 2]), step("twice", &[2, 3])],
    };
    let (read, write) = (Access::Read, Access::Write);
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: "0.1.0".into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: vec![
            dense("a", Role::Input),
            dense("b", Role::Input),
            dense("s", Role::Scratch),
            dense("y", Role::Output),
        ],
        kernels: BTreeMap::from([
            ("sum".to_owned(), kernel("sum", &[read, read, write])),
            ("twice".to_owned(), kernel("twice", &[read, write])),
        ]),
        entries: BTreeMap::from([("main".to_owned(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package.files.insert("kernels/sum.wgsl".into(), sum.into());
    package
        .files
        .insert("kernels/twice.wgsl".into(), twice.into());
    set_programs(
        &mut package,
        additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]),
        vec![
            unit(
                "sum",
                0,
                &[0, 1],
                2,
                additions("sum", &["a", "b"], &[(0, 1)]),
            ),
            unit("twice", 1, &[2], 3, additions("twice", &["s"], &[(0, 0)])),
        ],
    );
    package
}

pub fn set_programs(package: &mut Package, function: Program, units: Vec<Unit>) {
    package.program = Some(serde_json::json!({ "function": function, "units": units }));
}

pub fn units(package: &Package) -> Vec<Unit> {
    package.units().unwrap()
}

pub fn dispatch_of(package: &mut Package, index: usize) -> &mut Dispatch {
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let Step::Dispatch(dispatch) = &mut entry.steps[index];
    dispatch
}

pub fn verdict(package: &Package, options: &Options) -> Verdict {
    let subject = Subject::of_package(package, "main").unwrap();
    kforge_verify::verify(&subject, device(), &ExecOptions::default(), options)
}

/// The first refusal of a package that must not pass.
pub fn refusal(package: &Package) -> Failure {
    let verdict = verdict(package, &Options::default());
    assert!(!verdict.passed, "{}", verdict.summary());
    assert!(verdict.levels.is_empty());
    assert!(verdict.summary().starts_with("refused at stage '"));
    verdict.failures[0].clone()
}
