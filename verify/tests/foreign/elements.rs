//! Elements that WGSL spells otherwise, and ops of elements.

use kforge_oracle::{BinaryKind, DType, Input, Op, Program, TensorType, ValueId};
use kforge_verify::{
    Reason,
    foreign::{ForeignKernel, Interface},
};

use crate::{judge, passes};

/// Two halves in a word, for devices without f16.
const PACKED: &str = "
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> sum: array<u32>;
@group(0) @binding(3) var<uniform> words: u32;
@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= words { return; }
    sum[id.x] = pack2x16float(unpack2x16float(a[id.x]) + unpack2x16float(b[id.x]));
}";

const INTERFACE: &str = "
bindings = [\"a\", { name = \"b\", element = \"u32\" }, \"out\"]
workgroups = [\"ceildiv(elements, 128)\", 1, 1]
[sizes]
from = \"uniform\"
values = [\"elements floordiv 2\"]
[shapes]
out_1 = { multiple = 2 }
";

fn sum(dtype: DType) -> Program {
    let ty = TensorType::new(dtype, &[6, 50]);
    let input = |name: &str| Input {
        name: name.into(),
        ty: ty.clone(),
    };
    let mut program = Program {
        name: "sum".into(),
        inputs: vec![input("x"), input("y")],
        nodes: Vec::new(),
        outputs: vec![ValueId(2)],
    };
    let op = Op::Binary {
        a: ValueId(0),
        b: ValueId(1),
        kind: BinaryKind::Add,
    };
    program.push("op", op, ty.clone());
    program
}

fn kernel(wgsl: &str) -> ForeignKernel {
    ForeignKernel {
        stage: "op".into(),
        name: "packed.wgsl".into(),
        wgsl: wgsl.into(),
        interface: Interface::from_toml("packed.toml", INTERFACE).unwrap(),
    }
}

#[test]
fn halves_are_passed_two_in_a_word() {
    assert!(passes(&sum(DType::F16), &kernel(PACKED)) >= 8);
    let wrong = PACKED.replace(
        "+ unpack2x16float(b[id.x])",
        "+ unpack2x16float(b[id.x]).yx",
    );
    assert_ne!(wrong, PACKED);
    let verdict = judge(&sum(DType::F16), &kernel(&wrong)).unwrap();
    assert_eq!(verdict.failures[0].reason, Reason::NumericMismatch);
    // Words are no floats of 32 bits.
    let error = judge(&sum(DType::F32), &kernel(PACKED)).unwrap_err();
    assert!(
        error.to_string().contains("has elements u32, 'a' is f32"),
        "{error}"
    );
}
