//! Schedules: the knobs a tile pass chose for an op, as the checked attribute
//! `kforge.schedule`. Each knob is declared once, here; the pass's options, the
//! attribute's keys and the error messages take their names from it.

mod attention;
mod attention_problem;
mod attention_relations;
mod choose_matrices;
mod choose_slices;
mod choose_tiles;
mod defaults;
mod matmul;
mod matmul_relations;
mod matrix;
mod row;
mod tile_candidates;

pub use attention::{AttentionSchedule, MAX_HEAD};
pub use attention_problem::{AttentionProblem, shared_heads};
pub use attention_relations::Heads;
pub use defaults::{Defaults, Kernel, Row, shipped};
pub use matmul::{MatmulProblem, MatmulSchedule};
pub use matmul_relations::MAX_ACCUMULATORS;
pub use matrix::MATRIX_PADDING;
pub use row::RowSchedule;

use melior::{
    Context,
    ir::{
        Attribute, Identifier, OperationRef,
        attribute::{DictionaryAttribute, IntegerAttribute},
        operation::OperationLike,
        r#type::IntegerType,
    },
};

use crate::{Attention, LayerNorm, Matmul, Mlp, RmsNorm, Softmax, attributes, device::Device};

/// The knobs of an op's schedule; `None` for ops that have none.
pub fn knobs_of(op: &str) -> Option<Vec<&'static str>> {
    let knobs = match op {
        Matmul::NAME | Mlp::NAME => MatmulSchedule::default().knobs(),
        Attention::NAME => AttentionSchedule::default().knobs(),
        Softmax::NAME | LayerNorm::NAME | RmsNorm::NAME => RowSchedule::default().knobs(),
        _ => return None,
    };
    Some(knobs.into_iter().map(|(name, _)| name).collect())
}

/// One relation between knobs, problem and device that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// Declares a schedule: an integer knob per field, with default and meaning.
macro_rules! schedule {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $knob:literal = $default:literal, $text:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name { $(#[doc = $text] pub $field: i64,)* }

        impl Default for $name {
            fn default() -> Self { Self { $($field: $default,)* } }
        }

        impl $name {
            /// The option `op`, then one option per knob.
            pub const OPTIONS: &'static [$crate::pass::OptionDef] = &[
                $crate::pass::OptionDef {
                    name: "op",
                    description: "names of the ops to schedule, joined by +; empty: every one without a schedule",
                    kind: $crate::pass::OptionKind::Text(""),
                },
                $($crate::pass::OptionDef {
                    name: $knob,
                    description: $text,
                    kind: $crate::pass::OptionKind::Integer($default),
                },)*
            ];

            /// The schedule whose knob values `value` gives by name.
            pub fn read(mut value: impl FnMut(&str) -> Option<i64>) -> Option<Self> {
                Some(Self { $($field: value($knob)?,)* })
            }

            /// The schedule measured nearest to these sizes that fits; knobs that it does not
            /// state are at their defaults.
            pub(crate) fn measured(
                device: &$crate::device::Device,
                kernel: $crate::schedule::Kernel,
                element: $crate::Element,
                sizes: &[u64],
                fits: impl Fn(&Self) -> bool,
            ) -> Option<Self> {
                let plain = Self::default();
                let near = $crate::schedule::defaults::near(device, kernel, element, sizes);
                let mut schedules = near.into_iter().filter_map(|knobs| {
                    Self::read(|name| knobs.get(name).copied().or_else(|| plain.knob(name)))
                });
                schedules.find(fits)
            }

            /// The value of the knob called `name`.
            pub fn knob(&self, name: &str) -> Option<i64> {
                match name {
                    $($knob => Some(self.$field),)*
                    _ => None,
                }
            }

            /// Knobs with their values, in declaration order.
            pub fn knobs(&self) -> Vec<(&'static str, i64)> {
                vec![$(($knob, self.$field),)*]
            }

            /// The schedule attached to `operation`.
            pub fn of(operation: melior::ir::OperationRef) -> Option<Self> {
                let knobs = $crate::schedule::attached(operation)?;
                Self::read(|name| $crate::schedule::knob(&knobs, name))
            }

            /// The attribute that says this schedule.
            pub fn to_attribute<'c>(&self, context: &'c melior::Context) -> melior::ir::Attribute<'c> {
                $crate::schedule::attribute(context, &self.knobs())
            }
        }
    };
}
pub(crate) use schedule;

