//! Every knob of a plan changes the kernels or their dispatch: the emitted WGSL or the
//! number of workgroups. A knob that only asks for something is a condition instead. The
//! lists of knobs are the catalog's and the flat form's own, so that a new knob without a
//! case here fails.

#![cfg(feature = "mlir")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

use kforge_planner::{
    Plan, Problem, check, heuristic,
    plan::{FLAT_KNOBS, Knob, Step, catalog, from_json},
    problem::of_module,
    space,
};
use kforge_runtime::{
    DeviceDescription, Dtype,
    manifest::{MatrixShape, Step as Launch},
};
use kforge_tools::compile::{Session, Source};
use serde_json::{Value, json};

const MATMUL: &str = "func.func @f(%x: tensor<128x64xf32>, %w: tensor<64x128xf32>) -> tensor<128x128xf32> {
  %y = kforge.matmul %x, %w {kforge.name = \"op\"} : (tensor<128x64xf32>, tensor<64x128xf32>) -> tensor<128x128xf32>
  return %y : tensor<128x128xf32>
}";

const HALF: &str = "func.func @f(%x: tensor<128x64xf16>, %w: tensor<64x128xf16>) -> tensor<128x128xf16> {
  %y = kforge.matmul %x, %w {kforge.name = \"op\"} : (tensor<128x64xf16>, tensor<64x128xf16>) -> tensor<128x128xf16>
  return %y : tensor<128x128xf16>
}";

const ATTENTION: &str = "func.func @f(%q: tensor<1x2x64x16xf32>, %k: tensor<1x2x64x16xf32>, %v: tensor<1x2x64x16xf32>) -> tensor<1x2x64x16xf32> {
  %y = kforge.attention %q, %k, %v {kforge.name = \"op\"} : (tensor<1x2x64x16xf32>, tensor<1x2x64x16xf32>, tensor<1x2x64x16xf32>) -> tensor<1x2x64x16xf32>
  return %y : tensor<1x2x64x16xf32>
}";

const SOFTMAX: &str = "func.func @f(%x: tensor<8x4096xf32>) -> tensor<8x4096xf32> {
  %y = kforge.softmax %x {kforge.name = \"op\"} : (tensor<8x4096xf32>) -> tensor<8x4096xf32>
  return %y : tensor<8x4096xf32>
}";

/// A product whose constant weights of 256 elements can hold the factor after it.
const SCALED: &str = "func.func @f(%x: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %w = arith.constant dense<0.5> : tensor<16x16xf32>
  %c = arith.constant dense<0.25> : tensor<8x16xf32>
  %0 = kforge.matmul %x, %w {kforge.name = \"op\"} : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %y = arith.mulf %0, %c : tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}";

const RESIDUAL: &str = "func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x16xf32>, %r: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %0 = kforge.matmul %x, %w {kforge.name = \"op\"} : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %y = arith.addf %0, %r : tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}";

const FEED_FORWARD: &str = "func.func @f(%x: tensor<8x16xf32>, %u: tensor<16x64xf32>, %d: tensor<64x16xf32>) -> tensor<8x16xf32> {
  %0 = kforge.matmul %x, %u {activation = \"relu\", kforge.name = \"up\"} : (tensor<8x16xf32>, tensor<16x64xf32>) -> tensor<8x64xf32>
  %y = kforge.matmul %0, %d {kforge.name = \"down\"} : (tensor<8x64xf32>, tensor<64x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}";

const SCORES: &str = "func.func @f(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %0 = kforge.matmul %q, %k {transpose_b, kforge.name = \"scores\"} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = kforge.softmax %0 {kforge.name = \"weights\"} : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %y = kforge.matmul %1, %v {kforge.name = \"sum\"} : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %y : tensor<1x2x4x8xf32>
}";

/// Passes that only tidy up what others leave: they have no knob and may change nothing.
const TIDY: &[&str] = &["kforge-eliminate-dead-ops", "canonicalize", "cse"];

/// Knobs that choose nothing: they ask for what others must then give.
const ASK: &[(&str, &str)] = &[("kforge-tile-matmul", "subgroups")];

const HALF_ATTENTION: &str = "func.func @f(%q: tensor<1x2x40x16xf16>, %k: tensor<1x2x48x16xf16>, %v: tensor<1x2x48x16xf16>) -> tensor<1x2x40x16xf16> {
  %o = kforge.attention %q, %k, %v {kforge.name = \"op\"} : (tensor<1x2x40x16xf16>, tensor<1x2x48x16xf16>, tensor<1x2x48x16xf16>) -> tensor<1x2x40x16xf16>
  return %o : tensor<1x2x40x16xf16>
}";

type Set = &'static [(&'static str, i64)];

