//! The device that a plan states.

use kforge_dialect::device::{Device, Target as Kind};
use kforge_runtime::device::Target;

use super::{super::catalog, Knob, Plan, Violation, kind, shown, word};

/// Most of any limit.
const MOST: i64 = 1 << 48;

/// Least and most of a device's limit.
pub(in crate::plan) fn limit(name: &str) -> (i64, i64) {
    (Device::least(name), MOST)
}

/// The device that a plan states. A limit that cannot be is the default one.
pub(crate) fn device_of(plan: &Plan) -> Device {
    let mut device = Device {
        target: match plan.target {
            Target::Gpu => Kind::Gpu,
            Target::Cpu => Kind::Cpu,
        },
        ..Device::default()
    };
    let text = |name: &str| match plan.device.get(name) {
        Some(Knob::Name(text)) => Some(text.clone()),
        _ => None,
    };
    let list = |name: &str| {
        let text = text(name).unwrap_or_default();
        let items = text.split('+').filter(|item| !item.is_empty());
        items.map(Into::into).collect()
    };
    device.name = text("name").unwrap_or(device.name);
    device.kind = text("kind").unwrap_or(device.kind);
    device.features = list("features");
    device.matrix_shapes = list("matrix-shapes");
    for (name, value) in device.integers_mut() {
        let (least, most) = limit(name);
        if let Some(Knob::Integer(stated)) = plan.device.get(name)
            && (least..=most).contains(stated)
        {
            *value = u64::try_from(*stated).unwrap_or(0);
        }
    }
    device
}

/// Judges the limits by themselves.
pub(super) fn limits(plan: &Plan, found: &mut Vec<Violation>) {
    let mut refuse = |message: String| found.push(Violation::new("device", message));
    let known = catalog::device_options();
    for (name, value) in &plan.device {
        let Some((_, default)) = known.iter().find(|(known, _)| known == name) else {
            refuse(format!("has no limit '{}'", shown(name)));
            continue;
        };
        let (least, most) = limit(name);
        match (default, value) {
            (Knob::Integer(_), Knob::Integer(value)) => {
                if !(least..=most).contains(value) {
                    refuse(format!("{name} is {value}, expected {least} to {most}"));
                }
            }
            (Knob::Name(_), Knob::Name(text)) if name == "kind" => {
                if !Device::KINDS.contains(&text.as_str()) {
                    let kinds = Device::KINDS.join(", ");
                    refuse(format!(
                        "kind is '{}', expected one of {kinds}",
                        shown(text)
                    ));
                }
            }
            (Knob::Name(_), Knob::Name(text)) => {
                word(name, text, &mut refuse);
            }
            _ => {
                let value = shown(&value.to_string());
                let range = match default {
                    Knob::Integer(_) => format!(" from {least} to {most}"),
                    Knob::Flag(_) | Knob::Name(_) => String::new(),
                };
                refuse(format!(
                    "{name} is {value}, expected {}{range}",
                    kind(default)
                ));
            }
        }
    }
}
