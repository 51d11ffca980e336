//! Shared by the tests of the translation: parse, translate, check all writers.

use kforge_lowering::translate::{
    Checks, Kernel, TranslateError, TranslateOptions, collect_launches, translate_kernel,
};
use melior::{
    Context,
    dialect::DialectRegistry,
    ir::{
        Module, OperationRef,
        attribute::StringAttribute,
        operation::{OperationLike, WalkOrder, WalkResult},
    },
    utility::register_all_dialects,
};
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
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

/// Translates all kernels of `module` with the launches found in it.
pub fn translate_module(
    module: OperationRef<'_, '_>,
    options: &TranslateOptions,
) -> Result<Vec<Kernel>, TranslateError> {
    let launches = collect_launches(module)?;
    let mut kernels = Vec::new();
    let mut failure = None;
    module.walk(WalkOrder::PreOrder, |op| {
        if op.name().as_string_ref().as_str() != Ok("gpu.func") {
            return WalkResult::Advance;
        }
        let parent = op.parent_operation().map(|parent| symbol(parent));
        let launch = parent
            .and_then(|parent| launches.get(&(parent, symbol(op))))
            .cloned()
            .unwrap_or_default();
        match translate_kernel(op, &launch, options) {
            Ok(kernel) => kernels.push(kernel),
            Err(error) => failure = Some(error),
        }
        WalkResult::Skip
    });
    failure.map_or(Ok(kernels), Err)
}

fn symbol(op: OperationRef<'_, '_>) -> String {
    let name = op.attribute("sym_name").expect("a symbol name");
    StringAttribute::try_from(name)
        .expect("a string")
        .value()
        .to_owned()
}

/// Parses a whole module and translates its kernels.
pub fn translate_source(
    source: &str,
    options: &TranslateOptions,
) -> Result<Vec<Kernel>, TranslateError> {
    let context = context();
    let module = Module::parse(&context, source).expect("test input parses");
    translate_module(module.as_operation(), options)
}

/// A `gpu.func` with the given signature, tail and body, in a module.
pub fn function(arguments: &str, attributes: &str, body: &str) -> String {
    format!(
        "gpu.module @m {{ gpu.func @k({arguments}) {attributes} {{\n{body}\n    gpu.return\n  }}\n}}"
    )
}

pub const BLOCK_64: &str = "kernel attributes {known_block_size = array<i32: 64, 1, 1>}";

/// Translates one kernel that has to be fine.
pub fn kernel(source: &str) -> Kernel {
    kernel_with(source, &TranslateOptions::default())
}

pub fn kernel_with(source: &str, options: &TranslateOptions) -> Kernel {
    let mut kernels = translate_source(source, options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kernels.len(), 1, "one kernel in the test input");
    kernels.remove(0)
}

/// Translates what has to be refused and returns the message.
pub fn refusal(source: &str) -> String {
    refusal_with(source, &TranslateOptions::default())
}

pub fn refusal_with(source: &str, options: &TranslateOptions) -> String {
    match translate_source(source, options) {
        Ok(_) => panic!("translated, expected a refusal"),
        Err(error) => error.to_string(),
    }
}

/// Writes a kernel in every format and runs `spirv-val`. Returns the WGSL, which
/// has been parsed and validated again by the translation.
pub fn check(kernel: &Kernel) -> String {
    for checks in [
        Checks::default(),
        Checks {
            bounds: false,
            loops: false,
            division: false,
        },
    ] {
        let msl = kernel.msl(checks).expect("MSL");
        assert!(msl.contains("kernel void"), "{msl}");
        let words = kernel.spirv(checks).expect("SPIR-V");
        // Debian's spirv-val does not know cooperative matrices.
        if !kernel.features().cooperative_matrix {
            validate_spirv(&words);
        }
    }
    kernel.wgsl().to_owned()
}

fn validate_spirv(words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut child = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.1", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spirv-val of spirv-tools");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&bytes).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("spirv-val ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Compares with `shaders/snapshots/NAME`; `KFORGE_BLESS=1` writes it instead.
pub fn snapshot(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shaders/snapshots")
        .join(name);
    if std::env::var_os("KFORGE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("written");
    }
    let known = std::fs::read_to_string(&path).expect("a snapshot; KFORGE_BLESS=1 writes it");
    assert_eq!(
        known,
        text,
        "{} differs; KFORGE_BLESS=1 accepts",
        path.display()
    );
}
