//! `kforge optimize-with-llm`: `kforge optimize --planner llm`.

use kforge_runtime::device::Target;

use super::{Failure, closed_loop::ClosedLoop};

/// Let a language model propose plans, verify and time each, and keep the best
///
/// The same as `kforge optimize --planner llm`. The model is the one that the environment
/// names (KERNELFORGE_LLM_ENDPOINT, _MODEL, _API_KEY); what it sees is the program's ops,
/// the device and what was tried, with names replaced.
///
/// Examples:
///   kforge optimize-with-llm --kernel matmul --iterations 10
///   kforge optimize-with-llm --workload transformer --seq 64 --d-model 128 --llm-tokens 100000
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Candidates that may be tried
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    iterations: u64,
    #[command(flatten)]
    closed_loop: ClosedLoop,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    arguments.closed_loop.run(
        |source, llm| Ok(Box::new(llm.planner(source)?)),
        arguments.iterations,
        target,
    )
}