pub(crate) fn attached<'c>(operation: OperationRef<'c, '_>) -> Option<DictionaryAttribute<'c>> {
    DictionaryAttribute::try_from(operation.attribute(attributes::SCHEDULE).ok()?).ok()
}

pub(crate) fn knob(knobs: &DictionaryAttribute, name: &str) -> Option<i64> {
    Some(
        IntegerAttribute::try_from(knobs.element_by_name(name)?)
            .ok()?
            .value(),
    )
}

pub(crate) fn attribute<'c>(context: &'c Context, knobs: &[(&str, i64)]) -> Attribute<'c> {
    let integer = IntegerType::new(context, 64).into();
    let entries: Vec<(Identifier, Attribute)> = knobs
        .iter()
        .map(|(name, value)| {
            (
                Identifier::new(context, name),
                IntegerAttribute::new(integer, *value).into(),
            )
        })
        .collect();
    DictionaryAttribute::new(context, &entries).into()
}

/// The value of a knob that is given and within `range`; where it is not within, that is
/// said. A relation is then judged if all of its own knobs are there.
pub(crate) fn within(
    unfit: &mut Vec<Unfit>,
    name: &str,
    value: Option<i64>,
    range: Option<(i64, i64)>,
) -> Option<i64> {
    let value = value?;
    let (least, most) = range?;
    if (least..=most).contains(&value) {
        return Some(value);
    }
    unfit.push(Unfit(format!(
        "{name} is {value}, expected {least} to {most}"
    )));
    None
}

/// Whether `part` is known to divide `whole`; where it is known not to, that is said.
pub(crate) fn divides(
    unfit: &mut Vec<Unfit>,
    part: (&str, Option<i64>),
    whole: (&str, Option<i64>),
) -> bool {
    let ((part, Some(by)), (whole, Some(all))) = (part, whole) else {
        return false;
    };
    let divides = all % by == 0;
    if !divides {
        unfit.push(Unfit(format!("{part} {by} does not divide {whole} {all}")));
    }
    divides
}

/// The width if it is an access of the device: a power of two up to its widest.
pub(crate) fn vector_width(
    unfit: &mut Vec<Unfit>,
    value: Option<i64>,
    device: &Device,
) -> Option<i64> {
    let value = value?;
    let most = device.max_vector();
    if value > 0 && value & (value - 1) == 0 && value <= most {
        return Some(value);
    }
    unfit.push(Unfit(format!(
        "vector-width is {value}, expected a power of two up to {most}"
    )));
    None
}

/// The value if it is a power of two.
pub(crate) fn power_of_two(unfit: &mut Vec<Unfit>, name: &str, value: Option<i64>) -> Option<i64> {
    let fits = |it: &i64| it & (it - 1) == 0;
    if let Some(value) = value.filter(|it| !fits(it)) {
        let message = format!("{name} is {value}, expected a power of two");
        unfit.push(Unfit(message));
    }
    value.filter(fits)
}

/// Invocations of a subgroup, for a knob whose kernels pass values within them; where there
/// are none, or of any size, that is said.
pub(crate) fn subgroups(
    unfit: &mut Vec<Unfit>,
    (name, value): (&str, i64),
    device: &Device,
) -> Option<i64> {
    if device.has("subgroup") {
        return subgroup_size(unfit, (name, value), device);
    }
    unfit.push(Unfit(format!(
        "{name} {value} needs feature 'subgroup', which the device '{}' lacks",
        device.name
    )));
    None
}

/// Invocations of a subgroup, for a knob that needs them; where any number may be one, that
/// is said.
pub(crate) fn subgroup_size(
    unfit: &mut Vec<Unfit>,
    (name, value): (&str, i64),
    device: &Device,
) -> Option<i64> {
    let size = device.subgroup_size as i64;
    if size == 0 {
        unfit.push(Unfit(format!(
            "{name} is {value}, but the device '{}' has no fixed subgroup size",
            device.name
        )));
    }
    Some(size).filter(|it| *it != 0)
}

/// No violation, or all of them.
pub(crate) fn verdict(unfit: Vec<Unfit>) -> Result<(), Vec<Unfit>> {
    match unfit.is_empty() {
        true => Ok(()),
        false => Err(unfit),
    }
}
