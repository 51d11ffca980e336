//! `kforge optimize`: the closed loop on one module.

use kforge_planner::{
    propose::Heuristic,
    search::{Evolve, Exhaustive, Random},
};
use kforge_runtime::device::Target;

use super::{Failure, closed_loop::ClosedLoop};

/// Propose plans, verify and time each on the device, and keep the best
///
/// Speedups are relative to the default knobs, measured in the same run. The best plan
/// is verified once more with every kind of values and shapes before it is printed.
///
/// Examples:
///   kforge optimize --kernel matmul --m 512 --n 512 --k 512
///   kforge optimize layer.mlir --planner random --max-seconds 60 --plan-output layer.json
///   kforge optimize --kernel softmax --sizes 512x512,4096x64 --baseline peer.json
///   kforge optimize layer.mlir --emit-candidates DIR --device-description there.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Who proposes: evolve learns a cost model from what was measured, llm asks the
    /// language model that the environment names (KERNELFORGE_LLM_ENDPOINT, _MODEL, _API_KEY)
    #[arg(long, value_name = "PLANNER", default_value = "evolve", value_parser = ["heuristic", "exhaustive", "random", "evolve", "llm"])]
    planner: String,
    /// Candidates that may be tried
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_iterations: u64,
    #[command(flatten)]
    closed_loop: ClosedLoop,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let closed_loop = &arguments.closed_loop;
    let seed = closed_loop.seed();
    closed_loop.run(
        |source, llm| {
            if arguments.planner != "llm" {
                llm.unused("--planner", &arguments.planner)?;
            }
            Ok(match arguments.planner.as_str() {
                "heuristic" => Box::new(Heuristic),
                "exhaustive" => Box::new(Exhaustive::new()),
                "random" => Box::new(Random::new(seed)),
                "llm" => Box::new(llm.planner(source)?),
                _ => Box::new(Evolve::new(seed)),
            })
        },
        arguments.max_iterations,
        target,
    )
}
