//! Kernels as the compiler emits them, with their launches.

use kforge_planner::{Propose, heuristic, problem::of_module, search::Random};
use kforge_runtime::{
    DeviceDescription, Package,
    manifest::{Step, Symbols},
};
use kforge_tools::compile::{Session, Source as Text};
use kforge_verify::prove::{Code, Launch};

use crate::sources::Source;

/// A kernel and a launch of it.
pub struct Emitted {
    pub name: String,
    pub wgsl: String,
    pub entry_point: String,
    pub code: Code,
    pub launch: Launch,
}

fn device(name: &str) -> DeviceDescription {
    let folder = env!("CARGO_MANIFEST_DIR");
    let path = format!("{folder}/../test/Inputs/devices/{name}.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Calls `visit` with every launch of `source` under the default plan and, where it has
/// knobs, `plans` random ones, for each of two devices.
pub fn each(source: &Source, plans: usize, mut visit: impl FnMut(&Emitted)) {
    let session = Session::default();
    let parse = || {
        let text = Text::of_text(&source.name, &source.text);
        session.parse(&text).unwrap()
    };
    for name in ["nvidia-h200", "lavapipe"] {
        let pipelines = match of_module(session.context(), &parse()) {
            Ok(problem) => {
                let device = device(name);
                let drawn = Random::new(7).propose(&problem, &device, &[], plans);
                // Halves go to the matrix unit of a device that has one.
                let default = heuristic::propose(&problem, &device);
                let all = drawn.unwrap().into_iter().chain([default]);
                all.map(|plan| plan.text()).collect()
            }
            Err(_) => vec!["builtin.module(kforge-default-pipeline{target=gpu})".to_owned()],
        };
        for pipeline in pipelines {
            let compiled = session.compile(parse(), &pipeline, 0).unwrap();
            let on = format!("{} for {name}", source.name);
            launches(&on, &compiled.serialized.package, &mut visit);
        }
    }
}

/// Calls `visit` with every launch of a package.
pub fn launches(name: &str, package: &Package, visit: &mut impl FnMut(&Emitted)) {
    for entry in package.manifest.entries.values() {
        for Step::Dispatch(dispatch) in &entry.steps {
            let kernel = &package.manifest.kernels[&dispatch.kernel];
            let wgsl = package.wgsl(&dispatch.kernel).unwrap();
            visit(&Emitted {
                name: format!("{name}, {}", kernel.knob_text()),
                wgsl: wgsl.to_owned(),
                entry_point: kernel.entry_point.clone(),
                code: Code::parse(wgsl, &kernel.entry_point).unwrap(),
                launch: Launch::of(package, dispatch, &Symbols::new()).unwrap(),
            });
        }
    }
}
