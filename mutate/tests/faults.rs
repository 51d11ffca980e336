//! Every fault of the gate is shown by a package: with the fault a wrong one passes, or a
//! right one is refused, and without it the gate gets each of them right.
//!
//! Without an adapter the test fails: nothing was shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use kforge_mutate::{Fate, faults};
use kforge_runtime::{Device, DeviceChoice};
use kforge_verify::Options;

#[test]
fn every_fault_of_the_gate_is_shown() {
    let device = Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers");
    let judged = faults::judge_all(&device, &Options::default());
    assert_eq!(judged.len(), faults::SENTINELS.len());
    for (fault, judged) in judged {
        assert!(
            matches!(judged.fate, Fate::Refused(_)),
            "{fault}: {judged:?}"
        );
    }
}
