//! A suite against its packages; results against their table. The file of results is made by
//! hand, to have one of each kind: it is no measurement.

use std::{collections::BTreeSet, fs};

use kforge_runtime::{DeviceDescription, Package, manifest::Expr};
use serde_json::Value;

use super::{
    EmitError, Op, Results, ResultsError, Standing, Suite, SuiteName, Table, emit, plot,
    results_schema, suite_schema,
};

const RESULTS: &str = include_str!("../../../test/Inputs/bench/results.json");
const TABLE: &str = include_str!("../../../test/Inputs/bench/table.md");

fn lavapipe() -> DeviceDescription {
    let text = include_str!("../../../test/Inputs/devices/lavapipe.json");
    serde_json::from_str(text).unwrap()
}

fn assert_schema(schema: &str, instance: &Value) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(instance)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// Shapes of the inputs and the result of a package's one function.
fn shapes(package: &Package) -> Vec<Vec<i64>> {
    let fixed = |expr: &Expr| match expr {
        Expr::Constant(value) => *value,
        other => panic!("{other:?} is open"),
    };
    let entries = package.manifest.entries.iter();
    let entries = entries.filter(|(name, _)| *name != "init");
    let ports = entries.flat_map(|(_, it)| it.inputs.iter().chain(&it.outputs));
    ports
        .map(|it| it.shape.iter().map(fixed).collect())
        .collect()
}

#[test]
fn every_package_of_a_suite_is_what_the_list_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    let mut watch = |name: &str| heard.push(name.to_owned());
    emit(SuiteName::Smoke, &lavapipe(), folder.path(), "", &mut watch).unwrap();
    let text = fs::read_to_string(folder.path().join("suite.json")).unwrap();
    assert_schema(&suite_schema(), &serde_json::from_str(&text).unwrap());
    let suite: Suite = serde_json::from_str(&text).unwrap();
    assert_eq!(suite.left_out, []);
    let names: Vec<String> = suite.works.iter().map(|it| it.name.clone()).collect();
    assert_eq!(names, heard);
    for work in &suite.works {
        let name = work.op.name(work.element);
        assert_eq!((&work.name, &work.package), (&name, &name));
        let package = Package::load(folder.path().join(&work.package)).unwrap();
        assert!(work.launches >= package.manifest.kernels.len(), "{name}");
        assert!(package.program.is_some(), "{name} cannot be verified");
        let shapes = shapes(&package);
        let elements: i64 = shapes.iter().map(|it| it.iter().product::<i64>()).sum();
        let is_block = matches!(work.op, Op::Block { .. });
        // The weights of a block are no inputs.
        assert!(
            is_block || elements as u64 * work.element.bytes() == work.bytes,
            "{name}"
        );
        if let Op::Matmul { m, n, k } = work.op {
            let [m, n, k] = [m, n, k].map(|it| it as i64);
            let shapes: BTreeSet<Vec<i64>> = shapes.into_iter().collect();
            assert_eq!(shapes, BTreeSet::from([vec![m, k], vec![k, n], vec![m, n]]));
            assert_eq!(work.flops, 2 * (m * n * k) as u64);
        }
    }
    for program in ["run.py", "peers.py"] {
        assert!(folder.path().join(program).is_file());
    }
}

#[test]
fn a_suite_replaces_a_suite_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let written = |only: &str, device: &DeviceDescription| {
        emit(SuiteName::Smoke, device, folder.path(), only, &mut |_| {})
    };
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let refused = written("softmax", &lavapipe()).unwrap_err();
    assert!(matches!(refused, EmitError::Taken(_)), "{refused}");
    fs::remove_file(folder.path().join("mine.txt")).unwrap();
    assert_eq!(written("softmax", &lavapipe()).unwrap().works.len(), 1);
    assert_eq!(written("rms_norm", &lavapipe()).unwrap().works.len(), 1);
    let refused = written("conv", &lavapipe()).unwrap_err().to_string();
    assert!(refused.contains("'conv' is in no work's name; there are: matmul_f32_32x32x32,"));
}

