//! `kforge-translate`: mlir-translate with translations of GPU kernels to shading
//! languages.

use kforge_dialect::{
    diagnostics,
    pass::Failed,
    tools::{TranslationDef, translate_main},
};
use kforge_lowering::{
    serialize,
    translate::{Checks, Kernel, WriteError},
};
use melior::{
    Context,
    ir::{OperationRef, operation::OperationLike},
};

static TRANSLATIONS: &[TranslationDef] = &[
    TranslationDef {
        name: "gpu-to-wgsl",
        summary: "every gpu.func kernel as WGSL, one text",
        run: to_wgsl,
    },
    TranslationDef {
        name: "gpu-to-msl",
        summary: "every gpu.func kernel as Metal shading language, one text",
        run: to_msl,
    },
    TranslationDef {
        name: "gpu-to-spirv",
        summary: "the only gpu.func kernel as a SPIR-V binary",
        run: to_spirv,
    },
];

fn main() {
    kforge_passes::register();
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    std::process::exit(translate_main(&arguments, TRANSLATIONS));
}

fn kernels(context: &Context, module: OperationRef) -> Result<Vec<serialize::Emitted>, Failed> {
    serialize::emit(module).map_err(|error| {
        error.emit(context, module.location());
        Failed
    })
}

fn to_wgsl<'c, 'a>(context: &'c Context, module: OperationRef<'c, 'a>) -> Result<Vec<u8>, Failed> {
    texts(context, module, |kernel| Ok(kernel.wgsl().to_owned()))
}

fn to_msl<'c, 'a>(context: &'c Context, module: OperationRef<'c, 'a>) -> Result<Vec<u8>, Failed> {
    texts(context, module, |kernel| kernel.msl(Checks::default()))
}

/// One text per kernel, each under a comment with its name.
fn texts<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    write: impl Fn(&Kernel) -> Result<String, WriteError>,
) -> Result<Vec<u8>, Failed> {
    let mut all = String::new();
    for (name, kernel) in kernels(context, module)? {
        let text = write(&kernel).map_err(|error| fail(module, &error.to_string()))?;
        all.push_str(&format!("// kernel {name}\n{text}\n"));
    }
    Ok(all.into_bytes())
}

fn to_spirv<'c, 'a>(context: &'c Context, module: OperationRef<'c, 'a>) -> Result<Vec<u8>, Failed> {
    let kernels = kernels(context, module)?;
    let [(_, kernel)] = kernels.as_slice() else {
        let names: Vec<&str> = kernels.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!(
            "has {} kernels ({}); a SPIR-V binary is made of one, keep the one that is wanted",
            names.len(),
            names.join(", ")
        );
        diagnostics::op_error(module, &message);
        return Err(Failed);
    };
    let words = kernel
        .spirv(Checks::default())
        .map_err(|error| fail(module, &error.to_string()))?;
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn fail(module: OperationRef, message: &str) -> Failed {
    diagnostics::error(module.location(), message);
    Failed
}
