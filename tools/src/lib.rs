//! What the kforge command line tools share.

pub mod workbench;
