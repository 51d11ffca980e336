//! The static proof on hand-written WGSL: what it shows, what it refuses and with which
//! witness, and what it leaves open. No device is needed.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod aliases;
mod bounds;
mod careless;
mod forms;
mod kernels;
mod large;
mod limits;
mod loops;
mod memory;
mod races;
mod shared;
mod unsound;

use kforge_runtime::manifest::Place;
use kforge_verify::prove::{Code, Facts, Finding, Launch, Slot, prove};

/// A launch with buffers of their own, of so many bytes.
pub fn launch(workgroups: [u32; 3], bytes: &[u64]) -> Launch {
    Launch {
        workgroups,
        slots: (0..)
            .zip(bytes)
            .map(|(buffer, &bytes)| Slot {
                place: Place {
                    group: 0,
                    binding: buffer,
                },
                buffer,
                offset: 0,
                bytes,
            })
            .collect(),
        immediates: Vec::new(),
        uniform: None,
        subgroup_size: 0,
    }
}

pub fn finding(wgsl: &str, launch: &Launch) -> Finding {
    let code = Code::parse(wgsl, "main").unwrap();
    prove(&code, launch)
}

#[track_caller]
pub fn proved(wgsl: &str, launch: &Launch) -> Facts {
    match finding(wgsl, launch) {
        Finding::Proved(facts) => facts,
        other => panic!("{other:#?}\n{wgsl}"),
    }
}

/// The defect, which must have these words.
#[track_caller]
pub fn wrong(wgsl: &str, launch: &Launch, words: &[&str]) {
    match finding(wgsl, launch) {
        Finding::Wrong(defect) => {
            for word in words {
                assert!(defect.what.contains(word), "'{word}' is not in {defect:?}");
            }
        }
        other => panic!("{other:#?}\n{wgsl}"),
    }
}

/// What is open, which must have these words.
#[track_caller]
pub fn open(wgsl: &str, launch: &Launch, words: &str) {
    match finding(wgsl, launch) {
        Finding::Open(open) => {
            let text: Vec<String> = open.iter().map(ToString::to_string).collect();
            assert!(text.join("; ").contains(words), "{text:?}");
        }
        other => panic!("{other:#?}\n{wgsl}"),
    }
}

/// Refuses the kernel without each of its barriers, one at a time.
#[track_caller]
pub fn every_barrier_is_needed(wgsl: &str, launch: &Launch) {
    proved(wgsl, launch);
    let barrier = "workgroupBarrier();";
    let places: Vec<usize> = wgsl.match_indices(barrier).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for place in places {
        let (before, behind) = wgsl.split_at(place);
        let without = format!("{before}{}", &behind[barrier.len()..]);
        wrong(&without, launch, &["a data race", "no barrier"]);
    }
}
