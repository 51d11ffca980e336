//! Forged evidence in use: what comes out is verified on this device, or it is refused.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use kforge_planner::plan::{Plan, from_json};
use kforge_tools::{
    compile::Source,
    optimize::{Audit, Optimizer, Proposer, Settings},
};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::rows::{self, Texts};
use crate::{
    base::SOFTMAX,
    child::{Ended, KFORGE, KFORGE_OPT, KFORGE_RUN, finish},
    kind::{Broken, Flaw, Happened, Run, copy_all, demand, happened},
    outputs,
};

/// No kernel is so fast.
const FORGED_MS: f64 = 2e-6;

/// A plan for the program that nobody verified: of an odd width, or for more invocations than
/// this device has.
fn unverified(run: &mut Run) -> Result<Plan, Broken> {
    let text = fs::read_to_string(run.base.path("plan.json"))?;
    let mut value: Value = serde_json::from_str(&text)?;
    let impossible = run.rng.bool();
    let (block, group) = match impossible {
        true => (1 << run.rng.u32(11..14), 1 << run.rng.u32(12..14)),
        false => (1 << run.rng.u32(3..9), 1 << run.rng.u32(0..6)),
    };
    if impossible {
        value["device"]["invocations"] = json!(16384);
        value["device"]["workgroup-memory"] = json!(1 << 20);
    }
    for step in value["passes"].as_array_mut().into_iter().flatten() {
        if step["knobs"].get("block-size").is_some() {
            step["knobs"]["block-size"] = json!(block);
            step["knobs"]["vector-width"] = json!(1);
        }
        if step["knobs"].get("workgroup-size").is_some() {
            step["knobs"]["workgroup-size"] = json!(group);
        }
    }
    Ok(from_json(&value.to_string(), None)?)
}

/// The row of the program with a forged verdict on a plan, every hash to match.
fn forge(run: &mut Run, path: &Path) -> Result<Option<String>, Broken> {
    let plan = unverified(run)?;
    let connection = Connection::open(path)?;
    let sql = "SELECT a.rowid, a.digest, k.text, a.attempt, a.evidence FROM attempts a
               JOIN keys k USING (digest) WHERE a.verified = 1 AND k.workload LIKE 'softmax 3x8%'";
    let mut row = connection.query_row(sql, [], |row| {
        Ok(Texts {
            rowid: row.get(0)?,
            digest: row.get(1)?,
            key: row.get(2)?,
            attempt: row.get(3)?,
            evidence: row.get(4)?,
        })
    })?;
    drop(connection);
    let attempt = forged_attempt(&plan)?;
    let mut evidence: Value = serde_json::from_str(&row.evidence)?;
    evidence["created"] = json!(4_000_000_000_u64);
    evidence["every_case"] = json!(run.rng.bool());
    if evidence["every_case"] == json!(false) {
        evidence.as_object_mut().map(|it| it.remove("every_case"));
    }
    (row.attempt, row.evidence) = (attempt.to_string(), evidence.to_string());
    rows::write(path, &row)?;
    // The columns that searches use.
    let bare = Plan {
        provenance: Default::default(),
        problem: None,
        ..plan.clone()
    };
    let digest = blake3::hash(serde_json::to_string(&bare)?.as_bytes());
    let connection = Connection::open(path)?;
    connection.execute(
        "UPDATE attempts SET attempt_id = ?1, created = 4000000000, ms = ?2, plan = ?3 WHERE rowid = ?4",
        (plan.id(), FORGED_MS, &digest.to_hex().as_str()[..32], row.rowid),
    )?;
    Ok(Some(plan.id()))
}

fn forged_attempt(plan: &Plan) -> Result<Value, Broken> {
    Ok(json!({
        "id": plan.id(),
        "plan": serde_json::to_value(plan)?,
        "outcome": {
            "verdict": "verified", "ms": FORGED_MS, "speedup": 1e9,
            "levels": ["L0", "L1", "L2", "L3", "L4"], "worst_ratio": 0.0,
        },
    }))
}

fn compile(run: &Run) -> std::process::Command {
    let line = "compile-transformer p.mlir --archive a.sqlite --no-corpus --plan-output plan.json --audit-output audit.json -o out";
    run.kforge(&line.split(' ').collect::<Vec<_>>())
}

