//! Programs: what the kernels or the function are said to compute is something else.

use kforge_runtime::Package;
use serde_json::{Value, json};

use super::{Change, Operator, mutant, units};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "specification_changed",
        "a kernel's program has another attribute",
        |subject| {
            let Ok(listed) = subject.package.units() else {
                return Vec::new();
            };
            let mut changes: Vec<Change> = Vec::new();
            for (unit, listed) in listed.iter().enumerate() {
                let Some(program) = &listed.program else {
                    continue;
                };
                for at in 0..attributes(program) {
                    changes.push(Box::new(move |package| {
                        units::change(package, |units| {
                            if let Some(program) =
                                units.get_mut(unit).and_then(|it| it.program.as_mut())
                            {
                                change_attribute(program, at);
                            }
                        });
                    }));
                }
            }
            changes
        },
    ),
    mutant(
        "reference_changed",
        "the reference has another attribute",
        |subject| {
            let program = reference(subject.package, subject.entry);
            let count = program.map_or(0, attributes);
            (0..count)
                .map(|at| {
                    let entry = subject.entry.to_owned();
                    let change: Change = Box::new(move |package| {
                        if let Some(program) = reference_mut(package, &entry) {
                            change_attribute(program, at);
                        }
                    });
                    change
                })
                .collect()
        },
    ),
    mutant(
        "specification_missing",
        "a kernel does not say what it computes",
        |subject| {
            let count = subject.package.units().map_or(0, |units| units.len());
            (0..count)
                .map(|unit| -> Change {
                    Box::new(move |package| {
                        units::change(package, |units| units[unit].program = None);
                    })
                })
                .collect()
        },
    ),
    mutant("units_missing", "no stage is listed", |_| {
        vec![Box::new(|package| units::change(package, Vec::clear))]
    }),
    mutant(
        "reference_missing",
        "there is nothing to compare with",
        |_| vec![Box::new(|package| package.program = None)],
    ),
];

fn reference<'p>(package: &'p Package, entry: &str) -> Option<&'p Value> {
    let program = package.program.as_ref()?;
    let one = program.get("function");
    one.or_else(|| program.get("functions")?.get(entry))
}

fn reference_mut<'p>(package: &'p mut Package, entry: &str) -> Option<&'p mut Value> {
    let program = package.program.as_mut()?;
    match program.get("function").is_some() {
        true => program.get_mut("function"),
        false => program.get_mut("functions")?.get_mut(entry),
    }
}

/// Attributes whose change is another function: where an op has one.
const ATTRIBUTES: [&str; 8] = [
    "activation",
    "kind",
    "causal",
    "scale",
    "epsilon",
    "theta",
    "interleaved",
    "residual",
];

/// Every op's attributes, in order, with a value in the place of each.
fn places(program: &Value) -> Vec<(usize, &'static str, Value)> {
    let nodes = program.get("nodes").and_then(Value::as_array);
    let mut found = Vec::new();
    for (index, node) in nodes.into_iter().flatten().enumerate() {
        for name in ATTRIBUTES {
            let other = node.get("op").and_then(|op| other(op, name));
            found.extend(other.map(|value| (index, name, value)));
        }
    }
    found
}

fn attributes(program: &Value) -> usize {
    places(program).len()
}

fn change_attribute(program: &mut Value, at: usize) {
    let Some((node, name, value)) = places(program).into_iter().nth(at) else {
        return;
    };
    if let Some(op) = program.pointer_mut(&format!("/nodes/{node}/op")) {
        op[name] = value;
    }
}

/// Another value of an op's attribute.
fn other(op: &Value, name: &str) -> Option<Value> {
    let is = op.get("op").and_then(Value::as_str);
    let value = op.get(name)?;
    match (name, value) {
        ("activation", Value::String(own)) if own == "relu" => Some(json!("gelu")),
        ("activation", Value::String(_)) => Some(json!("relu")),
        ("activation", Value::Null) => Some(json!("relu")),
        ("kind", Value::String(own)) if is == Some("activation") => {
            Some(json!(if own == "relu" { "gelu" } else { "relu" }))
        }
        ("kind", Value::String(own)) if is == Some("binary") => match own.as_str() {
            "add" => Some(json!("sub")),
            "sub" => Some(json!("add")),
            _ => None,
        },
        ("causal" | "interleaved", Value::Bool(own)) => Some(json!(!own)),
        ("scale", Value::Null) => Some(json!(1.0)),
        ("scale" | "theta", Value::Number(own)) => Some(json!(own.as_f64()? * 0.999)),
        ("epsilon", Value::Number(own)) => Some(json!(own.as_f64()? * 1.001)),
        ("residual", Value::Number(_)) => Some(Value::Null),
        _ => None,
    }
}
