//! Level L1: every launch of the function, and of its knobs at other shapes, before
//! anything runs on a device.
//!
//! What is shown to be wrong is refused. What is neither shown right nor wrong is listed,
//! and the levels then lack L1. The proof is of the WGSL text in the package and the
//! numbers of its launch; native code is not analysed.

use std::collections::HashMap;

use kforge_runtime::manifest::{Dispatch, INIT_ENTRY, Kernel, Step, Symbols};

use crate::{
    Reason, Scope, Subject, Verdict,
    prove::{Code, Finding, Launch, Open, prove},
    subject::Runnable,
    verdict::{KernelProof, Shown},
};

/// Findings of one gate, by text, entry point and launch.
type Known = HashMap<([u8; 32], String, Launch), Finding>;

/// Judges every launch; false when one is shown to be wrong, or to have a loop without end on a
/// device that silently ends loops after `ends_loops` iterations.
pub(crate) fn check(subject: &Subject, ends_loops: Option<u64>, verdict: &mut Verdict) -> bool {
    let mut known = Known::new();
    let before = verdict.failures.len();
    let device = verdict.device.clone();
    let without_end = |open: &[Open]| {
        let (limit, open) = (ends_loops?, open.iter().find(|it| it.endless)?);
        Some(format!(
            "{open}, and '{device}' silently ends loops after {limit} iterations, so that no \
             deadline shows it"
        ))
    };
    each_launch(
        &subject.function,
        |stage, name, finding| {
            let (shown, because) = match finding {
                Ok(Finding::Proved(facts)) => (Some(Shown::of(&facts)), None),
                Ok(Finding::Wrong(defect)) => {
                    refuse(verdict, stage, Scope::Kernel, name, defect.what);
                    return;
                }
                Ok(Finding::Open(open)) => {
                    if let Some(what) = without_end(&open) {
                        refuse(verdict, stage, Scope::Kernel, name, what);
                        return;
                    }
                    let reasons: Vec<String> = open.iter().map(ToString::to_string).collect();
                    (None, Some(reasons.join("; ")))
                }
                Err(because) => (None, Some(because)),
            };
            verdict.proofs.push(KernelProof {
                stage: stage.stage.clone(),
                kernel: name.to_owned(),
                shown,
                because,
            });
        },
        &mut known,
    );
    for variant in &subject.variants {
        let unit = &variant.unit;
        each_launch(
            unit,
            |kernel, name, finding| {
                let what = match finding {
                    Ok(Finding::Wrong(defect)) => Some(defect.what),
                    Ok(Finding::Open(open)) => without_end(&open),
                    _ => None,
                };
                if let Some(what) = what {
                    let stage = Kernel {
                        stage: unit.stage.clone(),
                        ..kernel.clone()
                    };
                    refuse(verdict, &stage, Scope::Shape, name, what);
                }
            },
            &mut known,
        );
    }
    verdict.failures.len() == before
}

fn refuse(verdict: &mut Verdict, kernel: &Kernel, scope: Scope, name: &str, what: String) {
    let stage = &kernel.stage;
    // One failure of each stage says enough.
    let refused = verdict
        .failures
        .iter()
        .any(|it| it.stage == *stage && it.scope == scope);
    if refused {
        return;
    }
    let name = name.escape_default();
    let detail = format!("kernel '{name}': {what}");
    verdict.refuse(stage, scope, None, Reason::Static, detail);
    if let Some(failure) = verdict.failures.last_mut() {
        failure.knobs = kernel.knob_text();
    }
}

/// Calls `judge` with every launch that runs for an entry: its kernel, the kernel's name,
/// and what was found or why there is nothing to analyse.
fn each_launch(
    runnable: &Runnable,
    mut judge: impl FnMut(&Kernel, &str, Result<Finding, String>),
    known: &mut Known,
) {
    let manifest = &runnable.package.manifest;
    for entry in [INIT_ENTRY, &runnable.entry] {
        let Some(entry) = manifest.entries.get(entry) else {
            continue;
        };
        for Step::Dispatch(dispatch) in &entry.steps {
            if let Some(kernel) = manifest.kernels.get(&dispatch.kernel) {
                let finding = find(runnable, kernel, dispatch, known);
                judge(kernel, &dispatch.kernel, finding);
            }
        }
    }
}

fn find(
    runnable: &Runnable,
    kernel: &Kernel,
    dispatch: &Dispatch,
    known: &mut Known,
) -> Result<Finding, String> {
    if kernel.is_native() {
        return Err("native code is not analysed".into());
    }
    let wgsl = runnable.package.wgsl(&dispatch.kernel);
    let wgsl = wgsl.ok_or_else(|| "its text is not in the package".to_owned())?;
    let symbols = runnable
        .package
        .manifest
        .bind_symbols(&Symbols::new())
        .map_err(|error| error.to_string())?;
    let launch = Launch::of(&runnable.package, dispatch, &symbols);
    let launch = launch.map_err(|error| error.to_string())?;
    let hash = *blake3::hash(wgsl.as_bytes()).as_bytes();
    let key = (hash, kernel.entry_point.clone(), launch);
    if let Some(finding) = known.get(&key) {
        return Ok(finding.clone());
    }
    // A text that does not compile is the device's to refuse, with its reasons.
    let code = Code::parse(wgsl, &kernel.entry_point).map_err(|error| error.to_string())?;
    let finding = prove(&code, &key.2);
    known.insert(key, finding.clone());
    Ok(finding)
}
