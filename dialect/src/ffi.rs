//! The only `unsafe` of this crate: calls into the bridge, and the callbacks it
//! makes. No panic crosses the boundary: each becomes an error at the op.

#![allow(missing_docs)]

use std::{
    cell::{Cell, RefCell},
    ffi::{CString, OsString, c_char, c_void},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{Once, OnceLock},
};

use melior::{
    Context, ContextRef, RewriterBase, StringRef,
    dialect::DialectRegistry,
    ir::{
        Attribute, AttributeLike, Identifier, Location, OperationRef, TypeLike, Value, ValueLike,
        attribute::{DenseElementsAttribute, DictionaryAttribute},
        operation::OperationLike,
    },
};
use mlir_sys::{
    MlirAttribute, MlirContext, MlirLocation, MlirNamedAttribute, MlirOperation,
    MlirRewritePatternSet, MlirStringRef, MlirType, MlirValue,
};

use crate::{
    OPS, TensorType, attributes, diagnostics,
    generated::{Attributes, infer_result},
    ops::{self, Folded, Pattern},
    pass::{OptionDef, OptionKind, PassDef, PassRun, PipelineDef, PipelineOptions},
    scan,
    tools::TranslationDef,
    verify,
};

#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    clippy::all
)]
mod bridge {
    include!(concat!(env!("OUT_DIR"), "/bridge.rs"));
}
use bridge::*;

pub fn string(text: &'static str) -> MlirStringRef {
    MlirStringRef {
        data: text.as_ptr().cast(),
        length: text.len(),
    }
}

/// Lives as long as the process: the bridge keeps what it is given.
fn leak<T>(values: Vec<T>) -> (*const T, isize) {
    let values = Box::leak(values.into_boxed_slice());
    (values.as_ptr(), values.len() as isize)
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a callback body; a panic in it is reported at `location` and gives `None`.
fn guarded<R>(location: Option<Location>, body: impl FnOnce() -> R) -> Option<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A caught panic becomes a diagnostic; a second report would only confuse.
            if IN_CALLBACK.get() {
                PANIC.set(info.to_string().replace('\n', " "));
            } else {
                previous(info);
            }
        }));
    });
    let outer = IN_CALLBACK.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    IN_CALLBACK.set(outer);
    result
        .map_err(|_| {
            if let Some(location) = location {
                let panic = PANIC.take();
                diagnostics::error(location, &format!("internal error in kforge: {panic}"));
            }
        })
        .ok()
}

// --- Diagnostics and IR -----------------------------------------------------

pub enum Severity {
    Error,
    Warning,
    Remark,
}

pub fn emit(severity: Severity, location: Location, message: &str) {
    let severity = match severity {
        Severity::Error => BridgeSeverity_BridgeError,
        Severity::Warning => BridgeSeverity_BridgeWarning,
        Severity::Remark => BridgeSeverity_BridgeRemark,
    };
    let message = StringRef::new(message);
    // SAFETY: location and message outlive the call, which keeps neither.
    unsafe { bridgeEmit(severity, location.to_raw(), message.to_raw()) }
}

pub fn use_count(value: MlirValue) -> usize {
    // SAFETY: the value is valid; the uses are not changed while they are walked.
    unsafe {
        let mut operand = mlir_sys::mlirValueGetFirstUse(value);
        let mut count = 0;
        while !mlir_sys::mlirOpOperandIsNull(operand) {
            count += 1;
            operand = mlir_sys::mlirOpOperandGetNextUse(operand);
        }
        count
    }
}

/// A string of MLIR's. (melior's `StringRef::as_str` underflows on an empty one.)
///
/// # Safety
/// The characters must live as long as `'a`.
unsafe fn text_of<'a>(text: MlirStringRef) -> &'a str {
    // SAFETY: the caller's promise.
    std::str::from_utf8(unsafe { bytes_of(text) }).unwrap_or("")
}

/// # Safety
/// The characters must live as long as `'a`.
unsafe fn bytes_of<'a>(text: MlirStringRef) -> &'a [u8] {
    if text.length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(text.data.cast::<u8>(), text.length) }
}

/// The op's full name, which lives as long as the context.
pub fn op_name<'a>(operation: OperationRef<'_, 'a>) -> &'a str {
    // SAFETY: identifiers are interned in the context, which outlives the op.
    unsafe {
        text_of(mlir_sys::mlirIdentifierStr(mlir_sys::mlirOperationGetName(
            operation.to_raw(),
        )))
    }
}

