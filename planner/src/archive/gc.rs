//! Order in the archive: which rows can be believed, and which are no longer needed.

use std::{
    collections::BTreeMap,
    ops::ControlFlow::{self, Continue},
};

use rusqlite::Connection;
use serde::Serialize;

use super::{
    Archive, ArchiveError, judge::Damage, record::Entry, schema::lossy, select::each, shaders,
};

/// Damaged rows and messages of SQLite that are listed by name.
const MOST_LISTED: usize = 100;

/// What [`Archive::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Rows in all.
    pub attempts: u64,
    /// Rows that are believed.
    pub intact: u64,
    /// Rows that are not, by reason.
    pub damaged: BTreeMap<Damage, u64>,
    /// The hashes of the first 100 of them.
    pub damaged_rows: Vec<String>,
    /// Shaders that intact rows name and whose text is missing or another.
    pub lost_shaders: u64,
    /// What SQLite found in the file, at most 100 messages.
    pub file: Vec<String>,
}

impl Verification {
    /// Whether all is as it was stored.
    pub fn is_sound(&self) -> bool {
        self.intact == self.attempts && self.lost_shaders == 0 && self.file.is_empty()
    }
}

/// What [`Archive::gc`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Rows that are not believed.
    pub damaged: u64,
    /// Intact attempts over the number to keep.
    pub attempts: u64,
    /// Keys without attempts.
    pub keys: u64,
    /// Shaders that no attempt names.
    pub shaders: u64,
    /// Whether the file shrank; not while another process reads it, or on a full disk.
    pub compacted: bool,
}

impl Archive {
    /// Reads the whole archive and says what of it cannot be believed. Changes nothing.
    pub fn verify(&self) -> Result<Verification, ArchiveError> {
        let mut report = Verification::default();
        let mut named = std::collections::BTreeSet::new();
        let visit = |found: Result<Entry, (String, Damage)>| -> ControlFlow<()> {
            report.attempts += 1;
            match found {
                Ok(entry) => {
                    report.intact += 1;
                    named.extend(entry.evidence.shaders.into_iter().map(|it| it.hash));
                }
                Err((hash, damage)) => {
                    *report.damaged.entry(damage).or_default() += 1;
                    if report.damaged_rows.len() < MOST_LISTED {
                        report.damaged_rows.push(hash);
                    }
                }
            }
            Continue(())
        };
        each(&self.connection, "", [], visit).map_err(|error| self.failed(error))?;
        for hash in &named {
            let text = shaders::find(&self.connection, hash);
            let text = text.map_err(|error| self.failed(error))?;
            report.lost_shaders += u64::from(text.is_none());
        }
        report.file = pages(&self.connection).map_err(|error| self.failed(error))?;
        Ok(report)
    }

    /// Removes damaged rows, then all but the `keep` fastest passing and the `keep`
    /// latest refused attempts of every key, then what no attempt names, and gives the
    /// space back. A refusal stays while a passing attempt at its plan does, so that
    /// no refused plan comes back. `None` keeps every intact attempt.
    pub fn gc(&mut self, keep: Option<u32>) -> Result<Collected, ArchiveError> {
        let mut collected = self.transact(|connection| collect(connection, keep))?;
        let compact = "VACUUM; PRAGMA wal_checkpoint(TRUNCATE);";
        collected.compacted = self.connection.execute_batch(compact).is_ok();
        Ok(collected)
    }
}

/// SQLite's own check of every page and index.
fn pages(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = format!("PRAGMA integrity_check({MOST_LISTED})");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| lossy(row, 0))?;
    rows.filter(|row| row.as_deref() != Ok("ok")).collect()
}

fn collect(connection: &Connection, keep: Option<u32>) -> rusqlite::Result<Collected> {
    let mut collected = Collected {
        damaged: remove_damaged(connection)?,
        ..Collected::default()
    };
    let count = |sql: &str| connection.execute(sql, []).map(|rows| rows as u64);
    if let Some(keep) = keep {
        // A plan refused after it passed ranks last: it must not take a good one's place.
        collected.attempts += count(&format!(
            "DELETE FROM attempts WHERE hash IN (SELECT hash FROM (
               SELECT a.hash, row_number() OVER (PARTITION BY a.digest ORDER BY EXISTS (
                   SELECT 1 FROM attempts r WHERE r.digest = a.digest AND r.plan = a.plan
                   AND r.verified = 0 AND r.created >= a.created), a.ms, a.hash) AS place
               FROM attempts a WHERE a.verified = 1) WHERE place > {keep})"
        ))?;
        collected.attempts += count(&format!(
            "DELETE FROM attempts WHERE hash IN (SELECT hash FROM (
               SELECT a.hash, a.digest, a.plan, row_number() OVER (
                   PARTITION BY a.digest ORDER BY a.created DESC, a.hash) AS place
               FROM attempts a WHERE a.verified = 0) late
             WHERE place > {keep} AND NOT EXISTS (
               SELECT 1 FROM attempts v
               WHERE v.verified = 1 AND v.digest = late.digest AND v.plan = late.plan))"
        ))?;
    }
    collected.keys = count("DELETE FROM keys WHERE digest NOT IN (SELECT digest FROM attempts)")?;
    collected.shaders = count(
        "DELETE FROM shaders WHERE hash NOT IN (
           SELECT json_extract(it.value, '$.hash')
           FROM attempts a, json_each(a.evidence, '$.shaders') it)",
    )?;
    Ok(collected)
}

/// By row number: a damaged row's hash may be anything.
fn remove_damaged(connection: &Connection) -> rusqlite::Result<u64> {
    let mut rows = Vec::new();
    let mut statement = connection.prepare("SELECT rowid FROM attempts")?;
    let all = statement.query_map([], |row| row.get::<_, i64>(0))?;
    for rowid in all {
        let rowid = rowid?;
        each(connection, "WHERE a.rowid = ?1", [rowid], |found| {
            if found.is_err() {
                rows.push(rowid);
            }
            Continue(())
        })?;
    }
    let mut delete = connection.prepare("DELETE FROM attempts WHERE rowid = ?1")?;
    for rowid in &rows {
        delete.execute([rowid])?;
    }
    Ok(rows.len() as u64)
}
