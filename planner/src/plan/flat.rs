//! The flat form of a plan: an order of passes and one set of knobs for all ops.
//!
//! ```json
//! {"target": "gpu", "pass_order": ["fuse-matmul-activation", "tile-matmul"],
//!  "knobs": {"tile_m": 64, "tile_n": 64, "tile_k": 16, "vector_width": 4}}
//! ```
//! It becomes the canonical form at once. Rows and columns per invocation, which it
//! does not have, follow from the tiles and the number of warps.

use std::collections::BTreeMap;

use kforge_dialect::schedule::MAX_ACCUMULATORS;
use kforge_runtime::device::Target;
use serde_json::Value;

use super::{
    Knob, Plan, Step, Violation, canonical,
    catalog::{self, FUSIONS},
    check::{device_of, range, shown},
    fields::{Draft, list, object, schema, target, text},
};
use crate::problem::{OpShape, Problem};

/// A knob of the flat form and the option it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatKnob {
    /// Its name in the flat form.
    pub name: &'static str,
    /// The passes whose option it is.
    pub passes: &'static [&'static str],
    /// The option, or `None` for a pass that is switched on or off.
    pub option: Option<&'static str>,
}

const MATMUL: &[&str] = &["kforge-tile-matmul"];
const ROWS: &[&str] = &["kforge-vectorize-layernorm"];

/// Every knob of the flat form. `layernorm_epsilon` stands apart: it is compared
/// with the program's and never chosen.
#[rustfmt::skip]
pub const FLAT_KNOBS: &[FlatKnob] = &[
    FlatKnob { name: "tile_m", passes: MATMUL, option: Some("tile-m") },
    FlatKnob { name: "tile_n", passes: MATMUL, option: Some("tile-n") },
    FlatKnob { name: "tile_k", passes: MATMUL, option: Some("tile-k") },
    FlatKnob { name: "block_m", passes: MATMUL, option: Some("tile-m") },
    FlatKnob { name: "block_n", passes: MATMUL, option: Some("tile-n") },
    FlatKnob { name: "block_k", passes: MATMUL, option: Some("tile-k") },
    FlatKnob { name: "group_size", passes: MATMUL, option: Some("group-m") },
    FlatKnob { name: "num_stages", passes: MATMUL, option: Some("stages") },
    FlatKnob { name: "num_warps", passes: MATMUL, option: Some("subgroups") },
    FlatKnob { name: "block_size", passes: ROWS, option: Some("block-size") },
    FlatKnob { name: "vector_width", passes: &["kforge-tile-matmul", "kforge-vectorize-layernorm"], option: Some("vector-width") },
    FlatKnob { name: "enable_fuse_matmul_activation", passes: &["kforge-fuse-matmul-activation"], option: None },
    FlatKnob { name: "enable_fuse_mlp", passes: &["kforge-fuse-mlp-block"], option: None },
    FlatKnob { name: "enable_fold_constants", passes: &["kforge-fold-constants"], option: None },
];

/// Fields of the flat form.
const FIELDS: &[&str] = &[
    "schema",
    "target",
    "device",
    "pass_order",
    "knobs",
    "provenance",
];

/// Reads what can be read of the flat form for a problem.
pub(super) fn read(value: &Value, problem: Option<&Problem>) -> Draft {
    let mut found = Vec::new();
    let nothing = serde_json::Map::new();
    let fields = object(value, "plan", FIELDS, &mut found).unwrap_or(&nothing);
    schema(fields.get("schema"), false, &mut found);
    let target = target(fields.get("target"), &mut found);
    let (device, odd) = canonical::device(fields.get("device"), &mut found);
    let mut plan = Plan::new(target, device);
    if let Some(value) = fields.get("provenance") {
        plan.provenance = canonical::provenance(value, &mut found);
    }
    plan.problem = problem.cloned();
    let order = fields.get("pass_order");
    let order = list(order, "pass_order", "names of passes", &mut found);
    for (index, name) in order.iter().enumerate() {
        plan.passes.push(step(index, name, &mut found));
    }
    let mut stated = Stated::new();
    match fields.get("knobs") {
        None => {}
        Some(Value::Object(knobs)) => {
            // In one order, whatever that of the file.
            let knobs: BTreeMap<&String, &Value> = knobs.iter().collect();
            for (name, value) in knobs {
                if let Err(message) = apply(&mut plan, name, value, problem, &mut stated) {
                    let place = format!("knobs.{}", shown(name));
                    found.push(Violation::new(place, message));
                }
            }
        }
        Some(other) => {
            let message = format!("is {}, expected an object", text(other));
            found.push(Violation::new("knobs", message));
        }
    }
    derive(&mut plan, &stated);
    let unread = plan.passes.iter().enumerate();
    let unread = unread.filter(|(_, step)| catalog::find(&step.pass).is_none());
    Draft {
        unread: unread.map(|(index, _)| index).collect(),
        plan,
        found,
        odd,
    }
}

