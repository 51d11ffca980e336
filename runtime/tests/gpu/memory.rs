//! Where buffers live: reused scratch, weights, constants, state, passed-through inputs.

use std::collections::BTreeMap;

use kforge_runtime::{
    Executable, HostTensor, Poison, RunOptions,
    execute::ExecOptions,
    manifest::{Access, BufferId, Dispatch, Entry, Expr, Role, Step, Symbols},
};

use crate::{
    SCALE, chain,
    common::{Builder, f32s, gpu, iota, run},
    one, poisoned,
};

#[test]
fn a_chain_through_reused_scratch_is_right() {
    let Some(device) = gpu() else { return };
    let package = chain();
    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device, &package, "main", &Symbols::new(), &options).unwrap();
    // s1 and s3 share a slot: x, y, and two instead of three for scratch.
    let zone = (300 * 4 + 4096) as u64;
    assert_eq!(executable.memory_bytes(), 4 * zone);
    for poison in [None, Some(Poison::Nan), Some(Poison::Big)] {
        let options = RunOptions {
            poison,
            ..RunOptions::default()
        };
        let result = executable
            .run(&[iota(300)], &BTreeMap::new(), &options)
            .unwrap();
        let expected: Vec<f32> = (0..300).map(|i| 16.0 * i as f32).collect();
        assert_eq!(f32s(&result.outputs[0]), expected);
        assert_eq!(result.guards, []);
        assert_eq!(result.dispatches.len(), 4);
    }
}

#[test]
fn weights_constants_init_and_state() {
    let Some(device) = gpu() else { return };
    // init: packed = 2 w; main: state += x; y = state + packed + k.
    let main = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read> packed: array<f32>;
        @group(0) @binding(2) var<storage, read> k: array<f32>;
        @group(0) @binding(3) var<storage, read_write> state: array<f32>;
        @group(0) @binding(4) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1)
        fn step(@builtin(global_invocation_id) id: vec3<u32>) {
            let i = id.x;
            state[i] += x[i];
            y[i] = state[i] + packed[i] + k[i];
        }";
    let n = [Expr::from(300)];
    use Access::{Read, ReadWrite, Write};
    let mut package = Builder::new()
        .f32("x", &n, Role::Input)
        .f32("w", &n, Role::Weight)
        .f32("packed", &n, Role::State)
        .f32("k", &n, Role::Constant)
        .f32("sum", &n, Role::State)
        .f32("y", &n, Role::Output)
        .kernel("scale", SCALE, [64, 1, 1], &[Read, Write])
        .kernel(
            "step",
            main,
            [1, 1, 1],
            &[Read, Read, Read, ReadWrite, Write],
        )
        .dispatch("step", one(300), &[0, 2, 3, 4, 5])
        .build();
    let init = Dispatch {
        kernel: "scale".into(),
        workgroups: one(5),
        args: vec![BufferId(1).into(), BufferId(2).into()],
        immediates: Vec::new(),
        shape: Vec::new(),
    };
    let init = Entry {
        steps: vec![Step::Dispatch(init)],
        ..Entry::default()
    };
    package.manifest.entries.insert("init".into(), init);
    package.constants.insert(
        "k".into(),
        HostTensor::from_f32(&[300], &[0.5; 300]).unwrap(),
    );

    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device, &package, "main", &Symbols::new(), &options).unwrap();
    let none = BTreeMap::new();
    let error = executable
        .run(&[iota(300)], &none, &RunOptions::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("weight 'w': no value given"),
        "{error}"
    );

    let weights = BTreeMap::from([("w".into(), iota(300))]);
    for (round, weights) in [weights, none].iter().enumerate() {
        let result = executable
            .run(&[iota(300)], weights, &poisoned(Poison::Nan))
            .unwrap();
        let rounds = (round + 1) as f32;
        let expected: Vec<f32> = (0..300).map(|i| (rounds + 2.0) * i as f32 + 0.5).collect();
        assert_eq!(f32s(&result.outputs[0]), expected, "round {round}");
        assert_eq!(result.guards, []);
        assert_eq!(result.dispatches.len(), 1, "init is not part of the entry");
    }
}

#[test]
fn an_input_may_be_passed_through_in_another_shape() {
    let Some(device) = gpu() else { return };
    let mut package = Builder::new()
        .f32("x", &[Expr::from(6)], Role::Input)
        .build();
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let mut port = entry.inputs[0].clone();
    port.shape = vec![2.into(), 3.into()];
    entry.outputs.push(port);
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &[iota(6)],
        &poisoned(Poison::Nan),
    )
    .unwrap();
    assert_eq!(result.outputs[0], iota(6).reshape(vec![2, 3]).unwrap());
    assert_eq!(result.guards, []);

    package
        .manifest
        .entries
        .get_mut("main")
        .unwrap()
        .inputs
        .clear();
    let error = package.validate().unwrap_err().to_string();
    assert!(error.contains("an input that nothing fills"), "{error}");
}
