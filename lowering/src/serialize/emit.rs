//! Every kernel of a module as code, without a package: for `kforge-translate`
//! and for the attribute `kforge.wgsl`.

use melior::ir::OperationRef;

use super::{SerializeError, kernel, translate_options};
use crate::translate::{Kernel, Launch, collect_launches, translate_kernel};

/// A kernel and the name of its `gpu.func`.
pub type Emitted = (String, Kernel);

/// Translates every kernel of `module`, launched or not, in program order.
///
/// # Errors
/// A kernel that does not translate, and a module without kernels.
pub fn emit(module: OperationRef) -> Result<Vec<Emitted>, SerializeError> {
    let options = translate_options(module);
    let launches = collect_launches(module)?;
    let unknown = Launch::default();
    let kernels = kernel::functions(module)
        .into_iter()
        .map(|(symbols, func)| {
            let launch = launches.get(&symbols).unwrap_or(&unknown);
            Ok((symbols.1, translate_kernel(func, launch, &options)?))
        })
        .collect::<Result<Vec<_>, SerializeError>>()?;
    if kernels.is_empty() {
        let message = "has no gpu.func with gpu.kernel; run convert-kforge-to-gpu or -gpu-kernel-outlining first";
        return Err(SerializeError::at(module, message));
    }
    Ok(kernels)
}