/// Two settings of a knob, with what they need of others.
fn settings(pass: &str, knob: &str) -> Option<(&'static str, [Set; 2])> {
    Some(match (pass, knob) {
        ("kforge-tile-matmul", "matrix-unit") => (
            HALF,
            [
                &[
                    ("matrix-unit", 0),
                    ("tile-m", 32),
                    ("thread-m", 16),
                    ("thread-n", 16),
                ],
                &[
                    ("matrix-unit", 16),
                    ("tile-m", 32),
                    ("thread-m", 16),
                    ("thread-n", 16),
                ],
            ],
        ),
        ("kforge-tile-matmul", _) => (
            MATMUL,
            match knob {
                "tile-m" => [&[("tile-m", 32)], &[("tile-m", 64)]],
                "tile-n" => [&[("tile-n", 32)], &[("tile-n", 64)]],
                "tile-k" => [&[("tile-k", 8)], &[("tile-k", 16)]],
                "thread-m" => [&[("thread-m", 4)], &[("thread-m", 8)]],
                "thread-n" => [&[("thread-n", 4)], &[("thread-n", 8)]],
                "vector-width" => [&[("vector-width", 1)], &[("vector-width", 4)]],
                "stages" => [&[("stages", 1)], &[("stages", 2)]],
                "unroll" => [&[("unroll", 0)], &[("unroll", 4)]],
                "group-m" => [&[("group-m", 1)], &[("group-m", 2)]],
                "split-k" => [&[("split-k", 1)], &[("split-k", 2)]],
                "prefetch" => [&[("prefetch", 0)], &[("prefetch", 1)]],
                "slice-k" => [
                    &[("slice-k", 1), ("tile-m", 16)],
                    &[("slice-k", 2), ("tile-m", 16)],
                ],
                _ => return None,
            },
        ),
        ("kforge-tile-attention", "block-q") => {
            (ATTENTION, [&[("block-q", 16)], &[("block-q", 32)]])
        }
        ("kforge-tile-attention", "block-kv") => {
            (ATTENTION, [&[("block-kv", 8)], &[("block-kv", 16)]])
        }
        ("kforge-tile-attention", "split-head") => {
            (ATTENTION, [&[("split-head", 1)], &[("split-head", 2)]])
        }
        ("kforge-tile-attention", "slice-kv") => {
            (ATTENTION, [&[("slice-kv", 1)], &[("slice-kv", 2)]])
        }
        ("kforge-tile-attention", "split-kv") => {
            (ATTENTION, [&[("split-kv", 1)], &[("split-kv", 2)]])
        }
        ("kforge-tile-attention", "matrix-unit") => (
            HALF_ATTENTION,
            [
                &[("matrix-unit", 0), ("block-kv", 16)],
                &[("matrix-unit", 16), ("block-kv", 16)],
            ],
        ),
        ("kforge-tile-attention", "prefetch") => (
            HALF_ATTENTION,
            [
                &[("prefetch", 0), ("matrix-unit", 16), ("block-kv", 16)],
                &[("prefetch", 1), ("matrix-unit", 16), ("block-kv", 16)],
            ],
        ),
        ("kforge-vectorize-layernorm", "workgroup-size") => (
            SOFTMAX,
            [&[("workgroup-size", 64)], &[("workgroup-size", 128)]],
        ),
        ("kforge-vectorize-layernorm", "rows") => (SOFTMAX, [&[("rows", 1)], &[("rows", 2)]]),
        ("kforge-vectorize-layernorm", "shuffle") => {
            (SOFTMAX, [&[("shuffle", 0)], &[("shuffle", 1)]])
        }
        ("kforge-vectorize-layernorm", "block-size") => {
            (SOFTMAX, [&[("block-size", 1024)], &[("block-size", 2048)]])
        }
        ("kforge-vectorize-layernorm", "vector-width") => {
            (SOFTMAX, [&[("vector-width", 1)], &[("vector-width", 4)]])
        }
        ("kforge-fold-constants", "max-elements") => {
            (SCALED, [&[("max-elements", 16)], &[("max-elements", 256)]])
        }
        _ => return None,
    })
}

