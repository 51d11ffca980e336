//! Faults while the tools write their results: plans, audits, packages, arrays, reports,
//! candidates, the regression corpus.

use std::fs;

use kforge_mutate::Corpus;
use kforge_planner::plan::from_json;
use kforge_runtime::Package;
use kforge_tools::optimize::Audit;

use crate::{
    base::{Writer, disturbed, keeps, rows},
    child::{At, Ended, KFORGE_RUN, Who},
    kind::{Broken, Flaw, Kind, Run, demand},
};

macro_rules! kinds {
    ($($name:literal, $what:literal, $writer:ident, $cheap:literal;)*) => {
        &[$(
            Kind {
                name: concat!($name, "-killed"),
                injected: concat!("kill -9 before a step of ", $what),
                cheap: $cheap,
                at_once: 2,
                run: |run| disturbed(run, &$writer, At::Kill),
            },
            Kind {
                name: concat!($name, "-no-space"),
                injected: concat!("ENOSPC at a step of ", $what),
                cheap: $cheap,
                at_once: 2,
                run: |run| disturbed(run, &$writer, At::Error("ENOSPC")),
            },
            Kind {
                name: concat!($name, "-io-error"),
                injected: concat!("EIO at a step of ", $what),
                cheap: false,
                at_once: 2,
                run: |run| disturbed(run, &$writer, At::Error("EIO")),
            },
        )*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds![
    "compile", "`compile-transformer`: archive, plan, audit, package", COMPILE, true;
    "optimize", "`optimize`: archive and plan", OPTIMIZE, false;
    "array", "`kforge-run --out-dir` over an older file", ARRAY, true;
    "package", "`kforge-run --package-dir` over an older package", PACKAGE, true;
    "candidates", "`optimize --emit-candidates`, any thread", CANDIDATES, false;
    "report", "`report --format html` over an older page", REPORT, true;
    "corpus", "`mutate-and-test`: reports, and the corpus in the child", CORPUS, false;
];

const COMPILE: Writer = Writer {
    key: "compile",
    who: Who::Main,
    prepare: |run| {
        clear(run)?;
        run.copy("p.mlir")?;
        run.copy_as("archive.sqlite", "a.sqlite")?;
        Ok(())
    },
    command: |run| {
        run.kforge(&[
            "compile-transformer",
            "p.mlir",
            "--archive",
            "a.sqlite",
            "--plan-output",
            "plan.json",
            "--audit-output",
            "audit.json",
            "--corpus",
            "corpus.json",
            "-o",
            "out",
        ])
    },
    check: compiled,
    leaves: &[
        "p.mlir",
        "a.sqlite",
        "a.sqlite.lock",
        "a.sqlite-wal",
        "a.sqlite-shm",
        "plan.json",
        "audit.json",
        "out",
        "corpus.json",
        "corpus.json.lock",
    ],
};

const OPTIMIZE: Writer = Writer {
    key: "optimize",
    command: |run| {
        run.kforge(&[
            "optimize",
            "p.mlir",
            "--planner",
            "random",
            "--seed",
            "9",
            "--max-iterations",
            "2",
            "--time",
            "2",
            "--archive",
            "a.sqlite",
            "--no-corpus",
            "--plan-output",
            "plan.json",
        ])
    },
    check: |run, ended| {
        plan(run, ended)?;
        keeps(
            &run.path("a.sqlite"),
            &rows(&run.base.path("archive.sqlite"))?,
        )?;
        Ok(())
    },
    ..COMPILE
};

const ARRAY: Writer = Writer {
    key: "array",
    who: Who::Main,
    prepare: |run| {
        clear(run)?;
        run.copy("package")?;
        run.copy("x.npy")?;
        fs::create_dir(run.path("out"))?;
        run.copy_as("x.npy", "out/result.0.npy")?;
        Ok(())
    },
    command: |run| {
        let line = ["package", "--arg", "0=x.npy", "--out-dir", "out"];
        run.tool(KFORGE_RUN, &line)
    },
    check: |run, ended| one_of(run, ended, "out/result.0.npy", "x.npy", "out/result.0.npy"),
    leaves: &["package", "x.npy", "out"],
};

const PACKAGE: Writer = Writer {
    key: "package",
    who: Who::Main,
    prepare: |run| {
        clear(run)?;
        run.copy("p.mlir")?;
        run.copy("x.npy")?;
        run.copy_as("compiled", "out")?;
        Ok(())
    },
    command: |run| {
        let line = ["p.mlir", "--arg", "0=x.npy", "--package-dir", "out"];
        run.tool(KFORGE_RUN, &line)
    },
    check: |run, ended| {
        let hash = |path: std::path::PathBuf| {
            let package = Package::load(path).map_err(lost)?;
            package.content_hash().map_err(lost)
        };
        let found = hash(run.path("out"))?;
        let old = found == hash(run.base.path("compiled"))? && ended.code() != Some(0);
        let new = found == hash(run.base.path("package"))?;
        demand(old || new, Flaw::Lost, || {
            "neither the older nor the new package".into()
        })
    },
    leaves: &["p.mlir", "x.npy", "out"],
};

const CANDIDATES: Writer = Writer {
    key: "candidates",
    who: Who::All,
    prepare: |run| {
        clear(run)?;
        run.copy("p.mlir")?;
        Ok(())
    },
    command: |run| {
        run.kforge(&[
            "optimize",
            "p.mlir",
            "--planner",
            "random",
            "--max-iterations",
            "2",
            "--no-archive",
            "--emit-candidates",
            "out",
        ])
    },
    check: candidates,
    leaves: &["p.mlir", "out"],
};

const REPORT: Writer = Writer {
    key: "report",
    who: Who::Main,
    prepare: |run| {
        clear(run)?;
        run.copy("run.json")?;
        run.copy_as("p.mlir", "out.html")?;
        Ok(())
    },
    command: |run| run.kforge(&["report", "run.json", "--format", "html", "-o", "out.html"]),
    check: |run, ended| one_of(run, ended, "out.html", "p.mlir", "run.html"),
    leaves: &["run.json", "out.html"],
};

const CORPUS: Writer = Writer {
    key: "corpus",
    who: Who::Main,
    prepare: |run| {
        clear(run)?;
        run.copy("corpus.json")?;
        Ok(())
    },
    command: |run| {
        run.kforge(&[
            "mutate-and-test",
            "--kernel",
            "softmax",
            "--place",
            "kernel",
            "--limit",
            "1",
            "--kind",
            "maximum_minimum",
            "--corpus",
            "corpus.json",
        ])
    },
    check: |run, _| {
        let read = |path: &std::path::Path| Corpus::load(path).map_err(lost);
        let (old, _) = read(&run.base.path("corpus.json"))?;
        let (new, aside) = read(&run.path("corpus.json"))?;
        demand(aside.is_none(), Flaw::Lost, || {
            "the corpus is set aside".into()
        })?;
        let has = |case: &kforge_mutate::corpus::Kept| {
            let same = |it: &&kforge_mutate::corpus::Kept| {
                (&it.program, &it.stage, &it.values) == (&case.program, &case.stage, &case.values)
            };
            new.cases
                .iter()
                .find(same)
                .is_some_and(|it| it.count >= case.count)
        };
        demand(old.cases.iter().all(has), Flaw::Lost, || {
            "a case is gone".into()
        })
    },
    leaves: &["corpus.json", "corpus.json.lock", "reports"],
};

/// Removes what an earlier command left.
fn clear(run: &Run) -> Result<(), Broken> {
    for entry in fs::read_dir(run.folder())? {
        let path = entry?.path();
        match path.is_dir() {
            true => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    Ok(fs::create_dir(run.path("tmp"))?)
}

fn lost(error: impl std::fmt::Display) -> Broken {
    Broken {
        flaw: Flaw::Lost,
        detail: error.to_string(),
    }
}

/// The file is the older one, or the one that a run without a fault writes.
fn one_of(run: &Run, ended: &Ended, name: &str, old: &str, new: &str) -> Result<(), Broken> {
    let found = fs::read(run.path(name)).map_err(lost)?;
    let older = found == fs::read(run.base.path(old))? && ended.code() != Some(0);
    let newer = found == fs::read(run.base.path(new))?;
    demand(older || newer, Flaw::Lost, || {
        format!("'{name}' is neither the older nor the new one")
    })
}

/// The plan, if it is there; whole, and there where success was said.
fn plan(run: &Run, ended: &Ended) -> Result<Option<String>, Broken> {
    match fs::read_to_string(run.path("plan.json")) {
        Ok(text) => Ok(Some(from_json(&text, None).map_err(lost)?.id())),
        Err(_) => {
            demand(ended.code() != Some(0), Flaw::Lost, || {
                "no plan is written".into()
            })?;
            Ok(None)
        }
    }
}

/// Each file is whole or absent, and what is accepted is what was verified and is shipped.
pub(crate) fn compiled(run: &Run, ended: &Ended) -> Result<(), Broken> {
    keeps(
        &run.path("a.sqlite"),
        &rows(&run.base.path("archive.sqlite"))?,
    )?;
    let plan = plan(run, ended)?;
    let audit = fs::read_to_string(run.path("audit.json")).ok();
    let audit: Option<Audit> = audit
        .map(|text| serde_json::from_str(&text).map_err(lost))
        .transpose()?;
    let said = ended.code() == Some(0);
    demand(!said || audit.is_some(), Flaw::Lost, || {
        "no audit is written".into()
    })?;
    let out = run.path("out");
    let shipped = match out.exists() {
        true => Some(
            Package::load(&out)
                .map_err(lost)?
                .content_hash()
                .map_err(lost)?,
        ),
        false => None,
    };
    demand(!said || shipped.is_some(), Flaw::Lost, || {
        "no package is written".into()
    })?;
    let Some(audit) = audit else {
        return demand(shipped.is_none(), Flaw::FalseVerdict, || {
            "shipped without an audit".into()
        });
    };
    let accepted = audit.accepted().map(|proposal| {
        let verdict = serde_json::to_value(&proposal.verdict).unwrap_or_default();
        let hash = verdict["verified"]["package"].as_str().map(str::to_owned);
        (proposal.id.clone(), hash)
    });
    match accepted {
        Some((id, hash)) => {
            demand(plan == Some(id), Flaw::FalseVerdict, || {
                "another plan than accepted".into()
            })?;
            demand(hash.is_some(), Flaw::FalseVerdict, || {
                "accepted without a verdict".into()
            })?;
            demand(
                shipped.is_none() || shipped == hash,
                Flaw::FalseVerdict,
                || "another package than was verified".into(),
            )
        }
        None => demand(!said && shipped.is_none(), Flaw::FalseVerdict, || {
            "shipped without a verdict".into()
        }),
    }
}

/// After a compilation without an archive in which nothing may be accepted.
pub(crate) fn compiled_alone(run: &Run) -> Result<(), Broken> {
    let audit = fs::read_to_string(run.path("audit.json")).map_err(lost)?;
    let audit: Audit = serde_json::from_str(&audit).map_err(lost)?;
    let nothing = audit.accepted.is_none() && !run.path("out").exists();
    let nothing = nothing && !run.path("plan.json").exists();
    demand(nothing, Flaw::FalseVerdict, || {
        "something is accepted".into()
    })
}

/// What is listed as a candidate is whole.
fn candidates(run: &Run, ended: &Ended) -> Result<(), Broken> {
    let out = run.path("out");
    let listed = match out.exists() {
        true => kforge_tools::measure::list(&out).unwrap_or_default(),
        false => Vec::new(),
    };
    for place in &listed {
        Package::load(place.join("package")).map_err(lost)?;
        let text = fs::read_to_string(place.join("plan.json")).map_err(lost)?;
        let id = from_json(&text, None).map_err(lost)?.id();
        demand(place.ends_with(&id), Flaw::Lost, || {
            "the plan of another candidate".into()
        })?;
        fs::read_to_string(place.join("own-shape-only.json")).map_err(lost)?;
        for shape in fs::read_dir(place.join("shapes"))? {
            Package::load(shape?.path()).map_err(lost)?;
        }
    }
    demand(
        ended.code() != Some(0) || !listed.is_empty(),
        Flaw::Lost,
        || "no candidate is there".into(),
    )
}
