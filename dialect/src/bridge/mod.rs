//! The Rust side of the C++ bridge: what it calls, and the callbacks it makes.
//! No panic crosses the boundary: each becomes an error at the op.

#![allow(missing_docs)]

pub mod dialect;
pub mod pass;
pub mod tools;

use std::{
    cell::{Cell, RefCell},
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Once,
};

use melior::{StringRef, ir::Location};
use mlir_sys::MlirStringRef;

use crate::diagnostics;

#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    clippy::all
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bridge.rs"));
}
pub use bindings::*;

pub fn string(text: &'static str) -> MlirStringRef {
    MlirStringRef {
        data: text.as_ptr().cast(),
        length: text.len(),
    }
}

/// Lives as long as the process: the bridge keeps what it is given.
pub fn leak<T>(values: Vec<T>) -> (*const T, isize) {
    let values = Box::leak(values.into_boxed_slice());
    (values.as_ptr(), values.len() as isize)
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a callback body; a panic in it is reported at `location` and gives `None`.
pub fn guarded<R>(location: Option<Location>, body: impl FnOnce() -> R) -> Option<R> {
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

/// A string of MLIR's. (melior's `StringRef::as_str` underflows on an empty one.)
///
/// # Safety
/// The characters must live as long as `'a`.
pub unsafe fn text_of<'a>(text: MlirStringRef) -> &'a str {
    // SAFETY: the caller's promise.
    std::str::from_utf8(unsafe { bytes_of(text) }).unwrap_or("")
}

/// # Safety
/// The characters must live as long as `'a`.
pub unsafe fn bytes_of<'a>(text: MlirStringRef) -> &'a [u8] {
    if text.length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(text.data.cast::<u8>(), text.length) }
}

pub fn send(sink: mlir_sys::MlirStringCallback, data: *mut c_void, text: &str) {
    if let Some(sink) = sink {
        // SAFETY: the sink copies what it is given.
        unsafe { sink(StringRef::new(text).to_raw(), data) };
    }
}

/// Text that C++ may also read as a C string.
pub fn c_string(text: &'static str) -> MlirStringRef {
    let owned = Box::leak(format!("{text}\0").into_boxed_str());
    MlirStringRef {
        data: owned.as_ptr().cast(),
        length: text.len(),
    }
}