/// A program that a pass without a schedule has something to do in.
fn program(pass: &str) -> Option<&'static str> {
    Some(match pass {
        "kforge-fold-constants" => SCALED,
        "kforge-fuse-matmul-activation" => RESIDUAL,
        "kforge-fuse-mlp-block" => FEED_FORWARD,
        "kforge-fuse-attention" => SCORES,
        _ => return None,
    })
}

fn device() -> DeviceDescription {
    DeviceDescription {
        name: "test".into(),
        workgroup_memory: 32768,
        invocations: 256,
        subgroup_min: 32,
        subgroup_max: 32,
        features: ["cooperative-matrix", "shader-f16", "subgroup"]
            .map(Into::into)
            .to_vec(),
        matrix_shapes: vec![MatrixShape {
            m: 16,
            n: 16,
            k: 16,
            ab: Dtype::F16,
            cr: Dtype::F32,
        }],
        ..DeviceDescription::default()
    }
}

fn problem(text: &str) -> Problem {
    let session = Session::default();
    let module = session.parse(&Source::of_text("f", text)).unwrap();
    of_module(session.context(), &module).unwrap()
}

/// Every kernel with its launches, as text.
fn compiled(text: &str, plan: &Plan) -> Vec<String> {
    assert_eq!(check(plan, Some(&problem(text))), Ok(()));
    let session = Session::default();
    let module = session.parse(&Source::of_text("f", text)).unwrap();
    let package = session.compile(module, &plan.text(), 0).unwrap();
    let package = package.serialized.package;
    let entries = package.manifest.entries.values();
    let launches = entries.flat_map(|entry| &entry.steps).map(|step| {
        let Launch::Dispatch(dispatch) = step;
        let wgsl = package.wgsl(&dispatch.kernel).unwrap();
        format!("{:?}\n{wgsl}", dispatch.workgroups)
    });
    launches.collect()
}

fn with(text: &str, step: Step) -> Plan {
    let mut plan = heuristic::propose(&problem(text), &device());
    plan.passes = vec![step];
    plan
}

#[test]
fn every_knob_changes_the_kernel_or_its_dispatch() {
    for pass in catalog::names() {
        for (knob, default) in catalog::find(pass).unwrap().knobs() {
            if catalog::is_fixed(pass, knob) {
                let mut step = Step::new(pass);
                step.knobs
                    .insert(knob.into(), Knob::Flag(default != Knob::Flag(true)));
                let violations = check(&with(MATMUL, step), None).unwrap_err();
                let text = violations[0].to_string();
                assert!(text.contains("changes what is computed"), "{text}");
                continue;
            }
            if ASK.contains(&(pass, knob)) {
                continue;
            }
            let Some((text, settings)) = settings(pass, knob) else {
                panic!("no test shows what {knob} of {pass} changes");
            };
            let [one, other] = settings.map(|knobs| {
                assert_eq!(knobs[0].0, knob);
                let mut step = Step::new(pass);
                let knobs = knobs
                    .iter()
                    .map(|(name, value)| (name.to_string(), Knob::Integer(*value)));
                step.knobs.extend(knobs);
                compiled(text, &with(text, step))
            });
            assert_ne!(one, other, "{knob} of {pass}");
        }
    }
}

