//! What the kforge command line tools share.

pub mod run;
pub mod workbench;
