//! Level 3 of a subject that level 2 accepted: every unit at its own shape and at the other
//! shapes of its knobs.
//!
//! A unit is exact when its own kernels are, or, where those are too large, kernels of the
//! same generator and knobs at one other shape at least; and when no shape that was
//! interpreted is open or wrong. L3 stands in the verdict when every unit is exact.
//!
//! Does nothing for native code but to say so.
//! Limits: twice the operations of one shape for all shapes of a unit.

use std::collections::BTreeMap;

use kforge_oracle::field::{P, Q};

use crate::{
    Options, Reason, Scope, Subject, Verdict,
    algebra::{self, Agreement, Algebra},
    device::knobs,
    subject::Runnable,
    verdict::{Exact, NotExact},
};

/// Operations for all shapes of a unit together, in units of what one shape may take;
/// further shapes are left out.
const SHAPES_AT_MOST: u64 = 2;

/// What is known of a stage.
#[derive(Default)]
struct Stage {
    /// Shapes at which it is equal.
    equal: usize,
    /// Why one is open.
    open: Option<String>,
    /// Why its own shape was not interpreted.
    large: Option<String>,
}

/// Tries level 3 and notes in the verdict what came of it.
pub(crate) fn check(subject: &Subject, options: &Options, verdict: &mut Verdict) {
    let mut stages: BTreeMap<&str, Stage> = BTreeMap::new();
    let mut all: Option<Exact> = None;
    let mut spent: BTreeMap<String, u64> = BTreeMap::new();
    let limit = algebra::operations(options.cases);
    let own = subject
        .units
        .iter()
        .map(|unit| (unit, Scope::Kernel, vec![unit.stage.clone()]));
    let variants = subject.variants.iter();
    let variants = variants.map(|variant| (&variant.unit, Scope::Shape, variant.of.clone()));
    for (unit, scope, of) in own.chain(variants) {
        let spent = spent
            .entry(of.first().cloned().unwrap_or_default())
            .or_default();
        if *spent > SHAPES_AT_MOST * limit {
            continue;
        }
        let found = algebra::check(unit, options.seed, limit);
        *spent += match &found {
            Algebra::Equal(agreement) => agreement.operations,
            _ => 0,
        };
        if let Algebra::Refused(detail) = &found {
            refuse(unit, scope, detail, verdict);
            return;
        }
        if let Algebra::Equal(agreement) = &found {
            add(&mut all, agreement);
        }
        let named = subject.units.iter().map(|unit| unit.stage.as_str());
        for name in named.filter(|name| of.iter().any(|stage| stage == name)) {
            let stage = stages.entry(name).or_default();
            match &found {
                Algebra::Equal(_) => stage.equal += 1,
                Algebra::Open(because) => {
                    stage.open.get_or_insert_with(|| because.clone());
                }
                Algebra::TooLarge(because) if scope == Scope::Kernel => {
                    stage.large = Some(because.clone());
                }
                _ => {}
            }
        }
    }
    for (name, stage) in &stages {
        let because = match (&stage.open, stage.equal) {
            (Some(because), _) => because.clone(),
            (None, 0) => stage.large.clone().unwrap_or_default(),
            (None, _) => continue,
        };
        verdict.not_exact.push(NotExact {
            stage: (*name).to_owned(),
            because,
        });
    }
    if let Some(exact) = &mut all {
        exact.stages = stages.len() - verdict.not_exact.len();
    }
    verdict.exact = all;
    conclude(options, verdict);
}

fn conclude(options: &Options, verdict: &mut Verdict) {
    match verdict.not_exact.first() {
        None if verdict.exact.is_some() => verdict.levels.push("L3".into()),
        Some(open) if options.level >= 3 => {
            let (stage, because) = (open.stage.clone(), &open.because);
            let detail = format!("level 3 must hold and is not shown, because {because}");
            verdict.refuse(&stage, Scope::Kernel, None, Reason::Undecided, detail);
            withdraw(verdict);
        }
        _ => {}
    }
}

fn refuse(unit: &Runnable, scope: Scope, detail: &str, verdict: &mut Verdict) {
    verdict.refuse(
        &unit.stage,
        scope,
        None,
        Reason::Algebraic,
        detail.to_owned(),
    );
    if let Some(failure) = verdict.failures.last_mut() {
        failure.knobs = knobs(unit);
    }
    withdraw(verdict);
}

fn withdraw(verdict: &mut Verdict) {
    verdict.passed = false;
    verdict.levels.clear();
}

fn add(all: &mut Option<Exact>, agreement: &Agreement) {
    let exact = all.get_or_insert_with(|| Exact {
        stages: 0,
        shapes: 0,
        p: format!("{P:#x}"),
        q: format!("{Q:#x}"),
        draws: agreement.draws,
        degree: 0,
        log2_error: f64::NEG_INFINITY,
        operations: 0,
    });
    exact.shapes += 1;
    exact.draws = exact.draws.min(agreement.draws);
    exact.degree = exact.degree.max(agreement.degree);
    exact.log2_error = exact.log2_error.max(agreement.log2_error);
    exact.operations += agreement.operations;
}
