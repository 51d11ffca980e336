//! What the kforge command line tools share.

#[cfg(feature = "mlir")]
pub mod bench;
#[cfg(feature = "mlir")]
pub mod benchmark;
#[cfg(feature = "mlir")]
pub mod compile;
#[cfg(feature = "mlir")]
pub mod device;
#[cfg(feature = "mlir")]
pub mod explain;
pub mod gate;
#[cfg(feature = "mlir")]
pub mod llm;
pub mod measure;
pub mod mutate;
#[cfg(feature = "mlir")]
pub mod opt;
#[cfg(feature = "mlir")]
pub mod optimize;
#[cfg(feature = "mlir")]
pub mod reduce;
pub mod run;
pub mod workbench;
