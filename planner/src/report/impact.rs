//! Which settings had to do with the time.
//!
//! One analysis of variance per setting, on the logarithm of the time: what doubles
//! the time weighs the same at 1 ms and at 100 ms. A search does not draw settings
//! independently of each other, so this says where to look, not what is the cause.
//!
//! Settings that never changed, or of which less than two values have a time, are
//! left out. A knob is compared among the plans that have it; an op that is fused
//! away has none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    effect::effect,
    factor::{is_pass, settings},
    time,
};
use crate::attempt::Attempt;

/// The same orders for every setting and every reader.
const SEED: u64 = 0;

/// One setting over the verified plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// As [`settings`](super::settings) names it.
    pub setting: String,
    /// Share of the spread of log time that goes with it, 0 to 1.
    pub eta_squared: f64,
    /// Mean square between values by that within.
    pub f: Option<f64>,
    /// Share of random orders of the times that explain as much.
    pub p: f64,
    /// Verified plans that have it.
    pub plans: usize,
    /// Its values, numbers in order.
    pub values: Vec<Value>,
}

/// One value of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// As pipelines spell it.
    pub value: String,
    /// Verified plans that have it.
    pub plans: usize,
    /// Geometric mean of their milliseconds.
    pub ms: f64,
}

impl Impact {
    /// The value with the least mean time.
    pub fn fastest(&self) -> Option<&Value> {
        self.values.iter().min_by(|a, b| a.ms.total_cmp(&b.ms))
    }
}

/// The settings of the verified attempts, those that explain most first.
pub(super) fn of(attempts: &[Attempt]) -> Vec<Impact> {
    let plans: Vec<(BTreeMap<String, String>, f64)> = attempts
        .iter()
        .filter_map(|it| Some((settings(&it.plan), time(it)?.ln())))
        .collect();
    let names: BTreeSet<&String> = plans.iter().flat_map(|(it, _)| it.keys()).collect();
    let mut impacts: Vec<Impact> = names
        .into_iter()
        .filter_map(|name| impact(name, &plans))
        .collect();
    // A stable sort: ties stay in order of their names.
    impacts.sort_by(|a, b| b.eta_squared.total_cmp(&a.eta_squared));
    impacts
}

fn impact(setting: &str, plans: &[(BTreeMap<String, String>, f64)]) -> Option<Impact> {
    let absent = is_pass(setting).then_some("off");
    let rows: Vec<(&str, f64)> = plans
        .iter()
        .filter_map(|(settings, time)| {
            let value = settings.get(setting).map(String::as_str).or(absent)?;
            Some((value, *time))
        })
        .collect();
    // Numbers by size, then names.
    let key = |value: &str| {
        let number = value.parse::<i64>().ok();
        (number.is_none(), number, value.to_owned())
    };
    let values: BTreeSet<_> = rows.iter().map(|(value, _)| key(value)).collect();
    let index: BTreeMap<String, usize> = values
        .into_iter()
        .enumerate()
        .map(|(index, (_, _, value))| (value, index))
        .collect();
    let times: Vec<f64> = rows.iter().map(|(_, time)| *time).collect();
    let groups: Vec<usize> = rows.iter().map(|(value, _)| index[*value]).collect();
    let effect = effect(&times, &groups, SEED)?;
    let mut names: Vec<(String, usize)> = index.into_iter().collect();
    names.sort_by_key(|(_, index)| *index);
    let values = names.into_iter().zip(&effect.groups);
    Some(Impact {
        setting: setting.to_owned(),
        eta_squared: effect.eta_squared,
        f: effect.f,
        p: effect.p,
        plans: times.len(),
        values: values
            .map(|((value, _), group)| Value {
                value,
                plans: group.count,
                ms: group.mean.exp(),
            })
            .collect(),
    })
}