/// The text of a string attribute, which lives as long as the context.
pub fn string_value<'c>(attribute: Attribute<'c>) -> &'c str {
    // SAFETY: the caller has checked that it is a string attribute; attributes
    // are interned in the context.
    unsafe { text_of(mlir_sys::mlirStringAttrGetValue(attribute.to_raw())) }
}

/// The name of a name location.
pub fn location_name<'c>(location: Location<'c>) -> &'c str {
    // SAFETY: the caller has checked that it is a name location; identifiers
    // are interned in the context.
    unsafe {
        text_of(mlir_sys::mlirIdentifierStr(
            mlir_sys::mlirLocationNameGetName(location.to_raw()),
        ))
    }
}

/// The elements of dense integers or floats of `size` bytes, in the host's byte
/// order; one element for a splat.
pub fn dense_bytes<'c>(elements: &DenseElementsAttribute<'c>, size: usize) -> &'c [u8] {
    let count = if elements.is_splat() {
        1
    } else {
        elements.len()
    };
    if count == 0 {
        return &[];
    }
    // SAFETY: MLIR keeps that many elements of whole bytes, interned in the
    // context.
    unsafe { slice::from_raw_parts(elements.raw_data().cast(), count * size) }
}

/// Element `index` of dense booleans.
pub fn dense_bool(elements: &DenseElementsAttribute, index: usize) -> Option<bool> {
    if index >= elements.len() {
        return None;
    }
    // SAFETY: the index is in range; the caller has checked the element type.
    Some(unsafe { mlir_sys::mlirDenseElementsAttrGetBoolValue(elements.to_raw(), index as isize) })
}

/// Frees an attribute's lifetime from the operation it was read from.
pub fn attribute_of_context<'c>(attribute: Attribute) -> Attribute<'c> {
    // SAFETY: attributes are interned in the context; the caller uses it in
    // the same context.
    unsafe { Attribute::from_raw(attribute.to_raw()) }
}

pub fn set_attribute(operation: OperationRef, name: &str, value: Attribute) {
    let name = StringRef::new(name);
    // SAFETY: the operation is valid, the attribute is of its context.
    unsafe {
        mlir_sys::mlirOperationSetAttributeByName(
            operation.to_raw(),
            name.to_raw(),
            value.to_raw(),
        );
    }
}

pub fn remove_attribute(operation: OperationRef, name: &str) {
    let name = StringRef::new(name);
    // SAFETY: the operation is valid; a missing attribute is no error.
    unsafe { mlir_sys::mlirOperationRemoveAttributeByName(operation.to_raw(), name.to_raw()) };
}

/// What MLIR writes for a dynamic size.
pub fn dynamic_size() -> u64 {
    // SAFETY: asks for a constant.
    unsafe { mlir_sys::mlirShapedTypeGetDynamicSize() as u64 }
}

/// The users of a value, one entry per use.
pub fn users<'c, 'a>(value: Value<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut users = Vec::new();
    // SAFETY: as above; owners live as long as the value.
    unsafe {
        let mut operand = mlir_sys::mlirValueGetFirstUse(value.to_raw());
        while !mlir_sys::mlirOpOperandIsNull(operand) {
            users.push(OperationRef::from_raw(mlir_sys::mlirOpOperandGetOwner(
                operand,
            )));
            operand = mlir_sys::mlirOpOperandGetNextUse(operand);
        }
    }
    users
}

// --- Dialect ----------------------------------------------------------------

unsafe extern "C" fn verify_op(op: isize, operation: MlirOperation) -> bool {
    // SAFETY: MLIR passes a valid operation.
    let operation = unsafe { OperationRef::from_raw(operation) };
    guarded(Some(operation.location()), || {
        verify::verify(op as usize, operation)
    })
    .unwrap_or(false)
}

unsafe extern "C" fn fold_op(
    _op: isize,
    operation: MlirOperation,
    count: isize,
    operands: *const MlirAttribute,
    attribute: *mut MlirAttribute,
    value: *mut MlirValue,
) -> BridgeFold {
    // SAFETY: MLIR passes a valid operation and `count` attributes, null where
    // an operand is no constant.
    let (operation, constants) = unsafe {
        let raw = if count == 0 {
            &[]
        } else {
            slice::from_raw_parts(operands, count as usize)
        };
        let constants: Vec<Option<Attribute>> = raw
            .iter()
            .map(|raw| Attribute::from_option_raw(*raw))
            .collect();
        (OperationRef::from_raw(operation), constants)
    };
    let context = operation.context();
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let folded = guarded(Some(operation.location()), || {
        ops::fold(context, operation, &constants)
    });
    match folded.flatten() {
        None => BridgeFold_BridgeFoldNone,
        Some(Folded::Attribute(folded)) => {
            // SAFETY: the bridge passes a place for the attribute.
            unsafe { *attribute = folded.to_raw() };
            BridgeFold_BridgeFoldAttribute
        }
        Some(Folded::Value(folded)) => {
            // SAFETY: the bridge passes a place for the value.
            unsafe { *value = folded.to_raw() };
            BridgeFold_BridgeFoldValue
        }
    }
}

