//! kforge to the upstream `gpu` dialect: kernels generated from schedules, and
//! host functions that launch them.

mod activation;
mod attention;
mod convert;
mod elementwise;
mod group;
mod host;
mod kernel;
mod matmul;
mod matmul_op;
mod matrix;
mod mlp_op;
mod movement;
mod pointwise;
mod rope;
mod row;
mod row_op;
mod shuffle;
mod spec;
mod tensors;
mod tree;
mod turn;
mod unit;

pub use convert::convert;
pub use host::stage;
pub use kernel::MODULE;
