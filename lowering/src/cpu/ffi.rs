//! The only `unsafe` of the CPU back end: LLVM's C API, and one call of MLIR's that
//! melior has no wrapper for. What is created here is owned by a guard.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_void},
    mem::transmute,
    ptr::null_mut,
    slice,
    sync::Arc,
};

use kforge_runtime::cpu::{NativeFn, NativeKernels, RawNativeFn};
use llvm_sys::{
    LLVMAttributeFunctionIndex, LLVMDiagnosticSeverity,
    analysis::{LLVMVerifierFailureAction, LLVMVerifyModule},
    core::*,
    error::{LLVMDisposeErrorMessage, LLVMErrorRef, LLVMGetErrorMessage},
    orc2::{
        LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess, LLVMOrcJITDylibAddGenerator, lljit::*,
    },
    prelude::{LLVMContextRef, LLVMDiagnosticInfoRef, LLVMMemoryBufferRef, LLVMModuleRef},
    target::{
        LLVM_InitializeNativeAsmPrinter, LLVM_InitializeNativeTarget, LLVMDisposeTargetData,
        LLVMSetModuleDataLayout,
    },
    target_machine::*,
    transforms::pass_builder::*,
};
use melior::{
    Context,
    ir::{Module, Type, TypeLike, Value, ValueLike},
    utility::register_all_llvm_translations,
};

use super::{CpuError, CpuTarget, lower::PREFIX, pipeline::listening};

/// What is emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A relocatable object.
    Object,
    /// Text.
    Assembly,
}

/// Changes the type of a value. The caller changes its users' types where they
/// follow from it.
pub(super) fn set_type(value: Value, ty: Type) {
    // SAFETY: both handles are valid while their references live; a type is only
    // read by the ops that are rewritten together with this one.
    unsafe { mlir_sys::mlirValueSetType(value.to_raw(), ty.to_raw()) }
}

/// Triple and processor name of this machine.
pub(super) fn host() -> Result<(String, String), CpuError> {
    initialize()?;
    // SAFETY: both functions return a new message.
    Ok(unsafe {
        (
            message(LLVMGetDefaultTargetTriple()),
            message(LLVMGetHostCPUName()),
        )
    })
}

/// The version of the LLVM, and so of the MLIR, that this process has loaded.
pub fn llvm_version() -> String {
    let [mut major, mut minor, mut patch] = [0; 3];
    // SAFETY: the function only writes three integers.
    unsafe { LLVMGetVersion(&mut major, &mut minor, &mut patch) };
    format!("{major}.{minor}.{patch}")
}

/// Translates, optimises and emits a module in the LLVM dialect.
pub(super) fn emit(
    context: &Context,
    module: &Module,
    target: &CpuTarget,
    format: Format,
) -> Result<Vec<u8>, CpuError> {
    initialize()?;
    let machine = Machine::new(target)?;
    let llvm = LlvmContext::new();
    register_all_llvm_translations(context);
    let (raw, reason) = listening(context, || {
        // SAFETY: the op and the context are valid; the two crates declare the
        // same opaque LLVM type.
        unsafe {
            mlir_sys::mlirTranslateModuleToLLVMIR(module.as_operation().to_raw(), llvm.raw.cast())
        }
    });
    if raw.is_null() {
        return Err(CpuError::Conversion {
            step: "the translation to LLVM IR",
            reason,
        });
    }
    let module = LlvmModule {
        raw: raw.cast(),
        _context: &llvm,
    };
    module.prepare(target, &machine)?;
    module.verify()?;
    module
        .optimize(&machine)
        .map_err(|error| llvm.explain(error))?;
    module
        .emit(&machine, format)
        .map_err(|error| llvm.explain(error))
}

/// Loads an object into this process. The functions keep its code alive.
///
/// `kernels` says which symbol each kernel of the package has: pairs of
/// [`Kernel::symbol`](super::Kernel::symbol) and the name the function gets.
/// Symbols the object lacks, such as those of libm, are taken from this process.
/// The object must come from [`emit_object`](super::emit_object): its code runs.
///
/// # Errors
/// If the object does not load or lacks a kernel's symbol.
pub fn jit<'k>(
    object: &[u8],
    kernels: impl IntoIterator<Item = (&'k str, &'k str)>,
) -> Result<NativeKernels, CpuError> {
    initialize()?;
    let code = Arc::new(Jit::new(object)?);
    kernels
        .into_iter()
        .map(|(symbol, name)| {
            let function = code.function(symbol)?;
            // SAFETY: `frame` gives every kernel's symbol this ABI, and the code
            // is only released with the last clone of `code`. That accesses stay
            // inside the buffers is what the module's documentation demands.
            Ok((name.to_owned(), unsafe {
                NativeFn::new(function, code.clone())
            }))
        })
        .collect()
}

fn initialize() -> Result<(), CpuError> {
    // SAFETY: both may be called any number of times.
    let failed = unsafe { LLVM_InitializeNativeTarget() | LLVM_InitializeNativeAsmPrinter() };
    if failed == 0 {
        return Ok(());
    }
    let reason = "this build of LLVM has no code generator for this machine".to_owned();
    Err(CpuError::Llvm {
        step: "initialisation",
        reason,
    })
}

