//! Kernels in the place of stages of a function.

use std::collections::BTreeMap;

use kforge_oracle::{BinaryKind, DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Dtype, ExecOptions, Package,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Manifest,
        Port, Role, Step, Unit, VerifierSettings,
    },
};
use kforge_verify::{
    Options, Reason, Subject,
    foreign::{ForeignKernel, Interface, replace},
};

use crate::{device, file, kernel, matmul::product};

/// y = s + s on 33 by 36 elements.
const TWICE: &str = "
@group(0) @binding(0) var<storage, read> s: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn twice(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < 1188u { y[id.x] = s[id.x] + s[id.x]; }
}";

/// y = 2 (a b); the product is a stage that writes NaN, so that only another kernel passes.
fn package() -> Package {
    let dense = |name: &str, rows: i64, columns: i64, role| {
        Buffer::dense(
            name,
            Dtype::F32,
            [Expr::from(rows), Expr::from(columns)],
            role,
        )
    };
    let buffers = vec![
        dense("a", 33, 40, Role::Input),
        dense("b", 40, 36, Role::Input),
        dense("s", 33, 36, Role::Scratch),
        dense("y", 33, 36, Role::Output),
    ];
    let port = |index: u32| {
        let buffer = &buffers[index as usize];
        Port {
            name: buffer.name.clone(),
            buffer: BufferId(index),
            dtype: Dtype::F32,
            shape: buffer.shape.clone(),
        }
    };
    let step = |kernel: &str, args: &[u32]| {
        Step::Dispatch(Dispatch {
            kernel: kernel.into(),
            workgroups: [19, 1, 1].map(Expr::from),
            args: args.iter().map(|id| BufferId(*id).into()).collect(),
            immediates: Vec::new(),
            shape: Vec::new(),
        })
    };
    let entry = Entry {
        inputs: vec![port(0), port(1)],
        outputs: vec![port(3)],
        steps: vec![step("nothing", &[0, 1, 2]), step("twice", &[2, 3])],
    };
    let emitted = |name: &str, access: &[Access]| Kernel {
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
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    };
    let (read, write) = (Access::Read, Access::Write);
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: "0.1.0".into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers,
        kernels: BTreeMap::from([
            (
                "nothing".to_owned(),
                emitted("nothing", &[read, read, write]),
            ),
            ("twice".to_owned(), emitted("twice", &[read, write])),
        ]),
        entries: BTreeMap::from([("main".to_owned(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    let nothing = "@group(0) @binding(2) var<storage, read_write> s: array<f32>;
        @compute @workgroup_size(64) fn nothing() { if false { s[0] = 0.0; } }";
    package
        .files
        .insert("kernels/nothing.wgsl".into(), nothing.into());
    package
        .files
        .insert("kernels/twice.wgsl".into(), TWICE.into());
    let ty = TensorType::new(DType::F32, &[33, 36]);
    let double = |s: u32| Op::Binary {
        a: ValueId(s),
        b: ValueId(s),
        kind: BinaryKind::Add,
    };
    let mut function = product(33, 36, 40);
    function.name = "main".into();
    let y = function.push("twice", double(2), ty.clone());
    function.outputs = vec![y];
    let mut twice = Program {
        name: "twice".into(),
        inputs: vec![Input {
            name: "s".into(),
            ty: ty.clone(),
        }],
        nodes: Vec::new(),
        outputs: vec![ValueId(1)],
    };
    twice.push("twice", double(0), ty);
    let unit = |stage: &str, step: usize, inputs: &[u32], output: u32, program: &Program| Unit {
        stage: stage.into(),
        entry: "main".into(),
        steps: step..step + 1,
        inputs: inputs.iter().map(|id| BufferId(*id)).collect(),
        outputs: vec![BufferId(output)],
        program: Some(serde_json::to_value(program).unwrap()),
        spec: None,
    };
    let units = [
        unit("q", 0, &[0, 1], 2, &product(33, 36, 40)),
        unit("twice", 1, &[2], 3, &twice),
    ];
    package.program = Some(serde_json::json!({ "function": function, "units": units }));
    package
}

fn as_stage(stage: &str, name: &str) -> ForeignKernel {
    ForeignKernel {
        stage: stage.into(),
        ..kernel(name)
    }
}

fn verdict(subject: &Subject) -> kforge_verify::Verdict {
    let (exec, options) = (ExecOptions::default(), Options::default());
    kforge_verify::verify(subject, device(), &exec, &options)
}

#[test]
fn a_kernel_takes_the_place_of_a_stage() {
    let original = Subject::of_package(&package(), "main").unwrap();
    assert!(!verdict(&original).passed, "the original writes nothing");
    // Two launches in the place of one, with scratch of their own, and another order of operands.
    for name in ["matmul_naive", "matmul_split_k", "matmul_tiled"] {
        let subject = replace(&package(), "main", &[as_stage("q", name)]).unwrap();
        let verdict = verdict(&subject);
        assert!(verdict.passed, "{name}: {}", verdict.summary());
        assert!(subject.variants.len() >= 20);
        let kernels = &subject.function.package.manifest.kernels;
        assert!(!kernels.contains_key("nothing"), "{:?}", kernels.keys());
    }
    let mut swapped = as_stage("q", "matmul_naive");
    swapped.wgsl = swapped
        .wgsl
        .replace("@binding(0)", "@binding(10)")
        .replace("@binding(1) ", "@binding(0) ")
        .replace("@binding(10)", "@binding(1)");
    swapped.interface.bindings.swap(0, 1);
    let subject = replace(&package(), "main", &[swapped]).unwrap();
    assert!(verdict(&subject).passed, "{}", verdict(&subject).summary());
}

#[test]
fn all_stages_may_be_replaced() {
    let twice = ForeignKernel {
        stage: "twice".into(),
        name: "twice.wgsl".into(),
        wgsl: TWICE.into(),
        interface: Interface::from_toml("twice.toml", "workgroups = [19, 1, 1]").unwrap(),
    };
    let kernels = [as_stage("q", "matmul_split_k"), twice.clone()];
    let subject = replace(&package(), "main", &kernels).unwrap();
    let passed = verdict(&subject);
    assert!(passed.passed, "{}", passed.summary());
    assert_eq!(passed.own_shape_only[0].stage, "twice");
    let wrong = ForeignKernel {
        wgsl: TWICE.replace("s[id.x] + s[id.x]", "s[id.x] * 2.001"),
        ..twice
    };
    let subject = replace(&package(), "main", &[as_stage("q", "matmul_naive"), wrong]).unwrap();
    let refused = verdict(&subject);
    assert_eq!(refused.failures[0].stage, "twice", "{}", refused.summary());
    assert_eq!(refused.failures[0].reason, Reason::NumericMismatch);
}

#[test]
fn a_stage_that_is_not_there_is_named() {
    let error = replace(&package(), "main", &[as_stage("k", "matmul_naive")]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("'main' has no stage 'k'; it has q, twice"),
        "{error}"
    );
    assert!(file("matmul_naive.wgsl").contains("fn main"));
}

#[test]
fn a_kernel_sees_tensors_as_they_are() {
    let mut padded = package();
    padded.manifest.buffers[1].strides = vec![Expr::from(48), Expr::from(1)];
    let error = replace(&padded, "main", &[as_stage("q", "matmul_naive")]).unwrap_err();
    assert!(
        error.to_string().contains("buffer 'b' is padded"),
        "{error}"
    );
    // a times a: a list of several dispatches cannot say which operand is meant.
    let mut square = package();
    for buffer in &mut square.manifest.buffers {
        buffer.shape = vec![Expr::from(36), Expr::from(36)];
    }
    let unit = &mut square.program.as_mut().unwrap()["units"][0];
    unit["inputs"] = serde_json::json!([0, 0]);
    unit["program"] = serde_json::to_value(product(36, 36, 36)).unwrap();
    let of = |name: &str| replace(&square, "main", &[as_stage("q", name)]).map(|_| ());
    assert_eq!(of("matmul_naive"), Ok(()));
    let error = of("matmul_split_k").unwrap_err();
    assert!(
        error.to_string().contains("given one tensor twice"),
        "{error}"
    );
}
