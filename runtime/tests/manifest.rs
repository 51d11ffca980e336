//! The package format: round trips, and refusal of everything malformed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::fs;

use common::{ADD, Builder, add_package};
use kforge_runtime::{
    HostTensor, Manifest, Package, PackageError,
    manifest::{
        Access, Buffer, BufferId, Code, Expr, ExprError, Immediate, Knob, Role, ScalarType,
        SymbolRange, Symbols, schema,
    },
};
use proptest::prelude::*;

/// A package that uses most of the format.
fn rich() -> Package {
    let m = Expr::symbol("M");
    let mut package = Builder::new()
        .symbol("M", 1, 4096)
        .f32("a", &[m.clone(), 3.into()], Role::Input)
        .f32("k", &[3.into()], Role::Constant)
        .f32("c", &[m.clone(), 3.into()], Role::Output)
        .kernel(
            "add",
            ADD,
            [64, 1, 1],
            &[Access::Read, Access::Read, Access::Write],
        )
        .immediates("add", &[ScalarType::I32, ScalarType::F32, ScalarType::F32])
        .dispatch_with(
            "add",
            [m.clone().ceil_div(64), 1.into(), 1.into()],
            &[0, 1, 2],
            |d| {
                d.immediates = vec![
                    Immediate::Integer((m.clone() * 3).min(7).max(1) - m.clone().modulo(5)),
                    0.1_f32.into(),
                    f32::NEG_INFINITY.into(),
                ];
                d.shape = vec![m.clone(), m.floor_div(2) + 1];
            },
        )
        .build();
    package.manifest.buffers[0].strides = vec![4.into(), 1.into()];
    let kernel = package.manifest.kernels.get_mut("add").unwrap();
    kernel.knobs.insert("tile-m".into(), Knob::Integer(64));
    kernel.knobs.insert("fast".into(), Knob::Bool(true));
    kernel
        .knobs
        .insert("accumulator".into(), Knob::Text("f32".into()));
    kernel.requires.features.push("shader-f16".into());
    package.constants.insert(
        "k".into(),
        HostTensor::from_f32(&[3], &[1.0, 2.0, 3.0]).unwrap(),
    );
    package.program = Some(serde_json::json!({"ops": [1, 2, 3]}));
    package.manifest.verifier.seed = u64::MAX;
    package
}

#[test]
fn a_package_survives_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package");
    let mut package = rich();
    package.save(&path).unwrap();
    let loaded = Package::load(&path).unwrap();
    assert_eq!(loaded, package);
    assert_eq!(loaded.manifest.hashes.len(), 3);
    assert_eq!(loaded.wgsl("add"), Some(ADD));

    // A verdict does not change what it speaks of; anything else does.
    let hash = loaded.content_hash().unwrap();
    let mut judged = loaded.clone();
    judged.manifest.verdict = Some(serde_json::json!("L2"));
    assert_eq!(judged.content_hash().unwrap(), hash);
    judged.manifest.plan.push('x');
    assert_ne!(judged.content_hash().unwrap(), hash);
}

#[test]
fn saving_replaces_packages_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package");
    rich().save(&path).unwrap();
    add_package(ADD).save(&path).unwrap();
    assert!(Package::load(&path).unwrap().constants.is_empty());
    assert!(
        !path.join("constants.safetensors").exists(),
        "nothing of the old package is left"
    );

    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    add_package(ADD).save(&foreign).unwrap();
    fs::remove_file(foreign.join("manifest.json")).unwrap();
    let error = add_package(ADD).save(&foreign).unwrap_err();
    assert!(matches!(error, PackageError::NotAPackage { .. }), "{error}");
    assert!(foreign.join("kernels/add.wgsl").exists());

    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(add_package(ADD).save(&file).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    // A package that is refused leaves the old one, and no litter.
    let mut broken = rich();
    broken.manifest.buffers[0].name = String::new();
    assert!(broken.save(&path).is_err());
    assert!(Package::load(&path).is_ok());
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["file", "foreign", "package"]);
}

#[test]
fn changed_missing_and_linked_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package");
    let wgsl = path.join("kernels/add.wgsl");

    rich().save(&path).unwrap();
    fs::write(&wgsl, ADD.replace('+', "-")).unwrap();
    let error = Package::load(&path).unwrap_err();
    assert!(
        matches!(error, PackageError::HashMismatch { .. }),
        "{error}"
    );

    rich().save(&path).unwrap();
    fs::remove_file(&wgsl).unwrap();
    assert!(matches!(
        Package::load(&path).unwrap_err(),
        PackageError::Io { .. }
    ));

    #[cfg(unix)]
    {
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, ADD).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &wgsl).unwrap();
        assert!(matches!(
            Package::load(&path).unwrap_err(),
            PackageError::NotAFile { .. }
        ));
    }

    rich().save(&path).unwrap();
    let constants = path.join("constants.safetensors");
    let bytes = fs::read(&constants).unwrap();
    fs::write(&constants, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(
        Package::load(&path).unwrap_err(),
        PackageError::HashMismatch { .. }
    ));

    rich().save(&path).unwrap();
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for end in [0, 1, text.len() / 2, text.len() - 3] {
        fs::write(&manifest, &text[..end]).unwrap();
        assert!(matches!(
            Package::load(&path).unwrap_err(),
            PackageError::Json { .. }
        ));
    }
    fs::write(
        &manifest,
        text.replacen("\"format\": 1", "\"format\": 2", 1),
    )
    .unwrap();
    assert!(matches!(
        Package::load(&path).unwrap_err(),
        PackageError::Format { found: 2, .. }
    ));
    fs::write(
        &manifest,
        text.replacen("\"format\": 1", "\"format\": 1, \"extra\": 0", 1),
    )
    .unwrap();
    let error = Package::load(&path).unwrap_err().to_string();
    assert!(error.contains("unknown field `extra`"), "{error}");
}

