//! What the kforge command line tools share.
