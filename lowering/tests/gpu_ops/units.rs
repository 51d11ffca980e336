//! Units on their own: what a kernel's specification says, the kernel computes
//! from the inputs in the order the package lists them.

use std::collections::BTreeMap;

use kforge_lowering::{gpu, serialize};
use kforge_oracle::{
    Array, EvalOptions, Level, Program, compare, evaluate, generate, standard_cases,
};
use kforge_runtime::{
    Executable, HostTensor,
    execute::{ExecOptions, Poison, RunOptions},
    manifest::{Port, Symbols},
};
use melior::{
    ir::Module,
    pass::{PassManager, transform},
};

use crate::numeric;

/// Runs every unit of the function against its own program.
pub fn check_units(text: &str) {
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, text).expect("test input parses");
    gpu::convert(&context, module.as_operation())
        .map_err(|(_, error)| error.to_string())
        .expect("test input converts");
    let manager = PassManager::new(&context);
    manager.add_pass(transform::create_canonicalizer());
    manager.add_pass(transform::create_cse());
    manager.run(&mut module).expect("what was emitted is valid");
    let serialized = serialize::package(module.as_operation(), &serialize::Options::default())
        .expect("the module serialises");
    assert!(!serialized.units.is_empty());
    for (index, unit) in serialized.units.iter().enumerate() {
        let program = unit.program.clone().expect("the unit has a program");
        let program: Program = serde_json::from_value(program).expect("it is a program");
        let package = serialize::unit_package(&serialized, index).expect("it can be cut out");
        let entry = package
            .manifest
            .entries
            .keys()
            .next()
            .expect("an entry")
            .clone();
        let options = ExecOptions::default();
        let mut executable = Executable::new(
            numeric::device(),
            &package,
            &entry,
            &Symbols::new(),
            &options,
        )
        .expect("it loads");
        for (values, salt) in standard_cases(Level::Quick) {
            let arrays = generate(&program, values, 3 + salt).expect("inputs");
            let reference = evaluate(&program, &arrays, &EvalOptions::default()).expect("a value");
            let ports = &package.manifest.entries[&entry].inputs;
            // A unit may see the bytes of a buffer under another shape.
            let input = |(array, port): (&Array, &Port)| {
                let sizes = port
                    .shape
                    .iter()
                    .map(|size| size.as_constant().expect("static") as usize);
                let tensor = numeric::tensor(array);
                tensor
                    .reshape(sizes.collect::<Vec<_>>())
                    .expect("as many elements")
            };
            let inputs: Vec<HostTensor> = arrays.iter().zip(ports).map(input).collect();
            let options = RunOptions {
                poison: Some(Poison::Nan),
                ..RunOptions::default()
            };
            let result = executable
                .run(&inputs, &BTreeMap::new(), &options)
                .expect("it runs");
            assert_eq!(result.outputs.len(), reference.outputs().len());
            for (got, expected) in result.outputs.iter().zip(reference.outputs()) {
                let comparison =
                    compare(&got.to_f64_vec(), expected, &Default::default()).expect("comparable");
                assert!(
                    comparison.passed,
                    "unit {} {values:?}: {comparison:?}",
                    unit.stage
                );
            }
        }
    }
}