unsafe extern "C" fn add_patterns(op: isize, context: MlirContext, set: MlirRewritePatternSet) {
    // SAFETY: MLIR passes a valid context.
    let context = unsafe { ContextRef::from_raw(context) };
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let name = OPS[op as usize].name;
    for &pattern in ops::patterns(name) {
        let pattern = rewrite_pattern(context, name, pattern);
        // SAFETY: the set is valid and takes the pattern over.
        unsafe { mlir_sys::mlirRewritePatternSetAdd(set, pattern.into_raw()) };
    }
}

/// Wraps a Rust pattern for MLIR's drivers.
pub fn rewrite_pattern(
    context: &Context,
    root: &'static str,
    pattern: Pattern,
) -> melior::RewritePattern {
    melior::create_op_rewrite_pattern(
        root,
        1,
        context,
        move |_, operation, rewriter| {
            // SAFETY: MLIR passes a valid operation and rewriter, for this call.
            let (operation, rewriter) = unsafe {
                (
                    OperationRef::from_raw(operation),
                    RewriterBase::from_raw(mlir_sys::mlirPatternRewriterAsBase(rewriter)),
                )
            };
            let context = operation.context();
            // SAFETY: `context` lives until the end of this closure.
            let context = unsafe { context.to_ref() };
            guarded(Some(operation.location()), || {
                pattern(context, operation, &rewriter)
            })
            .flatten()
            .is_some()
        },
        &[],
    )
}

unsafe extern "C" fn infer_op(
    op: isize,
    location: MlirLocation,
    count: isize,
    operands: *const MlirValue,
    dictionary: MlirAttribute,
    result: *mut MlirType,
) -> bool {
    // SAFETY: MLIR passes a valid location and dictionary and `count` values.
    let (location, values, dictionary) = unsafe {
        let raw = if count == 0 {
            &[]
        } else {
            slice::from_raw_parts(operands, count as usize)
        };
        let values: Vec<Value> = raw.iter().map(|raw| Value::from_raw(*raw)).collect();
        (
            Location::from_raw(location),
            values,
            Attribute::from_raw(dictionary),
        )
    };
    let op = op as usize;
    let inferred = guarded(Some(location), || {
        let attributes = Attributes::Dictionary(DictionaryAttribute::try_from(dictionary).ok()?);
        let slots = OPS[op].operands.len();
        let present = attributes
            .segments(slots)
            .unwrap_or_else(|| vec![true; slots]);
        let mut values = values.iter();
        let types: Vec<Option<TensorType>> = present
            .into_iter()
            .map(|present| {
                present
                    .then(|| values.next())?
                    .and_then(|value| TensorType::of(value.r#type()))
            })
            .collect();
        infer_result(op, &types, &attributes)
    });
    match inferred.flatten() {
        Some(Ok(ty)) => {
            let context = location.context();
            // SAFETY: `context` lives until the end of this function, and the
            // bridge passes a place for the type.
            unsafe { *result = ty.to_mlir(context.to_ref()).to_raw() };
            true
        }
        Some(Err(violation)) => {
            diagnostics::error(location, &format!("'{}' op {violation}", OPS[op].name));
            false
        }
        None => false,
    }
}

unsafe extern "C" fn verify_attribute(
    operation: MlirOperation,
    attribute: MlirNamedAttribute,
) -> bool {
    // SAFETY: MLIR passes a valid operation and attribute.
    let (operation, name, value) = unsafe { named(operation, attribute) };
    let name = name.as_string_ref();
    guarded(Some(operation.location()), || {
        attributes::verify(operation, name.as_str().unwrap_or(""), value)
    })
    .unwrap_or(false)
}

unsafe extern "C" fn verify_arg_attribute(
    operation: MlirOperation,
    argument: u32,
    attribute: MlirNamedAttribute,
) -> bool {
    // SAFETY: MLIR passes a valid operation and attribute.
    let (operation, name, value) = unsafe { named(operation, attribute) };
    let name = name.as_string_ref();
    guarded(Some(operation.location()), || {
        attributes::verify_argument(operation, argument, name.as_str().unwrap_or(""), value)
    })
    .unwrap_or(false)
}

/// # Safety
/// Operation and attribute must be valid.
unsafe fn named<'c, 'a>(
    operation: MlirOperation,
    attribute: MlirNamedAttribute,
) -> (OperationRef<'c, 'a>, Identifier<'c>, Attribute<'c>) {
    // SAFETY: the caller's promise.
    unsafe {
        (
            OperationRef::from_raw(operation),
            Identifier::from_raw(attribute.name),
            Attribute::from_raw(attribute.attribute),
        )
    }
}

/// Tells the bridge the dialect; once per process.
pub fn define_dialect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ops = OPS
            .iter()
            .enumerate()
            .map(|(index, op)| {
                let operands = op.operands.iter().map(|operand| BridgeOperand {
                    name: string(operand.name),
                    optional: operand.optional,
                });
                let attributes = op.attributes.iter().map(|attribute| string(attribute.name));
                let (operands, num_operands) = leak(operands.collect());
                let (attributes, num_attributes) = leak(attributes.collect());
                BridgeOp {
                    name: string(op.name),
                    numOperands: num_operands,
                    operands,
                    numAttributes: num_attributes,
                    attributes,
                    pure_: true,
                    inferSlot: index as isize,
                }
            })
            .collect();
        let (ops, count) = leak(ops);
        let callbacks = BridgeCallbacks {
            verify: Some(verify_op),
            fold: Some(fold_op),
            patterns: Some(add_patterns),
            infer: Some(infer_op),
            verifyAttribute: Some(verify_attribute),
            verifyArgAttribute: Some(verify_arg_attribute),
        };
        // SAFETY: everything passed lives as long as the process.
        unsafe { bridgeDefineDialect(string("kforge"), count, ops, callbacks) };
    });
}

