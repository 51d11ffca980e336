//! Modules as oracle programs.
