//! What is emitted, as text.

use kforge_lowering::gpu;
use melior::{
    ir::Module,
    pass::{PassManager, transform},
};

/// The module after conversion and clean-up.
pub fn lowered(text: &str) -> String {
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, text).expect("test input parses");
    gpu::convert(&context, module.as_operation())
        .map_err(|(_, error)| error.to_string())
        .expect("test input converts");
    let manager = PassManager::new(&context);
    manager.add_pass(transform::create_canonicalizer());
    manager.add_pass(transform::create_cse());
    manager.run(&mut module).expect("what was emitted is valid");
    module.as_operation().to_string()
}

/// Why `text` does not convert.
pub fn refusal(text: &str) -> String {
    let context = kforge_dialect::context();
    let module = Module::parse(&context, text).expect("test input parses");
    let (_, error) = gpu::convert(&context, module.as_operation()).expect_err("a refusal");
    error.reason()
}

/// How often `needle` is in the lowered module, outside of specifications.
pub fn count(text: &str, needle: &str) -> usize {
    let lowered = lowered(text);
    let lines = lowered.lines().filter(|line| !line.contains("kforge.spec"));
    lines.map(|line| line.matches(needle).count()).sum()
}
