//! Everything that talks to wgpu.

mod backend;
mod context;
mod pipeline;
mod time;

pub(crate) use backend::GpuBackend;
pub(crate) use context::GpuContext;
