//! Shared by the tests of the CPU back end: compile kernels and run them through
//! kforge-runtime.

use std::collections::BTreeMap;

use kforge_lowering::{
    cpu::{self, CpuError, CpuTarget, Kernel},
    translate::ScalarType,
};
use kforge_runtime::{
    Device, DeviceChoice, Dtype, Executable, HostTensor, Manifest, Package, Poison, RunOptions,
    cpu::NativeKernels,
    execute::ExecOptions,
    manifest::{
        self, Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Immediate,
        Port, Role, Step, Symbols, VerifierSettings,
    },
};
use melior::{
    Context,
    dialect::DialectRegistry,
    ir::{Module, OperationRef},
    utility::register_all_dialects,
};

/// A context with every upstream dialect loaded.
pub fn context() -> Context {
    let registry = DialectRegistry::new();
    register_all_dialects(&registry);
    let context = Context::new();
    context.append_dialect_registry(&registry);
    context.load_all_available_dialects();
    context
}

/// Kernels as an object for this machine.
pub struct Compiled {
    pub kernels: Vec<Kernel>,
    pub object: Vec<u8>,
    pub assembly: String,
}

pub fn compile(source: &str) -> Result<Compiled, CpuError> {
    let context = context();
    let module = Module::parse(&context, source).expect("test input parses");
    let before = text(module.as_operation());
    let lowered = cpu::lower(&context, module.as_operation());
    assert_eq!(
        text(module.as_operation()),
        before,
        "the input is left as it is"
    );
    let lowered = lowered?;
    let target = CpuTarget::host()?;
    Ok(Compiled {
        object: cpu::emit_object(&context, &lowered, &target)?,
        assembly: cpu::emit_assembly(&context, &lowered, &target)?,
        kernels: lowered.kernels,
    })
}

fn text(op: OperationRef) -> String {
    op.to_string()
}

/// A kernel of one invocation per workgroup, in a module.
pub fn function(arguments: &str, body: &str) -> String {
    function_of(arguments, [1, 1, 1], body)
}

pub fn function_of(arguments: &str, [x, y, z]: [i32; 3], body: &str) -> String {
    format!(
        "gpu.module @m {{ gpu.func @k({arguments}) kernel attributes \
         {{known_block_size = array<i32: {x}, {y}, {z}>}} {{\n{body}\n    gpu.return\n  }}\n}}"
    )
}

/// Compiles one kernel, runs it and returns what it writes. `buffers` has data for
/// each buffer it only reads, and zeros in the size of each it writes.
pub fn run(
    source: &str,
    workgroups: [i64; 3],
    buffers: &[Vec<f64>],
    immediates: &[Immediate],
) -> Vec<Vec<f64>> {
    let compiled = compile(source).unwrap_or_else(|error| panic!("{error}"));
    let native = load(&compiled);
    let package = package(&compiled.kernels[0], None, workgroups, buffers, immediates);
    execute(&package, native, buffers)
}

/// The kernels of an object, under their names.
pub fn load(compiled: &Compiled) -> NativeKernels {
    let names = compiled
        .kernels
        .iter()
        .map(|kernel| (&*kernel.symbol, &*kernel.name));
    cpu::jit(&compiled.object, names).unwrap()
}

/// Runs the one kernel of a package.
pub fn execute(package: &Package, native: NativeKernels, buffers: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let options = ExecOptions {
        allow_native_code: native.is_empty(),
        native,
        ..Default::default()
    };
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let mut executable =
        Executable::new(&device, package, "main", &Symbols::new(), &options).unwrap();
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    let inputs: Vec<HostTensor> = package.manifest.entries["main"]
        .inputs
        .iter()
        .map(|port| {
            let data = &buffers[port.buffer.0 as usize];
            HostTensor::from_f64(port.dtype, &[data.len()], data).unwrap()
        })
        .collect();
    let result = executable.run(&inputs, &BTreeMap::new(), &options).unwrap();
    assert!(result.guards.is_empty(), "{:?}", result.guards);
    result.outputs.iter().map(HostTensor::to_f64_vec).collect()
}

/// A package with one dispatch of one kernel.
pub fn package(
    kernel: &Kernel,
    file: Option<(&str, Vec<u8>)>,
    workgroups: [i64; 3],
    buffers: &[Vec<f64>],
    immediates: &[Immediate],
) -> Package {
    let target = CpuTarget::host().unwrap();
    assert_eq!(kernel.bindings.len(), buffers.len());
    assert_eq!(kernel.immediates.len(), immediates.len());
    let mut entry = Entry::default();
    let (mut list, mut bindings) = (Vec::new(), Vec::new());
    for (index, (binding, data)) in kernel.bindings.iter().zip(buffers).enumerate() {
        let dtype = match binding.scalar {
            ScalarType::F16 => Dtype::F16,
            ScalarType::I32 => Dtype::I32,
            ScalarType::I64 => Dtype::I64,
            _ => Dtype::F32,
        };
        let shape = vec![Expr::from(data.len() as i64)];
        let name = format!("b{index}");
        let (role, ports, access) = match (binding.reads, binding.writes) {
            (_, false) => (Role::Input, &mut entry.inputs, Access::Read),
            (true, true) => (Role::Output, &mut entry.outputs, Access::ReadWrite),
            (false, true) => (Role::Output, &mut entry.outputs, Access::Write),
        };
        let buffer = BufferId(index as u32);
        ports.push(Port {
            name: name.clone(),
            buffer,
            dtype,
            shape: shape.clone(),
        });
        list.push(Buffer::dense(name, dtype, shape, role));
        let elements = binding
            .elements
            .map(|n| Expr::from((n * binding.lanes) as i64));
        bindings.push(Binding {
            access,
            dtype,
            elements,
        });
    }
    entry.steps = vec![Step::Dispatch(Dispatch {
        kernel: kernel.name.clone(),
        workgroups: workgroups.map(Expr::from),
        args: (0..buffers.len())
            .map(|i| BufferId(i as u32).into())
            .collect(),
        immediates: immediates.to_vec(),
        shape: Vec::new(),
    })];
    let record = manifest::Kernel {
        entry_point: kernel.symbol.clone(),
        code: Code::Native {
            file: file.as_ref().map(|(name, _)| (*name).to_owned()),
            triple: target.triple,
            cpu_features: target.features,
            symbol: kernel.symbol.clone(),
        },
        workgroup_size: [1, 1, 1],
        bindings,
        immediates: kernel
            .immediates
            .iter()
            .map(|immediate| match immediate.scalar {
                ScalarType::F32 => manifest::ScalarType::F32,
                _ => manifest::ScalarType::I32,
            })
            .collect(),
        stage: "test".into(),
        knobs: BTreeMap::new(),
        requires: manifest::Requires::default(),
        abi: Default::default(),
    };
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: list,
        kernels: BTreeMap::from([(kernel.name.clone(), record)]),
        entries: BTreeMap::from([("main".into(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package
        .files
        .extend(file.map(|(name, bytes)| (name.to_owned(), bytes)));
    package
}

/// Reproducible f32 values in (-1, 1).
pub fn values(count: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        })
        .collect()
}