/// The archive proposed the forged plan, and what is accepted was verified here and now.
fn fresh(run: &Run, ended: &Ended, forged: &str) -> Result<Happened, Broken> {
    let text = fs::read_to_string(run.path("audit.json"))?;
    let audit: Audit = serde_json::from_str(&text)?;
    if audit
        .proposals
        .first()
        .is_none_or(|it| it.id != forged || it.proposer != "archive")
    {
        return Ok(Happened::NotInjected);
    }
    let verdict = serde_json::to_value(&audit.proposals[0].verdict)?;
    let Some(accepted) = audit.accepted() else {
        demand(!run.path("out").exists(), Flaw::FalseVerdict, || {
            "refused and shipped".into()
        })?;
        return happened("refused");
    };
    let shown = serde_json::to_value(&accepted.verdict)?;
    let found = &shown["verified"];
    let levels = found["levels"].to_string();
    let real = found["comparisons"].as_u64().is_some_and(|it| it > 0)
        && found["time"]["ms"]["median"]
            .as_f64()
            .is_some_and(|ms| ms > 1e-5)
        && !levels.contains("L4");
    demand(real, Flaw::FalseVerdict, || shown.to_string())?;
    let told = [&ended.out, &ended.err].iter().any(|it| it.contains("L4"));
    demand(!told, Flaw::FalseVerdict, || ended.out.clone())?;
    let hash = kforge_runtime::Package::load(run.path("out"))?.content_hash()?;
    let same = found["package"].as_str() == Some(&hash);
    demand(same, Flaw::FalseVerdict, || {
        "another package than was verified".into()
    })?;
    happened(match verdict.get("refused") {
        Some(_) => "refused here; the heuristic's plan is verified in its place",
        None => "verified anew before it is accepted",
    })
}

fn prepared(run: &mut Run) -> Result<String, Broken> {
    run.copy("p.mlir")?;
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    Ok(forge(run, &path)?.unwrap_or_default())
}

pub(super) fn row(run: &mut Run) -> Result<Happened, Broken> {
    let id = prepared(run)?;
    let ended = finish(&mut compile(run))?;
    fresh(run, &ended, &id)
}

pub(super) fn import(run: &mut Run) -> Result<Happened, Broken> {
    run.copy("p.mlir")?;
    run.copy_as("archive.sqlite", "a.sqlite")?;
    let other = run.copy_as("archive.sqlite", "forger.sqlite")?;
    let id = forge(run, &other)?.unwrap_or_default();
    let line = [
        "archive",
        "export",
        "forged.json",
        "--archive",
        "forger.sqlite",
    ];
    finish(&mut run.kforge(&line))?.succeeds()?;
    let line = ["archive", "import", "forged.json", "--archive", "a.sqlite"];
    finish(&mut run.kforge(&line))?.succeeds()?;
    let ended = finish(&mut compile(run))?;
    fresh(run, &ended, &id)
}

