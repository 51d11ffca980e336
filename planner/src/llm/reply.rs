//! What a model says, as steps of a plan.
//!
//! Exactly one JSON object is taken out of whatever surrounds it: prose, fences. Unknown
//! and repeated fields, other types and further objects are refused, so that no plan
//! comes out that the model did not state. What the values mean is checked afterwards.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::chat::printable;
use crate::plan::{Knob, Step};

/// Bytes of an answer; a plan for a hundred ops takes 30 KiB.
const MAX_BYTES: usize = 1 << 18;

/// Why a reply is no list of passes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Longer than any plan.
    #[error("the reply has {bytes} bytes, the limit is {MAX_BYTES}")]
    Large {
        /// Its length.
        bytes: usize,
    },
    /// It ended at the limit of tokens.
    #[error("the reply was cut at {limit} tokens; give a shorter one, the JSON object alone")]
    Cut {
        /// The limit.
        limit: u64,
    },
    /// No JSON in it.
    #[error("the reply holds no JSON object; it begins with '{start}'")]
    NoObject {
        /// How it begins.
        start: String,
    },
    /// More than one answer.
    #[error("the reply holds {count} JSON objects, expected 1")]
    Several {
        /// How many.
        count: usize,
    },
    /// Not JSON, or not of the form that was asked for.
    #[error("the reply cannot be read: {reason}")]
    Json {
        /// What is wrong and where.
        reason: String,
    },
    /// A knob that is no integer, flag or name.
    #[error(
        "passes[{index}] {pass}: {knob} is {value}, expected an integer, true, false or a name"
    )]
    Knob {
        /// The step, from 0.
        index: usize,
        /// Its pass.
        pass: String,
        /// The knob.
        knob: String,
        /// Its value.
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    passes: Vec<Chosen>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    pass: String,
    #[serde(default)]
    op: Option<String>,
    #[serde(default)]
    knobs: Knobs,
}

/// Knobs in their order; one that is stated twice is refused, because nobody knows
/// which was meant.
#[derive(Default)]
struct Knobs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Knobs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Knobs;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of knobs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Knobs, A::Error> {
                let mut knobs: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if knobs.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("knob '{name}' is stated twice")));
                    }
                    if knobs.len() == 64 {
                        return Err(A::Error::custom("a pass has more than 64 knobs"));
                    }
                    knobs.push((name, value));
                }
                Ok(Knobs(knobs))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Reads the steps of a reply.
pub fn read(text: &str) -> Result<Vec<Step>, ReplyError> {
    let object = object(text)?;
    let answer: Answer = serde_json::from_str(object).map_err(json)?;
    let steps = answer.passes.into_iter().enumerate();
    steps.map(|(index, chosen)| step(index, chosen)).collect()
}

fn json(error: serde_json::Error) -> ReplyError {
    ReplyError::Json {
        reason: printable(&error.to_string(), 300),
    }
}

fn step(index: usize, chosen: Chosen) -> Result<Step, ReplyError> {
    let mut step = Step {
        op: chosen.op.filter(|op| !op.is_empty()),
        pass: chosen.pass,
        knobs: Default::default(),
    };
    for (name, value) in chosen.knobs.0 {
        let knob = match &value {
            Value::Bool(flag) => Some(Knob::Flag(*flag)),
            Value::Number(number) => number.as_i64().map(Knob::Integer),
            Value::String(text) => Some(Knob::Name(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let knob = knob.ok_or_else(|| ReplyError::Knob {
            index,
            pass: printable(&step.pass, 60),
            knob: printable(&name, 60),
            value: printable(&value.to_string(), 60),
        })?;
        step.knobs.insert(name, knob);
    }
    Ok(step)
}

/// The one JSON object in `text`.
fn object(text: &str) -> Result<&str, ReplyError> {
    if text.len() > MAX_BYTES {
        return Err(ReplyError::Large { bytes: text.len() });
    }
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('{').map(|at| from + at) {
        let rest = &text[start..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match stream.next() {
            Some(Err(error)) if is_object(rest) => return Err(json(error)),
            // A brace of prose.
            Some(Err(_)) | None => from = start + 1,
            Some(Ok(_)) => {
                from = start + stream.byte_offset();
                found.push(&text[start..from]);
            }
        }
    }
    match found[..] {
        [object] => Ok(object),
        [] => Err(ReplyError::NoObject {
            start: printable(text, 60),
        }),
        _ => Err(ReplyError::Several { count: found.len() }),
    }
}

/// Whether a brace begins an object, as opposed to prose: a field follows.
fn is_object(text: &str) -> bool {
    let after = text.strip_prefix('{').unwrap_or(text);
    after.trim_start().starts_with('"')
}