#[test]
fn paths_out_of_the_package_are_refused() {
    let paths = [
        "../evil.wgsl",
        "kernels/../../evil.wgsl",
        "/etc/passwd",
        "kernels//x",
        "kernels/",
        "kernels/.hidden",
        "C:\\evil.wgsl",
        "kernels/a\\b",
        "manifest.json",
        "",
    ];
    for path in paths {
        let mut package = rich();
        let bytes = package.files.remove("kernels/add.wgsl").unwrap();
        package.files.insert(path.into(), bytes);
        package.manifest.kernels.get_mut("add").unwrap().code = Code::Wgsl { file: path.into() };
        let error = package.validate().unwrap_err().to_string();
        assert!(
            error.contains("is not a file under kernels/"),
            "{path}: {error}"
        );

        // Also when only the list of hashes names it.
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("package");
        rich().save(&target).unwrap();
        let manifest = target.join("manifest.json");
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        json["hashes"][path] = "00".into();
        fs::write(&manifest, json.to_string()).unwrap();
        let error = Package::load(&target).unwrap_err();
        assert!(
            matches!(error, PackageError::FileList { .. }),
            "{path}: {error}"
        );
    }
}

#[test]
fn broken_rules_are_named() {
    let check = |change: &dyn Fn(&mut Package), expected: &str| {
        let mut package = rich();
        change(&mut package);
        let error = package.validate().unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "expected '{expected}' in '{error}'"
        );
    };
    fn main(p: &mut Package) -> &mut kforge_runtime::manifest::Entry {
        p.manifest.entries.get_mut("main").unwrap()
    }
    fn dispatch(p: &mut Package) -> &mut kforge_runtime::manifest::Dispatch {
        let kforge_runtime::manifest::Step::Dispatch(dispatch) = &mut main(p).steps[0];
        dispatch
    }
    check(
        &|p| main(p).inputs[0].buffer = BufferId(9),
        "buffer 9 does not exist; there are 3",
    );
    check(
        &|p| dispatch(p).args[0].buffer = BufferId(9),
        "buffer 9 does not exist",
    );
    check(
        &|p| dispatch(p).kernel = "nope".into(),
        "unknown kernel 'nope'",
    );
    check(
        &|p| drop(dispatch(p).args.pop()),
        "2 arguments, the kernel takes 3",
    );
    check(
        &|p| drop(dispatch(p).immediates.pop()),
        "2 immediates, the kernel takes 3",
    );
    check(
        &|p| dispatch(p).immediates[1] = Expr::from(1).into(),
        "immediate of another type",
    );
    check(
        &|p| dispatch(p).workgroups[0] = "Q".into(),
        "unknown symbol 'Q'",
    );
    check(
        &|p| dispatch(p).args[2].buffer = BufferId(1),
        "writes constant buffer 'k'",
    );
    check(
        &|p| main(p).outputs[0].dtype = kforge_runtime::Dtype::I32,
        "is not its buffer's f32",
    );
    check(
        &|p| main(p).inputs.clear(),
        "input buffer 'a' is no input of it",
    );
    check(
        &|p| p.manifest.buffers[1].name = "a".into(),
        "name is used twice",
    );
    check(
        &|p| p.manifest.buffers[0].shape[1] = (-1).into(),
        "must not be negative",
    );
    check(
        &|p| p.manifest.buffers[0].shape = vec![1.into(); 9],
        "9 exceed the limit of 8",
    );
    check(
        &|p| p.manifest.buffers[0].bytes = Some(8.into()),
        "declared size is 8 bytes",
    );
    check(
        &|p| p.manifest.buffers[2].shape[1] = i64::MAX.into(),
        "overflows",
    );
    check(
        &|p| p.constants.clear(),
        "no value in the package's constants",
    );
    check(
        &|p| p.manifest.buffers[1].shape[0] = 4.into(),
        "is not the buffer's dtype and shape",
    );
    check(
        &|p| p.files.clear(),
        "code file 'kernels/add.wgsl' is missing",
    );
    check(
        &|p| p.manifest.kernels.get_mut("add").unwrap().workgroup_size[0] = 0,
        "workgroup size",
    );
    let wide = SymbolRange { min: 5, max: 4 };
    check(
        &|p| p.manifest.symbols.extend([("M".into(), wide)]),
        "range 5..=4",
    );
    let deep = (0..40).fold(Expr::symbol("M"), |expr, _| expr + 1);
    check(
        &|p| dispatch(p).workgroups[0] = deep.clone(),
        "exceeds depth 32",
    );
}