pub(super) fn results(run: &mut Run) -> Result<Happened, Broken> {
    run.copy("p.mlir")?;
    run.copy("candidates")?;
    let text = fs::read_to_string(run.base.path("results.jsonl"))?;
    let mut lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let at = run.rng.usize(0..lines.len());
    let line = &mut lines[at];
    let kind = run.rng.u8(0..6);
    let id = line["candidate"].as_str().unwrap_or_default().to_owned();
    match kind {
        0 => line["version"] = json!("9.9.9"),
        1 => line["device"] = Value::Null,
        2 => line["candidate"] = json!("../candidates"),
        3 => line["result"]["verified"]["worst_ratio"] = json!(7.5),
        4 => line["result"]["verified"]["time"]["ms"]["median"] = json!(-1.0),
        _ => {
            line["result"]["verified"]["levels"] = json!(["L0", "L1", "L2", "L3", "L4"]);
            for part in ["min", "median", "max"] {
                line["result"]["verified"]["time"]["ms"][part] = json!(FORGED_MS);
            }
        }
    }
    let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
    fs::write(run.path("results.jsonl"), text)?;
    let line = "archive import results.jsonl --candidates candidates --archive a.sqlite";
    let ended = finish(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?;
    if kind < 5 {
        let told = ended.out.contains("left out") || ended.code() != Some(0);
        demand(told, Flaw::FalseVerdict, || ended.out.clone())?;
        return happened("not believed");
    }
    let ended = finish(&mut compile(run))?;
    fresh(run, &ended, &id)
}

pub(super) fn opt(run: &mut Run) -> Result<Happened, Broken> {
    let id = prepared(run)?;
    let line = [
        "p.mlir",
        "--kforge-planner=archive",
        "--kforge-planner-archive=a.sqlite",
        "-o",
        "out.mlir",
    ];
    let ended = finish(&mut run.tool(KFORGE_OPT, &line))?;
    if !ended.err.contains(&id) {
        return Ok(Happened::NotInjected);
    }
    let claims = ended
        .err
        .lines()
        .find(|it| it.contains("verified"))
        .unwrap_or_default();
    let honest = claims.contains("which says") && claims.contains("kforge-verify shows");
    demand(
        ended.code() != Some(0) || honest,
        Flaw::FalseVerdict,
        || ended.err.clone(),
    )?;
    let text = fs::read_to_string(run.path("out.mlir")).unwrap_or_default();
    demand(
        !text.contains("kforge.verified"),
        Flaw::FalseVerdict,
        || "it says it is verified".into(),
    )?;
    happened("proposed as what the archive says; no verdict is printed or written")
}

/// A program that passes whatever it is asked.
fn yes_man(path: &Path) -> Result<(), Broken> {
    let script = "#!/bin/sh\ntouch \"$FORGER_RAN\"\nwhile read -r job; do\n\
        id=$(echo \"$job\" | sed 's/.*\\/\\([0-9a-f]*\\)\".*/\\1/')\n\
        echo '[{\"candidate\":\"'$id'\",\"device\":null,\"version\":\"0.1.0\",\"result\":{\"verified\":{\"levels\":[\"L0\",\"L4\"],\"comparisons\":1,\"worst_ratio\":0.0,\"seed\":0,\"time\":{\"clock\":\"host\",\"ms\":{\"min\":1,\"median\":1,\"max\":1}}}}}]'\n\
        done\n";
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

pub(super) fn environment(run: &mut Run) -> Result<Happened, Broken> {
    let id = prepared(run)?;
    fs::create_dir(run.path("bin"))?;
    yes_man(&run.path("bin/kforge-run"))?;
    let mut command = compile(run);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", run.path("bin").display()));
    command.env("FORGER_RAN", run.path("ran"));
    for name in [
        "KFORGE_VERIFIED",
        "KFORGE_SKIP_VERIFY",
        "KFORGE_TRUST_ARCHIVE",
        "KFORGE_RUN",
        "KFORGE_RUNNER",
        "CARGO_BIN_EXE_kforge-run",
        "KFORGE_NO_GATE",
    ] {
        command.env(
            name,
            if run.rng.bool() {
                "1".into()
            } else {
                run.path("bin/kforge-run")
            },
        );
    }
    let ended = finish(&mut command)?;
    demand(!run.path("ran").exists(), Flaw::FalseVerdict, || {
        "the forger's program was asked".into()
    })?;
    fresh(run, &ended, &id)
}

pub(super) fn alone(run: &mut Run) -> Result<Happened, Broken> {
    // A hard link is the program elsewhere, without what stands beside it.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let kforge: PathBuf = place.path().join("bin").join("kforge");
    fs::create_dir(place.path().join("bin"))?;
    if fs::hard_link(KFORGE, &kforge).is_err() {
        return Ok(Happened::Skipped("no hard links".into()));
    }
    run.copy("p.mlir")?;
    fs::create_dir(run.path("bin"))?;
    yes_man(&run.path("bin/kforge-run"))?;
    let line = "compile-transformer p.mlir --no-archive --no-corpus --plan-output plan.json --audit-output audit.json -o out";
    let mut command = run.tool(
        &kforge.display().to_string(),
        &line.split(' ').collect::<Vec<_>>(),
    );
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", run.path("bin").display()));
    command.env("FORGER_RAN", run.path("ran"));
    let ended = finish(&mut command)?;
    demand(!run.path("ran").exists(), Flaw::FalseVerdict, || {
        "the forger's program was asked".into()
    })?;
    demand(ended.code() == Some(2), Flaw::FalseVerdict, || {
        ended.out.clone()
    })?;
    outputs::compiled_alone(run)?;
    happened("refused: no measurer beside it")
}

pub(super) fn same_name(run: &mut Run) -> Result<Happened, Broken> {
    prepared(run)?;
    let others = [
        SOFTMAX.replace(
            "kforge.softmax %x {kforge.name",
            "kforge.softmax %x {axis = 0 : i64, kforge.name",
        ),
        SOFTMAX.replace("3x8", "8x3"),
        SOFTMAX.replace("xf32", "xf16"),
    ];
    fs::write(run.path("p.mlir"), &others[run.index % others.len()])?;
    let ended = finish(&mut compile(run))?;
    let text = fs::read_to_string(run.path("audit.json"));
    let Ok(text) = text else {
        ended.is_calm()?;
        return happened("refused");
    };
    let audit: Audit = serde_json::from_str(&text)?;
    let from = audit.proposals.iter().any(|it| it.proposer == "archive");
    demand(!from, Flaw::FalseVerdict, || {
        "the other program's plan is proposed as its own".into()
    })?;
    happened("not proposed; the heuristic's plan is verified")
}

pub(super) fn attribute(run: &mut Run) -> Result<Happened, Broken> {
    let says = "{levels = [\"L0\", \"L1\", \"L2\", \"L3\"], passed = true}";
    let text = match run.rng.bool() {
        true => format!("module attributes {{kforge.verified = {says}}} {{\n{SOFTMAX}}}\n"),
        false => SOFTMAX.replace(
            ") -> tensor<3x8xf32> {",
            &format!(") -> tensor<3x8xf32> attributes {{kforge.verified = {says}}} {{"),
        ),
    };
    fs::write(run.path("p.mlir"), text)?;
    let line = [
        "p.mlir",
        "--pass-pipeline=builtin.module(kforge-default-pipeline)",
        "-o",
        "out.mlir",
    ];
    let ended = finish(&mut run.tool(KFORGE_OPT, &line))?;
    let out = fs::read_to_string(run.path("out.mlir")).unwrap_or_default();
    demand(!out.contains("passed = true"), Flaw::FalseVerdict, || {
        out.clone()
    })?;
    let ran = finish(&mut run.tool(KFORGE_RUN, &["p.mlir", "--arg", "random"]))?;
    let anew = ran.code() != Some(0) || ran.out.contains("comparisons");
    demand(anew, Flaw::FalseVerdict, || ran.out.clone())?;
    let _ = ended;
    happened("removed or refused; what runs is verified")
}

/// An optimizer whose child is another program.
fn optimizer(runner: &Path) -> Result<Optimizer, Broken> {
    let settings = Settings {
        runner: runner.to_path_buf(),
        repeats: 2,
        ..Settings::default()
    };
    Ok(Optimizer::new(
        Source::of_text("p.mlir", SOFTMAX),
        settings,
    )?)
}

fn script(run: &Run, text: &str) -> Result<PathBuf, Broken> {
    let path = run.path("runner");
    fs::write(&path, format!("#!/bin/sh\n{text}"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Decides on a valid plan; it must not be accepted.
fn not_accepted(run: &Run, runner: &Path) -> Result<Happened, Broken> {
    let text = fs::read_to_string(run.base.path("plan.json"))?;
    let plan = from_json(&text, None)?;
    let optimizer = optimizer(runner)?;
    let decision = optimizer.decide(Proposer::Given("given", &plan), &mut |_| ())?;
    let none = decision.audit.accepted.is_none() && decision.package.is_none();
    demand(none, Flaw::FalseVerdict, || {
        format!("{:?}", decision.audit.accepted)
    })?;
    happened(
        decision.audit.proposals[0]
            .reasons()
            .join("; ")
            .chars()
            .take_while(|it| *it != ':')
            .collect::<String>()
            + ", not accepted",
    )
}

pub(super) fn answers(run: &mut Run) -> Result<Happened, Broken> {
    let text = fs::read_to_string(run.base.path("plan.json"))?;
    let id = from_json(&text, None)?.id();
    let verified = |candidate: &str, version: &str, package: Option<String>| {
        json!({ "candidate": candidate, "device": null, "version": version, "result": { "verified": {
            "levels": ["L0", "L2"], "comparisons": 9, "worst_ratio": 0.1, "seed": 0, "package": package,
            "time": { "clock": "host", "ms": { "min": 1.0, "median": 1.0, "max": 1.0 } } } } })
    };
    let own = env!("CARGO_PKG_VERSION");
    let hash = format!("{:064x}", run.rng.u64(..));
    let answer = match run.rng.u8(0..7) {
        0 => json!([verified("0123456789abcdef", own, Some(hash))]),
        1 => json!([verified(&id, "0.0.9", Some(hash))]),
        2 => json!([]),
        3 => json!([
            verified(&id, own, Some(hash.clone())),
            verified(&id, own, Some(hash))
        ]),
        4 => json!([verified(&id, own, Some(hash))]),
        5 => json!([verified(&id, own, None)]),
        _ => json!({"verified": true}),
    };
    let runner = script(run, &format!("read -r job\necho '{answer}'\n"))?;
    not_accepted(run, &runner)
}

pub(super) fn exchanged(run: &mut Run) -> Result<Happened, Broken> {
    // Another package that is right: it passes, and is not what is to be used.
    let mut package = kforge_runtime::Package::load(run.base.path("package"))?;
    for text in package.files.values_mut() {
        text.extend_from_slice(format!("// {}\n", run.rng.u64(..)).as_bytes());
    }
    let other = run.path("other");
    package.save(&other)?;
    copy_all(&other, &run.path("kept"))?;
    let text = format!(
        "read -r job\nplace=$(echo \"$job\" | sed 's/.*\"folder\":\"\\([^\"]*\\)\".*/\\1/')\n\
         rm -r \"$place/package\"\ncp -r '{}' \"$place/package\"\n\
         echo \"$job\" | exec '{KFORGE_RUN}' \"$@\"\n",
        run.path("kept").display()
    );
    let runner = script(run, &text)?;
    not_accepted(run, &runner)
}
