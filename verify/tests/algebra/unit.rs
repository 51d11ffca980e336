//! A unit of one hand-written kernel.

use std::collections::BTreeMap;

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Dtype, Package,
    cpu::NativeKernels,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Manifest,
        Port, Role, Step, VerifierSettings,
    },
};
use kforge_verify::{
    Runnable,
    algebra::{self, Algebra},
};

/// A kernel `main` on its inputs and one output, in the order of its bindings.
#[derive(Clone)]
pub struct Case {
    pub program: Program,
    pub workgroups: u32,
    pub subgroup: u32,
    pub foreign: bool,
}

impl Case {
    /// One op on inputs of these shapes; those called `positions` are integers.
    pub fn new(inputs: &[(&str, &[usize])], op: Op, result: &[usize], workgroups: u32) -> Self {
        let inputs = inputs.iter().map(|(name, shape)| Input {
            name: (*name).into(),
            ty: TensorType::new(
                if *name == "positions" {
                    DType::I32
                } else {
                    DType::F32
                },
                shape,
            ),
        });
        let mut program = Program {
            name: "f".into(),
            inputs: inputs.collect(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        };
        let value = program.push("op", op, TensorType::new(DType::F32, result));
        program.outputs = vec![value];
        program.validate().unwrap();
        Self {
            program,
            workgroups,
            subgroup: 0,
            foreign: true,
        }
    }

    pub fn unit(&self, wgsl: &str) -> Runnable {
        let mut buffers = Vec::new();
        let dense = |name: &str, ty: &TensorType, role| {
            let dtype = if ty.dtype == DType::I32 {
                Dtype::I32
            } else {
                Dtype::F32
            };
            let shape = ty.shape.iter().map(|size| Expr::from(*size as i64));
            Buffer::dense(name, dtype, shape, role)
        };
        for input in &self.program.inputs {
            buffers.push(dense(&input.name, &input.ty, Role::Input));
        }
        let result = self.program.type_of(self.program.outputs[0]).unwrap();
        buffers.push(dense("y", result, Role::Output));
        let last = buffers.len() as u32 - 1;
        let port = |id: u32| Port {
            name: buffers[id as usize].name.clone(),
            buffer: BufferId(id),
            dtype: buffers[id as usize].dtype,
            shape: buffers[id as usize].shape.clone(),
        };
        let binding = |id: u32| Binding {
            access: if id == last {
                Access::ReadWrite
            } else {
                Access::Read
            },
            dtype: buffers[id as usize].dtype,
            elements: None,
        };
        let mut kernel = Kernel {
            entry_point: "main".into(),
            code: Code::Wgsl {
                file: "kernels/main.wgsl".into(),
            },
            workgroup_size: [1, 1, 1],
            bindings: (0..=last).map(binding).collect(),
            immediates: Vec::new(),
            stage: "main".into(),
            knobs: BTreeMap::new(),
            requires: Default::default(),
            abi: Default::default(),
        };
        kernel.requires.limits.subgroup_size = self.subgroup;
        let entry = Entry {
            inputs: (0..last).map(port).collect(),
            outputs: vec![port(last)],
            steps: vec![Step::Dispatch(Dispatch {
                kernel: "main".into(),
                workgroups: [self.workgroups.into(), 1.into(), 1.into()]
                    .map(|count: i64| Expr::from(count)),
                args: (0..=last).map(|id| BufferId(id).into()).collect(),
                immediates: Vec::new(),
                shape: Vec::new(),
            })],
        };
        let mut package = Package::new(Manifest {
            format: FORMAT,
            kforge_version: "0.1.0".into(),
            plan: String::new(),
            symbols: BTreeMap::new(),
            buffers,
            kernels: BTreeMap::from([("main".to_owned(), kernel)]),
            entries: BTreeMap::from([("unit".to_owned(), entry)]),
            hashes: BTreeMap::new(),
            verifier: VerifierSettings::default(),
            verdict: None,
        });
        package
            .files
            .insert("kernels/main.wgsl".into(), wgsl.into());
        Runnable {
            stage: "main".into(),
            package,
            entry: "unit".into(),
            program: self.program.clone(),
            arguments: (0..last).map(BufferId).collect(),
            native: NativeKernels::default(),
            foreign: self.foreign,
        }
    }

    pub fn judge(&self, wgsl: &str) -> Algebra {
        algebra::check(&self.unit(wgsl), 3, algebra::FULL_OPERATIONS)
    }

    pub fn accepts(&self, wgsl: &str) {
        let found = self.judge(wgsl);
        assert!(matches!(found, Algebra::Equal(_)), "{found:?}\n{wgsl}");
    }

    /// Refuses the kernel after an edit, in a sentence with these words.
    pub fn refuses(&self, wgsl: &str, from: &str, to: &str, words: &str) {
        let edited = wgsl.replace(from, to);
        assert_ne!(edited, wgsl, "'{from}' is not in the kernel");
        let found = self.judge(&edited);
        let Algebra::Refused(why) = &found else {
            panic!("'{from}' -> '{to}': {found:?}");
        };
        assert!(why.contains(words), "'{from}' -> '{to}': {why}");
    }

    /// Leaves the kernel open after an edit, in a sentence with these words.
    pub fn leaves_open(&self, wgsl: &str, from: &str, to: &str, words: &str) {
        let edited = wgsl.replace(from, to);
        assert_ne!(edited, wgsl, "'{from}' is not in the kernel");
        let found = self.judge(&edited);
        let Algebra::Open(why) = &found else {
            panic!("'{from}' -> '{to}': {found:?}");
        };
        assert!(why.contains(words), "'{from}' -> '{to}': {why}");
    }
}

pub const fn value(number: u32) -> ValueId {
    ValueId(number)
}

/// Declarations of inputs and the output `y`.
pub fn bindings(inputs: &[&str]) -> String {
    let mut text = String::new();
    for (place, name) in inputs.iter().enumerate() {
        let scalar = if *name == "positions" { "i32" } else { "f32" };
        text +=
            &format!("@group(0) @binding({place}) var<storage, read> {name}: array<{scalar}>;\n");
    }
    text + &format!(
        "@group(0) @binding({}) var<storage, read_write> y: array<f32>;\n",
        inputs.len()
    )
}
