//! The flat form of a plan: an order of passes and one set of knobs for all ops.
//!
//! ```json
//! {"target": "gpu", "pass_order": ["fuse-matmul-activation", "tile-matmul"],
//!  "knobs": {"tile_m": 64, "tile_n": 64, "tile_k": 16, "vector_width": 4}}
//! ```
//! It becomes the canonical form at once. Rows and columns per invocation, which it
//! does not have, follow from the tiles and the number of warps.

use std::collections::BTreeMap;

use kforge_runtime::device::Target;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Knob, Plan, PlanError, Provenance, SCHEMA, Step, Violation, catalog, check::device_of,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    #[serde(default)]
    schema: Option<u32>,
    target: Target,
    #[serde(default)]
    device: super::Knobs,
    pass_order: Vec<String>,
    #[serde(default)]
    knobs: BTreeMap<String, Value>,
    #[serde(default)]
    provenance: Provenance,
}

/// Reads the flat form for a problem.
pub(super) fn read(value: Value, problem: Option<&Problem>) -> Result<Plan, PlanError> {
    let flat: Flat =
        serde_json::from_value(value).map_err(|error| PlanError::Json(error.to_string()))?;
    if let Some(got) = flat.schema.filter(|got| *got != SCHEMA) {
        return Err(PlanError::Schema { got: got.into() });
    }
    let mut violations = Vec::new();
    let mut plan = Plan::new(flat.target, flat.device);
    plan.provenance = flat.provenance;
    plan.problem = problem.cloned();
    for (index, name) in flat.pass_order.iter().enumerate() {
        match pass(name) {
            Some(pass) => plan.passes.push(Step::new(pass)),
            None => {
                let known: Vec<&str> = catalog::names().map(unprefixed).collect();
                let place = format!("pass_order[{index}]");
                let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
                let message = format!("'{name}' is no pass; these are: {}", known.join(", "));
                violations.push(Violation::new(place, message));
            }
        }
    }
    let mut stated = BTreeMap::new();
    for (name, value) in &flat.knobs {
        if let Err(message) = apply(&mut plan, name, value, problem, &mut stated) {
            violations.push(Violation::new(
                format!("knobs.{}", name.escape_debug()),
                message,
            ));
        }
    }
    if !violations.is_empty() {
        return Err(PlanError::Refused(violations));
    }
    derive(&mut plan, &stated);
    Ok(plan)
}

fn unprefixed(pass: &str) -> &str {
    pass.strip_prefix("kforge-").unwrap_or(pass)
}

/// The pass that a name without prefix, in kebab-case or snake_case, stands for.
fn pass(name: &str) -> Option<&'static str> {
    let name = name.replace('_', "-");
    catalog::names().find(|known| *known == name || unprefixed(known) == name)
}

/// Options that the flat form stated, by option name.
type Stated = BTreeMap<&'static str, i64>;

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
            .ok_or_else(|| format!("is {value}, expected true or false"))?;
        let there = plan
            .passes
            .iter()
            .any(|step| knob.passes.contains(&step.pass.as_str()));
        match (on, there) {
            (false, _) => plan
                .passes
                .retain(|step| !knob.passes.contains(&step.pass.as_str())),
            // Before the schedules, which must see the fused op.
            (true, false) => plan.passes.insert(0, Step::new(knob.passes[0])),
            (true, true) => {}
        }
        return Ok(());
    };
    let integer = value
        .as_i64()
        .ok_or_else(|| format!("is {value}, expected an integer"))?;
    if let Some(other) = stated.insert(option, integer)
        && other != integer
    {
        return Err(format!(
            "is {integer}, but another knob sets {option} to {other}"
        ));
    }
    for step in plan
        .passes
        .iter_mut()
        .filter(|step| knob.passes.contains(&step.pass.as_str()))
    {
        step.knobs.insert(option.to_owned(), Knob::Integer(integer));
    }
    Ok(())
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

/// What the flat form leaves open: the share of one invocation.
fn derive(plan: &mut Plan, stated: &Stated) {
    let device = device_of(plan);
    let warps = stated.get("subgroups").copied();
    let size = device.subgroup_size as i64;
    for step in plan.passes.iter_mut().filter(|step| step.pass == MATMUL[0]) {
        let get = |name: &str| step.integer(name).unwrap_or(1);
        let (tile_m, tile_n, width) = (get("tile-m"), get("tile-n"), get("vector-width"));
        let most = device.max_invocations();
        let wanted = warps
            .map(|warps| warps.saturating_mul(size))
            .filter(|it| *it > 0);
        if let Some((m, n)) = share(tile_m, tile_n, width, wanted, most) {
            step.knobs.insert("thread-m".into(), Knob::Integer(m));
            step.knobs.insert("thread-n".into(), Knob::Integer(n));
        }
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
    }
}
