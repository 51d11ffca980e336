//! Located diagnostics through MLIR's engine, so that `--verify-diagnostics`
//! and every tool's handler see them.

use melior::ir::{Location, OperationRef, operation::OperationLike};

use crate::{ffi, ir};

/// Emits `'op' op message` as an error at the operation.
pub fn op_error(operation: OperationRef, message: &str) {
    error(
        operation.location(),
        &format!("'{}' op {message}", ir::name(operation)),
    );
}

/// Emits an error.
pub fn error(location: Location, message: &str) {
    ffi::emit(ffi::Severity::Error, location, message);
}

/// Emits a warning.
pub fn warning(location: Location, message: &str) {
    ffi::emit(ffi::Severity::Warning, location, message);
}

/// Emits a remark.
pub fn remark(location: Location, message: &str) {
    ffi::emit(ffi::Severity::Remark, location, message);
}
