//! A suite against an earlier one of the same device.
//!
//! A case is slower when all of its rounds' medians are above all of the earlier ones
//! *and* its latency grew by more than the least change; faster likewise. Disjoint ranges
//! alone say too little: between quiet windows of one machine the same kernel was seen to
//! drift by 10 to 18 %, all rounds together. Ranges that overlap, or a smaller change,
//! are the same.

use kforge_runtime::{DeviceDescription, device::Target, execute::Spread};
use serde::Serialize;

use super::{Measurement, SCHEMA, Suite};

/// Why suites cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Not a suite.
    #[error("it is no file of `kforge benchmark-suite --output`: {0}")]
    Json(String),
    /// Another version of the format.
    #[error("it has schema {got}, this program compares {SCHEMA}; measure the baseline anew")]
    Schema {
        /// What it says.
        got: String,
    },
    /// Measured somewhere else.
    #[error(
        "it was measured on {baseline}, not on {here}; times of two devices say nothing about a change"
    )]
    Device {
        /// Where the baseline was measured.
        baseline: String,
        /// Where this program measures.
        here: String,
    },
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Beyond noise.
    Faster,
    /// Beyond noise.
    Slower,
    /// Within noise.
    Same,
    /// The baseline has no time for it.
    New,
    /// It is in the baseline alone.
    Missing,
    /// It may not be used, so it has no time.
    Refused,
}

/// One case of two suites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The case.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// The earlier latency by this one: 2 is twice as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
}

