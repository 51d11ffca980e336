//! kforge to the upstream `gpu` dialect: kernels generated from schedules, and
//! host functions that launch them.

mod activation;
mod convert;
mod host;
mod kernel;
mod matmul;
mod matmul_op;
mod spec;
mod tensors;

pub use convert::convert;
pub use host::stage;
pub use kernel::MODULE;
