//! Random valid modules: what they mean is the same before and after every pass, in every
//! order, and every plan that is accepted for one compiles to WGSL that naga validates.
//!
//! The number of cases is small here; `PROPTEST_CASES=2000 cargo test -p kforge-fuzz --test
//! modules` makes a long run of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod draft;
mod generate;
mod meaning;
mod plans;

use proptest::test_runner::Config;

/// `cases` unless the environment says how many; what failed is printed as a module, not kept.
fn config(cases: u32) -> Config {
    Config {
        cases: match std::env::var("PROPTEST_CASES") {
            Ok(_) => Config::default().cases,
            Err(_) => cases,
        },
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    }
}
