//! The programs a verifier holds the package against: one per function, from the
//! module's reference, and one per unit, from its kernel's specification.
//!
//! `program.json` is `{"function": program, "units": [unit]}`; a package of several
//! entries has `"functions": {entry: program}` instead. An input of a function's
//! program is called as the weight it is bound to, else `argN`.

use std::collections::BTreeMap;

use kforge_dialect::{attributes, program, scan};
use kforge_oracle::Program;
use kforge_runtime::{Package, manifest::Unit};
use melior::{
    Context,
    ir::{Module, OperationRef},
};
use serde_json::{Map, Value};

use super::read;

/// Adds all programs there are; returns why others are missing. `inputs` has the
/// names of every entry's arguments.
pub(super) fn attach(
    module: OperationRef,
    package: &mut Package,
    inputs: &BTreeMap<String, Vec<String>>,
    units: &mut [Unit],
) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut functions = Map::new();
    // A context of its own: passes must not load dialects into theirs.
    let context = kforge_dialect::context();
    match read::text(module, attributes::REFERENCE) {
        None => remarks.push(format!(
            "the module has no {}: there is nothing to verify its functions against",
            attributes::REFERENCE
        )),
        Some(text) => {
            let entries: Vec<&String> = inputs.keys().collect();
            let programs = of_reference(&context, text, &entries);
            for ((entry, names), program) in inputs.iter().zip(programs) {
                match program.and_then(|program| to_json(renamed(program, names)?)) {
                    Ok(program) => drop(functions.insert(entry.clone(), program)),
                    Err(error) => {
                        remarks.push(format!("function '{entry}' has no program: {error}"))
                    }
                }
            }
        }
    }
    for unit in units.iter_mut() {
        let Some(spec) = &unit.spec else {
            remarks.push(format!(
                "stage '{}' has no {}",
                unit.stage,
                attributes::SPEC
            ));
            continue;
        };
        let program = program::of_text_in(&context, spec).map_err(|error| error.to_string());
        match program.and_then(to_json) {
            Ok(program) => unit.program = Some(program),
            Err(error) => remarks.push(format!("stage '{}' has no program: {error}", unit.stage)),
        }
    }
    let mut stored = Map::new();
    if inputs.len() == 1 {
        stored.extend(
            functions
                .into_iter()
                .map(|(_, program)| ("function".to_owned(), program)),
        );
    } else {
        stored.insert("functions".into(), functions.into());
    }
    match serde_json::to_value(&*units) {
        Ok(units) => drop(stored.insert("units".into(), units)),
        Err(error) => remarks.push(format!("the units cannot be stored: {error}")),
    }
    package.program = Some(stored.into());
    remarks
}

/// The program with the inputs called as the arguments of its entry.
fn renamed(mut program: Program, names: &[String]) -> Result<Program, String> {
    if program.inputs.len() != names.len() {
        return Err(format!(
            "the reference has {} arguments, the lowered function {}",
            program.inputs.len(),
            names.len()
        ));
    }
    for (input, name) in program.inputs.iter_mut().zip(names) {
        input.name.clone_from(name);
    }
    Ok(program)
}

/// The programs of the functions called `names` in the reference.
fn of_reference(context: &Context, text: &str, names: &[&String]) -> Vec<Result<Program, String>> {
    if names.len() == 1 {
        return vec![program::of_text_in(context, text).map_err(|error| error.to_string())];
    }
    let scanned = scan::check(text.as_bytes(), &scan::Limits::default());
    let module = match scanned.is_ok() && !text.contains('\0') {
        true => Module::parse(context, text),
        false => None,
    };
    let program = |name: &String| {
        let module = module.as_ref().ok_or("the reference is no valid module")?;
        program::of_function(module.as_operation(), Some(name)).map_err(|error| error.to_string())
    };
    names.iter().map(|name| program(name)).collect()
}

fn to_json(program: Program) -> Result<Value, String> {
    serde_json::to_value(program).map_err(|error| error.to_string())
}
