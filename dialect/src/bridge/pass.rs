//! Passes and named pipelines: their tables for the bridge, and their runs.

use std::{ffi::c_void, marker::PhantomData, slice, sync::OnceLock};

use melior::{
    StringRef,
    ir::{OperationRef, operation::OperationLike},
};
use mlir_sys::{MlirOperation, MlirStringRef};

use super::*;
use crate::pass::{OptionDef, OptionKind, PassDef, PassRun, PipelineDef, PipelineOptions};

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

    pub fn previous(&self) -> String {
        // SAFETY: the pass is running; the text is copied before it can change.
        unsafe { text_of(bridgePassPrevious(self.raw)).to_owned() }
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
        run.check_choices(operation)?;
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

fn bridge_options(options: &'static [OptionDef]) -> (*const BridgeOption, isize) {
    let convert = |option: &OptionDef| {
        let mut bridged = BridgeOption {
            name: c_string(option.name),
            description: c_string(option.description),
            kind: BridgeOptionKind_BridgeOptionInteger,
            integer: 0,
            text: string(""),
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
            // Checked by the pass, whose message lists the names.
            OptionKind::Choice(names) => {
                bridged.kind = BridgeOptionKind_BridgeOptionString;
                bridged.text = string(names[0]);
                let text = format!("{} ({})", option.description, names.join(", "));
                bridged.description = c_string(Box::leak(text.into_boxed_str()));
            }
        }
        bridged
    };
    leak(options.iter().map(convert).collect())
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
