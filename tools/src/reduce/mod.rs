//! A failing module and pipeline shrunk to what still fails for the same reason:
//! `kforge reduce-failure`.
//!
//! Steps, each kept where the gate still refuses with the same reason:
//! 1. kernels of others that are not needed are left out, then passes of the pipeline;
//! 2. the op of the refused stage alone, at the shape at which it was refused;
//! 3. where that does not fail alone, MLIR's reducer on the whole module;
//! 4. sizes of the op, all equal ones together, towards 1;
//! 5. options of the passes, towards their defaults.
//!
//! Every probe is a `kforge verify` of its own with a deadline, so a module that crashes the
//! compiler or the driver shrinks like any other.
//! Limits: as many probes and as much time as are allowed; sizes shrink for modules of one op.

mod limits;
mod module;
mod pipeline;
mod probe;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use limits::Limits;
pub use probe::{Kernel, Probe};
use probe::{Outcome, Refusal};

use crate::compile::{Source, SourceError};
use kforge_runtime::whole_file::write_whole;

/// Why nothing was reduced.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The module cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It passes.
    #[error(
        "'{0}' is verified, so there is no failure to reduce; try other --cases or another --seed"
    )]
    Passes(String),
    /// It fails otherwise than before.
    #[error("it is refused for another reason when it is tried again ({reason}): {detail}")]
    Other {
        /// The reason.
        reason: String,
        /// The sentence.
        detail: String,
    },
    /// The gate cannot be asked.
    #[error("'{file}' is not refused by the gate, it cannot be tried at all: {problem}")]
    Input {
        /// The module.
        file: String,
        /// What `kforge verify` said.
        problem: String,
    },
    /// A file that cannot be written.
    #[error("cannot write '{path}': {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The module.
    pub text: String,
    /// The pipeline, if it is not the default one.
    pub pipeline: Option<String>,
    /// Kernels of others.
    pub kernels: Vec<Kernel>,
}

/// What is left.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The smallest case that still fails.
    pub case: Case,
    /// Why it fails, as the module it came from did.
    pub reason: String,
    /// How: the sentence of the last refusal.
    pub detail: String,
    /// Verifications that were made.
    pub probes: usize,
    /// What was done, in order.
    pub steps: Vec<String>,
}

struct Reducer<'p> {
    probe: &'p Probe,
    case: Case,
    refusal: Refusal,
    probes: usize,
    limits: &'p Limits,
    steps: Vec<String>,
}

/// Reduces `case`, as far as the limits allow.
///
/// # Errors
/// A case that passes, that cannot be tried, or that is refused for another reason than the
/// one that is wanted.
pub fn reduce(
    name: &str,
    case: Case,
    probe: &Probe,
    limits: &Limits,
    wanted: Option<&str>,
) -> Result<Reduced, ReduceError> {
    let refusal = match probe.run(&case) {
        Outcome::Refused(refusal) if wanted.is_some_and(|it| it != refusal.reason) => {
            let Refusal { reason, detail, .. } = refusal;
            return Err(ReduceError::Other { reason, detail });
        }
        Outcome::Refused(refusal) => refusal,
        Outcome::Verified => return Err(ReduceError::Passes(name.to_owned())),
        Outcome::Input(problem) => {
            let file = name.to_owned();
            return Err(ReduceError::Input { file, problem });
        }
    };
    let mut reducer = Reducer {
        probe,
        case,
        refusal,
        probes: 1,
        limits,
        steps: Vec::new(),
    };
    reducer.drop_kernels();
    reducer.drop_passes();
    if !reducer.isolate() {
        reducer.reduce_module();
    }
    reducer.shrink_sizes();
    reducer.drop_kernels();
    reducer.drop_passes();
    reducer.drop_options();
    let Reducer {
        case,
        refusal,
        probes,
        steps,
        ..
    } = reducer;
    Ok(Reduced {
        case,
        reason: refusal.reason,
        detail: refusal.detail,
        probes,
        steps,
    })
}

