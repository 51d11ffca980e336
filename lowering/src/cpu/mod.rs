//! The upstream `gpu` dialect to machine code of a CPU.
//!
//! The input is the same as for [`translate`](crate::translate): `gpu.func`s with
//! `gpu.kernel`. The schedule of a CPU kernel gives it one invocation per
//! workgroup, so thread ids are 0, barriers do nothing, and workgroup memory is a
//! local buffer. A kernel of more invocations is run by a loop over them; then it
//! can have neither barriers nor workgroup memory.
//!
//! [`lower`] makes LLVM dialect of the kernels, [`emit_object`] an object of that,
//! and [`jit`] or [`shared_library`] something that runs. All of them take the
//! same object, so what is cached, written out and run is one and the same code.
//!
//! # Kernel ABI
//! That of [`kforge_runtime::cpu`]: pointers of the memref arguments in order, then
//! of the immediates, then of the three workgroup counts. The immediates are those
//! of [`translate`](crate::translate): scalar arguments and dynamic sizes, strides
//! and offsets, in order, without the arguments that are the same constant at every
//! launch.
//!
//! # Limits
//! - `index` is 64 bits wide. Elements of memref arguments are f32, f16, i32, i64
//!   and vectors of them; at most [`LOCAL_BYTES`] of workgroup and private memory.
//! - Nothing is checked while a kernel runs: an index outside a buffer and an integer
//!   division by zero are undefined behaviour. Run only kernels that are known to
//!   stay inside their buffers, and only objects that were made here.
//! - Two calls must not use one context at the same time: translations and
//!   diagnostic handlers are registered with it.
//! - Floats are IEEE: a product and a sum are fused only where the IR says
//!   `math.fma`. The one exception is `vector.reduction`, whose order is free.
//! - Objects are for this machine's architecture and system; the instruction sets
//!   they use can be chosen.

mod arguments;
mod body;
mod element;
mod error;
mod ffi;
mod frame;
mod link;
mod local;
mod lower;
mod math;
mod pipeline;
mod subset;
mod target;

pub use arguments::Binding;
pub use error::CpuError;
pub use ffi::{jit, llvm_version};
pub use link::shared_library;
pub use local::LOCAL_BYTES;
pub use lower::{Kernel, Lowered, lower};
pub use target::{CpuTarget, emit_assembly, emit_object};