/// A pass of the order; an unknown one keeps its place.
fn step(index: usize, name: &Value, found: &mut Vec<Violation>) -> Step {
    if let Some(pass) = name.as_str().and_then(pass) {
        return Step::new(pass);
    }
    let known: Vec<&str> = catalog::names().map(unprefixed).collect();
    let name = name
        .as_str()
        .map_or_else(|| text(name), |name| format!("'{}'", shown(name)));
    let message = format!("{name} is no pass; these are: {}", known.join(", "));
    found.push(Violation::new(format!("pass_order[{index}]"), message));
    Step::new("")
}

fn unprefixed(pass: &str) -> &str {
    pass.strip_prefix("kforge-").unwrap_or(pass)
}

/// The pass that a name without prefix, in kebab-case or snake_case, stands for.
fn pass(name: &str) -> Option<&'static str> {
    let name = name.replace('_', "-");
    catalog::names().find(|known| *known == name || unprefixed(known) == name)
}

/// Options that the flat form stated, by option name; `None` where the value is no integer.
type Stated = BTreeMap<&'static str, Option<i64>>;

fn apply(
    plan: &mut Plan,
    name: &str,
    value: &Value,
    problem: Option<&Problem>,
    stated: &mut Stated,
) -> Result<(), String> {
    if name == "layernorm_epsilon" {
        return epsilon(value, problem);
    }
    let knob = FLAT_KNOBS
        .iter()
        .find(|knob| knob.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = FLAT_KNOBS.iter().map(|knob| knob.name).collect();
            format!(
                "is no knob; these are: {}, layernorm_epsilon",
                known.join(", ")
            )
        })?;
    let Some(option) = knob.option else {
        let on = value
            .as_bool()
            .ok_or_else(|| format!("is {}, expected true or false", text(value)))?;
        switch(plan, knob.passes, on);
        return Ok(());
    };
    let integer = value.as_i64();
    let other = stated.insert(option, integer).flatten();
    let device = device_of(plan);
    let steps = plan.passes.iter_mut();
    for step in steps.filter(|step| knob.passes.contains(&step.pass.as_str())) {
        match integer {
            Some(integer) => step.knobs.insert(option.to_owned(), Knob::Integer(integer)),
            // Not the default: nothing is known of it.
            None => step.knobs.remove(option),
        };
    }
    let Some(integer) = integer else {
        let (least, most) = range(knob.passes[0], option, &device);
        return Err(format!(
            "is {}, expected an integer from {least} to {most}",
            text(value)
        ));
    };
    match other.filter(|other| *other != integer) {
        Some(other) => Err(format!(
            "is {integer}, but another knob sets {option} to {other}"
        )),
        None => Ok(()),
    }
}

/// Lets a pass run or not. One that is not in the order comes where it finds what it
/// needs: behind the fusions that make it, and so before the schedules.
fn switch(plan: &mut Plan, passes: &'static [&'static str], on: bool) {
    let is_own = |step: &Step| passes.contains(&step.pass.as_str());
    if !on {
        plan.passes.retain(|step| !is_own(step));
    } else if !plan.passes.iter().any(is_own) {
        let rank = |pass: &str| FUSIONS.iter().position(|it| *it == pass);
        let own = rank(passes[0]);
        let earlier = |step: &Step| rank(&step.pass).is_some_and(|it| Some(it) < own);
        let place = plan.passes.iter().rposition(earlier);
        let place = place.map_or(0, |place| place + 1);
        plan.passes.insert(place, Step::new(passes[0]));
    }
}

