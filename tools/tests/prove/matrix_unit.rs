//! Kernels on the matrix unit as exact algebra: equal to their program, and with a mistake not.

use kforge_runtime::DeviceDescription;
use kforge_tools::compile::{Session, Source};
use kforge_verify::{
    Runnable, Subject,
    algebra::{self, Algebra},
};

/// The unit of a product of halves with edges in every dimension, for the H200.
fn unit(knobs: &str, attributes: &str) -> Runnable {
    let [a, b] = match attributes {
        "" => ["20x40", "40x24"],
        _ => ["40x20", "24x40"],
    };
    let source = format!(
        "func.func @f(%a: tensor<{a}xf16>, %b: tensor<{b}xf16>, %bias: tensor<24xf16>) -> \
         tensor<20x24xf16> {{\n%y = kforge.matmul %a, %b bias %bias {{{attributes}kforge.name = \
         \"y\"}} : (tensor<{a}xf16>, tensor<{b}xf16>, tensor<24xf16>) -> tensor<20x24xf16>\n\
         return %y : tensor<20x24xf16>\n}}"
    );
    let folder = env!("CARGO_MANIFEST_DIR");
    let path = format!("{folder}/../test/Inputs/devices/nvidia-h200.json");
    let device: DeviceDescription =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let limits: Vec<String> = kforge_planner::device::limits(&device)
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let pipeline = format!(
        "builtin.module(kforge-keep-reference,kforge-attach-device{{{}}},\
         kforge-tile-matmul{{matrix-unit=16 {knobs}}},convert-kforge-to-gpu,canonicalize,cse)",
        limits.join(" ")
    );
    let session = Session::default();
    let module = session.parse(&Source::of_text("f", source)).unwrap();
    let package = session.compile(module, &pipeline, 0).unwrap();
    let subject = Subject::of_package(&package.serialized.package, "f").unwrap();
    subject.units.into_iter().next().unwrap()
}

fn verdict(unit: &Runnable) -> Algebra {
    algebra::check(unit, 3, 1 << 30)
}

/// The unit with other text in its first kernel.
fn changed(unit: &Runnable, from: &str, to: &str) -> Runnable {
    let mut changed = unit.clone();
    let mut files = changed.package.files.values_mut();
    let text = files.find(|bytes| String::from_utf8_lossy(bytes).contains("coopMultiplyAdd"));
    let text = text.unwrap();
    let new = String::from_utf8_lossy(text).replacen(from, to, 1);
    assert!(new.as_bytes() != text.as_slice(), "there is no '{from}'");
    *text = new.into_bytes();
    changed.package.manifest.hashes.clear();
    changed
}

#[test]
fn products_are_equal_to_their_program() {
    for (knobs, attributes) in [
        ("tile-m=32 tile-n=32 tile-k=16 thread-m=16 thread-n=16", ""),
        (
            "tile-m=32 tile-n=16 tile-k=32 thread-m=32 thread-n=16 stages=2 split-k=2",
            "transpose_a, transpose_b, ",
        ),
    ] {
        let found = verdict(&unit(knobs, attributes));
        assert!(matches!(found, Algebra::Equal(_)), "{knobs}: {found:?}");
    }
}

#[test]
fn mistakes_are_refused() {
    let unit = unit("tile-m=32 tile-n=32 tile-k=16 thread-m=16 thread-n=16", "");
    for (from, to) in [
        // Transposed, another stride, a contraction that ends early.
        (
            "coopLoadT<coop_mat16x16<f16,B>>",
            "coopLoad<coop_mat16x16<f16,B>>",
        ),
        ("), 6u)", "), 5u)"),
        (" < 40u)", " < 36u)"),
    ] {
        let changed = changed(&unit, from, to);
        let found = verdict(&changed);
        assert!(matches!(found, Algebra::Refused(_)), "{from}: {found:?}");
    }
}
