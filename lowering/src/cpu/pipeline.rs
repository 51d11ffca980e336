//! MLIR's conversions to the LLVM dialect, in order, and their messages.

use std::sync::{Arc, Mutex, PoisonError};

use melior::{
    Context,
    ir::{Module, operation::OperationLike},
    pass::{PassManager, arith, conversion, memref},
};

use super::CpuError;

/// Converts a module of `func`, `scf`, `arith`, `math`, `vector` and `memref`.
pub(super) fn to_llvm<'c>(
    context: &'c Context,
    mut module: Module<'c>,
) -> Result<Module<'c>, CpuError> {
    let step = "the conversion to the LLVM dialect";
    let (valid, reason) = listening(context, || module.as_operation().verify());
    if !valid {
        return Err(CpuError::Conversion { step, reason });
    }
    let manager = PassManager::new(context);
    // Views become arithmetic on metadata, some of it affine.
    manager.add_pass(memref::create_expand_strided_metadata_pass());
    manager.add_pass(conversion::create_lower_affine());
    // Rounding divisions have no LLVM instruction.
    manager.add_pass(arith::create_arith_expand_ops_pass());
    manager.add_pass(conversion::create_scf_to_control_flow());
    // Before math, which it makes scalar ops of where vectors have several dimensions.
    manager.add_pass(conversion::create_vector_to_llvm());
    // Intrinsics first; libm gets what has none.
    manager.add_pass(conversion::create_math_to_llvm());
    manager.add_pass(conversion::create_math_to_libm());
    manager.add_pass(conversion::create_vector_to_llvm());
    manager.add_pass(conversion::create_arith_to_llvm());
    manager.add_pass(conversion::create_finalize_mem_ref_to_llvm());
    manager.add_pass(conversion::create_index_to_llvm());
    manager.add_pass(conversion::create_ub_to_llvm());
    manager.add_pass(conversion::create_control_flow_to_llvm());
    manager.add_pass(conversion::create_func_to_llvm());
    manager.add_pass(conversion::create_reconcile_unrealized_casts());
    let (result, reason) = listening(context, || manager.run(&mut module));
    match result {
        Ok(()) => Ok(module),
        Err(_) => Err(CpuError::Conversion { step, reason }),
    }
}

/// Runs `body` and returns, beside its result, the errors MLIR reported meanwhile.
pub(super) fn listening<T>(context: &Context, body: impl FnOnce() -> T) -> (T, String) {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&messages);
    let handler = context.attach_diagnostic_handler(move |diagnostic| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(format!("{}: {diagnostic}", diagnostic.location()));
        true
    });
    let result = body();
    context.detach_diagnostic_handler(handler);
    let messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
    (result, messages.join("; "))
}
