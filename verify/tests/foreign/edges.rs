//! Which elements a buffer may be declared with, and how long it may be: no device is asked.

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_verify::foreign::{
    Bound, Cause, ForeignKernel, Formula, Interface, Number, is_single, subject,
};

use crate::{edited, matmul::product};

/// y = x as floats.
fn cast(from: DType, count: usize) -> Program {
    let mut program = Program {
        name: "cast to/floats".into(),
        inputs: vec![Input {
            name: "x".into(),
            ty: TensorType::new(from, &[count]),
        }],
        nodes: Vec::new(),
        outputs: vec![ValueId(1)],
    };
    let op = Op::Cast { x: ValueId(0) };
    program.push("op", op, TensorType::new(DType::F32, &[count]));
    program.validate().unwrap();
    program
}

/// What is wrong with a kernel that declares `x` as this.
fn declared(program: &Program, declaration: &str) -> Result<(), String> {
    let wgsl = format!(
        "enable f16;
@group(0) @binding(0) var<storage, read> x: {declaration};
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    if id.x < 12u {{ let seen = x[id.x]; y[id.x] = 1.0; }}
}}"
    );
    let kernel = ForeignKernel {
        stage: "op".into(),
        name: "cast.wgsl".into(),
        wgsl,
        interface: Interface::from_toml("cast.toml", "workgroups = [1, 1, 1]").unwrap(),
    };
    subject(program, &kernel)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

#[test]
fn elements_are_those_of_the_tensor() {
    let all = ["f32", "f16", "u32", "i32", "u64", "i64"];
    for (dtype, fit) in [
        (DType::F32, &["f32"][..]),
        (DType::F16, &["f16", "u32"]),
        (DType::Bf16, &["u32"]),
        (DType::Bool, &["u32"]),
        (DType::I32, &["u32", "i32"]),
        (DType::I64, &["u64", "i64"]),
    ] {
        for element in all {
            let found = declared(&cast(dtype, 16), &format!("array<{element}>"));
            match found {
                Ok(()) if fit.contains(&element) => {}
                Err(error)
                    if !fit.contains(&element)
                        && error.contains(&format!("has elements {element}")) => {}
                other => panic!("{dtype:?} {element}: {other:?}"),
            }
        }
    }
}

#[test]
fn lengths_are_those_of_the_tensor() {
    let floats = cast(DType::F32, 16);
    assert_eq!(declared(&floats, "array<f32, 15>"), Ok(()));
    assert_eq!(declared(&floats, "array<f32, 16>"), Ok(()));
    let error = declared(&floats, "array<f32, 17>").unwrap_err();
    assert!(
        error.contains("declared with 68 bytes, 'x' has 64"),
        "{error}"
    );
    assert_eq!(declared(&floats, "array<vec4<f32>>"), Ok(()));
    let error = declared(&cast(DType::F32, 18), "array<vec4<f32>>").unwrap_err();
    assert!(error.contains("no multiple of it"), "{error}");
    // Half of the last word is in the guard, and no tensor is there.
    assert_eq!(declared(&cast(DType::F16, 15), "array<u32>"), Ok(()));
}

