//! `kforge show-passes`: what a plan may choose.

use std::io::{self, Write};

use kforge_dialect::pass::OptionKind;
use kforge_planner::{
    plan::{FLAT_KNOBS, Knob, catalog},
    space,
};
use serde::Serialize;

use super::Failure;

/// Print every pass that a plan may choose, with its knobs
///
/// Tuned values are those that searches try; a plan may state others that fit the op
/// and the device.
///
/// Examples:
///   kforge show-passes
///   kforge show-passes --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Pass {
    name: &'static str,
    summary: &'static str,
    /// Whether a plan can name the ops it is about.
    takes_op: bool,
    /// Names of the flat form that switch it on or off.
    flat: Vec<&'static str>,
    knobs: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    description: &'static str,
    default: Knob,
    /// Whether a plan can only state the default.
    fixed: bool,
    /// Values that searches try.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tuned: &'static [i64],
    /// All values, where they are names.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    choices: &'static [&'static str],
    /// Its names in the flat form.
    flat: Vec<&'static str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let passes: Vec<Pass> = catalog::names().filter_map(pass).collect();
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&passes).map_err(io::Error::from)? + "\n",
        false => passes.iter().map(block).collect::<Vec<_>>().join("\n"),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn pass(name: &'static str) -> Option<Pass> {
    let known = catalog::find(name)?;
    let knobs = known.knobs().into_iter().filter_map(|(knob, default)| {
        let option = known.option(knob)?;
        let tuned = space::of_pass(name).iter().find(|axis| axis.0 == knob);
        Some(Shown {
            name: knob,
            description: option.description,
            default,
            fixed: catalog::is_fixed(name, knob),
            tuned: tuned.map_or(&[], |axis| axis.1),
            choices: match option.kind {
                OptionKind::Choice(names) => names,
                _ => &[],
            },
            flat: flat(name, Some(knob)),
        })
    });
    Some(Pass {
        name,
        summary: match known {
            catalog::Known::Kforge(pass) => pass.summary,
            catalog::Known::Upstream(_) => "MLIR's own pass, with its default options",
        },
        takes_op: known.takes_op(),
        flat: flat(name, None),
        knobs: knobs.collect(),
    })
}

fn flat(pass: &str, option: Option<&str>) -> Vec<&'static str> {
    let knobs = FLAT_KNOBS.iter();
    let knobs = knobs.filter(|knob| knob.passes.contains(&pass) && knob.option == option);
    knobs.map(|knob| knob.name).collect()
}

fn block(pass: &Pass) -> String {
    let mut text = format!("{}: {}\n", pass.name, pass.summary);
    if !pass.flat.is_empty() {
        text += &format!("  flat: {}\n", pass.flat.join(", "));
    }
    for knob in &pass.knobs {
        text += &format!(
            "  {:<20} {:>7}  {}{}\n",
            knob.name,
            knob.default.to_string(),
            knob.description,
            notes(knob)
        );
    }
    text
}

fn notes(knob: &Shown) -> String {
    let mut notes = String::new();
    if knob.fixed {
        notes += "; fixed";
    }
    if !knob.tuned.is_empty() {
        let values: Vec<String> = knob.tuned.iter().map(ToString::to_string).collect();
        notes += &format!("; tuned: {}", values.join(" "));
    }
    if !knob.choices.is_empty() {
        notes += &format!("; one of: {}", knob.choices.join(" "));
    }
    if !knob.flat.is_empty() {
        notes += &format!("; flat: {}", knob.flat.join(", "));
    }
    notes
}
