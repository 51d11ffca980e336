//! Rows, plans and runs that say what is not so, against the library that reads them.

use std::{fs, path::Path};

use kforge_planner::{
    archive::{Archive, Filter, Options},
    plan::from_json,
    report,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::kind::{Broken, Flaw, Happened, Run, demand, happened};

/// A row's three texts, and the row's number.
pub(super) struct Texts {
    pub rowid: i64,
    pub digest: String,
    pub key: String,
    pub attempt: String,
    pub evidence: String,
}

/// One of the rows that passed.
pub(super) fn drawn(run: &mut Run, path: &Path) -> Result<Texts, Broken> {
    let connection = Connection::open(path)?;
    let sql = "SELECT a.rowid, a.digest, k.text, a.attempt, a.evidence FROM attempts a
               JOIN keys k USING (digest) WHERE a.verified = 1 ORDER BY a.rowid";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Texts {
            rowid: row.get(0)?,
            digest: row.get(1)?,
            key: row.get(2)?,
            attempt: row.get(3)?,
            evidence: row.get(4)?,
        })
    })?;
    let mut rows: Vec<Texts> = rows.collect::<Result<_, _>>()?;
    let place = run.rng.usize(0..rows.len());
    Ok(rows.swap_remove(place))
}

/// The hash that a forger, too, can compute.
pub(super) fn hash(texts: [&str; 3]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// What is believed, as JSON by hash.
fn believed(path: &Path) -> Result<Vec<(String, Value)>, Broken> {
    let archive = Archive::open(path, &Options::default())?;
    let mut all = archive.history(&Filter::default(), usize::MAX)?;
    all.extend(archive.leaders(&Filter::default(), usize::MAX)?);
    let text = |entry| serde_json::to_value(entry).unwrap_or_default();
    Ok(all
        .into_iter()
        .map(|it| (it.hash.clone(), text(it)))
        .collect())
}

/// Demands that nothing is believed that was not stored as it is.
fn only_stored(run: &Run, path: &Path) -> Result<(), Broken> {
    let stored = believed(&run.base.path("archive.sqlite"))?;
    let strange = believed(path)?.into_iter().find(|it| !stored.contains(it));
    demand(strange.is_none(), Flaw::FalseVerdict, || {
        format!("believed: {strange:?}")
    })
}

/// Another digit or letter at a drawn place; `None` where there is none.
fn another(run: &mut Run, text: &str) -> Option<String> {
    let places: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(at, _)| at)
        .collect();
    let at = *places.get(run.rng.usize(0..places.len().max(1)))?;
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = match bytes[at] {
        b'9' | b'z' | b'Z' => bytes[at] - 1,
        other => other + 1,
    };
    String::from_utf8(bytes).ok()
}

pub(super) fn edited(run: &mut Run) -> Result<Happened, Broken> {
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    let row = drawn(run, &path)?;
    let connection = Connection::open(&path)?;
    let places = [
        ("attempts", "attempt", &row.attempt),
        ("attempts", "evidence", &row.evidence),
        ("keys", "text", &row.key),
        ("attempts", "attempt_id", &row.attempt),
        ("attempts", "ms", &row.attempt),
        ("attempts", "plan", &row.attempt),
        ("attempts", "created", &row.attempt),
    ];
    let (table, column, text) = places[run.rng.usize(0..places.len())];
    let value = match column {
        "attempt" | "evidence" | "text" => another(run, text).unwrap_or_default(),
        "ms" => format!("{}e-9", run.rng.u32(1..1000)),
        "created" => run.rng.u32(1..2_000_000_000).to_string(),
        _ => format!("{:016x}", run.rng.u64(..)),
    };
    let place = match table {
        "keys" => format!("digest = '{}'", row.digest),
        _ => format!("rowid = {}", row.rowid),
    };
    let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {place} AND {column} <> ?1");
    if connection.execute(&sql, [&value])? == 0 {
        return Ok(Happened::NotInjected);
    }
    drop(connection);
    only_stored(run, &path)?;
    happened("not believed")
}

/// Writes other texts into a row, its hash to match.
pub(super) fn write(path: &Path, row: &Texts) -> Result<(), Broken> {
    let connection = Connection::open(path)?;
    let hash = hash([&row.key, &row.attempt, &row.evidence]);
    connection.execute(
        "UPDATE attempts SET attempt = ?1, evidence = ?2, hash = ?3 WHERE rowid = ?4",
        (&row.attempt, &row.evidence, &hash, row.rowid),
    )?;
    Ok(())
}

pub(super) fn impossible(run: &mut Run) -> Result<Happened, Broken> {
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    let mut row = drawn(run, &path)?;
    let mut attempt: Value = serde_json::from_str(&row.attempt)?;
    let before = attempt.clone();
    let nothing = -run.rng.f64();
    let outcome = &mut attempt["outcome"];
    match run.rng.u8(0..9) {
        0 => outcome["ms"] = json!(nothing),
        1 => outcome["ms"] = json!(0),
        2 => outcome["speedup"] = json!(nothing),
        3 => outcome["levels"] = json!([]),
        4 => outcome["levels"] = json!(["L0", format!("L{}", run.rng.u32(5..1000))]),
        5 => outcome["worst_ratio"] = json!(1.0 + run.rng.f64()),
        6 => outcome["accepted"] = json!(true),
        7 => attempt["plan"]["passes"][0]["pass"] = json!("kforge-trust-me"),
        _ => attempt["id"] = json!(format!("\u{1b}[{}J", run.rng.u8(..))),
    }
    if attempt == before {
        return Ok(Happened::NotInjected);
    }
    row.attempt = attempt.to_string();
    write(&path, &row)?;
    only_stored(run, &path)?;
    happened("not believed")
}

