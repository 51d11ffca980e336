//! Builders of kforge IR.
