//! An MLIR file to a package for one device.
//!
//! The file is scanned before MLIR parses it; bytecode, whose parser is not
//! hardened, is refused. A module that has kernels already is serialised as it is,
//! any other goes through `kforge-default-pipeline`.

use std::{cell::RefCell, fs::File, io::Read, path::Path, rc::Rc};

use kforge_dialect::{attributes, device::Device as CompiledFor, ir, scan};
use kforge_lowering::serialize::{self, Options, Serialized};
use kforge_oracle::Level;
use kforge_runtime::{DeviceDescription, device::Target};
use kforge_verify::Subject;
use melior::{
    diagnostic::{Diagnostic, DiagnosticSeverity},
    ir::{BlockLike, Module, operation::OperationLike},
    pass::PassManager,
    utility::parse_pass_pipeline,
};

use super::Failure;

/// A module as a package, with what is needed to compile its knobs again.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) serialized: Serialized,
    /// The device it was compiled for, as its passes saw it.
    target: CompiledFor,
}

impl Lowered {
    /// What the gate checks of an entry: unlike for a package from a folder, the
    /// knobs of its units at other shapes, too.
    pub(super) fn subject(&self, entry: &str, cases: Level) -> Result<Subject, Failure> {
        let subject = kforge_passes::verify::subject(&self.target, &self.serialized, entry, cases)?;
        Ok(subject)
    }
}

/// Reads, lowers and serialises a module.
pub(super) fn lower(
    path: &Path,
    device: &DeviceDescription,
    seed: u64,
) -> Result<Lowered, Failure> {
    let source = source(path)?;
    kforge_passes::register();
    let context = kforge_dialect::context();
    let messages = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&messages);
    context.attach_diagnostic_handler(move |diagnostic| {
        sink.borrow_mut().extend(message(&diagnostic));
        true
    });
    let failed = |what: &str| {
        let messages = messages.borrow();
        match messages.is_empty() {
            true => Failure::Input(format!("'{}': {what}", path.display())),
            false => Failure::Input(format!("{what}\n{}", messages.join("\n"))),
        }
    };
    let mut module = kforge_dialect::parse(&context, &source, &path.display().to_string())
        .ok_or_else(|| failed("the module does not parse"))?;
    // A verdict in a file is a report of somebody's, never a licence.
    ir::remove_attribute(module.as_operation(), attributes::VERIFIED);
    let pipeline = match has_kernels(&module) {
        true => format!(
            "builtin.module(kforge-attach-device{{{}}})",
            device_options(device)
        ),
        false => format!(
            "builtin.module(kforge-default-pipeline{{{}}})",
            device_options(device)
        ),
    };
    let manager = PassManager::new(&context);
    // A pipeline that does not parse is an empty one that succeeds.
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline)
        .map_err(|error| failed(&format!("the pipeline {pipeline} does not parse: {error}")))?;
    let plan = manager.as_operation_pass_manager().to_string();
    manager
        .run(&mut module)
        .map_err(|_| failed("the module cannot be lowered"))?;
    let options = Options { plan, seed };
    let serialized = serialize::package(module.as_operation(), &options)
        .map_err(|error| Failure::Input(error.to_string()))?;
    Ok(Lowered {
        serialized,
        target: CompiledFor::of(module.as_operation()),
    })
}

fn source(path: &Path) -> Result<String, Failure> {
    let limits = scan::Limits::default();
    let failed = |source| Failure::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more than allowed is enough for the scan to refuse it.
    file.take((limits.mib << 20) + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let shown = path.display().to_string();
    if bytes.starts_with(b"ML\xefR") {
        let message = format!(
            "'{shown}' is bytecode, which is not read from files; convert it with kforge-opt"
        );
        return Err(Failure::Input(message));
    }
    scan::check(&bytes, &limits).map_err(|refused| Failure::Input(refused.located(&shown)))?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| Failure::Input(format!("'{shown}' is not text")))
}

/// `file:line:column: error: text`, with notes; nothing for remarks.
fn message(diagnostic: &Diagnostic) -> Option<String> {
    let severity = match diagnostic.severity() {
        DiagnosticSeverity::Error => "error",
        DiagnosticSeverity::Warning => "warning",
        DiagnosticSeverity::Note => "note",
        DiagnosticSeverity::Remark => return None,
    };
    let location = diagnostic.location().to_string();
    let place = location
        .trim_start_matches("loc(")
        .trim_end_matches(')')
        .replace('"', "");
    let mut text = format!("{place}: {severity}: {diagnostic}");
    for index in 0..diagnostic.note_count() {
        let note = diagnostic.note(index).ok().as_ref().and_then(message);
        text.extend(note.iter().flat_map(|note| ["\n", note]));
    }
    Some(text)
}

fn has_kernels(module: &Module) -> bool {
    let mut next = module.body().first_operation();
    while let Some(op) = next {
        if ir::name(op) == "gpu.module" {
            return true;
        }
        next = op.next_in_block();
    }
    false
}

/// The options of `kforge-attach-device` that describe a device.
fn device_options(device: &DeviceDescription) -> String {
    let target = match device.target {
        Target::Gpu => "gpu",
        Target::Cpu => "cpu",
    };
    let mut options = vec![
        ("target", target.to_owned()),
        ("name", one_word(&device.name)),
        ("features", device.features.join("+")),
    ];
    let shapes = device.matrix_shapes.iter();
    let shapes: Vec<String> = shapes
        .map(|it| format!("{}x{}x{}:{}:{}", it.m, it.n, it.k, it.ab, it.cr))
        .collect();
    options.push(("matrix-shapes", shapes.join("+")));
    let fixed = device.subgroup_min == device.subgroup_max;
    let mut number = |name, value: u64| options.push((name, value.to_string()));
    number(
        "subgroup-size",
        if fixed { device.subgroup_min.into() } else { 0 },
    );
    match device.target {
        Target::Gpu => {
            number("workgroup-memory", device.workgroup_memory.into());
            number("invocations", device.invocations.into());
            number("storage-buffers", device.storage_buffers.into());
            number("storage-binding", device.storage_binding_bytes);
        }
        Target::Cpu => {
            number("simd-bits", device.simd_bits.max(1).into());
            number("cores", device.cores.max(1).into());
            for (level, name) in [(1, "l1"), (2, "l2")] {
                if let Some(cache) = device.caches.iter().find(|cache| cache.level == level) {
                    number(name, cache.bytes.max(1));
                }
            }
        }
    }
    let texts = options.into_iter().filter(|(_, value)| !value.is_empty());
    texts
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A driver's name for a device, without what pipeline text gives a meaning.
fn one_word(name: &str) -> String {
    let keep = |c: char| match c.is_ascii_alphanumeric() || "._".contains(c) {
        true => c,
        false => '-',
    };
    name.chars().take(64).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_cannot_add_passes() {
        let device = DeviceDescription {
            name: "llvmpipe (LLVM 15) },cse{x=".into(),
            ..Default::default()
        };
        let options = device_options(&device);
        assert!(
            options.contains("name=llvmpipe--LLVM-15----cse-x- "),
            "{options}"
        );
        assert!(!options.contains(['{', '}', ',']), "{options}");
    }
}
