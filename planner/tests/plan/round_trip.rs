//! Plan → text → MLIR → text → plan is the identity.

use kforge_planner::{
    Plan, heuristic,
    plan::{Knob, Step, catalog, from_json, to_json},
};
use kforge_runtime::device::Target;
use melior::{pass::PassManager, utility::parse_pass_pipeline};
use proptest::{collection::vec, prelude::*};

use crate::{context, gpu, problem};

/// What MLIR prints for a pipeline.
fn printed(text: &str) -> String {
    let context = context();
    let manager = PassManager::new(&context);
    let nested = manager.as_operation_pass_manager();
    parse_pass_pipeline(nested, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    nested.to_string()
}

fn knob(default: Knob) -> BoxedStrategy<Knob> {
    match default {
        Knob::Integer(_) => any::<i64>().prop_map(Knob::Integer).boxed(),
        Knob::Flag(_) => any::<bool>().prop_map(Knob::Flag).boxed(),
        Knob::Name(name) => Just(Knob::Name(name)).boxed(),
    }
}

fn step() -> BoxedStrategy<Step> {
    let names: Vec<&'static str> = catalog::names().collect();
    let one = proptest::sample::select(names).prop_flat_map(|name| {
        let pass = catalog::find(name).unwrap();
        let knobs: Vec<_> = pass
            .knobs()
            .into_iter()
            .map(|(name, default)| knob(default).prop_map(move |value| (name.to_owned(), value)))
            .collect();
        let op = match pass.takes_op() {
            true => proptest::option::of("[a-z][a-z0-9_.]{0,8}([+][a-z]{1,4})?").boxed(),
            false => Just(None).boxed(),
        };
        (op, knobs).prop_map(move |(op, knobs)| Step {
            pass: name.into(),
            op,
            knobs: knobs.into_iter().collect(),
        })
    });
    one.boxed()
}

fn plan() -> impl Strategy<Value = Plan> {
    (any::<bool>(), vec(step(), 0..8)).prop_map(|(cpu, passes)| {
        let target = if cpu { Target::Cpu } else { Target::Gpu };
        let mut plan = Plan::new(target, Default::default());
        plan.passes = passes;
        plan.complete();
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_and_plan_are_one(plan in plan()) {
        let text = plan.text();
        let shown = printed(&text);
        prop_assert_eq!(&shown, &text);
        prop_assert_eq!(Plan::from_text(&shown).unwrap(), plan);
    }

    #[test]
    fn json_and_plan_are_one(plan in plan()) {
        let text = to_json(&plan);
        let read = from_json(&text, None).unwrap();
        prop_assert_eq!(to_json(&read), text);
        prop_assert_eq!(read, plan);
    }
}

#[test]
fn a_heuristic_plan_is_canonical() {
    let plan = heuristic::propose(&problem(), &gpu(32768, 256));
    assert_eq!(printed(&plan.text()), plan.text());
    let read = Plan::from_text(&plan.text()).unwrap();
    assert_eq!(read.passes, plan.passes);
    assert_eq!(read.device, plan.device);
}

#[test]
fn the_default_pipeline_is_a_plan() {
    // Its options print on one line, since a pipeline of one pass expands.
    let text = printed("builtin.module(kforge-default-pipeline{target=gpu})");
    let plan = Plan::from_text(&text).unwrap();
    let passes: Vec<&str> = plan.passes.iter().map(|step| step.pass.as_str()).collect();
    assert_eq!(passes, heuristic::FUSE);
    assert_eq!(plan.text(), text);
}

#[test]
fn other_pipelines_are_no_plans() {
    for (text, part) in [
        ("func.func(cse)", "begins with 'builtin.module('"),
        (
            "builtin.module(cse)",
            "pass 0 of the pipeline is 'cse', expected 'kforge-keep-reference'",
        ),
    ] {
        let error = Plan::from_text(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let plan = Plan::new(Target::Gpu, Default::default()).text();
    let verify = plan.replace(
        "convert-kforge-to-gpu",
        "kforge-verify,convert-kforge-to-gpu",
    );
    let error = Plan::from_text(&verify).unwrap_err().to_string();
    assert!(
        error.starts_with("'kforge-verify' is no pass that a plan may choose"),
        "{error}"
    );
}