#[test]
fn expressions_round_as_mlir_does_and_never_overflow() {
    let at = |m: i64| Symbols::from([("M".into(), m)]);
    let m = || Expr::symbol("M");
    let table = [
        (m().floor_div(4), -7, -2),
        (m().ceil_div(4), -7, -1),
        (m().modulo(4), -7, 1),
        (m().floor_div(4), 7, 1),
        (m().ceil_div(4), 7, 2),
        (m().ceil_div(4), 8, 2),
        (m().modulo(4), 7, 3),
        (m().min(3) * 2 + m().max(5) - 1, 4, 10),
    ];
    for (expr, value, expected) in table {
        assert_eq!(expr.evaluate(&at(value)), Ok(expected), "{expr} at {value}");
    }
    for expr in [m() + 1, m() * 2, Expr::from(-2) - m()] {
        let error = expr.evaluate(&at(i64::MAX)).unwrap_err();
        assert!(matches!(error, ExprError::Overflow { .. }), "{error}");
    }
    for divisor in [0, -3] {
        let error = Expr::from(1)
            .floor_div(m())
            .evaluate(&at(divisor))
            .unwrap_err();
        assert!(matches!(error, ExprError::Divisor { .. }), "{error}");
    }
}

#[test]
fn the_schema_accepts_what_serde_writes() {
    let schema = schema();
    let properties = schema["properties"].as_object().unwrap();
    let manifest = serde_json::to_value(rich().manifest).unwrap();
    for field in manifest.as_object().unwrap().keys() {
        assert!(properties.contains_key(field), "{field}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn padded_buffers_span_to_their_last_element() {
    let mut buffer = Buffer::dense("x", kforge_runtime::Dtype::F16, [3, 5], Role::Input);
    assert_eq!(buffer.instantiate(&Symbols::new()).unwrap().bytes, 30);
    buffer.strides = vec![8.into(), 1.into()];
    assert_eq!(buffer.instantiate(&Symbols::new()).unwrap().bytes, 42);
    buffer.bytes = Some(48.into());
    assert_eq!(buffer.instantiate(&Symbols::new()).unwrap().bytes, 48);
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Expr::from),
        "[A-Z]".prop_map(Expr::symbol)
    ];
    leaf.prop_recursive(5, 60, 2, |inner| {
        (inner.clone(), inner, 0..8).prop_map(|(a, b, op)| match op {
            0 => a + b,
            1 => a - b,
            2 => a * b,
            3 => a.floor_div(b),
            4 => a.ceil_div(b),
            5 => a.modulo(b),
            6 => a.min(b),
            _ => a.max(b),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Text → expression → text, and evaluation never panics.
    #[test]
    fn expressions_round_trip(expr in any_expr(), value in any::<i64>()) {
        let json = serde_json::to_string(&expr).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Expr>(&json).unwrap(), &expr);
        let symbols: Symbols = ('A'..='Z').map(|name| (name.to_string(), value)).collect();
        let _ = expr.evaluate(&symbols);
    }

    /// What an expression prints reads back with the same value.
    #[test]
    fn expressions_are_read_as_they_print(expr in any_expr(), value in any::<i64>()) {
        let symbols: Symbols = ('A'..='Z').map(|name| (name.to_string(), value)).collect();
        let read: Expr = expr.to_string().parse().unwrap();
        prop_assert_eq!(read.evaluate(&symbols).ok(), expr.evaluate(&symbols).ok());
    }

    /// Any text is an expression or refused with a place in it.
    #[test]
    fn any_text_is_an_expression_or_refused(text in "[ a-c0-9(),+*é/-]{0,60}|.{0,40}") {
        if let Err(error) = text.parse::<Expr>() {
            prop_assert!(error.column <= text.len() + 1, "{}", error);
        }
    }

    /// A damaged manifest is refused or valid, but never a panic.
    #[test]
    fn damaged_manifests_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let package = rich();
        let mut bytes = serde_json::to_vec(&package.manifest).unwrap();
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
            let _ = Package { manifest, ..package }.validate();
        }
    }

    /// One number anywhere in a manifest replaced by an extreme one.
    #[test]
    fn extreme_numbers_never_panic(which in any::<prop::sample::Index>(), value in prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(-1), Just(0), any::<i64>()]) {
        fn numbers(value: &mut serde_json::Value) -> Vec<&mut serde_json::Value> {
            match value {
                serde_json::Value::Number(_) => vec![value],
                serde_json::Value::Array(items) => items.iter_mut().flat_map(numbers).collect(),
                serde_json::Value::Object(map) => map.values_mut().flat_map(numbers).collect(),
                _ => Vec::new(),
            }
        }
        let package = rich();
        let mut json = serde_json::to_value(&package.manifest).unwrap();
        {
            let mut all = numbers(&mut json);
            let index = which.index(all.len());
            *all[index] = value.into();
        }
        if let Ok(manifest) = serde_json::from_value::<Manifest>(json) {
            let _ = Package { manifest, ..package }.validate();
        }
    }
}