impl Suite {
    /// Reads a baseline for a device.
    pub fn baseline(text: &str, here: &DeviceDescription) -> Result<Self, BaselineError> {
        let json = |error: serde_json::Error| BaselineError::Json(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(json)?;
        let schema = value.get("schema");
        if let Some(got) = schema.filter(|it| it.as_u64() != Some(u64::from(SCHEMA))) {
            let got = got.to_string().chars().take(40).collect();
            return Err(BaselineError::Schema { got });
        }
        // From the text again, for the line and column in the message.
        let suite: Self = serde_json::from_str(text).map_err(json)?;
        match same_device(&suite.device, here) {
            true => Ok(suite),
            false => Err(BaselineError::Device {
                baseline: shown(&suite.device),
                here: shown(here),
            }),
        }
    }
}

/// Another driver is the same device: what it changes is worth comparing.
fn same_device(a: &DeviceDescription, b: &DeviceDescription) -> bool {
    let place = |it: &DeviceDescription| (it.target, it.name.clone(), it.backend.clone(), it.cores);
    place(a) == place(b)
}

fn shown(device: &DeviceDescription) -> String {
    let name = device.name.escape_debug();
    match device.target {
        Target::Cpu => format!("'{name}' ({} threads)", device.cores),
        Target::Gpu => format!("'{name}' ({})", device.backend.escape_debug()),
    }
}

/// Every case of either, in the order of `new`; `least_change` is a fraction.
pub fn compare(new: &[Measurement], old: &[Measurement], least_change: f64) -> Vec<Compared> {
    let same = |a: &Measurement, b: &Measurement| a.name == b.name && a.workload == b.workload;
    let here = new.iter().map(|case| {
        let before = old.iter().find(|it| same(it, case));
        let latency = |it: &Measurement| it.result.figures().map(|it| it.latency_ms);
        let (change, speedup) = match (latency(case), before.and_then(latency)) {
            (None, _) => (Change::Refused, None),
            (Some(_), None) => (Change::New, None),
            (Some(now), Some(before)) => (
                change(&now, &before, least_change),
                Some(before.median / now.median),
            ),
        };
        let name = case.name.clone();
        Compared {
            name,
            change,
            speedup,
        }
    });
    let gone = old
        .iter()
        .filter(|it| !new.iter().any(|case| same(it, case)));
    let gone = gone.map(|case| Compared {
        name: case.name.clone(),
        change: Change::Missing,
        speedup: None,
    });
    here.chain(gone).collect()
}

fn change(now: &Spread, before: &Spread, least: f64) -> Change {
    let beyond = |slow: &Spread, fast: &Spread| {
        slow.min > fast.max && slow.median > fast.median * (1.0 + least)
    };
    match () {
        () if beyond(now, before) => Change::Slower,
        () if beyond(before, now) => Change::Faster,
        () => Change::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        benchmark::{Figures, Origin, Outcome},
        measure::{Clock, Refusal},
    };

    fn spread(min: f64, median: f64, max: f64) -> Spread {
        Spread {
            median,
            min,
            max,
            samples: 5,
        }
    }

    fn case(name: &str, workload: &str, ms: Option<f64>) -> Measurement {
        let result = match ms {
            Some(ms) => Outcome::Verified(Figures {
                levels: vec!["L2".into()],
                comparisons: 1,
                worst_ratio: 0.5,
                errors: None,
                clock: Clock::Host,
                latency_ms: spread(ms, ms, ms),
                gflops: None,
                gb_per_s: 1.0,
                intensity: 0.0,
            }),
            None => Outcome::Refused(Refusal::new("crash", "it crashed")),
        };
        Measurement {
            name: name.into(),
            workload: workload.into(),
            plan: "0".into(),
            origin: Origin::Heuristic,
            result,
        }
    }

    #[test]
    fn every_case_of_either_suite_is_told() {
        let new = [
            case("a", "x", Some(1.0)),
            case("b", "x", Some(1.0)),
            case("c", "other", Some(1.0)),
            case("d", "x", None),
        ];
        let old = [
            case("c", "x", Some(1.0)),
            case("b", "x", None),
            case("a", "x", Some(4.0)),
        ];
        let told: Vec<_> = compare(&new, &old, 0.2)
            .into_iter()
            .map(|it| (it.name, it.change, it.speedup))
            .collect();
        let expected = [
            ("a", Change::Faster, Some(4.0)),
            // It was refused, so there is nothing to compare with.
            ("b", Change::New, None),
            // Other sizes are another case.
            ("c", Change::New, None),
            ("d", Change::Refused, None),
            ("c", Change::Missing, None),
        ];
        let expected = expected.map(|(name, change, speedup)| (name.to_owned(), change, speedup));
        assert_eq!(told, expected);
    }

    #[test]
    fn another_device_or_schema_is_refused_by_name() {
        let here = DeviceDescription {
            name: "here".into(),
            ..DeviceDescription::default()
        };
        let suite = Suite {
            schema: SCHEMA,
            version: "0".into(),
            device: here.clone(),
            rounds: 2,
            repeats: 3,
            seed: 0,
            cases: vec![case("a", "x", Some(1.0)), case("b", "x", None)],
        };
        let text = serde_json::to_string(&suite).unwrap();
        let read = Suite::baseline(&text, &here).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let there = DeviceDescription {
            name: "there".into(),
            ..here.clone()
        };
        let refused = Suite::baseline(&text, &there).unwrap_err().to_string();
        assert!(refused.contains("measured on 'here'") && refused.contains("not on 'there'"));
        for (from, to, words) in [
            (
                "\"schema\":1",
                "\"schema\":2",
                "schema 2, this program compares 1",
            ),
            (
                "\"schema\":1",
                "\"schema\":[]",
                "schema [], this program compares 1",
            ),
            ("\"rounds\"", "\"round\"", "unknown field `round`"),
            ("{\"schema\"", "{]", "is no file of `kforge benchmark-suite"),
        ] {
            let refused = Suite::baseline(&text.replacen(from, to, 1), &here).unwrap_err();
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }

    #[test]
    fn a_change_must_leave_the_range_and_be_large() {
        let before = spread(0.9, 1.0, 1.1);
        for (now, expected) in [
            (spread(1.3, 1.4, 1.5), Change::Slower),
            // Overlapping ranges, and a change below the least.
            (spread(1.05, 1.4, 1.5), Change::Same),
            (spread(1.11, 1.15, 1.2), Change::Same),
            (spread(0.5, 0.6, 0.7), Change::Faster),
            (spread(0.85, 0.88, 0.89), Change::Same),
        ] {
            assert_eq!(change(&now, &before, 0.2), expected, "{now:?}");
        }
    }
}
