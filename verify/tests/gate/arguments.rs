//! Scalar arguments, constants and work that is too much, up to exact algebra.

use kforge_runtime::{
    Package,
    manifest::{Immediate, ScalarType, Symbols},
};
use kforge_verify::{Options, Reason, Verdict, prove::Launch};

use crate::package::{SUM, TWICE, dispatch_of, package, verdict};

/// The sum of what `count` says, with `scale` as a factor of a.
fn with_arguments(count: i64, scale: f32) -> Package {
    let sum = SUM
        .replace(
            "@compute",
            "struct P { n: u32, k: f32, m: i32 }\nvar<immediate> p: P;\n@compute",
        )
        .replace("i < 100u", "i < p.n && p.m < 0")
        .replace("a[i] + b[i]", "a[i] * p.k + b[i]");
    let mut package = package(&sum, TWICE);
    let kernel = package.manifest.kernels.get_mut("sum").unwrap();
    kernel.immediates = vec![ScalarType::U32, ScalarType::F32, ScalarType::I32];
    let given = vec![
        Immediate::Integer(count.into()),
        Immediate::from(scale),
        Immediate::Integer((-3).into()),
    ];
    dispatch_of(&mut package, 0).immediates = given;
    package
}

fn exactly(package: &Package) -> Verdict {
    let options = Options {
        level: 3,
        ..Options::default()
    };
    verdict(package, &options)
}

#[test]
fn scalar_arguments_are_what_they_are_to_every_level() {
    let right = exactly(&with_arguments(100, 1.0));
    assert!(right.passed, "{}", right.summary());
    assert_eq!(right.levels, ["L0", "L1", "L2", "L3"]);
    for (count, scale, reason) in [
        (101, 1.0, Reason::Static),
        (99, 1.0, Reason::Poison),
        (100, 1.5, Reason::NumericMismatch),
    ] {
        let refused = exactly(&with_arguments(count, scale));
        assert_eq!(refused.failures[0].reason, reason, "{}", refused.summary());
    }
}

#[test]
fn what_is_too_much_for_exact_algebra_is_said() {
    let long = SUM.replace(
        "s[i] = a[i] + b[i]",
        "var z = 0.0; for (var k = 0u; k < 40000u; k++) { z = min(z, 0.0); } s[i] = a[i] + b[i] + z",
    );
    let refused = exactly(&package(&long, TWICE));
    let failure = &refused.failures[0];
    assert_eq!(
        (failure.reason, failure.stage.as_str()),
        (Reason::Undecided, "sum")
    );
    assert!(
        failure
            .detail
            .contains("its kernels at this shape take more than"),
        "{failure:?}"
    );
    // The other stage is exact all the same.
    let exact = refused.exact.unwrap();
    assert_eq!((exact.stages, exact.shapes), (1, 1));
}

#[test]
fn bindings_of_one_buffer_are_one_memory_of_a_launch() {
    let mut package = package(SUM, TWICE);
    let dispatch = dispatch_of(&mut package, 0);
    dispatch.args[1] = dispatch.args[0].clone();
    dispatch.args[2].byte_offset = 16.into();
    let dispatch = dispatch.clone();
    let launch = Launch::of(&package, &dispatch, &Symbols::new()).unwrap();
    let slots: Vec<_> = launch
        .slots
        .iter()
        .map(|slot| (slot.place.binding, slot.buffer, slot.offset, slot.bytes))
        .collect();
    assert_eq!(slots, [(0, 0, 0, 400), (1, 0, 0, 400), (2, 1, 16, 384)]);
    assert_eq!(launch.workgroups, [2, 1, 1]);
}
