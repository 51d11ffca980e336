//! The gate: what a package computes on its device, held against the oracle.
//!
//! Three comparisons (none replaces another):
//! 1. the reference program against the kernels' programs put together, in f64:
//!    a wrong fusion or fold is found without any allowance for rounding;
//! 2. every unit (one kernel, or the few that form one stage) on the device, on
//!    its own, within the bound derived for it;
//! 3. the whole function on the device, within the composed bound.
//!
//! Before anything runs, every launch is judged statically ([`prove`], level L1): accesses
//! in bounds, no races, barriers met by whole workgroups. What is shown to be wrong is refused.
//!
//! A function of one unit is checked as the function alone: the kernels, the program and so
//! the bounds are the same.
//!
//! Every device run is made twice, in two instances with memory of their own, with NaN and
//! with 1e30 behind the inputs, into prefilled outputs with guard zones; both must agree
//! bit for bit, and the first inputs must lead to the same result at the end.
//!
//! Where all of this agrees and every launch is proved, the function is verified once more
//! with shader checks off ([`Verdict::exec`]), and level 3 may follow: the same kernels and programs as exact
//! algebra over finite fields, on the host ([`algebra`]).
//!
//! [`Timer`] gives times of runs whose outputs were compared, and no others.
//!
//! A single matmul of more than 2^31 multiply-adds is not recomputed: Freivalds'
//! check of every row and 64 recomputed rows take the place of the full reference.
//!
//! Knows the oracle and the runtime, no MLIR: the pass `kforge-verify` and the
//! tools without LLVM share it.

pub mod algebra;
mod bind;
mod compose;
pub mod convert;
mod device;
#[cfg(test)]
mod drawn;
mod exact;
mod faults;
mod faulty;
mod floor;
pub mod foreign;
mod hold;
mod interpret;
mod large;
mod overwrite;
mod pair;
mod plausible;
mod proofs;
pub mod prove;
mod references;
mod refusal;
mod replay;
mod sines;
mod subject;
mod timer;
mod variable;
mod verdict;
mod without_checks;

pub use compose::{ComposeError, compose};
pub use faults::{Fault, Faults};
pub use plausible::{LeastWork, least_work};
pub use references::References;
pub use replay::Case;
pub use subject::{Runnable, Subject, SubjectError, Variant};
pub use timer::Timer;
pub use verdict::{
    Check, ErrorNorms, Exact, Failure, KernelProof, NotExact, OwnShapeOnly, Reason, Scope, Shown,
    Verdict, Warning,
};

use kforge_oracle::{CompareOptions, Comparison, Level, compare_programs, generate};
use kforge_runtime::{Device, ExecOptions};

/// How thorough the gate is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which input values: `Quick` for every run, `Full` before shipping.
    pub cases: Level,
    /// The level that must hold, 2 or 3. Level 3 is tried for it, and with all cases.
    pub level: u8,
    /// Changes the random inputs; planners never see it.
    pub seed: u64,
    /// Deadline of one submission, in milliseconds.
    pub timeout_ms: u64,
    /// The user's absolute tolerance; it can only tighten the derived bound.
    pub atol: Option<f64>,
    /// The user's relative tolerance, likewise.
    pub rtol: Option<f64>,
    /// Multiply-adds of a single matmul above which its rows are sampled.
    pub full_multiply_adds: u64,
    /// Milliseconds of one run of the function beyond which it is refused as too slow,
    /// before all cases are tried: for whoever looks for a faster one.
    pub most_ms: Option<f64>,
    /// References of earlier gates on the same inputs.
    pub references: References,
    /// The one kind of values to try, by its name in verdicts.
    pub only: Option<String>,
    /// Cases that refused the same function before: they run before all others.
    pub regression: Vec<Case>,
    /// Whether shader checks stay on where the static proof shows them needless.
    pub keep_checks: bool,
    /// Absolute error of the device's sine and cosine. Measured where a program has them;
    /// WGSL's guarantee else.
    pub sin_cos: f64,
    /// A fault of the gate, in mutation runs.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cases: Level::Quick,
            level: 2,
            seed: 0,
            timeout_ms: 60_000,
            atol: None,
            rtol: None,
            full_multiply_adds: large::FULL_MULTIPLY_ADDS,
            most_ms: None,
            references: References::default(),
            only: None,
            regression: Vec::new(),
            keep_checks: false,
            sin_cos: kforge_oracle::SIN_COS_ABSOLUTE,
            faults: Faults::default(),
        }
    }
}

impl Options {
    fn tolerance(&self) -> CompareOptions {
        CompareOptions {
            atol: self.atol,
            rtol: self.rtol,
        }
    }
}

