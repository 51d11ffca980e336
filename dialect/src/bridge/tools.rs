//! Upstream's tool mains and the registry they run over.

use std::{
    ffi::{CString, OsString, c_char, c_void},
    sync::{Once, OnceLock},
};

use melior::{
    Context, StringRef,
    dialect::DialectRegistry,
    ir::{Module, OperationRef, operation::OperationLike},
};
use mlir_sys::{MlirOperation, MlirStringRef};

use super::{dialect::insert_dialect, *};
use crate::{scan, tools::TranslationDef};

static UPSTREAM_PASSES: Once = Once::new();
static CORE_PASSES: Once = Once::new();

/// A registry with everything upstream has, and kforge.
pub fn full_registry() -> DialectRegistry {
    let registry = DialectRegistry::new();
    // SAFETY: the registry is valid; the table of passes is only written here and
    // in `core_registry`, by one thread at a time.
    unsafe {
        UPSTREAM_PASSES.call_once(|| {
            CORE_PASSES.call_once(|| ());
            bridgeRegisterUpstreamPasses();
        });
        bridgeInsertUpstreamDialects(registry.to_raw());
    }
    insert_dialect(&registry);
    registry
}

/// A registry with every dialect of upstream; no pass is registered.
pub fn upstream_dialects() -> DialectRegistry {
    let registry = DialectRegistry::new();
    // SAFETY: the registry is valid.
    unsafe { bridgeInsertUpstreamDialects(registry.to_raw()) };
    registry
}

/// A registry with the dialects and passes that kforge's own pipelines use.
pub fn core_registry() -> DialectRegistry {
    let registry = DialectRegistry::new();
    // SAFETY: as above; a tool that has all passes has these, and they may be in
    // use by then.
    unsafe {
        CORE_PASSES.call_once(|| bridgeRegisterCorePasses());
        bridgeInsertCoreDialects(registry.to_raw());
    }
    insert_dialect(&registry);
    registry
}

/// The process's arguments as C wants them.
struct Arguments {
    _owned: Vec<CString>,
    pointers: Vec<*mut c_char>,
}

impl Arguments {
    /// As they are: the name of a file need not be UTF-8.
    fn new(arguments: &[OsString]) -> Self {
        let owned: Vec<CString> = arguments
            .iter()
            .filter_map(|argument| CString::new(argument.as_encoded_bytes()).ok())
            .collect();
        let mut pointers: Vec<*mut c_char> = owned
            .iter()
            .map(|argument| argument.as_ptr().cast_mut())
            .collect();
        pointers.push(std::ptr::null_mut());
        Self {
            _owned: owned,
            pointers,
        }
    }

    fn count(&self) -> i32 {
        self.pointers.len() as i32 - 1
    }
}

unsafe extern "C" fn scan_input(
    file: MlirStringRef,
    text: MlirStringRef,
    max_input_mib: i64,
    sink: mlir_sys::MlirStringCallback,
    data: *mut c_void,
) -> bool {
    // SAFETY: both are valid for the call; the text need not be UTF-8.
    let (file, bytes) = unsafe { (bytes_of(file), bytes_of(text)) };
    let limits = scan::Limits {
        mib: u64::try_from(max_input_mib).unwrap_or(0),
        ..Default::default()
    };
    match guarded(None, || scan::check(bytes, &limits)) {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            send(sink, data, &error.located(&String::from_utf8_lossy(file)));
            false
        }
        None => {
            send(sink, data, "error: internal error in kforge's input scan");
            false
        }
    }
}

pub fn report_crashes() {
    // SAFETY: it has no conditions; what it installs makes only calls that are allowed in
    // a signal handler.
    unsafe { bridgeReportCrashes() };
}

pub fn opt_main(arguments: &[OsString], name: &'static str, registry: &DialectRegistry) -> i32 {
    let mut arguments = Arguments::new(arguments);
    // SAFETY: arguments and registry outlive the call.
    unsafe {
        bridgeOptMain(
            arguments.count(),
            arguments.pointers.as_mut_ptr(),
            string(name),
            registry.to_raw(),
            Some(scan_input),
        )
    }
}

pub fn lsp_server_main(arguments: &[OsString], registry: &DialectRegistry) -> i32 {
    let mut arguments = Arguments::new(arguments);
    // SAFETY: arguments and registry outlive the call.
    unsafe {
        bridgeLspServerMain(
            arguments.count(),
            arguments.pointers.as_mut_ptr(),
            registry.to_raw(),
        )
    }
}

pub fn reduce_main(arguments: &[OsString], registry: &DialectRegistry) -> i32 {
    let mut arguments = Arguments::new(arguments);
    // SAFETY: arguments and registry outlive the call.
    unsafe {
        bridgeReduceMain(
            arguments.count(),
            arguments.pointers.as_mut_ptr(),
            registry.to_raw(),
        )
    }
}

static TRANSLATIONS: OnceLock<&[TranslationDef]> = OnceLock::new();

unsafe extern "C" fn run_translation(
    translation: isize,
    operation: MlirOperation,
    sink: mlir_sys::MlirStringCallback,
    data: *mut c_void,
) -> bool {
    let Some(translations) = TRANSLATIONS.get() else {
        return false;
    };
    // SAFETY: MLIR passes a valid operation, for this call.
    let operation = unsafe { OperationRef::from_raw(operation) };
    let context = operation.context();
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let run = translations[translation as usize].run;
    match guarded(Some(operation.location()), || run(context, operation)) {
        Some(Ok(bytes)) => {
            if let Some(sink) = sink {
                let text = MlirStringRef {
                    data: bytes.as_ptr().cast(),
                    length: bytes.len(),
                };
                // SAFETY: the sink copies what it is given.
                unsafe { sink(text, data) };
            }
            true
        }
        _ => false,
    }
}

pub fn translate_main(
    arguments: &[OsString],
    name: &'static str,
    translations: &'static [TranslationDef],
    registry: &DialectRegistry,
) -> i32 {
    if TRANSLATIONS.set(translations).is_ok() {
        for (index, translation) in translations.iter().enumerate() {
            // SAFETY: names live as long as the process, the registry as long as the tool.
            unsafe {
                bridgeRegisterTranslation(
                    index as isize,
                    c_string(translation.name),
                    c_string(translation.summary),
                    registry.to_raw(),
                    Some(run_translation),
                );
            }
        }
    }
    let mut arguments = Arguments::new(arguments);
    // SAFETY: the arguments outlive the call.
    unsafe {
        bridgeTranslateMain(
            arguments.count(),
            arguments.pointers.as_mut_ptr(),
            string(name),
        )
    }
}

/// Parses a module whose locations name `file`.
pub fn parse_module<'c>(context: &'c Context, text: &str, file: &str) -> Option<Module<'c>> {
    let (text, file) = (StringRef::new(text), StringRef::new(file));
    // SAFETY: context and texts are valid for the call; the module is owned here.
    unsafe {
        Module::from_option_raw(bridgeParseModule(
            context.to_raw(),
            text.to_raw(),
            file.to_raw(),
        ))
    }
}
