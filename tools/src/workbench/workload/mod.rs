//! What a subcommand works on: a file, one op of a stated size, or one block.

mod block;
mod kernel;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use clap::{Args, builder::RangedU64ValueParser};
use kforge_dialect::{Element, TensorType};
use kforge_planner::{Problem, problem::of_module};
use melior::ir::Module;

use super::Failure;
use crate::compile::{Session, Source};

pub(super) use block::Block;
use kernel::Kernel;

/// What a plan for a source's module is about.
pub(super) fn problem_of(
    session: &Session,
    module: &Module<'_>,
    source: &Source,
) -> Result<Problem, Failure> {
    of_module(session.context(), module)
        .map_err(|error| Failure::Other(format!("'{}': {error}", source.name())))
}

/// A module from a file, or a generated one; a matmul if nothing is said.
#[derive(Debug, Args)]
pub(super) struct Workload {
    /// The module
    #[arg(value_name = "FILE.mlir", conflicts_with_all = ["op", "block"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    kernel: Kernel,
    #[command(flatten)]
    block: Block,
}

impl Workload {
    /// Its text.
    pub(super) fn source(&self) -> Result<Source, Failure> {
        match &self.file {
            Some(file) => Ok(Source::read(file)?),
            None if self.block.is_given() => self.block.source(),
            None => self.kernel.source(),
        }
    }

    /// The same at each of several sizes, `512x512x512`.
    pub(super) fn sources(&self, sizes: &[String]) -> Result<Vec<Source>, Failure> {
        if sizes.is_empty() {
            return Ok(vec![self.source()?]);
        }
        if let Some(file) = &self.file {
            return Err(Failure::Usage(format!(
                "--sizes is for --kernel and --workload; '{}' has sizes of its own",
                file.display()
            )));
        }
        if self.kernel.is_sized() || self.block.is_sized() {
            return Err(Failure::Usage(
                "--sizes states every size; leave out --m, --n, --k, --seq and --d-model".into(),
            ));
        }
        sizes.iter().map(|size| self.at(size)).collect()
    }

    fn at(&self, size: &str) -> Result<Source, Failure> {
        let numbers: Option<Vec<u64>> = size
            .split('x')
            .map(|it| it.parse().ok().filter(|it| SIZES.contains(it)))
            .collect();
        let block = self.block.is_given();
        let wrong = || {
            let expected = match block {
                true => "POSITIONSxFEATURES such as 64x128",
                false => {
                    "MxNxK such as 512x512x512 of a matmul (for attention rows x heads x size), or MxN of a kernel of rows"
                }
            };
            Failure::Usage(format!(
                "--sizes {}: expected {expected}, each from 1 to {}",
                size.escape_debug(),
                SIZES.end()
            ))
        };
        let numbers = numbers.ok_or_else(wrong)?;
        match block {
            true => self.block.at(&numbers).ok_or_else(wrong)?.source(),
            false => self.kernel.at(&numbers).ok_or_else(wrong)?.source(),
        }
    }

    /// Whether the command line names one.
    pub(super) fn is_given(&self) -> bool {
        self.file.is_some() || self.block.is_given() || self.kernel.is_given()
    }

    /// What reports and files are named after.
    pub(super) fn name(&self) -> String {
        match &self.file {
            Some(file) => stem(file),
            None if self.block.is_given() => self.block.name().into(),
            None => self.kernel.name().into(),
        }
    }
}

/// A file's name without folder and extension.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Sizes that a command line may state.
const SIZES: RangeInclusive<u64> = 1..=1 << 20;

pub(super) fn size() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(SIZES)
}

/// A tensor of f32 that kernels can address.
fn tensor(dims: &[u64]) -> Result<TensorType, Failure> {
    let limit = i32::MAX as u64;
    let count = dims
        .iter()
        .try_fold(1_u64, |count, dim| count.checked_mul(*dim));
    match count.filter(|count| *count <= limit) {
        Some(_) => Ok(TensorType::fixed(dims, Element::F32)),
        None => {
            let sizes: Vec<String> = dims.iter().map(u64::to_string).collect();
            Err(Failure::Usage(format!(
                "the sizes make a tensor of {} elements; the limit is {limit}, choose smaller ones",
                sizes.join("x")
            )))
        }
    }
}