/// Takes a message that LLVM allocated.
///
/// # Safety
/// `text` is null or a message to be disposed of by the caller.
unsafe fn message(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: it is a C string until it is disposed of.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        LLVMDisposeMessage(text);
        copy
    }
}

/// Takes an LLVM error.
fn check(step: &'static str, error: LLVMErrorRef) -> Result<(), CpuError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is not null and consumed here; its message is copied.
    let reason = unsafe {
        let text = LLVMGetErrorMessage(error);
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        LLVMDisposeErrorMessage(text);
        copy
    };
    Err(CpuError::Llvm { step, reason })
}

/// A C string; names with a zero byte are cut there.
fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

struct LlvmContext {
    raw: LLVMContextRef,
    /// Errors LLVM reported, for the handler to fill; without a handler LLVM would
    /// end the process.
    errors: Box<RefCell<Vec<String>>>,
}

impl LlvmContext {
    fn new() -> Self {
        let errors = Box::new(RefCell::new(Vec::new()));
        // SAFETY: the box outlives the context, which is disposed of first.
        let raw = unsafe {
            let raw = LLVMContextCreate();
            let place: *const RefCell<Vec<String>> = &*errors;
            LLVMContextSetDiagnosticHandler(raw, Some(diagnose), place.cast_mut().cast());
            raw
        };
        Self { raw, errors }
    }

    /// Adds what was reported to an error.
    fn explain(&self, error: CpuError) -> CpuError {
        match error {
            CpuError::Llvm { step, mut reason } => {
                for line in self.errors.borrow().iter() {
                    if !reason.contains(line) {
                        reason = format!("{reason}; {line}");
                    }
                }
                CpuError::Llvm { step, reason }
            }
            other => other,
        }
    }
}

extern "C" fn diagnose(info: LLVMDiagnosticInfoRef, errors: *mut c_void) {
    // SAFETY: LLVM passes a valid info, and what `LlvmContext::new` registered.
    let (errors, severity, text) = unsafe {
        let errors = &*errors.cast::<RefCell<Vec<String>>>();
        (
            errors,
            LLVMGetDiagInfoSeverity(info),
            message(LLVMGetDiagInfoDescription(info)),
        )
    };
    if severity == LLVMDiagnosticSeverity::LLVMDSError {
        errors.borrow_mut().push(text);
    }
}

impl Drop for LlvmContext {
    fn drop(&mut self) {
        // SAFETY: modules borrow the context, so none is left.
        unsafe { LLVMContextDispose(self.raw) }
    }
}

struct Machine(LLVMTargetMachineRef);

impl Machine {
    fn new(target: &CpuTarget) -> Result<Self, CpuError> {
        let triple = c_string(&target.triple);
        let (cpu, features) = (c_string(target.base()), c_string(&target.feature_text()?));
        let mut found = null_mut();
        let mut text = null_mut();
        let failed = |reason| CpuError::Llvm {
            step: "the choice of a target",
            reason,
        };
        // SAFETY: the strings live until the machine is made, which copies them;
        // a message is only set on failure, and then taken.
        unsafe {
            if LLVMGetTargetFromTriple(triple.as_ptr(), &raw mut found, &raw mut text) != 0 {
                return Err(failed(message(text)));
            }
            let machine = LLVMCreateTargetMachine(
                found,
                triple.as_ptr(),
                cpu.as_ptr(),
                features.as_ptr(),
                LLVMCodeGenOptLevel::LLVMCodeGenLevelAggressive,
                LLVMRelocMode::LLVMRelocPIC,
                LLVMCodeModel::LLVMCodeModelDefault,
            );
            if machine.is_null() {
                return Err(failed(format!("no machine for {}", target.triple)));
            }
            Ok(Self(machine))
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: it was created by `new` and nothing refers to it.
        unsafe { LLVMDisposeTargetMachine(self.0) }
    }
}

struct LlvmModule<'x> {
    raw: LLVMModuleRef,
    _context: &'x LlvmContext,
}

