//! From a source and a pipeline to what exact algebra says of its kernels.

use std::sync::Once;

use kforge_dialect::device::Device as Target;
use kforge_lowering::serialize::{self, Options};
use kforge_oracle::Level;
use kforge_passes::verify;
use kforge_verify::{Runnable, Subject, algebra};
use melior::{ir::Module, pass::PassManager, utility::parse_pass_pipeline};

/// The lowered module's units with their variants.
pub fn subjects(source: &str, pipeline: &str, cases: Level) -> Vec<Subject> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, source).expect("the module parses");
    let manager = PassManager::new(&context);
    let pipeline = format!("builtin.module({pipeline})");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline).unwrap();
    manager.run(&mut module).expect("the pipeline runs");
    let module = module.as_operation();
    let serialized = serialize::package(module, &Options::default()).unwrap();
    let entries = serialized.package.manifest.entries.keys();
    entries
        .map(|entry| verify::subject(&Target::of(module), &serialized, entry, cases).unwrap())
        .collect()
}

/// Every unit and variant, with what algebra says of it.
pub fn judge(subjects: &[Subject], limit: u64) -> Vec<(String, algebra::Algebra)> {
    let of = |unit: &Runnable| (unit.stage.clone(), algebra::check(unit, 7, limit));
    subjects
        .iter()
        .flat_map(|subject| {
            let variants = subject.variants.iter().map(|variant| &variant.unit);
            subject
                .units
                .iter()
                .chain(variants)
                .map(of)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Every kernel that is small enough must be equal to its program, and at least one is.
pub fn all_equal(source: &str, pipeline: &str) {
    let mut equal = 0;
    for (stage, algebra) in judge(&subjects(source, pipeline, Level::Quick), 1 << 24) {
        match algebra {
            algebra::Algebra::Equal(_) => equal += 1,
            algebra::Algebra::TooLarge(_) => {}
            other => panic!("'{stage}' with {pipeline}: {other:?}"),
        }
    }
    assert!(equal > 0, "{pipeline}: every kernel is too large");
}