/// The program's own epsilon is no choice; any other would change what is computed.
fn epsilon(value: &Value, problem: Option<&Problem>) -> Result<(), String> {
    let stated = value
        .as_f64()
        .ok_or_else(|| format!("is {value}, expected a number"))? as f32;
    let ops = problem.map_or(&[][..], |problem| &problem.ops);
    for op in ops
        .iter()
        .filter(|op| matches!(op.shape, OpShape::LayerNorm(_)))
    {
        let own = op
            .epsilon
            .as_ref()
            .and_then(|text| text.parse::<f32>().ok());
        if own.is_some_and(|own| own != stated) {
            let own = op.epsilon.as_deref().unwrap_or_default();
            return Err(format!(
                "is {value}, but op '{}' has {own}; a plan must not change what is computed",
                op.name
            ));
        }
    }
    if !(stated > 0.0 && stated.is_finite()) {
        return Err(format!("is {value}, expected a positive number"));
    }
    Ok(())
}

/// What the flat form leaves open: the share of one invocation, and on a CPU, where one
/// invocation computes a whole tile, tiles of a size that it can.
fn derive(plan: &mut Plan, stated: &Stated) {
    let device = device_of(plan);
    let warps = stated.get("subgroups").copied().flatten();
    let size = device.subgroup_size as i64;
    let most = device.max_invocations();
    let is_cpu = plan.target == Target::Cpu;
    for step in plan.passes.iter_mut().filter(|step| step.pass == MATMUL[0]) {
        if is_cpu {
            tiles(step, stated);
        }
        let get = |name: &str| step.integer(name);
        let (Some(tile_m), Some(tile_n)) = (get("tile-m"), get("tile-n")) else {
            // Shares of unknown tiles are unknown.
            step.knobs.remove("thread-m");
            step.knobs.remove("thread-n");
            continue;
        };
        let width = get("vector-width").unwrap_or(1);
        let wanted = warps
            .map(|warps| warps.saturating_mul(size))
            .filter(|it| *it > 0);
        // Where nothing fits, the next best shows what does not.
        let found = share(tile_m, tile_n, width, wanted, most)
            .or_else(|| share(tile_m, tile_n, width, None, most))
            .or_else(|| share(tile_m, tile_n, 1, None, most));
        if let Some((m, n)) = found {
            step.knobs.insert("thread-m".into(), Knob::Integer(m));
            step.knobs.insert("thread-n".into(), Knob::Integer(n));
        }
    }
}

/// Tiles that one invocation can compute, where they are not stated.
fn tiles(step: &mut Step, stated: &Stated) {
    for (tile, other) in [("tile-m", "tile-n"), ("tile-n", "tile-m")] {
        if stated.contains_key(tile) {
            continue;
        }
        let other = stated.get(other).copied().flatten().unwrap_or(16);
        let fits = |size: &i64| size.saturating_mul(other) <= MAX_ACCUMULATORS;
        let size = [16, 8, 4, 2, 1].into_iter().find(fits).unwrap_or(1);
        step.knobs.insert(tile.into(), Knob::Integer(size));
    }
}

/// Rows and columns per invocation, as square as can be: for exactly `wanted`
/// invocations, or else for at most `most` with 16 results each where possible.
fn share(
    tile_m: i64,
    tile_n: i64,
    width: i64,
    wanted: Option<i64>,
    most: i64,
) -> Option<(i64, i64)> {
    let divisors = |whole: i64| (1..=whole.clamp(0, 64)).filter(move |part| whole % part == 0);
    let candidates = divisors(tile_m).flat_map(|m| divisors(tile_n).map(move |n| (m, n)));
    // Tiles are not checked yet: they may be anything.
    let invocations = |(m, n): (i64, i64)| (tile_m / m).checked_mul(tile_n / n);
    let fits = |share: &(i64, i64)| match (invocations(*share), wanted) {
        (Some(invocations), Some(wanted)) => invocations == wanted,
        (Some(invocations), None) => invocations <= most,
        (None, _) => false,
    };
    candidates
        .filter(|(_, n)| width > 0 && n % width == 0)
        .filter(fits)
        .min_by_key(|(m, n)| ((m * n - 16).abs(), (m - n).abs(), *m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_square_and_exact() {
        assert_eq!(share(64, 64, 4, None, 256), Some((4, 4)));
        assert_eq!(share(64, 64, 4, Some(128), 256), Some((4, 8)));
        assert_eq!(share(64, 64, 4, Some(3), 256), None);
        assert_eq!(share(i64::MAX, i64::MAX, 1, None, 256), None);
        assert_eq!(share(i64::MIN, 0, 1, None, 256), None);
        // As far from 16 results as (1, 7), and square.
        assert_eq!(share(5, 35, 1, None, 256), Some((5, 5)));
    }
}
