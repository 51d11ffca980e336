//! The upstream `gpu` dialect to [`naga::Module`], and from there to WGSL, MSL
//! and SPIR-V.
//!
//! The input is one `gpu.func` with `gpu.kernel` whose body uses structured
//! control flow (`scf`), `arith`, `math`, `vector`, `memref` and `gpu`; who made
//! it does not matter. [`supported_ops`] is the exact list. An op outside it is
//! refused with its location, never skipped.
//!
//! # Kernel ABI
//! - memref arguments, in order, are `@group(0) @binding(i)` runtime-sized
//!   arrays. `arrayLength` is never used. `memref<..xvector<4xf32>>` is
//!   `array<vec4<f32>>`.
//! - scalar arguments and the dynamic sizes, strides and offsets of memref
//!   arguments, in order, are the members of one struct in `var<immediate>`, or,
//!   above [`TranslateOptions::immediate_bytes`], in a uniform at
//!   `@group(0) @binding(number of memref arguments)`.
//! - arguments in [`Launch::constants`] are folded in and are no immediates.
//! - `index` is `i32`: a memref may span fewer than 2^31 elements.
//!
//! # Floating point
//! WGSL lets an implementation assume that there are no NaNs and infinities.
//! Ordered and unordered comparisons, `maximumf` and `maxnumf` are therefore the
//! same code. Non-finite constants cannot be literals and become immediates of
//! source [`ImmediateSource::Constant`].

mod arguments;
mod builder;
mod depth;
mod error;
mod finish;
mod kernel;
mod launches;
mod ops;
mod options;
mod read;
mod translator;
mod types;
mod uniform;
mod view;

pub use error::TranslateError;
pub use kernel::{
    Access, Binding, Checks, Features, Immediate, ImmediateSource, ImmediateSpace, Kernel,
    WriteError,
};
pub use launches::collect_launches;
pub use ops::supported_ops;
pub use options::{Launch, MatrixShape, Scalar, TranslateOptions};
pub use types::ScalarType;

use melior::ir::OperationRef;

/// Translates one `gpu.func` into a validated [`Kernel`].
///
/// `launch` says what all launches of the kernel have in common; see
/// [`collect_launches`].
///
/// # Errors
/// A located [`TranslateError`] for an op or type outside the subset, a limit of
/// `options` that is exceeded, a barrier in control flow that may diverge, or a
/// module that naga's validator refuses.
pub fn translate_kernel(
    func: OperationRef<'_, '_>,
    launch: &Launch,
    options: &TranslateOptions,
) -> Result<Kernel, TranslateError> {
    uniform::check(func)?;
    translator::translate(func, launch, options)
}
