//! What the kforge command line tools share.

#[cfg(feature = "mlir")]
pub mod compile;
pub mod measure;
#[cfg(feature = "mlir")]
pub mod opt;
#[cfg(feature = "mlir")]
pub mod optimize;
pub mod run;
pub mod workbench;
