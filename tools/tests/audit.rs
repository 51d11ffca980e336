//! Deciding on a plan: what is accepted, what is refused and by whom, and that every
//! audit is what its published schema says.

#![cfg(all(feature = "mlir", unix))]
#![allow(missing_docs, clippy::unwrap_used, reason = "test code")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use kforge_planner::{Plan, heuristic, plan::Knob, propose::Heuristic};
use kforge_tools::{
    compile::Source,
    measure::MeasuredResult,
    optimize::{Audit, DecideError, Decision, Optimizer, Proposer, Settings, audit_schema},
};
use serde_json::{Value, json};

const MATMUL: &str =
    "func.func @up(%a: tensor<8x12xf32>, %b: tensor<12x16xf32>) -> tensor<8x16xf32> {
  %c = kforge.matmul %a, %b : (tensor<8x12xf32>, tensor<12x16xf32>) -> tensor<8x16xf32>
  return %c : tensor<8x16xf32>
}";

const RUNNER: &str = env!("CARGO_BIN_EXE_kforge-run");

fn optimizer(folder: &Path, runner: &Path) -> Optimizer {
    let settings = Settings {
        device: "cpu".into(),
        repeats: 2,
        runner: runner.into(),
        archive: Some(folder.join("archive.sqlite")),
        ..Settings::default()
    };
    Optimizer::new(Source::of_text("up.mlir", MATMUL), settings).unwrap()
}

/// Decides, and holds the audit against the schema.
fn decide(optimizer: &Optimizer, proposer: Proposer<'_>) -> Decision {
    let decision = optimizer.decide(proposer, &mut |_| ()).unwrap();
    let audit = json!(decision.audit);
    let schema: Value = serde_json::from_str(&audit_schema()).unwrap();
    jsonschema::validate(&schema, &audit).unwrap();
    let mut other = audit.clone();
    other["approved"] = json!(true);
    assert!(!jsonschema::is_valid(&schema, &other));
    let back: Audit = serde_json::from_value(audit.clone()).unwrap();
    assert_eq!(json!(back), audit);
    assert_eq!(decision.package.is_some(), back.accepted.is_some());
    decision
}

/// The default plan with another tile.
fn tiled(optimizer: &Optimizer, tile_k: i64) -> Plan {
    let mut plan = heuristic::propose(optimizer.problem(), optimizer.device());
    let step = plan
        .passes
        .iter_mut()
        .find(|it| it.pass == "kforge-tile-matmul");
    let knobs = &mut step.unwrap().knobs;
    knobs.insert("tile-k".into(), Knob::Integer(tile_k));
    plan
}

/// A kforge-run that refuses one plan and measures the others.
fn refusing(folder: &Path, id: &str) -> std::path::PathBuf {
    let path = folder.join("refusing");
    let answer = json!([{
        "candidate": id, "device": null, "version": "0",
        "result": { "refused": { "reason": "numeric-mismatch", "detail": "stage up: wrong" } },
    }]);
    let script = format!(
        "#!/bin/sh\nread -r job\ncase $job in\n*{id}*) echo '{answer}' ;;\n\
         *) printf '%s\\n' \"$job\" | exec '{RUNNER}' \"$@\" ;;\nesac\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_archives_plan_is_taken_and_when_it_is_refused_the_heuristics() {
    let folder = tempfile::tempdir().unwrap();
    let optimizer = self::optimizer(folder.path(), RUNNER.as_ref());
    let nothing = optimizer.decide(Proposer::Archive, &mut |_| ());
    assert!(matches!(nothing, Err(DecideError::Nothing { .. })));

    let plan = tiled(&optimizer, 4);
    let given = Proposer::Given("plan.json", &plan);
    let first = decide(&optimizer, given).audit;
    assert_eq!(first.accepted, Some(plan.id()));
    // It is new, so it was compared with the default plan.
    assert!(first.speedup.is_some_and(|speedup| speedup > 0.0));

    let second = decide(&optimizer, Proposer::Known).audit;
    assert_eq!(second.accepted, Some(plan.id()));
    assert_eq!(second.proposals[0].proposer, "archive");
    let comparisons = |audit: &Audit| match audit.accepted().unwrap().verdict {
        Some(MeasuredResult::Verified { comparisons, .. }) => comparisons,
        _ => 0,
    };
    // Cheap, because it passed every case before.
    assert!(comparisons(&second) < comparisons(&first));

    let runner = refusing(folder.path(), &plan.id());
    let doubting = self::optimizer(folder.path(), &runner);
    let third = decide(&doubting, Proposer::Known).audit;
    let proposers: Vec<&str> = third
        .proposals
        .iter()
        .map(|it| it.proposer.as_str())
        .collect();
    assert_eq!(proposers, ["archive", "heuristic"]);
    let reasons = third.proposals[0].reasons();
    assert_eq!(reasons, ["numeric-mismatch: stage up: wrong"]);
    assert!(third.warnings[0].contains("the plan of archive is refused now"));
    assert_eq!(third.accepted, Some(third.proposals[1].id.clone()));

    // The archive has the refusal, so the heuristic's plan is its best now.
    let fourth = decide(&optimizer, Proposer::Archive).audit;
    assert_eq!(fourth.accepted, third.accepted);
}

#[test]
fn a_refused_plan_is_never_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let optimizer = self::optimizer(folder.path(), RUNNER.as_ref());
    let plan = tiled(&optimizer, 0);
    let audit = decide(&optimizer, Proposer::Given("plan.json", &plan)).audit;
    assert_eq!(audit.accepted, None);
    assert!(audit.proposals[0].verdict.is_none());
    assert!(audit.proposals[0].reasons()[0].contains("tile-k is 0"));

    let default = heuristic::propose(optimizer.problem(), optimizer.device());
    let runner = refusing(folder.path(), &default.id());
    let doubting = self::optimizer(folder.path(), &runner);
    let by_gate = decide(&doubting, Proposer::Planner(&mut Heuristic)).audit;
    assert_eq!(by_gate.accepted, None);
    let reasons = by_gate.proposals[0].reasons();
    assert_eq!(reasons, ["numeric-mismatch: stage up: wrong"]);
}
