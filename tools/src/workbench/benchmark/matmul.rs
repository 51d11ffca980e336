//! `kforge benchmark-matmul`: the profile of one verified matmul.

use std::io::{self, Write};

use kforge_runtime::device::Target;
use serde_json::json;

use super::{Failure, Place, figure, origin, source};
use crate::{
    benchmark::{Case, Measurement, Outcome},
    measure::{Clock, Refusal},
    workbench::{chosen::Chosen, progress::knobs, workload::size},
};

/// Verify one matmul, and show its latency, rates and errors
///
/// y[M,N] = a[M,K]·b[K,N] in f32, on the CPU unless --target or --device says otherwise. A
/// plan that is not given is the best verified one of the archive for this problem and
/// device, else the default plan. Nothing is timed that is not verified; exit code 1:
/// the plan's kernels are refused.
///
/// Examples:
///   kforge benchmark-matmul --m 512 --n 512 --k 512
///   kforge benchmark-matmul --m 128 --n 192 --k 192 --target gpu --set tile-m=32 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::workbench) struct Arguments {
    /// Rows of a and of the result
    #[arg(long, value_name = "ROWS", default_value_t = 512, value_parser = size())]
    m: u64,
    /// Columns of b and of the result
    #[arg(long, value_name = "COLUMNS", default_value_t = 512, value_parser = size())]
    n: u64,
    /// Columns of a, which are the rows of b
    #[arg(long, value_name = "SIZE", default_value_t = 512, value_parser = size())]
    k: u64,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::workbench) fn run(
    arguments: &Arguments,
    target: Option<Target>,
) -> Result<(), Failure> {
    let Arguments { m, n, k, .. } = arguments;
    let source = source(&format!("--kernel matmul --m {m} --n {n} --k {k}"))?;
    let place = arguments.place.open(target, 1)?;
    let case = place.case("matmul", source, Some(&arguments.chosen))?;
    let cases = [case];
    let measured = place.measure(&cases)?;
    let (Some(found), [case]) = (measured.first(), &cases) else {
        return Err(Failure::Reported("nothing was measured"));
    };
    let text = match arguments.json {
        true => {
            let report = json!({
                "device": place.device,
                "plan": case.plan,
                "pipeline": case.plan.text(),
                "measurement": found,
            });
            serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n"
        }
        false => profile(case, found, &place.device.name),
    };
    io::stdout().write_all(text.as_bytes())?;
    match found.result {
        Outcome::Verified(_) => Ok(()),
        Outcome::Refused(_) => Err(Failure::Reported("the plan's kernels are refused")),
    }
}

fn profile(case: &Case, found: &Measurement, device: &str) -> String {
    let head = format!(
        "{} on '{device}'\nplan       {}: {}\n",
        found.workload,
        origin(found.origin),
        knobs(&case.plan)
    );
    let figures = match &found.result {
        Outcome::Refused(Refusal { reason, detail }) => {
            return format!("{head}correct    no ({reason}): {detail}\n");
        }
        Outcome::Verified(figures) => figures,
    };
    let ms = figures.latency_ms;
    let clock = match figures.clock {
        Clock::Device => "the device's clock",
        Clock::Host => "the host's clock",
    };
    let errors = figures.errors.map_or_else(String::new, |errors| {
        format!(
            "errors     max_abs_error={:.3e}, rms_error={:.3e}\n",
            errors.max_abs_error, errors.rms_error
        )
    });
    format!(
        "{head}correct    yes, {} with {} comparisons, worst error {:.3} of its bound\n{errors}\
         latency    {:.4} ms ({:.4} to {:.4}), median and range of {} runs by {clock}\n\
         compute    {} GFLOP/s\n\
         bandwidth  {} GB/s of arguments and result\n\
         intensity  {} FLOP/byte\n",
        figures.levels.join("+"),
        figures.comparisons,
        figures.worst_ratio,
        ms.median,
        ms.min,
        ms.max,
        ms.samples,
        figure(figures.gflops.unwrap_or_default()),
        figure(figures.gb_per_s),
        figure(figures.intensity),
    )
}
