//! Reads and writes outside a buffer, and missing writes, are reported.

use kforge_runtime::{
    Poison, RunOptions,
    execute::{GuardViolation, Violation},
    manifest::{Step, Symbols},
};

use crate::{
    SCALE, chain,
    common::{ADD, add_package, f32s, gpu, iota, run},
    poisoned,
};

#[test]
fn a_missing_write_is_reported() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("const n = 100u", "const n = 97u"));
    let inputs = [iota(100), iota(100)];
    for options in [
        RunOptions::default(),
        poisoned(Poison::Nan),
        poisoned(Poison::Big),
    ] {
        let result = run(device, &package, &Symbols::new(), &inputs, &options).unwrap();
        let buffer = "c".into();
        let expected = GuardViolation {
            buffer,
            offset: 97 * 4,
            what: Violation::Unwritten(3),
        };
        assert_eq!(result.guards, [expected]);
        assert!(
            f32s(&result.outputs[0])[97..]
                .iter()
                .all(|value| value.is_nan())
        );
    }
}

#[test]
fn a_write_behind_the_end_is_reported() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("const n = 100u", "const n = 101u"));
    let inputs = [iota(100), iota(100)];
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &inputs,
        &poisoned(Poison::Big),
    )
    .unwrap();
    let what = Violation::WrittenBehindEnd;
    assert_eq!(
        result.guards,
        [GuardViolation {
            buffer: "c".into(),
            offset: 400,
            what
        }]
    );
}

#[test]
fn reading_behind_an_input_gives_nan_or_big() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("a[id.x] +", "a[id.x + 1u] +"));
    let inputs = [iota(100), iota(100)];
    let last = |poison| {
        let options = poisoned(poison);
        let result = run(device, &package, &Symbols::new(), &inputs, &options).unwrap();
        f32s(&result.outputs[0])[99]
    };
    assert!(last(Poison::Nan).is_nan());
    assert!(last(Poison::Big) >= 1e30);
}

#[test]
fn overruns_of_scratch_are_reported_even_when_its_slot_is_reused() {
    let Some(device) = gpu() else { return };
    let mut package = chain();
    let wide = SCALE.replace("fn scale", "fn wide").replace("300u", "301u");
    package
        .files
        .insert("kernels/wide.wgsl".into(), wide.into());
    let mut kernel = package.manifest.kernels["scale"].clone();
    kernel.entry_point = "wide".into();
    kernel.code = kforge_runtime::manifest::Code::Wgsl {
        file: "kernels/wide.wgsl".into(),
    };
    package.manifest.kernels.insert("wide".into(), kernel);
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let Step::Dispatch(first) = &mut entry.steps[0];
    first.kernel = "wide".into();
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &[iota(300)],
        &poisoned(Poison::Nan),
    )
    .unwrap();
    let what = Violation::WrittenBehindEnd;
    assert_eq!(
        result.guards,
        [GuardViolation {
            buffer: "s1".into(),
            offset: 1200,
            what
        }]
    );
}
