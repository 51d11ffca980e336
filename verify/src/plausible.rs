//! Times held against the floor of the work, for a function and each of its units.

use std::ops::Range;

use kforge_runtime::{
    execute::{Timing, format_ms},
    manifest::Role,
};

use crate::{Reason, Subject, floor::Floor, refusal::Refusal, subject::Runnable};

/// The least that a unit's dispatches must do in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeastWork {
    /// Which dispatches of the entry.
    pub dispatches: Range<usize>,
    /// Bytes that must be read or written.
    pub bytes: u64,
    /// Multiply-adds of its products.
    pub multiply_adds: u64,
}

/// The least work of each unit of a function.
pub fn least_work(subject: &Subject) -> Vec<LeastWork> {
    let work = |(_, dispatches, floor): (String, Range<usize>, Floor)| LeastWork {
        dispatches,
        bytes: floor.bytes,
        multiply_adds: floor.multiply_adds,
    };
    Floors::of(subject).units.into_iter().map(work).collect()
}

/// The least work of a function and its units.
#[derive(Clone, Debug)]
pub(crate) struct Floors {
    whole: Floor,
    units: Vec<(String, Range<usize>, Floor)>,
}

impl Floors {
    pub fn of(subject: &Subject) -> Self {
        let function = &subject.function;
        let passed = |index: usize| function.weight(index).is_none();
        let units = function.package.units().unwrap_or_default();
        let own = units.iter().filter(|unit| unit.entry == function.entry);
        let floor = |(unit, runnable): (&kforge_runtime::manifest::Unit, &Runnable)| {
            // What a unit reads besides: `init` may have packed it in another form.
            let passed = |index: usize| {
                let buffer = unit.inputs.get(index).copied();
                let buffer = buffer.and_then(|id| function.package.manifest.buffer(id));
                buffer.is_some_and(|buffer| {
                    matches!(buffer.role, Role::Input | Role::Output | Role::Scratch)
                })
            };
            let floor = Floor::of(&runnable.program, &passed);
            (unit.stage.clone(), unit.steps.clone(), floor)
        };
        Self {
            whole: Floor::of(&function.program, &passed),
            units: own.zip(&subject.units).map(floor).collect(),
        }
    }

    /// Refuses a time that no device could reach.
    pub fn hold(&self, timing: &Timing) -> Result<(), Refusal> {
        let total = &timing.total;
        if let Some(spread) = &total.gpu_ms {
            above(self.whole, spread.min, "the device, for the whole")?;
        }
        if let Some(spread) = &total.wall_ms {
            above(self.whole, spread.min, "the host's clock, for the whole")?;
        }
        for (stage, steps, floor) in &self.units {
            let times = timing.dispatches.get(steps.clone()).unwrap_or_default();
            let least: Option<f64> = times
                .iter()
                .map(|time| time.gpu_ms.map(|spread| spread.min))
                .sum();
            if let Some(least) = least.filter(|_| !times.is_empty()) {
                above(*floor, least, &format!("the device, for stage '{stage}'"))?;
            }
        }
        Ok(())
    }
}

fn above(floor: Floor, ms: f64, whose: &str) -> Result<(), Refusal> {
    let least = floor.milliseconds();
    if ms > 0.0 && ms >= least {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::Implausible,
        format!(
            "the time of {whose} is {ms:e} ms; {} bytes at 20 TB/s and {} multiply-adds at \
             5 PFLOP/s take at least {}",
            floor.bytes,
            floor.multiply_adds,
            format_ms(least)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use kforge_runtime::execute::{DispatchTime, Spread, TotalTime};

    use super::*;

    /// Two dispatches with these times, and a total.
    fn timing(dispatches: [Option<f64>; 2], device: f64, host: f64) -> Timing {
        let spread = |ms: f64| Spread {
            median: 2.0 * ms,
            min: ms,
            max: 3.0 * ms,
            samples: 9,
        };
        let dispatch = |ms: Option<f64>| DispatchTime {
            kernel: "k".into(),
            stage: "s".into(),
            shape: "1".into(),
            workgroups: [1, 1, 1],
            gpu_ms: ms.map(spread),
            why_no_time: None,
        };
        Timing {
            dispatches: dispatches.map(dispatch).to_vec(),
            total: TotalTime {
                gpu_ms: Some(spread(device)),
                wall_ms: Some(spread(host)),
                ..TotalTime::default()
            },
        }
    }

    #[test]
    fn times_below_what_any_device_needs_are_refused() {
        // 1 ms for the whole, 0.5 ms for the two dispatches of its unit.
        let floor = |bytes| Floor {
            bytes,
            multiply_adds: 0,
        };
        let floors = Floors {
            whole: floor(20_000_000_000),
            units: vec![("unit".into(), 0..2, floor(10_000_000_000))],
        };
        let half = Some(0.25);
        assert!(floors.hold(&timing([half, half], 1.0, 1.0)).is_ok());
        assert!(floors.hold(&timing([half, None], 1.0, 1.0)).is_ok());
        for (dispatches, device, host, words) in [
            ([half, half], 0.9, 1.0, "the device, for the whole"),
            ([half, half], 1.0, 0.9, "the host's clock"),
            ([half, Some(0.2)], 1.0, 1.0, "stage 'unit'"),
            ([Some(0.0); 2], 1.0, 1.0, "stage 'unit'"),
            ([half, half], 0.0, 1.0, "the device, for the whole"),
            ([half, half], -1.0, 1.0, "the device, for the whole"),
            ([half, half], f64::NAN, 1.0, "the device, for the whole"),
        ] {
            let refusal = floors.hold(&timing(dispatches, device, host)).unwrap_err();
            assert_eq!(refusal.reason, Reason::Implausible);
            assert!(refusal.detail.contains(words), "{}", refusal.detail);
        }
        // Where there is nothing to do, a time is still more than none.
        let idle = Floors {
            whole: floor(0),
            units: Vec::new(),
        };
        assert!(idle.hold(&timing([half, half], 1e-9, 1e-9)).is_ok());
        assert!(idle.hold(&timing([half, half], 0.0, 1.0)).is_err());
    }
}
