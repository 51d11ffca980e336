//! The fields of a plan's JSON, one by one, so that a wrong one hides no other.

use kforge_runtime::device::Target;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Knob, Knobs, Plan, SCHEMA, Violation, check::shown};

/// What could be read of a plan.
pub(super) struct Draft {
    /// That, with defaults where nothing was.
    pub plan: Plan,
    /// What could not be read, and why.
    pub found: Vec<Violation>,
    /// Places of passes that hold nothing to be judged.
    pub unread: Vec<usize>,
    /// Whether a knob's value is of no kind that a knob has. Its text stands in the plan,
    /// and the checks refuse it with the knob's range.
    pub odd: bool,
}

/// A value as text that fits a line, in its own quotes.
pub(super) fn text(value: &Value) -> String {
    let text = value.to_string();
    let safe = |c: char| match c {
        '"' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().take(80).map(safe).collect()
}

/// What a value is where something else is expected.
fn what(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        other => text(other),
    }
}

/// The fields of an object that has no others than `known`.
///
/// A list is refused: a reader of structs would take it for the fields in their order.
pub(super) fn object<'v>(
    value: &'v Value,
    place: &str,
    known: &[&str],
    found: &mut Vec<Violation>,
) -> Option<&'v Map<String, Value>> {
    let Value::Object(fields) = value else {
        let message = format!(
            "is {}, expected an object with {}",
            what(value),
            known.join(", ")
        );
        found.push(Violation::new(place, message));
        return None;
    };
    for name in fields.keys().filter(|it| !known.contains(&it.as_str())) {
        let message = format!(
            "has no field '{}'; its fields are: {}",
            shown(name),
            known.join(", ")
        );
        found.push(Violation::new(place, message));
    }
    Some(fields)
}

/// The items of a list that must be there.
pub(super) fn list<'v>(
    value: Option<&'v Value>,
    place: &str,
    of: &str,
    found: &mut Vec<Violation>,
) -> &'v [Value] {
    match value {
        Some(Value::Array(items)) => return items,
        Some(value) => {
            let message = format!("is {}, expected a list of {of}", what(value));
            found.push(Violation::new(place, message));
        }
        None => {
            let message = format!("is missing, expected a list of {of}");
            found.push(Violation::new(place, message));
        }
    }
    &[]
}

/// The target; what is said of a device is judged as a GPU's where it is none.
pub(super) fn target(value: Option<&Value>, found: &mut Vec<Violation>) -> Target {
    match value.and_then(Value::as_str) {
        Some("gpu") => return Target::Gpu,
        Some("cpu") => return Target::Cpu,
        _ => {}
    }
    let got = value.map_or_else(|| "missing".into(), what);
    let message = format!("is {got}, expected \"gpu\" or \"cpu\"; the rest is judged for a gpu");
    found.push(Violation::new("target", message));
    Target::Gpu
}

/// The version of the format, which must be stated if it is `required`; another version
/// is refused before.
pub(super) fn schema(value: Option<&Value>, required: bool, found: &mut Vec<Violation>) {
    if value.is_none() && !required || value.is_some_and(|it| it.as_u64() == Some(SCHEMA.into())) {
        return;
    }
    let got = value.map_or_else(|| "missing".into(), what);
    let message = format!("is {got}, expected {SCHEMA}");
    found.push(Violation::new("schema", message));
}

/// Option values; `default` says what an option takes. Returns whether one is odd.
pub(super) fn knobs(
    value: Option<&Value>,
    place: &str,
    field: &str,
    default: impl Fn(&str) -> Option<Knob>,
    found: &mut Vec<Violation>,
) -> (Knobs, bool) {
    let mut knobs = Knobs::new();
    let mut odd = false;
    let values = match value {
        None => return (knobs, odd),
        Some(Value::Object(values)) => values,
        Some(value) => {
            let message = format!("{field} is {}, expected an object", what(value));
            found.push(Violation::new(place, message));
            return (knobs, odd);
        }
    };
    for (name, value) in values {
        let knob = match value {
            Value::Bool(value) => Knob::Flag(*value),
            Value::String(value) => Knob::Name(value.clone()),
            Value::Number(number) if number.is_i64() => {
                Knob::Integer(number.as_i64().unwrap_or_default())
            }
            _ if matches!(default(name), Some(Knob::Name(_))) => {
                let message = format!("{} is {}, expected a name", shown(name), what(value));
                found.push(Violation::new(place, message));
                continue;
            }
            _ => {
                odd = true;
                Knob::Name(value.to_string())
            }
        };
        knobs.insert(name.clone(), knob);
    }
    (knobs, odd)
}

/// A value of a type that says itself what is wrong with it.
pub(super) fn typed<T: DeserializeOwned>(
    value: &Value,
    place: &str,
    found: &mut Vec<Violation>,
) -> Option<T> {
    match serde_json::from_value(value.clone()) {
        Ok(value) => Some(value),
        Err(error) => {
            found.push(Violation::new(place, shown(&error.to_string())));
            None
        }
    }
}