impl LlvmModule<'_> {
    /// Sets triple, data layout and what is tuned for.
    fn prepare(&self, target: &CpuTarget, machine: &Machine) -> Result<(), CpuError> {
        let triple = c_string(&target.triple);
        let attributes = [
            ("tune-cpu", target.tune.as_str()),
            ("no-trapping-math", "true"),
        ];
        // SAFETY: module and machine are valid, strings are copied, and the
        // functions are those of this module.
        unsafe {
            LLVMSetTarget(self.raw, triple.as_ptr());
            let layout = LLVMCreateTargetDataLayout(machine.0);
            LLVMSetModuleDataLayout(self.raw, layout);
            LLVMDisposeTargetData(layout);
            let mut function = LLVMGetFirstFunction(self.raw);
            while !function.is_null() {
                for (name, value) in attributes {
                    let attribute = LLVMCreateStringAttribute(
                        self._context.raw,
                        name.as_ptr().cast(),
                        name.len() as u32,
                        value.as_ptr().cast(),
                        value.len() as u32,
                    );
                    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
                }
                function = LLVMGetNextFunction(function);
            }
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), CpuError> {
        let mut text = null_mut();
        let action = LLVMVerifierFailureAction::LLVMReturnStatusAction;
        // SAFETY: the module is valid; the message is always set and taken.
        let (broken, reason) = unsafe {
            let broken = LLVMVerifyModule(self.raw, action, &raw mut text);
            (broken, message(text))
        };
        if broken == 0 {
            Ok(())
        } else {
            Err(CpuError::Llvm {
                step: "verification",
                reason,
            })
        }
    }

    fn optimize(&self, machine: &Machine) -> Result<(), CpuError> {
        // SAFETY: everything is valid for the call; the options are disposed of.
        let error = unsafe {
            let options = LLVMCreatePassBuilderOptions();
            LLVMPassBuilderOptionsSetLoopVectorization(options, 1);
            LLVMPassBuilderOptionsSetSLPVectorization(options, 1);
            let error = LLVMRunPasses(self.raw, c"default<O3>".as_ptr(), machine.0, options);
            LLVMDisposePassBuilderOptions(options);
            error
        };
        check("optimisation", error)
    }

    fn emit(&self, machine: &Machine, format: Format) -> Result<Vec<u8>, CpuError> {
        let file = match format {
            Format::Object => LLVMCodeGenFileType::LLVMObjectFile,
            Format::Assembly => LLVMCodeGenFileType::LLVMAssemblyFile,
        };
        let mut text = null_mut();
        let mut buffer: LLVMMemoryBufferRef = null_mut();
        // SAFETY: on success the buffer is set, copied and disposed of; on failure
        // the message is.
        unsafe {
            let failed = LLVMTargetMachineEmitToMemoryBuffer(
                machine.0,
                self.raw,
                file,
                &raw mut text,
                &raw mut buffer,
            );
            if failed != 0 {
                return Err(CpuError::Llvm {
                    step: "code generation",
                    reason: message(text),
                });
            }
            let start = LLVMGetBufferStart(buffer).cast::<u8>();
            let bytes = slice::from_raw_parts(start, LLVMGetBufferSize(buffer)).to_vec();
            LLVMDisposeMemoryBuffer(buffer);
            Ok(bytes)
        }
    }
}

impl Drop for LlvmModule<'_> {
    fn drop(&mut self) {
        // SAFETY: the module is owned here and its context is still alive.
        unsafe { LLVMDisposeModule(self.raw) }
    }
}

/// Code in this process.
struct Jit(LLVMOrcLLJITRef);

// SAFETY: after `Jit::new` the code is only read, by running it; LLJIT itself may
// be used and disposed of from any thread.
unsafe impl Send for Jit {}
// SAFETY: as above.
unsafe impl Sync for Jit {}

impl Jit {
    fn new(object: &[u8]) -> Result<Self, CpuError> {
        let mut raw = null_mut();
        // SAFETY: a null builder stands for the defaults.
        check("the start of the JIT", unsafe {
            LLVMOrcCreateLLJIT(&raw mut raw, null_mut())
        })?;
        let jit = Self(raw);
        let mut generator = null_mut();
        // SAFETY: the JIT is valid; without a filter no callback is made. The
        // library takes ownership of the generator, the JIT of the buffer.
        unsafe {
            let library = LLVMOrcLLJITGetMainJITDylib(raw);
            let prefix = LLVMOrcLLJITGetGlobalPrefix(raw);
            check(
                "the search for symbols of this process",
                LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
                    &raw mut generator,
                    prefix,
                    None,
                    null_mut(),
                ),
            )?;
            LLVMOrcJITDylibAddGenerator(library, generator);
            let buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
                object.as_ptr().cast(),
                object.len(),
                c"kernels".as_ptr(),
            );
            check(
                "loading an object",
                LLVMOrcLLJITAddObjectFile(raw, library, buffer),
            )?;
        }
        Ok(jit)
    }

    fn function(&self, symbol: &str) -> Result<RawNativeFn, CpuError> {
        let mut address = 0;
        let failed = |reason: String| CpuError::Llvm {
            step: "the link of an object",
            reason,
        };
        // The lookup would also find functions of this process, of other types.
        if !symbol.starts_with(PREFIX) {
            return Err(failed(format!(
                "'{symbol}' is no kernel; those begin with '{PREFIX}'"
            )));
        }
        let name = c_string(symbol);
        // SAFETY: the JIT and the name are valid for the call.
        let error = unsafe { LLVMOrcLLJITLookup(self.0, &raw mut address, name.as_ptr()) };
        check("the link of an object", error)?;
        let address = address as *const c_void;
        if address.is_null() {
            return Err(failed(format!("symbol '{symbol}' has no address")));
        }
        // SAFETY: the symbol is a kernel's, and `frame` gives those this type.
        Ok(unsafe { transmute::<*const c_void, RawNativeFn>(address) })
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        // SAFETY: nothing runs the code any more. An error on the way out has no
        // one to go to.
        let error = unsafe { LLVMOrcDisposeLLJIT(self.0) };
        drop(check("the end of the JIT", error));
    }
}