#[test]
fn scratch_is_words() {
    let own = product(33, 36, 40);
    let with = |scalar: &str| {
        let parts = format!("parts: array<{scalar}>");
        let stored = format!("elements + id.y * sizes.n + id.x] = {scalar}(sum);");
        let mut kernel = edited(
            "matmul_split_k",
            &[
                ("parts: array<f32>", &parts),
                ("elements + id.y * sizes.n + id.x] = sum;", &stored),
                (
                    "sum += parts[part * sizes.elements + id.x];",
                    "sum += f32(parts[part * sizes.elements + id.x]);",
                ),
            ],
        );
        kernel.wgsl.insert_str(0, "enable f16;\n");
        subject(&own, &kernel).map(|_| ())
    };
    for fits in ["f32", "u32", "i32"] {
        assert_eq!(with(fits), Ok(()), "{fits}");
    }
    for (wrong, words) in [("f16", "has elements f16"), ("u64", "has elements u64")] {
        let error = with(wrong).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn one_list_of_bindings_serves_several_dispatches() {
    let own = product(33, 36, 40);
    let mut kernel = edited("matmul_split_k", &[]);
    for dispatch in &mut kernel.interface.dispatches {
        dispatch.bindings.clear();
    }
    let names = ["a", "b", "parts", "out"];
    kernel.interface.bindings = names.map(|name| Bound::Name(name.into())).into();
    assert!(subject(&own, &kernel).is_ok());
}

#[test]
fn constants_are_called_by_their_numbers() {
    let own = product(33, 36, 40);
    let kernel = |name: &str| {
        let mut kernel = edited(
            "matmul_naive",
            &[("var sum = 0.0;", "var sum = f32(N) * 0.0;")],
        );
        kernel.wgsl.insert_str(0, "@id(7) override N: u32;\n");
        kernel
            .interface
            .sizes
            .as_mut()
            .unwrap()
            .constants
            .insert(name.into(), Number::Formula(Formula("3".into())));
        kernel
    };
    let error = subject(&own, &kernel("8")).unwrap_err();
    assert!(
        error.to_string().contains("there is no such override"),
        "{error}"
    );
    match subject(&own, &kernel("7")) {
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().contains("no such override"), "{error}"),
    }
}

#[test]
fn causes_have_names() {
    let all = [
        (Cause::Input, "input"),
        (Cause::Wgsl, "wgsl"),
        (Cause::Unsupported, "unsupported"),
        (Cause::Interface, "interface"),
        (Cause::Launch, "launch"),
    ];
    for (cause, name) in all {
        assert_eq!((cause.name(), cause.to_string().as_str()), (name, name));
    }
    let one = product(33, 36, 40);
    assert!(is_single(&one));
    let mut two = one.clone();
    let ty = two.nodes[0].ty.clone();
    two.outputs = vec![two.push("again", Op::Cast { x: ValueId(2) }, ty)];
    assert!(!is_single(&two));
}

#[test]
fn what_a_device_must_have_is_stated() {
    let own = product(33, 36, 40);
    let of = |kernel: &ForeignKernel| {
        let kernels = subject(&own, kernel)
            .unwrap()
            .function
            .package
            .manifest
            .kernels;
        let [only] = &kernels.values().collect::<Vec<_>>()[..] else {
            panic!("{:?}", kernels.keys());
        };
        (
            only.requires.features.clone(),
            only.requires.limits.workgroup_memory,
        )
    };
    let tiles = (vec!["immediates".to_owned()], 2048);
    assert_eq!(of(&edited("matmul_tiled", &[])), tiles);
    let unused = [(
        "var<workgroup>",
        "var<workgroup> other: array<f32, 9>;\nvar<workgroup>",
    )];
    let mut tiled = edited("matmul_tiled", &[]);
    tiled.wgsl = tiled.wgsl.replacen(unused[0].0, unused[0].1, 1);
    assert_eq!(of(&tiled), tiles);
    let half = edited(
        "matmul_naive",
        &[("var sum = 0.0;", "var sum = f32(f16(sizes.m)) * 0.0;")],
    );
    let half = ForeignKernel {
        wgsl: format!("enable f16;\nvar<immediate> nothing: u32;\n{}", half.wgsl),
        ..half
    };
    assert_eq!(of(&half), (vec!["shader-f16".to_owned()], 0));
}

/// Copies in two launches of one entry point, by a buffer that is longer.
const COPIES: &str = "
[scratch]
t = { element = \"f32\", size = 20 }
[[dispatch]]
entry = \"copy\"
bindings = [\"x\", \"t\"]
workgroups = [1, 1, 1]
[[dispatch]]
entry = \"copy\"
bindings = [\"t\", \"out\"]
workgroups = [1, 1, 1]
";

#[test]
fn launches_of_one_entry_are_two_kernels_where_they_differ() {
    let kernel = ForeignKernel {
        stage: "op".into(),
        name: "copy.wgsl".into(),
        wgsl: "
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> copied: array<f32>;
@compute @workgroup_size(16)
fn copy(@builtin(local_invocation_index) t: u32) { copied[t] = source[t]; }"
            .into(),
        interface: Interface::from_toml("copy.toml", COPIES).unwrap(),
    };
    let found = subject(&cast(DType::F32, 16), &kernel).unwrap().function;
    assert_eq!(found.program.name, "cast_to_floats");
    assert_eq!(found.package.manifest.kernels.len(), 2);
}

#[test]
fn an_operand_of_two_launches_is_one_input() {
    let mut kernel = edited(
        "matmul_split_k",
        &[("    out[id.x] = sum;", "    out[id.x] = sum + 0.0 * a[0];")],
    );
    let names = ["a", "parts", "out"].map(|name| Bound::Name(name.into()));
    kernel.interface.dispatches[1].bindings = names.into();
    let subject = subject(&product(33, 36, 40), &kernel).unwrap();
    assert_eq!(subject.units[0].arguments.len(), 2);
    assert_eq!(subject.units[0].program.inputs.len(), 2);
}
