//! Random plans for random modules: what the check accepts compiles, and naga validates
//! every WGSL text that comes out.

use kforge_planner::{
    Plan, check, heuristic,
    plan::{Knob, Step, catalog},
    problem::of_module,
    space,
};
use kforge_runtime::DeviceDescription;
use kforge_tools::compile::{Session, Source};
use naga::{
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};
use proptest::{collection::vec, prelude::*};

use crate::{config, generate::module};

fn device() -> DeviceDescription {
    DeviceDescription {
        name: "random".into(),
        workgroup_memory: 32768,
        invocations: 256,
        storage_buffers: 8,
        storage_binding_bytes: 1 << 27,
        subgroup_min: 32,
        subgroup_max: 32,
        features: vec!["shader-f16".into()],
        ..DeviceDescription::default()
    }
}

/// Changes a plan by small choices: knobs within their space, passes dropped, doubled or
/// moved.
fn change(plan: &mut Plan, choices: &[[u8; 3]]) {
    for [what, at, how] in choices {
        let count = plan.passes.len();
        if count == 0 {
            return;
        }
        let (at, how) = (usize::from(*at) % count, usize::from(*how));
        match what % 8 {
            0 => {
                plan.passes.remove(at);
            }
            1 => plan.passes.swap(at, how % count),
            2 => {
                let names: Vec<&str> = catalog::names().collect();
                plan.passes.insert(at, Step::new(names[how % names.len()]));
            }
            _ => knob(&mut plan.passes[at], how),
        }
    }
}

fn knob(step: &mut Step, how: usize) {
    let axes = space::of_pass(&step.pass);
    if let Some((name, values)) = axes.get(how % axes.len().max(1)) {
        let value = values[how / axes.len() % values.len()];
        step.knobs.insert((*name).to_owned(), Knob::Integer(value));
    }
}

/// Whether a refusal says which pass of the plan is meant, and which knob or op of it, or
/// what is wrong with its place.
fn is_clear(plan: &Plan, message: &str) -> bool {
    plan.passes.iter().enumerate().any(|(index, step)| {
        let knobs = step.knobs.keys().map(String::as_str);
        let places = ["stands in the plan twice", "comes after", "a second time"];
        message.starts_with(&format!("passes[{index}] {}: ", step.pass))
            && knobs
                .chain(step.op.as_deref())
                .chain(places)
                .any(|it| message.contains(it))
    })
}

fn validate(text: &str) -> Result<(), String> {
    let module = wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    Ok(())
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn accepted_plans_compile_to_valid_wgsl(
        text in module(5),
        choices in vec(any::<[u8; 3]>(), 0..6),
    ) {
        let session = Session::default();
        let parse = || session.parse(&Source::of_text("random", text.as_str())).unwrap();
        let pipeline = match of_module(session.context(), &parse()) {
            Ok(problem) => {
                let mut plan = heuristic::propose(&problem, &device());
                prop_assert_eq!(check(&plan, Some(&problem)), Ok(()), "{}", text);
                change(&mut plan, &choices);
                if let Err(violations) = check(&plan, Some(&problem)) {
                    for violation in violations {
                        let message = violation.to_string();
                        prop_assert!(is_clear(&plan, &message), "{message}");
                    }
                    return Ok(());
                }
                plan.text()
            }
            // Nothing in it has a knob.
            Err(_) => "builtin.module(kforge-default-pipeline{target=gpu features=shader-f16})".to_owned(),
        };
        let compiled = session.compile(parse(), &pipeline, 0);
        if let Err(error) = &compiled {
            // All of it folded to its arguments.
            let empty = error.to_string().contains("no public function with a gpu.launch_func");
            prop_assert!(empty, "{error}\n{pipeline}\n{text}");
            return Ok(());
        }
        let package = compiled.unwrap().serialized.package;
        prop_assert!(package.validate().is_ok());
        for kernel in package.manifest.kernels.keys() {
            let valid = validate(package.wgsl(kernel).unwrap());
            prop_assert!(valid.is_ok(), "{}", valid.unwrap_err());
        }
    }
}
