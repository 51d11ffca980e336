//! Native kernels on this machine's processor.
//!
//! ABI: `extern "C" fn(args: *const *mut u8, block_begin: i64, block_end: i64)`.
//! `args` holds one pointer per binding (64-byte aligned if its offset is),
//! then one to the immediates (4 bytes each, as on a GPU), then one to the
//! three workgroup counts as `u64`. The function computes blocks
//! `block_begin..block_end` of `x + y * nx + z * nx * ny`. Calls for disjoint
//! ranges may run at the same time on several threads.

mod backend;
pub(crate) mod host;
mod library;
mod native;

pub(crate) use backend::CpuBackend;
pub use native::{NativeFn, NativeKernels, RawNativeFn};
