//! The packages that show a fault: two stages, y = 2 (a + b), and a norm of rows.

use std::collections::BTreeMap;

use kforge_oracle::{BinaryKind, DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Dtype, Package,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Manifest,
        Port, Role, Step, Unit, VerifierSettings,
    },
};

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

/// A layer norm of 4 rows of 8 elements with an epsilon of 1e-5.
const NORM: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(4)
fn norm(@builtin(global_invocation_id) id: vec3<u32>) {
    var mean = 0.0;
    var square = 0.0;
    for (var i = 0u; i < 8u; i++) { mean += x[8u * id.x + i]; }
    mean *= 0.125;
    for (var i = 0u; i < 8u; i++) {
        let d = x[8u * id.x + i] - mean;
        square += d * d;
    }
    let scale = inverseSqrt(square * 0.125 + 1e-5);
    for (var i = 0u; i < 8u; i++) { y[8u * id.x + i] = (x[8u * id.x + i] - mean) * scale; }
}";

/// The two stages with these kernels; buffers a, b, s, y.
pub fn package(sum: &str, twice: &str) -> Package {
    let (read, write) = (Access::Read, Access::Write);
    let mut package = empty();
    for (name, role) in [
        ("a", Role::Input),
        ("b", Role::Input),
        ("s", Role::Scratch),
        ("y", Role::Output),
    ] {
        let size = [Expr::from(100)];
        let buffer = Buffer::dense(name, Dtype::F32, size, role);
        package.manifest.buffers.push(buffer);
    }
    add(&mut package, kernel("sum", 64, &[read, read, write]), sum);
    add(&mut package, kernel("twice", 64, &[read, write]), twice);
    let entry = Entry {
        inputs: vec![port("a", 0, &[100]), port("b", 1, &[100])],
        outputs: vec![port("y", 3, &[100])],
        steps: vec![step("sum", 2, &[0, 1, 2]), step("twice", 2, &[2, 3])],
    };
    package.manifest.entries.insert("main".into(), entry);
    programs(
        &mut package,
        &additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]),
        vec![
            unit(
                "sum",
                0,
                &[0, 1],
                2,
                &additions("sum", &["a", "b"], &[(0, 1)]),
            ),
            unit("twice", 1, &[2], 3, &additions("twice", &["s"], &[(0, 0)])),
        ],
    );
    package
}

/// Both stages are wrong, and what they compute together is right.
pub fn two_wrongs() -> Package {
    package(
        &SUM.replace("a[i] + b[i]", "2.0 * (a[i] + b[i])"),
        &TWICE.replace("s[i] + s[i]", "s[i]"),
    )
}

/// A norm whose reference has an epsilon of its own. With 1.01e-5 the difference is 5e-8 of a
/// value, less than a device's rounding and more than the evaluation's.
pub fn norm(from: &str, to: &str, reference: f32) -> Package {
    let mut package = empty();
    for (name, role) in [("x", Role::Input), ("y", Role::Output)] {
        let size = [Expr::from(4), Expr::from(8)];
        let buffer = Buffer::dense(name, Dtype::F32, size, role);
        package.manifest.buffers.push(buffer);
    }
    let accesses = [Access::Read, Access::Write];
    let text = match from.is_empty() {
        true => NORM.to_owned(),
        false => NORM.replace(from, to),
    };
    add(&mut package, kernel("norm", 4, &accesses), &text);
    let entry = Entry {
        inputs: vec![port("x", 0, &[4, 8])],
        outputs: vec![port("y", 1, &[4, 8])],
        steps: vec![step("norm", 1, &[0, 1])],
    };
    package.manifest.entries.insert("main".into(), entry);
    let ty = TensorType::new(DType::F32, &[4, 8]);
    let program = |name: &str, epsilon| {
        let mut program = Program {
            name: name.into(),
            inputs: vec![Input {
                name: "arg0".into(),
                ty: ty.clone(),
            }],
            nodes: Vec::new(),
            outputs: vec![ValueId(1)],
        };
        let op = Op::LayerNorm {
            x: ValueId(0),
            gamma: None,
            beta: None,
            axis: 1,
            epsilon,
        };
        program.push("norm", op, ty.clone());
        program
    };
    let own = program("norm", 1e-5);
    programs(
        &mut package,
        &program("main", reference),
        vec![unit("norm", 0, &[0], 1, &own)],
    );
    package
}

fn empty() -> Package {
    Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: Vec::new(),
        kernels: BTreeMap::new(),
        entries: BTreeMap::new(),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    })
}

fn kernel(name: &str, size: u32, access: &[Access]) -> Kernel {
    let binding = |access: &Access| Binding {
        access: *access,
        dtype: Dtype::F32,
        elements: None,
    };
    Kernel {
        abi: Default::default(),
        entry_point: name.into(),
        code: Code::Wgsl {
            file: format!("kernels/{name}.wgsl"),
        },
        workgroup_size: [size, 1, 1],
        bindings: access.iter().map(binding).collect(),
        immediates: Vec::new(),
        stage: name.into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
    }
}

fn add(package: &mut Package, kernel: Kernel, wgsl: &str) {
    let name = kernel.entry_point.clone();
    if let Some(file) = kernel.code.file() {
        package.files.insert(file.to_owned(), wgsl.into());
    }
    package.manifest.kernels.insert(name, kernel);
}

fn step(kernel: &str, workgroups: i64, buffers: &[u32]) -> Step {
    Step::Dispatch(Dispatch {
        kernel: kernel.into(),
        workgroups: [workgroups, 1, 1].map(Expr::from),
        args: buffers.iter().map(|&id| BufferId(id).into()).collect(),
        immediates: Vec::new(),
        shape: Vec::new(),
    })
}

fn port(name: &str, buffer: u32, shape: &[i64]) -> Port {
    Port {
        name: name.into(),
        buffer: BufferId(buffer),
        dtype: Dtype::F32,
        shape: shape.iter().map(|size| Expr::from(*size)).collect(),
    }
}

fn unit(stage: &str, step: usize, inputs: &[u32], output: u32, program: &Program) -> Unit {
    Unit {
        stage: stage.into(),
        entry: "main".into(),
        steps: step..step + 1,
        inputs: inputs.iter().map(|id| BufferId(*id)).collect(),
        outputs: vec![BufferId(output)],
        program: serde_json::to_value(program).ok(),
        spec: None,
    }
}

fn programs(package: &mut Package, function: &Program, units: Vec<Unit>) {
    package.program = Some(serde_json::json!({ "function": function, "units": units }));
}

/// A program of additions: `nodes` are pairs of value numbers.
fn additions(name: &str, inputs: &[&str], nodes: &[(u32, u32)]) -> Program {
    let ty = TensorType::new(DType::F32, &[100]);
    let input = |name: &&str| Input {
        name: (*name).into(),
        ty: ty.clone(),
    };
    let mut program = Program {
        name: name.into(),
        inputs: inputs.iter().map(input).collect(),
        nodes: Vec::new(),
        outputs: Vec::new(),
    };
    let mut last = ValueId(0);
    for (a, b) in nodes {
        let (a, b, kind) = (ValueId(*a), ValueId(*b), BinaryKind::Add);
        last = program.push("add", Op::Binary { kind, a, b }, ty.clone());
    }
    program.outputs = vec![last];
    program
}