/// 64x64 tiles in shares of `thread_m`x4, asked to give so many subgroups of 32.
fn asking(subgroups: i64, thread_m: i64) -> Plan {
    let mut step = Step::new("kforge-tile-matmul");
    for (name, value) in [("subgroups", subgroups), ("thread-m", thread_m)] {
        step.knobs.insert(name.into(), Knob::Integer(value));
    }
    with(MATMUL, step)
}

#[test]
fn a_number_of_subgroups_is_a_condition_and_changes_no_kernel() {
    for (subgroups, thread_m) in [(8, 4), (4, 8)] {
        let (asked, free) = (asking(subgroups, thread_m), asking(0, thread_m));
        assert_eq!(compiled(MATMUL, &asked), compiled(MATMUL, &free));
    }
    for (subgroups, thread_m) in [(4, 4), (8, 8), (3, 4)] {
        let violations = check(&asking(subgroups, thread_m), None).unwrap_err();
        let text = violations[0].to_string();
        let words = format!("subgroups {subgroups} of 32 invocations differ from the ");
        assert!(text.contains(&words), "{text}");
    }
    // A device whose subgroups have no one size cannot say.
    let mut plan = asking(4, 4);
    plan.device.insert("subgroup-size".into(), Knob::Integer(0));
    let text = check(&plan, None).unwrap_err()[0].to_string();
    assert!(text.contains("has no fixed subgroup size"), "{text}");
}

#[test]
fn every_pass_without_a_schedule_changes_the_kernels_by_running() {
    let is_schedule = |pass: &str| !space::of_pass(pass).is_empty();
    for pass in catalog::names().filter(|pass| !is_schedule(pass) && !TIDY.contains(pass)) {
        let Some(text) = program(pass) else {
            panic!("no test shows what {pass} changes");
        };
        let on = with(text, Step::new(pass));
        let mut off = on.clone();
        off.passes.clear();
        assert_ne!(compiled(text, &on), compiled(text, &off), "{pass}");
    }
}

/// Two values of a knob of the flat form, and a program that it matters for.
fn flat_values(name: &str) -> Option<(&'static str, [Value; 2])> {
    let numbers = |text, one: i64, other: i64| Some((text, [json!(one), json!(other)]));
    match name {
        "tile_m" | "tile_n" | "block_m" | "block_n" => numbers(MATMUL, 32, 64),
        "tile_k" | "block_k" => numbers(MATMUL, 8, 16),
        "group_size" => numbers(MATMUL, 1, 2),
        "num_stages" => numbers(MATMUL, 1, 2),
        "num_warps" => numbers(MATMUL, 4, 8),
        "vector_width" => numbers(MATMUL, 1, 4),
        "block_size" => numbers(SOFTMAX, 1024, 2048),
        _ => {
            let knob = FLAT_KNOBS.iter().find(|knob| knob.name == name)?;
            Some((program(knob.passes[0])?, [json!(false), json!(true)]))
        }
    }
}

#[test]
fn every_knob_of_the_flat_form_changes_the_kernel_or_its_dispatch() {
    for knob in FLAT_KNOBS {
        let Some((text, values)) = flat_values(knob.name) else {
            panic!("no test shows what {} changes", knob.name);
        };
        let [one, other] = values.map(|value| {
            let order: Vec<&str> = match knob.option {
                Some(_) => vec!["tile-matmul", "vectorize-layernorm"],
                None => Vec::new(),
            };
            let plan = json!({
                "target": "gpu",
                "device": {"subgroup-size": 32, "workgroup-memory": 32768},
                "pass_order": order,
                "knobs": {knob.name: value},
            });
            let plan = from_json(&plan.to_string(), Some(&problem(text))).unwrap();
            compiled(text, &plan)
        });
        assert_ne!(one, other, "{}", knob.name);
    }
}
