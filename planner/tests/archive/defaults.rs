//! What ships as a device's defaults, and how it is made from an archive.

use kforge_dialect::schedule::{Kernel, Row, shipped};
use kforge_planner::{
    archive::Filter,
    heuristic,
    problem::{OpShape, Rows},
};
use kforge_runtime::{DeviceDescription, Dtype};

use crate::{of_shape, open, place, record_of, verified};

/// The fastest plan of each problem, where it is faster than the default one.
#[test]
fn the_fastest_plans_become_defaults() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    // The speedup is 8 ms by the time.
    let tried = [(64, 1, 2.0), (64, 2, 1.0), (64, 4, 4.0), (96, 2, 7.9)];
    for (created, (m, group, ms)) in (1..).zip(tried) {
        let record = record_of(m, group, created, verified(ms));
        archive.record(&record).unwrap();
    }
    let defaults = archive.defaults(&Filter::default()).unwrap();
    assert_eq!(defaults.device, "llvmpipe");
    let [row] = &defaults.rows[..] else {
        panic!("{defaults:?}");
    };
    assert_eq!(
        (row.kernel, &row.sizes[..]),
        (Kernel::Matmul, &[1, 64, 64, 64][..])
    );
    assert_eq!((row.element.as_str(), row.ms), ("f32", 1.0));
    assert_eq!(row.knobs["group-m"], 2);

    let elsewhere = Filter {
        device: Some("geforce".into()),
        ..Filter::default()
    };
    assert!(archive.defaults(&elsewhere).unwrap().rows.is_empty());
}

/// A row that did not fit its own device would never be used.
#[test]
fn what_ships_is_what_plans_begin_with() {
    for defaults in shipped() {
        let device = described(&defaults.device);
        for row in &defaults.rows {
            let plan = heuristic::propose(&of_shape(shape(row)), &device);
            let pass = shape(row).pass();
            let step = plan.passes.iter().find(|step| step.pass == pass).unwrap();
            for (knob, value) in &row.knobs {
                assert_eq!(step.integer(knob), Some(*value), "{row:?}: {knob}");
            }
        }
    }
}

fn shape(row: &Row) -> OpShape {
    let element = match row.element.as_str() {
        "f16" => Dtype::F16,
        _ => Dtype::F32,
    };
    match (row.kernel, &row.sizes[..]) {
        (Kernel::Matmul, &[batch, m, n, k]) => OpShape::Matmul {
            batch,
            m,
            n,
            k,
            element,
            transpose_b: false,
        },
        (Kernel::Attention, &[queries, head, value_head]) => OpShape::Attention {
            heads: 1,
            queries,
            keys: queries,
            head,
            value_head,
            element,
        },
        (Kernel::Rows, &[rows, n]) => OpShape::Softmax(Rows { rows, n, element }),
        other => panic!("{other:?} are no kernel's sizes"),
    }
}

/// The recorded device that a file of defaults is for.
fn described(name: &str) -> DeviceDescription {
    let name = name.to_lowercase();
    let file = format!(
        "{}/../test/Inputs/devices/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}