/// Runs the gate. Never fails: what goes wrong on the way is a refusal.
pub fn verify(
    subject: &Subject,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
) -> Verdict {
    let options = &sines::measured(subject, device, options);
    let mut verdict = Verdict::new(device.description(), options);
    verdict.own_shape_only.clone_from(&subject.own_shape_only);
    verdict.sin_cos = sines::has_any(subject).then_some(options.sin_cos);
    let faults = options.faults;
    if !faults.has(Fault::ProgramsIgnored) {
        check_programs(subject, options, &mut verdict);
    }
    let ends_loops = device.description().loop_trip_limit;
    if !proofs::check(subject, ends_loops, &mut verdict)
        || !replay::all(subject, device, exec, options, &mut verdict)
    {
        return verdict;
    }
    let alone = alone(subject);
    let function = alone.as_ref().unwrap_or(&subject.function);
    let function = (function, Scope::Function);
    let units = subject.units.iter().map(|unit| (unit, Scope::Kernel));
    let units = units.filter(|_| !faults.has(Fault::UnitsIgnored));
    let variants = subject.variants.iter();
    let variants = variants.filter(|_| !faults.has(Fault::OneShape));
    let variants = variants.map(|variant| (&variant.unit, Scope::Shape));
    let order: Vec<(&Runnable, Scope)> = match &alone {
        Some(_) => std::iter::once(function).chain(variants).collect(),
        None => units.chain(variants).chain([function]).collect(),
    };
    for (runnable, scope) in order {
        if scope == Scope::Function {
            if !faults.has(Fault::OverwritesIgnored) {
                overwrite::check(runnable, &mut verdict);
            }
            // A wrong stage makes the function wrong; its error says more than theirs.
            if !verdict.failures.is_empty() {
                continue;
            }
        }
        if !device::check(runnable, scope, device, exec, options, &mut verdict) {
            return verdict;
        }
    }
    verdict.close();
    if verdict.passed {
        without_checks::verify(&subject.function, device, exec, options, &mut verdict);
    }
    if verdict.passed && (options.level >= 3 || options.cases == Level::Full) {
        exact::check(subject, options, &mut verdict);
    }
    verdict
}

/// The function under its unit's name, where it is one unit that computes all of it.
fn alone(subject: &Subject) -> Option<Runnable> {
    let [unit] = &subject.units[..] else {
        return None;
    };
    large::same(&unit.program, &subject.function.program).then(|| Runnable {
        stage: unit.stage.clone(),
        ..subject.function.clone()
    })
}

/// Comparison (1), on one case of every kind of value.
fn check_programs(subject: &Subject, options: &Options, verdict: &mut Verdict) {
    let name = &subject.function.stage;
    let composed = match &subject.composed {
        Ok(composed) => composed,
        Err(error) => {
            verdict.refuse(
                name,
                Scope::Program,
                None,
                Reason::Program,
                error.to_string(),
            );
            return;
        }
    };
    if large::same(&subject.function.program, composed) {
        for (values, _) in options.value_cases(&subject.function.program) {
            verdict.pass_program(name, values);
        }
        return;
    }
    let mut decided = false;
    for (values, salt) in options.value_cases(&subject.function.program) {
        let inputs = match generate(&subject.function.program, values, options.seed_of(salt)) {
            Ok(inputs) => inputs,
            Err(error) => {
                verdict.refuse(
                    name,
                    Scope::Program,
                    Some(values),
                    Reason::Program,
                    error.to_string(),
                );
                return;
            }
        };
        match compare_programs(&subject.function.program, composed, &inputs) {
            Ok(equivalence) if equivalence.equal => {
                decided = true;
                verdict.pass_program(name, values);
            }
            Ok(equivalence) => {
                // Where no element is decided, as for the root of a negative number,
                // the case says nothing for or against.
                let refused =
                    |output: &&Comparison| !output.passed && output.undecided < output.elements;
                let Some(output) = equivalence.outputs.iter().find(refused) else {
                    continue;
                };
                let text = verdict::describe(output);
                let detail =
                    format!("the kernels' programs together differ from the reference: {text}");
                verdict.refuse(name, Scope::Program, Some(values), Reason::Program, detail);
                return;
            }
            Err(error) => {
                verdict.refuse(
                    name,
                    Scope::Program,
                    Some(values),
                    Reason::Program,
                    error.to_string(),
                );
                return;
            }
        }
    }
    if !decided {
        let detail = "no case decides whether the kernels' programs are the reference".to_owned();
        verdict.refuse(name, Scope::Program, None, Reason::Undecided, detail);
    }
}
