//! What a run found: as JSON, as text and as a page.

mod page;
mod text;

use std::{collections::BTreeMap, time::Duration};

use kforge_mutate::Fate;
use kforge_runtime::DeviceDescription;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    record::{Record, Totals, matrix},
    settings::Settings,
};

/// The version of the report's JSON.
const SCHEMA: u32 = 1;

/// A run's result.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this format: 1.
    pub schema: u32,
    /// The device's name.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// Seed of the inputs and of what was drawn.
    pub seed: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Instances judged per minute.
    pub per_minute: f64,
    /// Everything together.
    pub totals: Totals,
    /// With 95 % the rate of escapes is below this; absent where there were escapes.
    pub escape_rate_bound: Option<f64>,
    /// By place.
    pub places: BTreeMap<String, Totals>,
    /// By program.
    pub programs: BTreeMap<String, Totals>,
    /// Instances of every kind by the check that killed them, and what else became of them.
    pub kinds: Vec<KindRow>,
    /// Programs that could not be judged, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Every instance.
    pub records: Vec<Record>,
}

/// One row of the matrix.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KindRow {
    /// Where.
    pub place: String,
    /// What.
    pub kind: String,
    /// Instances by check.
    pub checks: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn new(
        device: DeviceDescription,
        settings: &Settings,
        records: Vec<Record>,
        skipped: Vec<String>,
        spent: Duration,
    ) -> Self {
        let totals = Totals::of(&records);
        let grouped = |key: fn(&Record) -> String| {
            let mut groups: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
            for record in &records {
                groups.entry(key(record)).or_default().push(record);
            }
            let totals = groups.into_iter();
            totals
                .map(|(name, records)| (name, Totals::of(records)))
                .collect()
        };
        let kinds = matrix(&records).into_iter();
        let kinds = kinds.map(|((place, kind), checks)| KindRow {
            place,
            kind,
            checks,
        });
        let seconds = spent.as_secs_f64();
        Self {
            schema: SCHEMA,
            device: device.name,
            driver: format!("{} {}", device.driver, device.driver_info)
                .trim()
                .to_owned(),
            seed: settings.seed,
            seconds,
            per_minute: 60.0 * records.len() as f64 / seconds.max(1e-3),
            totals,
            escape_rate_bound: totals.escape_bound(),
            places: grouped(|record| record.instance.place.name().into()),
            programs: grouped(|record| record.program.clone()),
            kinds: kinds.collect(),
            skipped,
            records,
        }
    }

    /// Whether every mutant was refused, every control accepted, and no program left out.
    pub const fn is_clean(&self) -> bool {
        self.totals.escaped == 0 && self.totals.controls_refused == 0 && self.skipped.is_empty()
    }

    /// The report in lines.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The report as one page.
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The report as JSON.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Instances that must not be what they are: escapes and refused controls.
    pub(super) fn wrong(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| {
            let refused = matches!(record.judged.fate, Fate::Refused(_));
            let accepted = matches!(record.judged.fate, Fate::Accepted { .. });
            match record.purpose {
                kforge_mutate::Purpose::Control => refused,
                kforge_mutate::Purpose::Mutant => accepted,
            }
        })
    }
}

/// The published JSON Schema of a report.
pub fn report_schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
