//! A plan as a pass pipeline, and back.
//!
//! The canonical text is what MLIR prints for the parsed pipeline, on one line and
//! with every option sorted by name, so that text → MLIR → text is the identity.

use kforge_runtime::device::Target;

use super::{Knob, Knobs, Plan, Step, Violation, catalog};

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not of the form `builtin.module(...)`.
    #[error("a plan's pipeline begins with 'builtin.module(' and ends with ')'")]
    Anchor,
    /// A pass that has another place, or none.
    #[error("pass {index} of the pipeline is '{got}', expected '{expected}'")]
    Fixed {
        /// Its place, from 0.
        index: usize,
        /// What stands there.
        got: String,
        /// What has to.
        expected: String,
    },
    /// A pass outside the closed set.
    #[error("'{pass}' is no pass that a plan may choose; these are: {known}")]
    Unknown {
        /// The name.
        pass: String,
        /// The closed set.
        known: String,
    },
    /// An option without a value, or of another kind.
    #[error("option '{option}' of {pass} cannot be read")]
    Option {
        /// The pass.
        pass: String,
        /// The option as written.
        option: String,
    },
}

impl TextError {
    /// It, as a violation beside others.
    pub fn violation(&self) -> Violation {
        Violation::new("pipeline", self.to_string())
    }
}

impl Plan {
    /// The whole pipeline on one line.
    pub fn text(&self) -> String {
        format!("builtin.module({})", self.items().join(","))
    }

    /// Its passes with their options, the fixed ones too.
    pub(super) fn items(&self) -> Vec<String> {
        let mut device = self.device.clone();
        let target = match self.target {
            Target::Gpu => "gpu",
            Target::Cpu => "cpu",
        };
        device.insert("target".into(), Knob::Name(target.into()));
        let mut passes: Vec<String> = catalog::FIRST.iter().map(ToString::to_string).collect();
        passes.push(format!(
            "{}{{{}}}",
            catalog::ATTACH_DEVICE,
            options(&device)
        ));
        passes.extend(catalog::PREPARE.iter().map(ToString::to_string));
        passes.extend(self.passes.iter().map(step));
        passes.extend(catalog::finish(self.target).map(Into::into));
        passes
    }

    /// The plan that a canonical text says: target, device and passes; a text holds
    /// no problem and no provenance.
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let inner = text
            .trim()
            .strip_prefix("builtin.module(")
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or(TextError::Anchor)?;
        let items = split(inner);
        let at = |index: usize| items.get(index).copied().unwrap_or("");
        for (index, expected) in catalog::FIRST.iter().enumerate() {
            fixed(index, at(index), expected)?;
        }
        let place = catalog::FIRST.len();
        let (name, options) = parts(at(place));
        fixed(place, name, catalog::ATTACH_DEVICE)?;
        let mut device = read(name, options, device_kind)?;
        let target = match device.remove("target") {
            Some(Knob::Name(name)) if name == "cpu" => Target::Cpu,
            _ => Target::Gpu,
        };
        for (index, expected) in catalog::PREPARE.iter().enumerate() {
            fixed(place + 1 + index, at(place + 1 + index), expected)?;
        }
        let first = place + 1 + catalog::PREPARE.len();
        let finish = catalog::finish(target);
        let last = items.len().saturating_sub(finish.len()).max(first);
        for (index, expected) in finish.iter().enumerate() {
            fixed(last + index, at(last + index), expected)?;
        }
        let chosen = items.get(first..last).unwrap_or_default();
        let mut plan = Plan::new(target, device);
        plan.passes = chosen
            .iter()
            .map(|item| parse_step(item))
            .collect::<Result<_, _>>()?;
        plan.complete();
        Ok(plan)
    }
}

fn fixed(index: usize, got: &str, expected: &str) -> Result<(), TextError> {
    let refused = || TextError::Fixed {
        index,
        got: got.into(),
        expected: expected.into(),
    };
    (got == expected).then_some(()).ok_or_else(refused)
}

fn step(step: &Step) -> String {
    match catalog::find(&step.pass) {
        Some(catalog::Known::Upstream(text)) => text.to_owned(),
        known => {
            let mut knobs = step.knobs.clone();
            if known.is_some_and(catalog::Known::takes_op) {
                let op = step.op.clone().unwrap_or_default();
                knobs.insert("op".into(), Knob::Name(op));
            }
            match knobs.is_empty() {
                true => step.pass.clone(),
                false => format!("{}{{{}}}", step.pass, options(&knobs)),
            }
        }
    }
}

fn options(knobs: &Knobs) -> String {
    let texts = knobs.iter().map(|(name, value)| format!("{name}={value}"));
    texts.collect::<Vec<_>>().join(" ")
}

fn parse_step(item: &str) -> Result<Step, TextError> {
    let (name, text) = parts(item);
    let unknown = || TextError::Unknown {
        pass: name.into(),
        known: catalog::names().collect::<Vec<_>>().join(", "),
    };
    match catalog::find(name).ok_or_else(unknown)? {
        catalog::Known::Upstream(expected) => {
            fixed(0, item, expected)?;
            Ok(Step::new(name))
        }
        known => {
            let kind = |option: &str| known.option(option).map(catalog::default);
            let mut knobs = read(name, text, kind)?;
            let op = match knobs.remove("op") {
                Some(Knob::Name(op)) if !op.is_empty() => Some(op),
                _ => None,
            };
            Ok(Step {
                pass: name.into(),
                op,
                knobs,
            })
        }
    }
}

/// The kind of a device option, as its default.
fn device_kind(name: &str) -> Option<Knob> {
    if name == "target" {
        return Some(Knob::Name("gpu".into()));
    }
    let mut options = catalog::device_options().into_iter();
    options
        .find(|(known, _)| *known == name)
        .map(|(_, default)| default)
}

fn read(pass: &str, text: &str, kind: impl Fn(&str) -> Option<Knob>) -> Result<Knobs, TextError> {
    text.split_whitespace()
        .map(|option| {
            let refused = || TextError::Option {
                pass: pass.into(),
                option: option.into(),
            };
            let (name, value) = option.split_once('=').ok_or_else(refused)?;
            let knob = match kind(name).ok_or_else(refused)? {
                Knob::Integer(_) => Knob::Integer(value.parse().map_err(|_| refused())?),
                Knob::Flag(_) => Knob::Flag(value.parse().map_err(|_| refused())?),
                Knob::Name(_) => Knob::Name(value.into()),
            };
            Ok((name.to_owned(), knob))
        })
        .collect()
}

/// Name and options of `name{options}`.
pub(super) fn parts(item: &str) -> (&str, &str) {
    match item.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap_or(rest)),
        None => (item, ""),
    }
}

/// The options of a pass by name.
pub(super) fn options_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace()
        .filter_map(|option| option.split_once('='))
}

/// Splits at the commas outside braces.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}
