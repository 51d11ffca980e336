//! Hand-made packages for tests.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "test code, of which every file uses a part"
)]

use std::{collections::BTreeMap, sync::OnceLock};

use kforge_runtime::{
    Device, DeviceChoice, Dtype, Executable, HostTensor, Manifest, Package, RunError, RunOptions,
    RunResult,
    execute::ExecOptions,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Port, Role,
        ScalarType, Step, SymbolRange, Symbols, VerifierSettings,
    },
};

/// One device for all tests of a file; `None`, with a line, if there is no adapter.
pub fn gpu() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let device = DEVICE
        .get_or_init(|| Device::open(DeviceChoice::Auto).ok())
        .as_ref();
    if device.is_none() {
        println!("unsupported: no adapter");
    }
    device
}

pub fn empty_manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        kforge_version: "0.1.0".into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: Vec::new(),
        kernels: BTreeMap::new(),
        entries: BTreeMap::new(),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    }
}

/// Builds a package with one entry `main`.
pub struct Builder {
    pub package: Package,
    pub entry: Entry,
}

impl Builder {
    pub fn new() -> Self {
        Self {
            package: Package::new(empty_manifest()),
            entry: Entry::default(),
        }
    }

    pub fn symbol(mut self, name: &str, min: i64, max: i64) -> Self {
        self.package
            .manifest
            .symbols
            .insert(name.into(), SymbolRange { min, max });
        self
    }

    pub fn buffer(mut self, name: &str, dtype: Dtype, shape: &[Expr], role: Role) -> Self {
        let buffer = Buffer::dense(name, dtype, shape.to_vec(), role);
        let id = BufferId(self.package.manifest.buffers.len() as u32);
        let port = Port {
            name: name.into(),
            buffer: id,
            dtype,
            shape: shape.to_vec(),
        };
        match role {
            Role::Input => self.entry.inputs.push(port),
            Role::Output => self.entry.outputs.push(port),
            _ => {}
        }
        self.package.manifest.buffers.push(buffer);
        self
    }

    pub fn f32(self, name: &str, shape: &[Expr], role: Role) -> Self {
        self.buffer(name, Dtype::F32, shape, role)
    }

    /// A WGSL kernel; bindings by access, all f32 unless changed later.
    pub fn kernel(mut self, name: &str, wgsl: &str, size: [u32; 3], access: &[Access]) -> Self {
        let file = format!("kernels/{name}.wgsl");
        self.package.files.insert(file.clone(), wgsl.into());
        let kernel = kernel(name, Code::Wgsl { file }, size, access);
        self.package.manifest.kernels.insert(name.into(), kernel);
        self
    }

    pub fn immediates(mut self, kernel: &str, scalars: &[ScalarType]) -> Self {
        self.package
            .manifest
            .kernels
            .get_mut(kernel)
            .unwrap()
            .immediates = scalars.to_vec();
        self
    }

    pub fn dispatch(self, kernel: &str, workgroups: [Expr; 3], buffers: &[u32]) -> Self {
        self.dispatch_with(kernel, workgroups, buffers, |_| {})
    }

    pub fn dispatch_with(
        mut self,
        kernel: &str,
        workgroups: [Expr; 3],
        buffers: &[u32],
        change: impl FnOnce(&mut Dispatch),
    ) -> Self {
        let mut dispatch = Dispatch {
            kernel: kernel.into(),
            workgroups,
            args: buffers.iter().map(|&id| BufferId(id).into()).collect(),
            immediates: Vec::new(),
            shape: Vec::new(),
        };
        change(&mut dispatch);
        self.entry.steps.push(Step::Dispatch(dispatch));
        self
    }

    pub fn build(mut self) -> Package {
        self.package
            .manifest
            .entries
            .insert("main".into(), self.entry);
        self.package
    }
}

pub fn kernel(name: &str, code: Code, workgroup_size: [u32; 3], access: &[Access]) -> Kernel {
    let binding = |&access| Binding {
        access,
        dtype: Dtype::F32,
        elements: None,
    };
    Kernel {
        entry_point: name.into(),
        code,
        workgroup_size,
        bindings: access.iter().map(binding).collect(),
        immediates: Vec::new(),
        stage: name.into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    }
}

/// `c = a + b`, one invocation per element with a mask.
pub const ADD: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
const n = 100u;
@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < n { c[id.x] = a[id.x] + b[id.x]; }
}";

/// Vector addition of 100 elements with another text for the kernel.
pub fn add_package(wgsl: &str) -> Package {
    let n = [Expr::from(100)];
    Builder::new()
        .f32("a", &n, Role::Input)
        .f32("b", &n, Role::Input)
        .f32("c", &n, Role::Output)
        .kernel(
            "add",
            wgsl,
            [64, 1, 1],
            &[Access::Read, Access::Read, Access::Write],
        )
        .dispatch("add", [2, 1, 1].map(Expr::from), &[0, 1, 2])
        .build()
}

/// 0, 1, 2, ... as a vector.
pub fn iota(count: usize) -> HostTensor {
    let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
    HostTensor::from_f32(&[count], &values).unwrap()
}

pub fn run(
    device: &Device,
    package: &Package,
    symbols: &Symbols,
    inputs: &[HostTensor],
    options: &RunOptions,
) -> Result<RunResult, RunError> {
    let mut executable =
        Executable::new(device, package, "main", symbols, &ExecOptions::default())?;
    executable.run(inputs, &BTreeMap::new(), options)
}

pub fn f32s(tensor: &HostTensor) -> Vec<f32> {
    tensor.as_f32().unwrap().to_vec()
}