/// Makes the dialect loadable from `registry`.
pub fn insert_dialect(registry: &DialectRegistry) {
    define_dialect();
    // SAFETY: the registry is valid.
    unsafe { bridgeInsertDialect(registry.to_raw()) };
}

/// As [`insert_dialect`], for the registry MLIR hands to a plugin.
pub fn insert_dialect_raw(registry: *mut c_void) {
    define_dialect();
    // SAFETY: MLIR passes its registry, alive for this call.
    unsafe { bridgeInsertDialect(mlir_sys::MlirDialectRegistry { ptr: registry }) };
}

/// How many ops the bridge has inference slots for.
#[cfg(test)]
pub fn infer_slots() -> usize {
    // SAFETY: asks for a constant.
    unsafe { bridgeInferSlots() as usize }
}

// --- Passes -----------------------------------------------------------------

static PASSES: OnceLock<(&[PassDef], &[PipelineDef])> = OnceLock::new();

/// The running pass, on the C++ side.
#[derive(Debug)]
pub struct PassHandle<'p> {
    raw: BridgePassHandle,
    running: PhantomData<&'p ()>,
}

impl PassHandle<'_> {
    pub fn integer(&self, option: usize) -> i64 {
        // SAFETY: the pass is running and `option` is an index of its table.
        unsafe { bridgePassInteger(self.raw, option as isize) }
    }

    pub fn text(&self, option: usize) -> String {
        // SAFETY: as above; the text is copied before the pass can change.
        unsafe { text_of(bridgePassText(self.raw, option as isize)).to_owned() }
    }

    pub fn count(&self, statistic: usize, by: u64) {
        // SAFETY: the pass is running and `statistic` is an index of its table.
        unsafe { bridgePassCount(self.raw, statistic as isize, by) }
    }

    pub fn run_pipeline(&self, operation: OperationRef, pipeline: &str) -> bool {
        let pipeline = StringRef::new(pipeline);
        // SAFETY: operation and text are valid for the call.
        unsafe { bridgePassRunPipeline(self.raw, operation.to_raw(), pipeline.to_raw()) }
    }
}

unsafe extern "C" fn run_pass(
    pass: isize,
    operation: MlirOperation,
    handle: BridgePassHandle,
) -> bool {
    // SAFETY: MLIR passes a valid operation, for this call.
    let operation = unsafe { OperationRef::from_raw(operation) };
    let context = operation.context();
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let Some((passes, _)) = PASSES.get() else {
        return false;
    };
    let def = &passes[pass as usize];
    let run = PassRun {
        def,
        handle: PassHandle {
            raw: handle,
            running: PhantomData,
        },
    };
    guarded(Some(operation.location()), || {
        (def.run)(context, operation, &run)
    }) == Some(Ok(()))
}