pub(super) fn renamed(run: &mut Run) -> Result<Happened, Broken> {
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    let row = drawn(run, &path)?;
    let mut key: Value = serde_json::from_str(&row.key)?;
    let other = format!("{:x}", run.rng.u64(..));
    let places = [
        "/adapter/name",
        "/adapter/driver_info",
        "/adapter/backend",
        "/versions/kforge",
        "/versions/verifier",
        "/problem/module",
    ];
    let place = places[run.rng.usize(0..places.len())];
    let Some(value) = key.pointer_mut(place) else {
        return Ok(Happened::NotInjected);
    };
    *value = json!(other);
    let text = key.to_string();
    let digest = blake3::hash(text.as_bytes()).to_hex().as_str()[..32].to_owned();
    let connection = Connection::open(&path)?;
    connection.execute(
        "UPDATE keys SET text = ?1, digest = ?2 WHERE digest = ?3",
        (&text, &digest, &row.digest),
    )?;
    // All but the rows' own hashes.
    let sql = "UPDATE attempts SET digest = ?1 WHERE digest = ?2";
    connection.execute(sql, (&digest, &row.digest))?;
    drop(connection);
    only_stored(run, &path)?;
    happened("not believed")
}

/// A drawn object in a value.
fn object<'v>(run: &mut Run, value: &'v mut Value) -> &'v mut Value {
    let inner = match &*value {
        Value::Object(fields) => fields
            .values()
            .filter(|it| it.is_object() || it.is_array())
            .count(),
        Value::Array(items) => items.iter().filter(|it| it.is_object()).count(),
        _ => 0,
    };
    let stay = value.is_object() && run.rng.bool();
    if inner == 0 || stay {
        return value;
    }
    let place = run.rng.usize(0..inner);
    let next = match value {
        Value::Object(fields) => {
            let mut inner = fields
                .values_mut()
                .filter(|it| it.is_object() || it.is_array());
            inner.nth(place)
        }
        Value::Array(items) => items.iter_mut().filter(|it| it.is_object()).nth(place),
        _ => None,
    };
    // `inner` were counted a moment ago.
    object(run, next.unwrap_or_else(|| unreachable!()))
}

pub(super) fn plan_with_verdict(run: &mut Run) -> Result<Happened, Broken> {
    let text = fs::read_to_string(run.base.path("plan.json"))?;
    let mut plan: Value = serde_json::from_str(&text)?;
    let words = [
        "verified",
        "verdict",
        "accepted",
        "kforge.verified",
        "levels",
        "outcome",
        "trusted",
        "ms",
        "skip-verify",
        "hash",
        "evidence",
        "signature",
    ];
    let word = words[run.rng.usize(0..words.len())];
    let values = [
        json!(true),
        json!("verified"),
        json!(["L0", "L2"]),
        json!(0.001),
        json!({"passed": true}),
    ];
    let value = values[run.rng.usize(0..values.len())].clone();
    let place = object(run, &mut plan);
    if !place.is_object() {
        return Ok(Happened::NotInjected);
    }
    place[word] = value;
    let text = plan.to_string();
    match from_json(&text, None) {
        Err(_) => happened("refused"),
        Ok(read) => {
            // A knob of an op may have any name until it is checked.
            let refused = kforge_planner::check(&read, None).is_err();
            demand(refused, Flaw::FalseVerdict, || format!("read: {text}"))?;
            happened("refused by the check")
        }
    }
}

pub(super) fn report(run: &mut Run) -> Result<Happened, Broken> {
    let text = fs::read_to_string(run.base.path("run.json"))?;
    let mut value: Value = serde_json::from_str(&text)?;
    let count = value["attempts"].as_array().map_or(0, Vec::len);
    let place = match run.rng.u8(0..3) {
        0 => "/best".to_owned(),
        1 => "/baseline".to_owned(),
        _ => format!("/attempts/{}", run.rng.usize(0..count.max(1))),
    };
    let draws = [run.rng.f64(), run.rng.f64()];
    let Some(attempt) = value.pointer_mut(&place) else {
        return Ok(Happened::NotInjected);
    };
    let before = attempt.clone();
    match run.rng.u8(0..6) {
        0 => attempt["outcome"]["ms"] = json!(-draws[0]),
        1 => attempt["outcome"]["speedup"] = json!(-draws[0]),
        2 => attempt["outcome"]["worst_ratio"] = json!(1.0 + draws[1]),
        3 => attempt["outcome"]["levels"] = json!(["verified"]),
        4 => attempt["id"] = json!(format!("{:016x}", run.rng.u64(..))),
        _ => attempt["outcome"]["accepted"] = json!(true),
    }
    if *attempt == before {
        return Ok(Happened::NotInjected);
    }
    match serde_json::from_value::<report::Run>(value) {
        Err(_) => happened("not read"),
        Ok(read) => {
            demand(read.impossible().is_some(), Flaw::FalseVerdict, || place)?;
            happened("refused")
        }
    }
}
