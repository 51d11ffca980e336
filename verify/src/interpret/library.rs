//! Functions of `shaders/`: recognised, and taken for what they approximate.
//!
//! `kforge_erf` and `kforge_tanh` are polynomials whose distance from erf and tanh is part
//! of the reviewed library, not of a kernel. A function counts as one of them when it has
//! the name and, expression by expression, the code of the library's own text, as it is or
//! after naga wrote and read it. Any other function is interpreted.

use std::sync::OnceLock;

use kforge_oracle::Function as Known;
use naga::{Function, Module};

const LIBRARY: [(&str, Known, &str); 2] = [
    (
        "kforge_erf",
        Known::Erf,
        include_str!("../../../shaders/erf.wgsl"),
    ),
    (
        "kforge_tanh",
        Known::Tanh,
        include_str!("../../../shaders/tanh.wgsl"),
    ),
];

/// The function of the library that this is.
pub(super) fn recognise(function: &Function) -> Option<Known> {
    static CODES: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    let name = function.name.as_deref()?;
    let index = LIBRARY.iter().position(|(known, ..)| *known == name)?;
    let codes = CODES.get_or_init(|| {
        LIBRARY
            .iter()
            .map(|(.., source)| reviewed(source))
            .collect()
    });
    codes[index]
        .contains(&fingerprint(function))
        .then_some(LIBRARY[index].1)
}

/// What copies of a library function look like.
fn reviewed(source: &str) -> Vec<String> {
    let code = |source: &str| {
        let module = naga::front::wgsl::parse_str(source).ok()?;
        let (_, function) = module.functions.iter().next()?;
        Some(fingerprint(function))
    };
    let module = naga::front::wgsl::parse_str(source).ok();
    let text = module.as_ref().and_then(written);
    [Some(source.to_owned()), text]
        .into_iter()
        .flatten()
        .filter_map(|text| code(&text))
        .collect()
}

fn written(module: &Module) -> Option<String> {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(module).ok()?;
    naga::back::wgsl::write_string(module, &info, naga::back::wgsl::WriterFlags::empty()).ok()
}

/// Code without names and places in a text.
fn fingerprint(function: &Function) -> String {
    let mut text = format!("{} arguments;", function.arguments.len());
    for (_, expression) in function.expressions.iter() {
        text.push_str(&format!("{expression:?};"));
    }
    for (_, local) in function.local_variables.iter() {
        text.push_str(&format!("{:?};", local.init));
    }
    for statement in function.body.iter() {
        text.push_str(&format!("{statement:?};"));
    }
    text
}