impl Reducer<'_> {
    /// Keeps a case that still fails for the same reason.
    fn accept(&mut self, case: Case, step: impl FnOnce() -> String) -> bool {
        if self.limits.left(self.probes).is_none() {
            return false;
        }
        self.ask(case, step)
    }

    /// The same with no regard to limits.
    fn ask(&mut self, case: Case, step: impl FnOnce() -> String) -> bool {
        if case == self.case {
            return false;
        }
        self.probes += 1;
        match self.probe.run(&case) {
            Outcome::Refused(refusal) if refusal.is_like(&self.refusal) => {
                self.case = case;
                self.refusal = refusal;
                self.steps.push(step());
                true
            }
            _ => false,
        }
    }

    fn drop_kernels(&mut self) {
        let mut index = 0;
        while index < self.case.kernels.len() {
            let mut case = self.case.clone();
            let kernel = case.kernels.remove(index);
            if !self.accept(case, || format!("without the kernel of '{}'", kernel.stage)) {
                index += 1;
            }
        }
    }

    fn drop_passes(&mut self) {
        let Some(text) = self.case.pipeline.clone() else {
            return;
        };
        // From the end: what a pass has made, none behind it needs.
        for index in (0..pipeline::passes(&text).len()).rev() {
            let Some(text) = self.case.pipeline.clone() else {
                return;
            };
            let mut passes = pipeline::passes(&text);
            if index >= passes.len() {
                continue;
            }
            let dropped = passes.remove(index);
            let mut case = self.case.clone();
            case.pipeline = Some(pipeline::text(&passes));
            self.accept(case, || {
                format!("without pass {}", pipeline::name(&dropped))
            });
        }
    }

    fn drop_options(&mut self) {
        let Some(text) = self.case.pipeline.clone() else {
            return;
        };
        for pass in 0..pipeline::passes(&text).len() {
            for option in (0..pipeline::options(&pipeline::passes(&text)[pass]).len()).rev() {
                let Some(text) = self.case.pipeline.clone() else {
                    return;
                };
                let mut passes = pipeline::passes(&text);
                let Some(changed) = passes.get_mut(pass) else {
                    continue;
                };
                let mut options = pipeline::options(changed);
                if option >= options.len() {
                    continue;
                }
                let dropped = options.remove(option);
                *changed = pipeline::pass(pipeline::name(changed), &options);
                let mut case = self.case.clone();
                case.pipeline = Some(pipeline::text(&passes));
                self.accept(case, || format!("with the default of {dropped}"));
            }
        }
    }

    /// The refused stage's op alone: at the shape at which it was refused, else at its own.
    fn isolate(&mut self) -> bool {
        let (stage, shape) = self.refusal.place();
        let kernels = || {
            let kernels = self.case.kernels.iter();
            let kernels = kernels.filter(|kernel| kernel.stage == stage);
            kernels.cloned().collect::<Vec<Kernel>>()
        };
        let at = |sizes: Option<&[Vec<u64>]>| module::single(&self.case.text, &stage, sizes);
        let (kernels, own) = (kernels(), at(None));
        let elsewhere = shape.and_then(|shape| at(Some(&shape)));
        if elsewhere.is_none() && module::is_single(&self.case.text) {
            return true;
        }
        for (text, what) in [(elsewhere, "at the refused shape"), (own, "alone")] {
            let Some(text) = text else {
                continue;
            };
            let case = Case {
                text,
                kernels: kernels.clone(),
                pipeline: self.case.pipeline.clone(),
            };
            // Passes may be for ops that are gone.
            let bare = Case {
                pipeline: None,
                ..case.clone()
            };
            for case in [case, bare] {
                if self.accept(case, || format!("the op of '{stage}' {what}")) {
                    return true;
                }
            }
        }
        module::is_single(&self.case.text)
    }

    /// MLIR's own reducer, whose test is a probe.
    fn reduce_module(&mut self) {
        let Some(left) = self.limits.left(self.probes) else {
            return;
        };
        let reduced = self
            .probe
            .mlir_reduce(&self.case, &self.refusal, &left, &self.limits.stop);
        let Some((text, probes)) = reduced else {
            return;
        };
        self.probes += probes;
        let case = Case {
            text,
            ..self.case.clone()
        };
        // Its last answer is asked for again: what is kept is what was seen to fail here.
        self.ask(case, || "ops that do not matter, by MLIR's reducer".into());
    }

    fn shrink_sizes(&mut self) {
        let (stage, _) = self.refusal.place();
        let Some(mut shapes) = module::operands(&self.case.text) else {
            return;
        };
        let mut sizes: Vec<u64> = shapes.iter().flatten().copied().collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        for size in sizes {
            let mut current = size;
            while let Some(smaller) = smaller(current).into_iter().find_map(|smaller| {
                let changed = with_size(&shapes, current, smaller);
                let text = module::single(&self.case.text, &stage, Some(&changed))?;
                let case = Case {
                    text,
                    ..self.case.clone()
                };
                let step = || format!("size {current} is {smaller}");
                self.accept(case, step).then_some((smaller, changed))
            }) {
                (current, shapes) = smaller;
            }
        }
    }
}

/// Sizes to try in the place of one: the smallest first.
fn smaller(size: u64) -> Vec<u64> {
    let mut sizes = vec![1, 2, size / 4, size / 2, size.saturating_sub(1)];
    sizes.retain(|it| *it > 0 && *it < size);
    sizes.dedup();
    sizes
}

fn with_size(shapes: &[Vec<u64>], from: u64, to: u64) -> Vec<Vec<u64>> {
    let size = |size: &u64| if *size == from { to } else { *size };
    let shape = |shape: &Vec<u64>| shape.iter().map(size).collect();
    shapes.iter().map(shape).collect()
}

/// Reads the module of a case.
pub fn read(path: &Path) -> Result<Source, ReduceError> {
    Ok(Source::read(path)?)
}

impl Reduced {
    /// Writes `reduced.mlir`, `pipeline.txt`, the kernels and `reproduce.sh` into a folder.
    pub fn write(&self, folder: &Path, probe: &Probe) -> Result<Vec<PathBuf>, ReduceError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ReduceError::Write { path, source }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        // Of an earlier case; without one there is nothing to take away.
        let _ = fs::remove_file(folder.join("pipeline.txt"));
        let mut files = vec![("reduced.mlir".to_owned(), self.case.text.clone())];
        if let Some(pipeline) = &self.case.pipeline {
            files.push(("pipeline.txt".into(), format!("{pipeline}\n")));
        }
        for kernel in &self.case.kernels {
            files.extend(kernel.files());
        }
        let command = probe.command_line(&self.case);
        files.push((
            "reproduce.sh".into(),
            format!(
                "#!/bin/sh\n# {}: {}\ncd \"$(dirname \"$0\")\" || exit 1\n{command}\n",
                self.reason,
                one_line(&self.detail)
            ),
        ));
        let mut written = Vec::new();
        for (name, text) in files {
            let path = folder.join(name);
            write_whole(&path, |file| file.write_all(text.as_bytes())).map_err(failed(&path))?;
            written.push(path);
        }
        Ok(written)
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_shrink_all_at_once() {
        assert_eq!(smaller(33), [1, 2, 8, 16, 32]);
        assert_eq!(smaller(2), [1]);
        assert!(smaller(1).is_empty());
        let shapes = [vec![33, 40], vec![40, 36]];
        assert_eq!(with_size(&shapes, 40, 2), [vec![33, 2], vec![2, 36]]);
    }
}
