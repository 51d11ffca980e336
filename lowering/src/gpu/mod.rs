//! kforge to the upstream `gpu` dialect: kernels generated from schedules, and
//! host functions that launch them.

mod activation;
mod attention;
mod attention_mask;
mod attention_op;
mod attention_softmax;
mod attention_tile;
mod convert;
mod elementwise;
mod group;
mod host;
mod kernel;
mod matmul;
mod matmul_op;
mod mlp_op;
mod movement;
mod pointwise;
mod rope;
mod row;
mod row_op;
mod spec;
mod tensors;
mod tree;
mod unit;

pub use convert::convert;
pub use host::stage;
pub use kernel::MODULE;
