//! Interfaces of kernels that others wrote.

use std::sync::OnceLock;

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::Package;
use kforge_verify::foreign::{ForeignKernel, Interface, subject};

/// A kernel, and the one of all interfaces that fits it.
const WGSL: &str = include_str!("../../test/Inputs/kernels/softmax.wgsl");
const TOML: &str = include_str!("../../test/Inputs/kernels/softmax.toml");

/// An interface: what is read prints and reads again as the same; and what the gate would
/// check of a softmax under it is made or refused.
pub fn interface_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(interface) = Interface::from_toml("interface.toml", text) else {
        return;
    };
    let printed = interface.to_toml();
    let again = printed
        .as_ref()
        .map(|text| Interface::from_toml("interface.toml", text));
    assert!(
        matches!(&again, Ok(Ok(again)) if same(again, &interface)),
        "{printed:?}: {again:?}"
    );
    if let Ok(subject) = subject(program(), &kernel(interface)) {
        assert!(!subject.units.is_empty());
        for unit in &subject.units {
            assert!(unit.package.validate().is_ok());
        }
    }
}

fn kernel(interface: Interface) -> ForeignKernel {
    ForeignKernel {
        stage: "softmax".into(),
        name: "softmax.wgsl".into(),
        wgsl: WGSL.into(),
        interface,
    }
}

/// The package that the kernel becomes under its own interface.
pub(crate) fn softmax() -> Option<Package> {
    let interface = Interface::from_toml("softmax.toml", TOML).ok()?;
    let subject = subject(program(), &kernel(interface)).ok()?;
    Some(subject.function.package)
}

/// Whether two are equal, NaN to NaN.
fn same(one: &Interface, other: &Interface) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

/// Softmax of 64 rows of 100.
fn program() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let ty = TensorType::new(DType::F32, &[64, 100]);
        let mut program = Program {
            name: "softmax".into(),
            inputs: vec![Input {
                name: "x".into(),
                ty: ty.clone(),
            }],
            nodes: Vec::new(),
            outputs: vec![ValueId(1)],
        };
        let op = Op::Softmax {
            x: ValueId(0),
            axis: -1,
        };
        program.push("softmax", op, ty);
        program
    })
}
