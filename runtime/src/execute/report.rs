//! What a run returns besides its outputs: times and broken guards.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trace::RunTrace;
use crate::tensor::HostTensor;

/// Outputs of a run and everything seen around them.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Outputs in the entry's order.
    pub outputs: Vec<HostTensor>,
    /// Every dispatch of the entry, in order.
    pub dispatches: Vec<DispatchTime>,
    /// Times of the run as a whole.
    pub total: TotalTime,
    /// Guard zones that were changed and outputs that were not written.
    pub guards: Vec<GuardViolation>,
    /// When its parts took place.
    pub trace: RunTrace,
}

/// Times of repeated runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Every dispatch of the entry, in order.
    pub dispatches: Vec<DispatchTime>,
    /// Times of the runs as a whole.
    pub total: TotalTime,
}

/// One dispatch and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchTime {
    /// Kernel name.
    pub kernel: String,
    /// The user's name for the stage.
    pub stage: String,
    /// Problem size.
    pub shape: String,
    /// Workgroups launched; any zero = nothing was launched.
    pub workgroups: [u32; 3],
    /// Time on the device, if there is a believable one.
    pub gpu_ms: Option<Spread>,
    /// Why there is none.
    pub why_no_time: Option<String>,
}

/// Times of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TotalTime {
    /// Handing inputs to the device.
    pub upload_ms: f64,
    /// Recording and submitting commands, last repeat.
    pub submit_ms: f64,
    /// All dispatches on the device, if each has a time.
    pub gpu_ms: Option<Spread>,
    /// From submission to completion on the host's clock.
    pub wall_ms: Option<Spread>,
    /// Waiting for and reading results back, last repeat.
    pub download_ms: f64,
}

/// Median and range of repeated measurements, in milliseconds, all positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// How many.
    pub samples: usize,
}

impl Spread {
    /// Whether samples can have it: there are some, and the middle one is among them.
    pub fn is_possible(&self) -> bool {
        let ends = [self.min, self.median, self.max];
        self.samples > 0 && ends.iter().all(|it| it.is_finite() && *it > 0.0) && ends.is_sorted()
    }

    /// The spread of positive samples; `None` if there are none.
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.retain(|sample| sample.is_finite() && *sample > 0.0);
        samples.sort_by(f64::total_cmp);
        let (min, max) = (*samples.first()?, *samples.last()?);
        let half = samples.len() / 2;
        let median = match samples.len() % 2 {
            0 => f64::midpoint(samples[half - 1], samples[half]),
            _ => samples[half],
        };
        Some(Self {
            median,
            min,
            max,
            samples: samples.len(),
        })
    }
}

impl Spread {
    /// From the shortest to the longest, by the median.
    pub fn range(&self) -> f64 {
        (self.max - self.min) / self.median
    }

    /// Of several spreads: the median of their medians, the shortest and the longest of all.
    pub fn merged(spreads: &[Self]) -> Option<Self> {
        let medians = Self::of(spreads.iter().map(|it| it.median).collect())?;
        let least = |least: f64, it: &Self| least.min(it.min);
        let most = |most: f64, it: &Self| most.max(it.max);
        Some(Self {
            median: medians.median,
            min: spreads.iter().fold(f64::INFINITY, least),
            max: spreads.iter().fold(0.0, most),
            samples: spreads.iter().map(|it| it.samples).sum(),
        })
    }
}

/// Milliseconds with four significant digits, so that no positive time reads as zero.
pub fn format_ms(ms: f64) -> String {
    if ms <= 0.0 || !ms.is_finite() {
        return "none".into();
    }
    let digits = (3 - ms.log10().floor() as i32).clamp(0, 9) as usize;
    format!("{ms:.digits$}ms")
}

/// A trace of a wrong kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardViolation {
    /// Buffer name.
    pub buffer: String,
    /// First byte concerned.
    pub offset: u64,
    /// What was seen there.
    pub what: Violation,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Violation {
    /// A kernel wrote behind the data.
    WrittenBehindEnd,
    /// This many elements still hold the pattern from before the run.
    Unwritten(u64),
}

impl fmt::Display for GuardViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            buffer,
            offset,
            what,
        } = self;
        match what {
            Violation::WrittenBehindEnd => {
                write!(
                    f,
                    "buffer '{buffer}' was written behind its end, at byte {offset}"
                )
            }
            Violation::Unwritten(elements) => write!(
                f,
                "{elements} elements of buffer '{buffer}' were never written, first at byte {offset}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_negative_samples_are_no_times() {
        assert_eq!(Spread::of(vec![0.0, -1.0, f64::NAN]), None);
        let spread = Spread::of(vec![3.0, 0.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                median: 2.5,
                min: 1.0,
                max: 10.0,
                samples: 4
            }
        );
    }

    #[test]
    fn spreads_are_merged_by_their_medians() {
        let spreads = [vec![1.0, 2.0, 9.0], vec![3.0], vec![4.0, 4.0]];
        let spreads = spreads.map(|samples| Spread::of(samples).unwrap());
        let merged = Spread::merged(&spreads).unwrap();
        let expected = Spread {
            median: 3.0,
            min: 1.0,
            max: 9.0,
            samples: 6,
        };
        assert_eq!(merged, expected);
        assert_eq!(Spread::merged(&[]), None);
    }

    #[test]
    fn small_times_keep_their_digits() {
        assert_eq!(format_ms(0.000_32), "0.0003200ms");
        assert_eq!(format_ms(12.345), "12.35ms");
        assert_eq!(format_ms(123_456.7), "123457ms");
        assert_eq!(format_ms(0.0), "none");
    }
}
