//! `kforge optimize`: the closed loop on one module.

use kforge_planner::{
    propose::Heuristic,
    search::{Evolve, Exhaustive, Grid, GridError, Random},
};
use kforge_runtime::device::Target;

use super::{Failure, closed_loop::ClosedLoop};

/// Propose plans, verify and time each on the device, and keep the best
///
/// Speedups are relative to the default knobs, measured in the same run. The best plan
/// is verified once more with every kind of values and shapes before it is printed. What plans
/// whose kernels were refused shrink to is written to reduced/ beside the regression corpus.
///
/// Examples:
///   kforge optimize --kernel matmul --m 512 --n 512 --k 512
///   kforge optimize layer.mlir --planner random --max-seconds 60 --plan-output layer.json
///   kforge optimize --kernel matmul --planner exhaustive --grid tile-m=32,64 tile-n=32,64
///   kforge optimize --kernel softmax --sizes 512x512,4096x64 --baseline peer.json
///   kforge optimize layer.mlir --emit-candidates DIR --device-description there.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Who proposes: evolve learns a cost model from what was measured, llm asks the
    /// language model that the environment names (KERNELFORGE_LLM_ENDPOINT, _MODEL, _API_KEY)
    #[arg(long, value_name = "PLANNER", default_value = "evolve", value_parser = ["heuristic", "exhaustive", "random", "evolve", "llm"])]
    planner: String,
    /// For the exhaustive planner, a part of its plans: the values of some knobs, the others
    /// as the heuristic chooses them: tile-m=32,64 tile-n=32,64
    #[arg(long, value_name = "KNOB=VALUE,...", num_args = 1..)]
    grid: Vec<String>,
    /// Candidates that may be tried
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_iterations: u64,
    #[command(flatten)]
    closed_loop: ClosedLoop,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let closed_loop = &arguments.closed_loop;
    let seed = closed_loop.seed();
    let usage = |error: GridError| Failure::Usage(format!("--grid: {error}"));
    let grid = Grid::of(arguments.grid.iter().map(String::as_str)).map_err(usage)?;
    let is_whole = arguments.grid.is_empty();
    if !is_whole && arguments.planner != "exhaustive" {
        let planner = &arguments.planner;
        return Err(Failure::Usage(format!(
            "--grid is for --planner exhaustive, not {planner}"
        )));
    }
    closed_loop.run(
        |source, llm| {
            if arguments.planner != "llm" {
                llm.unused("--planner", &arguments.planner)?;
            }
            Ok(match arguments.planner.as_str() {
                "heuristic" => Box::new(Heuristic),
                "exhaustive" if is_whole => Box::new(Exhaustive::new()),
                "exhaustive" => Box::new(Exhaustive::of(grid.clone())),
                "random" => Box::new(Random::new(seed)),
                "llm" => Box::new(llm.planner(source)?),
                _ => Box::new(Evolve::new(seed)),
            })
        },
        arguments.max_iterations,
        target,
    )
}
