//! A plan as a transform module says what its pipeline says: the same passes with the same
//! options, those that searches try as knobs that are named after the op or the pass.

use std::collections::BTreeMap;

use kforge_planner::{
    Plan,
    plan::{Knob, Step, to_transform},
    space,
};
use kforge_runtime::device::Target;

use crate::edges::items;

/// Name and options of a pass.
type Pass = (String, BTreeMap<String, String>);

/// The passes of a pipeline.
fn pipeline(text: &str) -> Vec<Pass> {
    let pass = |item: String| {
        let (name, options) = item.split_once('{').unwrap_or((&item, ""));
        let options = options.trim_end_matches('}').split_whitespace();
        let options = options.map(|option| {
            let (name, value) = option.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        (name.to_owned(), options.collect())
    };
    items(text).into_iter().map(pass).collect()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// The passes of a transform module; its knobs' names and the values of each.
fn transform(text: &str) -> (Vec<Pass>, Vec<String>, Vec<String>) {
    let (mut passes, mut names, mut knobs) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut values = Vec::new();
    for line in text.lines() {
        let result = line.trim().split(' ').next().unwrap_or_default();
        if let Some(name) = between(line, "transform.tune.knob<\"", "\"") {
            let selected = between(line, "> = ", " : i64 from options = [").unwrap();
            let options = between(line, "options = [", "]").unwrap();
            assert!(options.split(", ").any(|it| it == selected), "{line}");
            values.push(options.to_owned());
            knobs.insert(result.to_owned(), selected.to_owned());
            names.push(name.to_owned());
        }
        let Some(name) = between(line, "apply_registered_pass \"", "\"") else {
            continue;
        };
        let options = between(line, "options = {", "}").unwrap_or_default();
        let options = options.split(", ").filter(|it| !it.is_empty());
        let mut read = BTreeMap::new();
        for option in options {
            let (name, value) = option.split_once(" = ").unwrap();
            let value = value.trim_end_matches(" : i64");
            let value = knobs.get(value).map_or(value, String::as_str);
            // Text that looks like a number or a truth must not have become one.
            read.insert(name.trim_matches('"').to_owned(), value.to_owned());
        }
        passes.push((name.to_owned(), read));
    }
    (passes, names, values)
}

fn plan() -> Plan {
    let mut plan = Plan::new(Target::Gpu, Default::default());
    // Names that look like other values are names all the same.
    let device = [("name", "0x5"), ("features", "+7"), ("kind", "other")];
    for (option, name) in device {
        plan.device.insert(option.into(), Knob::Name(name.into()));
    }
    plan.passes.push(Step::new("kforge-fuse-attention"));
    let mut tile = Step::schedule("kforge-tile-matmul", "up", &[]);
    // Between the values of a search.
    tile.knobs.insert("tile-m".into(), Knob::Integer(48));
    plan.passes.push(tile);
    plan.passes.push(Step::new("kforge-tile-attention"));
    plan
}

#[test]
fn a_transform_module_runs_the_passes_of_the_pipeline() {
    let plan = plan();
    let (passes, ..) = transform(&to_transform(&plan).unwrap());
    let unquoted: Vec<Pass> = passes
        .iter()
        .map(|(name, options)| {
            let plain = |(name, value): (&String, &String)| (name.clone(), value.replace('"', ""));
            (name.clone(), options.iter().map(plain).collect())
        })
        .collect();
    assert_eq!(unquoted, pipeline(&plan.text()));
}

#[test]
fn values_keep_their_kind() {
    let (passes, ..) = transform(&to_transform(&plan()).unwrap());
    let option = |pass: &str, name: &str| {
        let found = passes.iter().find(|it| it.0 == pass).unwrap();
        found.1[name].clone()
    };
    let device = "kforge-attach-device";
    assert_eq!(option(device, "name"), "\"0x5\"");
    assert_eq!(option(device, "features"), "\"+7\"");
    assert_eq!(option(device, "target"), "\"gpu\"");
    assert_eq!(option(device, "cores"), "0");
    assert_eq!(option("canonicalize", "max-num-rewrites"), "-1");
    assert_eq!(option("canonicalize", "top-down"), "true");
    let attention = "kforge-fuse-attention";
    assert_eq!(option(attention, "assume-visible-rows"), "false");
    assert_eq!(option(attention, "op"), "\"\"");
    assert_eq!(option("kforge-tile-matmul", "tile-m"), "48");
    assert_eq!(option("kforge-tile-matmul", "op"), "\"up\"");
}

#[test]
fn knobs_are_named_after_their_op_or_their_pass() {
    let plan = plan();
    let (_, names, values) = transform(&to_transform(&plan).unwrap());
    let of = |place: &str| {
        let own = names.iter().filter_map(|name| name.strip_prefix(place));
        own.map(|name| name.trim_start_matches(':').to_owned())
            .collect::<Vec<_>>()
    };
    let knobs = |step: &Step| step.knobs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(of("up:"), knobs(&plan.passes[1]));
    assert_eq!(of("kforge-tile-attention:"), knobs(&plan.passes[2]));
    let all = plan.passes[1].knobs.len() + plan.passes[2].knobs.len();
    assert_eq!(names.len(), all);
    // Those of a search, and the plan's own between them.
    let space = |pass: &str, knob: &str| {
        let axis = space::of_pass(pass).iter().find(|axis| axis.0 == knob);
        axis.unwrap().1.to_vec()
    };
    for (name, values) in names.iter().zip(&values) {
        let (_, knob) = name.split_once(':').unwrap();
        let step = &plan.passes[if name.starts_with("up:") { 1 } else { 2 }];
        let mut wanted = space(&step.pass, knob);
        wanted.extend(step.integer(knob));
        wanted.sort_unstable();
        wanted.dedup();
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(*values, wanted.join(", "), "{name}");
    }
}
