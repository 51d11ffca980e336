//! Shared by the numerical tests: a module goes to kernels, the kernels run on
//! whatever device there is, lavapipe for one, and every element is held against
//! the oracle's bound.
//!
//! Without an adapter the tests fail: nothing was shown.

use std::{collections::BTreeMap, sync::OnceLock};

use kforge_lowering::{gpu, serialize};
use kforge_oracle::{Array, DType, EvalOptions, Values, compare, evaluate, generate};
use kforge_runtime::{
    Device, DeviceChoice, Dtype, Executable, HostTensor,
    execute::{ExecOptions, Poison, RunOptions},
    manifest::Symbols,
};
use melior::{
    ir::Module,
    pass::{PassManager, transform},
};

pub fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
    })
}

/// Lowers the one function of `text`, runs it on the inputs of every case, in two
/// kinds of surroundings, and compares. Says what is wrong with the worst element
/// of the first case that is outside its bound. `change` gets the inputs before
/// they are used.
fn check(text: &str, cases: &[(Values, u64)], change: fn(&mut [Array])) -> Result<(), String> {
    let program = kforge_dialect::program::of_text(text).map_err(|error| error.to_string())?;
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, text).ok_or("the module does not parse")?;
    gpu::convert(&context, module.as_operation()).map_err(|(_, error)| error.to_string())?;
    let manager = PassManager::new(&context);
    manager.add_pass(transform::create_canonicalizer());
    manager.add_pass(transform::create_cse());
    manager
        .run(&mut module)
        .map_err(|error| error.to_string())?;
    let package = serialize::package(module.as_operation(), &serialize::Options::default())
        .map_err(|error| format!("{error}\n{}", module.as_operation()))?
        .package;
    let entry = package.manifest.entries.keys().next().ok_or("no entry")?;
    let options = ExecOptions {
        zero_workgroup_memory: false,
        ..ExecOptions::default()
    };
    let mut executable = Executable::new(device(), &package, entry, &Symbols::new(), &options)
        .map_err(|error| error.to_string())?;
    for (values, salt) in cases {
        let mut arrays =
            generate(&program, *values, 7 + salt).map_err(|error| error.to_string())?;
        change(&mut arrays);
        let reference = evaluate(&program, &arrays, &EvalOptions::default())
            .map_err(|error| error.to_string())?;
        let inputs: Vec<HostTensor> = arrays.iter().map(tensor).collect();
        for poison in [Poison::Nan, Poison::Big] {
            let options = RunOptions {
                poison: Some(poison),
                ..RunOptions::default()
            };
            let result = executable
                .run(&inputs, &BTreeMap::new(), &options)
                .map_err(|error| error.to_string())?;
            if !result.guards.is_empty() {
                return Err(format!("{values:?} {poison:?}: {:?}", result.guards));
            }
            for (got, expected) in result.outputs.iter().zip(reference.outputs()) {
                let comparison = compare(&got.to_f64_vec(), expected, &Default::default())
                    .map_err(|error| error.to_string())?;
                if !comparison.passed {
                    return Err(format!("{values:?} {poison:?}: {comparison:?}"));
                }
            }
        }
    }
    Ok(())
}

/// A function for a device with the subgroups that are here.
#[allow(dead_code)]
pub fn with_subgroups(function: &str) -> String {
    let context = kforge_dialect::context();
    let device = kforge_dialect::device::Device {
        subgroup_size: device().description().subgroup_min.into(),
        features: ["shader-f16", "subgroup"].map(Into::into).to_vec(),
        ..Default::default()
    };
    let device = device.to_attribute(&context);
    format!("module attributes {{kforge.device = {device}}} {{\n{function}\n}}")
}

/// Checks every module; says all that failed.
pub fn check_all(modules: &[(String, String)], cases: &[(Values, u64)]) {
    check_changed(modules, cases, |_| ());
}

/// As [`check_all`], with other inputs than the generated ones.
pub fn check_changed(
    modules: &[(String, String)],
    cases: &[(Values, u64)],
    change: fn(&mut [Array]),
) {
    let failures: Vec<String> = modules
        .iter()
        .filter_map(|(name, text)| {
            let error = check(text, cases, change).err()?;
            Some(format!("{name}: {error}"))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} are wrong\n{}",
        failures.len(),
        modules.len(),
        failures.join("\n")
    );
}

pub fn tensor(array: &Array) -> HostTensor {
    let dtype = match array.ty.dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::I32 => Dtype::I32,
        other => unreachable!("no input is {other:?}"),
    };
    HostTensor::from_f64(dtype, &array.ty.shape, &array.value).expect("a tensor")
}
