//! Kernels that find their arguments elsewhere than kforge's own.

use kforge_runtime::{
    Package, Poison, RunOptions,
    execute::Violation,
    manifest::{Abi, Access, Expr, Immediate, Place, Role, ScalarType, Symbols},
};

use crate::common::{Builder, f32s, gpu, iota, run};

/// y = factor x + ADDEND for the first n elements; where n is 0, for as many as x has.
const SCALE: &str = "
override ADDEND: f32;
@id(7) override WIDTH: u32;
struct Arguments { n: u32, factor: f32 }
@group(2) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(9) var<storage, read_write> y: array<f32>;
@group(1) @binding(4) var<uniform> arguments: Arguments;
@compute @workgroup_size(WIDTH)
fn scale(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = select(arguments.n, arrayLength(&x), arguments.n == 0u);
    if id.x < n { y[id.x] = arguments.factor * x[id.x] + ADDEND; }
}";

fn place(group: u32, binding: u32) -> Place {
    Place { group, binding }
}

fn package(n: i64, exact: &[usize]) -> Package {
    let size = [Expr::from(100)];
    let mut package = Builder::new()
        .f32("x", &size, Role::Input)
        .f32("y", &size, Role::Output)
        .kernel("scale", SCALE, [32, 1, 1], &[Access::Read, Access::Write])
        .immediates("scale", &[ScalarType::U32, ScalarType::F32])
        .dispatch_with("scale", [40, 1, 1].map(Expr::from), &[0, 1], |dispatch| {
            dispatch.immediates = vec![Immediate::Integer(n.into()), 3.0_f32.into()];
        })
        .build();
    let kernel = package.manifest.kernels.get_mut("scale").unwrap();
    kernel.abi = Abi {
        places: vec![place(2, 3), place(0, 9)],
        exact: exact.to_vec(),
        uniform: Some(place(1, 4)),
        constants: [
            ("ADDEND".to_owned(), 0.5_f32.into()),
            ("7".to_owned(), Immediate::Integer(32.into())),
        ]
        .into(),
    };
    package
}

#[test]
fn places_uniforms_and_constants_are_bound() {
    let Some(device) = gpu() else { return };
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    let expected: Vec<f32> = (0..100).map(|i| 3.0 * i as f32 + 0.5).collect();
    for (n, exact) in [(100, &[][..]), (0, &[0]), (0, &[0, 1])] {
        let package = package(n, exact);
        let result = run(device, &package, &Symbols::new(), &[iota(100)], &options).unwrap();
        assert_eq!(f32s(&result.outputs[0]), expected, "{n} {exact:?}");
        assert_eq!(result.guards, []);
    }
    // The guard is a part of a binding that is not exact, so its length counts it.
    let result = run(
        device,
        &package(0, &[]),
        &Symbols::new(),
        &[iota(100)],
        &options,
    )
    .unwrap();
    assert_eq!(result.guards[0].what, Violation::WrittenBehindEnd);
}

#[test]
fn an_abi_that_does_not_fit_is_refused() {
    let check = |edit: &dyn Fn(&mut Abi), words: &str| {
        let mut package = package(100, &[]);
        let kernel = package.manifest.kernels.get_mut("scale").unwrap();
        edit(&mut kernel.abi);
        let error = package.validate().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check(
        &|abi| abi.places.truncate(1),
        "1 places, the kernel takes 2",
    );
    check(
        &|abi| abi.places[1] = place(2, 3),
        "@group(2) @binding(3) is there twice",
    );
    check(&|abi| abi.uniform = Some(place(2, 3)), "is there twice");
    check(
        &|abi| abi.uniform = Some(place(4, 0)),
        "not within groups 0..4",
    );
    check(&|abi| abi.places[0].binding = 1000, "bindings 0..1000");
    check(&|abi| abi.exact = vec![2], "exact binding 2 does not exist");
    let json = serde_json::to_value(&package(100, &[1]).manifest.kernels["scale"]).unwrap();
    assert_eq!(json["abi"]["exact"], serde_json::json!([1]));
}