unsafe extern "C" fn build_pipeline(
    pipeline: isize,
    integers: *const i64,
    texts: *const MlirStringRef,
    sink: mlir_sys::MlirStringCallback,
    data: *mut c_void,
) {
    let Some((_, pipelines)) = PASSES.get() else {
        return;
    };
    let def = &pipelines[pipeline as usize];
    let count = def.options.len();
    let (integers, texts) = if count == 0 {
        (Vec::new(), Vec::new())
    } else {
        // SAFETY: the bridge passes one integer and one text per option.
        unsafe {
            let texts = slice::from_raw_parts(texts, count)
                .iter()
                .map(|text| text_of(*text).to_owned());
            (
                slice::from_raw_parts(integers, count).to_vec(),
                texts.collect(),
            )
        }
    };
    let options = PipelineOptions {
        def,
        integers,
        texts,
    };
    let text = guarded(None, || (def.build)(&options)).unwrap_or_default();
    send(sink, data, &text);
}

fn send(sink: mlir_sys::MlirStringCallback, data: *mut c_void, text: &str) {
    if let Some(sink) = sink {
        // SAFETY: the sink copies what it is given.
        unsafe { sink(StringRef::new(text).to_raw(), data) };
    }
}

fn bridge_options(options: &'static [OptionDef]) -> (*const BridgeOption, isize) {
    let convert = |option: &OptionDef| {
        let mut bridged = BridgeOption {
            name: c_string(option.name),
            description: c_string(option.description),
            kind: BridgeOptionKind_BridgeOptionInteger,
            integer: 0,
            text: string(""),
            numChoices: 0,
            choices: std::ptr::null(),
        };
        match option.kind {
            OptionKind::Integer(value) => bridged.integer = value,
            OptionKind::Bool(value) => {
                bridged.kind = BridgeOptionKind_BridgeOptionBool;
                bridged.integer = i64::from(value);
            }
            OptionKind::Text(value) => {
                bridged.kind = BridgeOptionKind_BridgeOptionString;
                bridged.text = string(value);
            }
            OptionKind::Choice(names) => {
                bridged.kind = BridgeOptionKind_BridgeOptionChoice;
                (bridged.choices, bridged.numChoices) =
                    leak(names.iter().map(|name| c_string(name)).collect());
            }
        }
        bridged
    };
    leak(options.iter().map(convert).collect())
}

/// Text that C++ may also read as a C string.
fn c_string(text: &'static str) -> MlirStringRef {
    let owned = Box::leak(format!("{text}\0").into_boxed_str());
    MlirStringRef {
        data: owned.as_ptr().cast(),
        length: text.len(),
    }
}

pub fn register_passes(passes: &'static [PassDef], pipelines: &'static [PipelineDef]) {
    if PASSES.set((passes, pipelines)).is_err() {
        return;
    }
    for (index, pass) in passes.iter().enumerate() {
        let (options, num_options) = bridge_options(pass.options);
        let statistic = |statistic: &crate::pass::StatisticDef| BridgeStatistic {
            name: c_string(statistic.name),
            description: c_string(statistic.description),
        };
        let (statistics, num_statistics) = leak(pass.statistics.iter().map(statistic).collect());
        let (dialects, num_dialects) =
            leak(pass.dialects.iter().map(|name| c_string(name)).collect());
        let bridged = BridgePass {
            argument: c_string(pass.argument),
            name: c_string(pass.name),
            description: c_string(pass.summary),
            anchor: c_string("builtin.module"),
            numOptions: num_options,
            options,
            numStatistics: num_statistics,
            statistics,
            numDialects: num_dialects,
            dialects,
        };
        // SAFETY: everything the pass refers to lives as long as the process.
        unsafe { bridgeRegisterPass(index as isize, &bridged, Some(run_pass)) };
    }
    for (index, pipeline) in pipelines.iter().enumerate() {
        let (options, num_options) = bridge_options(pipeline.options);
        let bridged = BridgePipeline {
            argument: c_string(pipeline.argument),
            description: c_string(pipeline.summary),
            numOptions: num_options,
            options,
        };
        // SAFETY: as above.
        unsafe { bridgeRegisterPipeline(index as isize, &bridged, Some(build_pipeline)) };
    }
}

// --- Tools ------------------------------------------------------------------

/// A registry with everything upstream has, and kforge.
pub fn full_registry() -> DialectRegistry {
    static ONCE: Once = Once::new();
    let registry = DialectRegistry::new();
    // SAFETY: the registry is valid. Registering passes twice is an error in
    // MLIR, so only the first call may do it.
    ONCE.call_once(|| unsafe { bridgeRegisterUpstream(registry.to_raw()) });
    melior::utility::register_all_dialects(&registry);
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
