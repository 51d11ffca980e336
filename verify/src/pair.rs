//! Two instances of one entry, each with memory of its own.
//!
//! The same inputs run in both, behind other padding; the results must be equal bit for bit.
//! Inputs change from run to run, and at the end the first inputs come back: a
//! result that was kept from an earlier run, or left in a buffer, shows.

use kforge_runtime::{
    Device, ExecOptions, Executable, HostTensor, Poison, RunOptions, execute::format_ms,
    manifest::Symbols,
};

use crate::{Fault, Faults, Options, Reason, bind::Bound, refusal::Refusal, subject::Runnable};

pub(crate) struct Pair {
    first: Executable,
    second: Executable,
    timeout_ms: u64,
    faults: Faults,
    /// The shortest run, in milliseconds.
    least_ms: Option<f64>,
    /// The first inputs, and what they led to.
    seen: Option<(Bound, Vec<HostTensor>)>,
}

impl Pair {
    pub fn new(
        subject: &Runnable,
        device: &Device,
        exec: &ExecOptions,
        options: &Options,
    ) -> Result<Self, Refusal> {
        let instance = || executable(subject, device, exec);
        Ok(Self {
            first: instance()?,
            second: instance()?,
            timeout_ms: options.timeout_ms,
            faults: options.faults,
            least_ms: None,
            seen: None,
        })
    }

    /// How the outputs of [`Pair::run`] differ, if they do.
    pub const HOW: &str =
        "between two runs with the same inputs, in other buffers and with other padding";

    /// Runs both instances. The caller compares their outputs, after it held the first
    /// against the oracle: a wrong value says more than a difference.
    pub fn run(&mut self, bound: Bound) -> Result<[Vec<HostTensor>; 2], Refusal> {
        let (outputs, first) = self.timed(true, &bound)?;
        let (others, second) = self.timed(false, &bound)?;
        let times = [self.least_ms, first, second].into_iter().flatten();
        self.least_ms = times.reduce(f64::min);
        self.seen.get_or_insert_with(|| (bound, outputs.clone()));
        Ok([outputs, others])
    }

    /// One run of an instance, behind its padding.
    fn timed(&mut self, first: bool, bound: &Bound) -> Result<Timed, Refusal> {
        let (executable, poison) = match first {
            true => (&mut self.first, Poison::Nan),
            false => (&mut self.second, Poison::Big),
        };
        let poison = (!self.faults.has(Fault::PoisonOff)).then_some(poison);
        let guarded = !self.faults.has(Fault::GuardsIgnored);
        timed(executable, bound, poison, guarded, self.timeout_ms)
    }

    /// Refuses an entry whose shortest run took longer than `most_ms`.
    pub fn hold_time(&self, most_ms: Option<f64>) -> Result<(), Refusal> {
        match (self.least_ms, most_ms) {
            (Some(least), Some(most)) if least > most => Err(Refusal::new(
                Reason::TooSlow,
                format!("a run takes more than {}", format_ms(most)),
            )),
            _ => Ok(()),
        }
    }

    /// Runs the first inputs again, twice in a row in the same buffers.
    pub fn run_first_again(&mut self) -> Result<(), Refusal> {
        let Some((bound, outputs)) = &self.seen else {
            return Ok(());
        };
        for how in [
            "after runs with other inputs from what the same inputs led to before",
            "when a run is repeated at once",
        ] {
            let guarded = !self.faults.has(Fault::GuardsIgnored);
            let poison = Some(Poison::Nan);
            let (again, _) = timed(&mut self.first, bound, poison, guarded, self.timeout_ms)?;
            same(outputs, &again, how)?;
        }
        Ok(())
    }
}

/// The entry on the device, with the native kernels that belong to it.
pub(crate) fn executable(
    subject: &Runnable,
    device: &Device,
    exec: &ExecOptions,
) -> Result<Executable, Refusal> {
    let own = ExecOptions {
        native: subject.native.clone(),
        ..exec.clone()
    };
    let exec = if subject.native.is_empty() {
        exec
    } else {
        &own
    };
    let (package, entry) = (&subject.package, &subject.entry);
    Executable::new(device, package, entry, &Symbols::new(), exec)
        .map_err(|error| Refusal::run(&error))
}

/// One run with intact guards.
pub(crate) fn run(
    executable: &mut Executable,
    bound: &Bound,
    poison: Poison,
    timeout_ms: u64,
) -> Result<Vec<HostTensor>, Refusal> {
    timed(executable, bound, Some(poison), true, timeout_ms).map(|(outputs, _)| outputs)
}

/// Outputs, with the run's milliseconds where there is a clock.
type Timed = (Vec<HostTensor>, Option<f64>);

fn timed(
    executable: &mut Executable,
    bound: &Bound,
    poison: Option<Poison>,
    guarded: bool,
    timeout_ms: u64,
) -> Result<Timed, Refusal> {
    let options = RunOptions { poison, timeout_ms };
    let result = executable
        .run(&bound.arguments, &bound.weights, &options)
        .map_err(|error| Refusal::run(&error))?;
    match result.guards.first().filter(|_| guarded) {
        Some(guard) => Err(Refusal::new(Reason::Poison, guard.to_string())),
        None => {
            let time = result.total.gpu_ms.or(result.total.wall_ms);
            Ok((result.outputs, time.map(|spread| spread.median)))
        }
    }
}

/// Refuses outputs that differ in any bit.
pub(crate) fn same(a: &[HostTensor], b: &[HostTensor], how: &str) -> Result<(), Refusal> {
    let differs = |(_, (a, b)): &(usize, (&HostTensor, &HostTensor))| a.bytes() != b.bytes();
    match a.iter().zip(b).enumerate().find(differs) {
        Some((index, _)) => Err(Refusal::new(
            Reason::Determinism,
            format!("output {index} differs {how}"),
        )),
        None => Ok(()),
    }
}
