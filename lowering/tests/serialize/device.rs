//! Serialised modules on a device. Without an adapter the tests fail: nothing was
//! shown.

use std::{collections::BTreeMap, sync::OnceLock};

use crate::{TILED_MATMUL, VECTOR_ADD, serialized};
use kforge_lowering::serialize::unit_package;
use kforge_runtime::{
    Device, DeviceChoice, Executable, HostTensor, Package, Poison, RunOptions,
    execute::ExecOptions,
    manifest::{Symbols, UNIT_ENTRY},
};

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
    })
}

fn run(
    package: &Package,
    entry: &str,
    inputs: &[HostTensor],
    weights: &BTreeMap<String, HostTensor>,
) -> Vec<f64> {
    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device(), package, entry, &Symbols::new(), &options).unwrap();
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    let result = executable.run(inputs, weights, &options).unwrap();
    assert!(result.guards.is_empty(), "{:?}", result.guards);
    result.outputs[0].to_f64_vec()
}

fn ramp(shape: &[usize], scale: f32) -> HostTensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i % 17) as f32 * scale - 1.0).collect();
    HostTensor::from_f32(shape, &values).unwrap()
}

#[test]
fn both_entries_add() {
    let package = serialized(VECTOR_ADD).package;
    let (a, b) = (ramp(&[100], 0.5), ramp(&[100], 3.0));
    let sums: Vec<f64> = a
        .to_f64_vec()
        .iter()
        .zip(b.to_f64_vec())
        .map(|(a, b)| a + b)
        .collect();
    let none = BTreeMap::new();
    assert_eq!(run(&package, "add", &[a.clone(), b.clone()], &none), sums);
    let twice: Vec<f64> = sums.iter().map(|sum| sum * 2.0).collect();
    let a = a.reshape(vec![10, 10]).unwrap();
    let weights = BTreeMap::from([("layer.w".to_owned(), b)]);
    assert_eq!(run(&package, "add_twice", &[a], &weights), twice);
}

#[test]
fn units_run_on_their_own() {
    let serialized = serialized(VECTOR_ADD);
    let index = serialized
        .units
        .iter()
        .position(|unit| unit.stage == "scale")
        .unwrap();
    let cut = unit_package(&serialized, index).unwrap();
    // The constant has become an input: any factor will do.
    let factor = HostTensor::from_f32(&[1], &[-3.0]).unwrap();
    let x = ramp(&[100], 1.0);
    let expected: Vec<f64> = x.to_f64_vec().iter().map(|x| x * -3.0).collect();
    assert_eq!(
        run(&cut, UNIT_ENTRY, &[x, factor], &BTreeMap::new()),
        expected
    );
}

#[test]
fn a_tiled_matmul_multiplies() {
    let serialized = serialized(TILED_MATMUL);
    // Small integers: every partial sum is exact.
    let (a, b) = (ramp(&[32, 48], 1.0), ramp(&[48, 64], 1.0));
    let (x, y) = (a.to_f64_vec(), b.to_f64_vec());
    let expected: Vec<f64> = (0..32 * 64)
        .map(|i| {
            (0..48)
                .map(|k| x[i / 64 * 48 + k] * y[k * 64 + i % 64])
                .sum()
        })
        .collect();
    let inputs = [a, b];
    assert_eq!(
        run(&serialized.package, "matmul", &inputs, &BTreeMap::new()),
        expected
    );
    let cut = unit_package(&serialized, 0).unwrap();
    assert_eq!(run(&cut, UNIT_ENTRY, &inputs, &BTreeMap::new()), expected);
}