#[test]
fn what_does_not_fit_is_left_out_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = lavapipe();
    device.features.clear();
    device.storage_binding_bytes = 4096;
    let only = "matmul";
    let suite = emit(SuiteName::Smoke, &device, folder.path(), only, &mut |_| {}).unwrap();
    let left: Vec<String> = suite.left_out.iter().map(|it| it.because.clone()).collect();
    assert_eq!(left, ["the device has no shader-f16"]);
    device.storage_binding_bytes = 4095;
    let suite = emit(SuiteName::Smoke, &device, folder.path(), only, &mut |_| {}).unwrap();
    assert_eq!(suite.works.len(), 1);
    let because = &suite.left_out[0].because;
    assert_eq!(
        because,
        "a tensor of 4096 bytes is over the device's limit of 4095"
    );
    let text = include_str!("../../../test/Inputs/devices/xeon.json");
    let xeon = serde_json::from_str(text).unwrap();
    let refused = emit(SuiteName::Smoke, &xeon, folder.path(), "", &mut |_| {}).unwrap_err();
    assert!(matches!(refused, EmitError::Cpu(_)), "{refused}");
}

#[test]
fn results_give_their_table() {
    assert_schema(&results_schema(), &serde_json::from_str(RESULTS).unwrap());
    let results = Results::read(RESULTS).unwrap();
    let table = Table::of(&results);
    assert_eq!(table.to_string(), TABLE);
    let standing = |name: &str| {
        table
            .rows
            .iter()
            .find(|it| it.name == name)
            .unwrap()
            .standing
    };
    assert_eq!(standing("matvec_f32_4096x4096"), Standing::Refused);
    assert_eq!(standing("attention_f32_1x16x2048x64"), Standing::Open);
    assert_eq!(standing("matmul_f32_512x3072x768"), Standing::NoGoal);
}

#[test]
fn drawings_have_a_bar_for_every_work_and_a_curve_for_every_side() {
    let mut results = Results::read(RESULTS).unwrap();
    let table = Table::of(&results);
    let bars = plot::ratios(&table);
    assert_eq!(bars.matches("class=\"bar\"").count(), table.rows.len());
    assert!(bars.starts_with("<svg xmlns=") && bars.ends_with("</svg>\n"));
    assert_eq!(plot::growth(&results), "");
    results.suite = SuiteName::Growth;
    let curves = plot::growth(&results);
    for class in ["ours", "peer", "roof"] {
        // The curve and its sample in the legend.
        let paths = curves.matches(&format!("<path class=\"{class}\"")).count();
        assert_eq!(paths, 2, "{class}");
    }
    assert_eq!(curves.matches("<circle class=\"ours\"").count(), 2);
    results.roofline = None;
    assert!(!plot::growth(&results).contains("roofline"));
    results.works.truncate(1);
    assert_eq!(plot::growth(&results), "");
}

#[test]
fn a_mean_counts_only_where_every_work_has_a_ratio() {
    let mut results = Results::read(RESULTS).unwrap();
    let mean = Table::of(&results).groups[0].mean.unwrap();
    assert!((mean - (0.0629_f64 / 0.0925 * 0.06 / 0.0751).sqrt()).abs() < 1e-12);
    results.works[1].peers.clear();
    let group = &Table::of(&results).groups[0];
    assert_eq!((group.works, group.counted), (2, 1));
    assert_eq!(group.standing, Standing::Open);
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let bad = |from: &str, to: &str| {
        let text = RESULTS.replacen(from, to, 1);
        assert_ne!(text, RESULTS, "'{from}' is not in the file");
        Results::read(&text).unwrap_err().to_string()
    };
    for (from, to, words) in [
        (
            "{",
            "{]",
            "it is no file of `run.py`: key must be a string at line 1 column 2",
        ),
        (
            "\"schema\": 1",
            "\"schema\": 2",
            "schema 2, this program reads 1",
        ),
        (
            "\"samples\": 30,\n \"left",
            "\"sample\": 30,\n \"left",
            "unknown field `sample`",
        ),
        (
            "\"median\": 3.463",
            "\"median\": -3.463",
            "works[0] 'matmul_f32_4096x4096x4096': ours.timed.ms: no spread",
        ),
        (
            "\"min\": 2.764",
            "\"min\": 2.9",
            "works[0] 'matmul_f32_4096x4096x4096': peer 'torch'",
        ),
        (
            "\"goal\": 0.9",
            "\"goal\": 0.0",
            "': goal: it is not positive",
        ),
        ("4100000000000.0", "0.0", "roofline: a rate is not positive"),
        (
            "\"name\": \"matmul_f32_512x3072x768\"",
            "\"name\": \"matmul_f32_4096x4096x4096\"",
            "works[1] 'matmul_f32_4096x4096x4096': the name is there twice",
        ),
        (
            "\"name\": \"matmul_f32_512x3072x768\"",
            "\"name\": \"a|b\"",
            "works[1] 'a|b': the name is none",
        ),
    ] {
        let told = bad(from, to);
        assert!(told.contains(words), "{told}");
    }
    assert!(matches!(Results::read(""), Err(ResultsError::Json(_))));
}
