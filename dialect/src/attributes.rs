//! The discardable `kforge.*` attributes: what each holds, and where it may be.
//! An unknown one is refused, so that a misspelt name never passes in silence.

use melior::ir::{
    Attribute, OperationRef,
    attribute::{
        ArrayAttribute, BoolAttribute, DictionaryAttribute, IntegerAttribute, StringAttribute,
    },
    operation::{OperationLike, WalkOrder, WalkResult},
};

use crate::{diagnostics, ir, schedule};

/// A stable name of an op, by which a knob selects it; on a kernel, its stage.
pub const NAME: &str = "kforge.name";
/// On a function argument: the tensor of the weights file it is bound to.
pub const WEIGHT: &str = "kforge.weight";
/// The knobs a tile pass chose for an op; on a kernel, those it came from.
pub const SCHEDULE: &str = "kforge.schedule";
/// On a module: the device it is compiled for.
pub const DEVICE: &str = "kforge.device";
/// On a module: its text before any transformation, what verification trusts.
pub const REFERENCE: &str = "kforge.reference";
/// On a kernel: the kforge ops it implements, as text.
pub const SPEC: &str = "kforge.spec";
/// On a module: the evidence of a passing verification. A report, not a licence.
pub const VERIFIED: &str = "kforge.verified";
/// On a module: the WGSL of its kernels, by kernel name.
pub const WGSL: &str = "kforge.wgsl";

const ON_OPERATIONS: [&str; 7] = [NAME, SCHEDULE, DEVICE, REFERENCE, SPEC, VERIFIED, WGSL];
const ON_MODULES: [&str; 4] = [DEVICE, REFERENCE, VERIFIED, WGSL];

/// Verifies a `kforge.*` attribute of an operation.
pub(crate) fn verify(operation: OperationRef, name: &str, value: Attribute) -> bool {
    match check(operation, name, value) {
        Ok(()) => true,
        Err(message) => {
            diagnostics::op_error(operation, &message);
            false
        }
    }
}

/// Verifies a `kforge.*` attribute of argument number `argument`.
pub(crate) fn verify_argument(
    operation: OperationRef,
    argument: u32,
    name: &str,
    value: Attribute,
) -> bool {
    let message = if name != WEIGHT {
        format!(
            "argument {argument} has the unknown attribute '{name}'; arguments may have '{WEIGHT}'"
        )
    } else if text(value).is_none_or(str::is_empty) {
        format!("argument {argument}: '{WEIGHT}' is {value}, expected the name of a tensor")
    } else {
        return true;
    };
    diagnostics::op_error(operation, &message);
    false
}

fn check(operation: OperationRef, name: &str, value: Attribute) -> Result<(), String> {
    if !ON_OPERATIONS.contains(&name) {
        return Err(format!(
            "has the unknown attribute '{name}'; known are {}",
            ON_OPERATIONS.join(", ")
        ));
    }
    if ON_MODULES.contains(&name) && ir::name(operation) != "builtin.module" {
        return Err(format!("cannot have '{name}', which belongs to a module"));
    }
    match name {
        NAME => check_name(operation, value),
        REFERENCE | SPEC => text(value)
            .map(|_| ())
            .ok_or_else(|| format!("'{name}' must be the text of a module")),
        VERIFIED | WGSL => DictionaryAttribute::try_from(value)
            .map(|_| ())
            .map_err(|_| format!("'{name}' must be a dictionary")),
        SCHEDULE => {
            check_knobs(name, value)?;
            check_schedule(operation, value)
        }
        _ => check_knobs(name, value),
    }
}

/// The schedule of an op holds each of its knobs and no other: a misspelt one
/// must not become a default in silence.
fn check_schedule(operation: OperationRef, value: Attribute) -> Result<(), String> {
    let (Some(knobs), Ok(schedule)) = (
        schedule::knobs_of(ir::name(operation)),
        DictionaryAttribute::try_from(value),
    ) else {
        return Ok(());
    };
    let mut unknown = Vec::new();
    for index in 0..schedule.len() {
        let (key, _) = schedule.element(index).map_err(|error| error.to_string())?;
        let key = key.as_string_ref().as_str().unwrap_or("").to_owned();
        if !knobs.contains(&key.as_str()) {
            unknown.push(key);
        }
    }
    if !unknown.is_empty() {
        return Err(format!(
            "'{SCHEDULE}' has the unknown knobs {}; it has {}",
            unknown.join(", "),
            knobs.join(", ")
        ));
    }
    let missing: Vec<&str> = knobs
        .into_iter()
        .filter(|knob| schedule.element_by_name(knob).is_none())
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("'{SCHEDULE}' lacks {}", missing.join(", ")))
    }
}

fn check_name(operation: OperationRef, value: Attribute) -> Result<(), String> {
    let name = text(value).filter(|name| is_name(name)).ok_or_else(|| {
        format!("'{NAME}' is {value}, expected a string that matches [A-Za-z_][A-Za-z0-9_.]*")
    })?;
    if is_taken(operation, name) {
        return Err(format!(
            "'{NAME}' \"{name}\" is already taken in this function"
        ));
    }
    Ok(())
}

/// Whether an op before this one in its function has the name.
fn is_taken(operation: OperationRef, name: &str) -> bool {
    let has_name = |other: OperationRef| other.attribute(NAME).ok().and_then(text) == Some(name);
    let mut parent = operation.parent_operation();
    while let Some(function) = parent {
        if !matches!(ir::name(function), "func.func" | "gpu.func") {
            parent = function.parent_operation();
            continue;
        }
        let mut taken = false;
        function.walk(WalkOrder::PreOrder, |other| {
            if other == operation {
                return WalkResult::Interrupt;
            }
            taken = other != function && has_name(other);
            if taken {
                WalkResult::Interrupt
            } else {
                WalkResult::Advance
            }
        });
        return taken;
    }
    // Kernels are in no function; those of one stage share its name.
    false
}

/// Whether `text` can be a `kforge.name`.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// Knobs and device limits are integers, booleans and names, never floats.
fn check_knobs(name: &str, value: Attribute) -> Result<(), String> {
    let dictionary = DictionaryAttribute::try_from(value)
        .map_err(|_| format!("'{name}' must be a dictionary, found {value}"))?;
    for index in 0..dictionary.len() {
        let (key, value) = dictionary
            .element(index)
            .map_err(|error| error.to_string())?;
        let fits = IntegerAttribute::try_from(value).is_ok()
            || BoolAttribute::try_from(value).is_ok()
            || StringAttribute::try_from(value).is_ok()
            || ArrayAttribute::try_from(value).is_ok();
        if !fits {
            let key = key.as_string_ref().as_str().unwrap_or("?");
            return Err(format!(
                "'{name}' holds {value} under '{key}', expected an integer, a boolean, a string or a list"
            ));
        }
    }
    Ok(())
}

/// The value of a string attribute.
pub fn text(value: Attribute<'_>) -> Option<&str> {
    StringAttribute::try_from(value).ok()?;
    Some(crate::ffi::string_value(value))
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names() {
        for good in ["q_proj", "_x", "ffn.up", "A1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", ".a", "a-b", "a b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
