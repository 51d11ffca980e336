//! What planners and people ask for: the best, the nearest, the latest, one.

use std::{
    collections::BTreeSet,
    ops::ControlFlow::{Break, Continue},
};

use serde::Serialize;

use super::{
    Archive, ArchiveError, Filter,
    judge::Damage,
    key::{self, Adapter, Key},
    record::{Entry, MAX_TEXT, Shader},
    schema::lossy,
    select::{Found, each},
    shaders,
};
use crate::attempt::Outcome;

/// Passing attempts of a key, without plans that the same key refused later: a plan that
/// stopped passing is not the best one. Those that passed every case come first, since they
/// were timed once more to be accepted, and a single time of a search may be luck; then the
/// fastest.
const FASTEST: &str = "WHERE a.digest = ?1 AND a.verified = 1
     AND NOT EXISTS (SELECT 1 FROM attempts r WHERE r.digest = a.digest AND r.plan = a.plan
                     AND r.verified = 0 AND r.created >= a.created)
     ORDER BY CASE WHEN json_valid(a.evidence)
                   THEN json_extract(a.evidence, '$.every_case') END IS NOT 1, a.ms, a.hash";

/// The best attempt of a similar problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbor {
    /// [`Key::distance`]; 0 for the same shapes under another driver or version.
    pub distance: f64,
    /// The attempt.
    pub entry: Entry,
}

/// One attempt with its shaders.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The attempt.
    pub entry: Entry,
    /// Its kernels' texts; those that are missing or damaged are left out.
    pub shaders: Vec<Shader>,
    /// Level 4, as the archive has it: devices of other vendors on which attempts at the same
    /// problem, compiled to the very same kernels, hold level 3 as this one does.
    pub level_4: Vec<Adapter>,
}

impl Archive {
    /// The best attempt that passed under exactly this key: the fastest accepted one, or
    /// where none was accepted the fastest.
    pub fn best(&self, key: &Key) -> Result<Option<Entry>, ArchiveError> {
        self.fastest(&key.digest())
    }

    fn fastest(&self, digest: &str) -> Result<Option<Entry>, ArchiveError> {
        let mut best = None;
        each(&self.connection, FASTEST, [digest], |found| match found {
            Ok(entry) => {
                best = Some(entry);
                Break(())
            }
            Err(_) => Continue(()),
        })
        .map_err(|error| self.failed(error))?;
        Ok(best)
    }

    /// The best attempt of each key, the key that passed last first.
    pub fn leaders(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, ArchiveError> {
        let sql = format!(
            "SELECT k.digest FROM keys k JOIN attempts a ON a.digest = k.digest
             WHERE a.verified = 1 AND {} GROUP BY k.digest ORDER BY max(a.created) DESC, k.digest",
            Filter::SQL
        );
        let digests: Result<Vec<String>, _> =
            self.connection
                .prepare_cached(&sql)
                .and_then(|mut statement| {
                    let rows = statement.query_map(filter.parameters(), |row| lossy(row, 0))?;
                    rows.collect()
                });
        let mut leaders = Vec::new();
        for digest in digests.map_err(|error| self.failed(error))? {
            if leaders.len() == limit {
                break;
            }
            leaders.extend(self.fastest(&digest)?);
        }
        Ok(leaders)
    }

    /// The best attempts at the same ops in other shapes, or under another driver or
    /// version, nearest first; of equal distance this device's first. They are seeds
    /// for a planner, and no evidence for this key.
    pub fn near(&self, key: &Key, limit: usize) -> Result<Vec<Neighbor>, ArchiveError> {
        let own = key.digest();
        let mut keys: Vec<(f64, bool, String)> = self
            .keys(&key.signature())?
            .into_iter()
            .filter(|(digest, _)| *digest != own)
            .filter_map(|(digest, other)| {
                let elsewhere = other.adapter != key.adapter;
                Some((key.distance(&other)?, elsewhere, digest))
            })
            .collect();
        keys.sort_by(|a, b| {
            a.0.total_cmp(&b.0)
                .then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2)))
        });
        let mut neighbors = Vec::new();
        for (distance, _, digest) in keys {
            if neighbors.len() == limit {
                break;
            }
            let entry = self.fastest(&digest)?;
            neighbors.extend(entry.map(|entry| Neighbor { distance, entry }));
        }
        Ok(neighbors)
    }

    /// The intact keys with that signature.
    fn keys(&self, signature: &str) -> Result<Vec<(String, Key)>, ArchiveError> {
        let sql = "SELECT digest, text FROM keys
                   WHERE signature = ?1 AND octet_length(text) <= ?2";
        let read = || -> rusqlite::Result<Vec<(String, Key)>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query((signature, MAX_TEXT as i64))?;
            let mut keys = Vec::new();
            while let Some(row) = rows.next()? {
                let text = |index| row.get_ref(index).ok()?.as_str().ok();
                let (Some(digest), Some(text)) = (text(0), text(1)) else {
                    continue;
                };
                if key::digest(text) == digest
                    && let Ok(key) = serde_json::from_str(text)
                {
                    keys.push((digest.to_owned(), key));
                }
            }
            Ok(keys)
        };
        read().map_err(|error| self.failed(error))
    }

    /// The latest attempts, newest first, refused ones too.
    pub fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, ArchiveError> {
        let tail = format!(
            "WHERE {} ORDER BY a.created DESC, a.rowid DESC",
            Filter::SQL
        );
        let mut entries = Vec::new();
        each(&self.connection, &tail, filter.parameters(), |found| {
            if entries.len() == limit {
                return Break(());
            }
            entries.extend(found.ok());
            Continue(())
        })
        .map_err(|error| self.failed(error))?;
        Ok(entries)
    }

    /// Every attempt under exactly this key, oldest first: what a planner learns from.
    pub fn attempts(&self, key: &Key) -> Result<Vec<Entry>, ArchiveError> {
        let tail = "WHERE a.digest = ?1 ORDER BY a.created, a.rowid";
        let mut entries = Vec::new();
        each(&self.connection, tail, [key.digest()], |found| {
            entries.extend(found.ok());
            Continue(())
        })
        .map_err(|error| self.failed(error))?;
        Ok(entries)
    }

    /// One attempt by its id, or by at least the first 6 digits of its row's hash.
    pub fn show(&self, id: &str) -> Result<Shown, ArchiveError> {
        let tail = "WHERE a.attempt_id = ?1
                    OR (length(?1) >= 6 AND substr(a.hash, 1, length(?1)) = ?1) LIMIT 20";
        let mut all: Vec<Found> = Vec::new();
        each(&self.connection, tail, [id], |found| {
            all.push(found);
            Continue(())
        })
        .map_err(|error| self.failed(error))?;
        let hash = |found: &Found| match found {
            Ok(entry) => entry.hash.clone(),
            Err((hash, _)) => hash.clone(),
        };
        let hashes: Vec<String> = all.iter().map(hash).collect();
        let shown = id.chars().take(64).flat_map(char::escape_debug).collect();
        match (all.pop(), all.is_empty()) {
            (None, _) => Err(ArchiveError::Unknown { id: shown }),
            (Some(_), false) => Err(ArchiveError::Ambiguous { id: shown, hashes }),
            (Some(Err((hash, damage))), true) => Err(damaged(hash, damage)),
            (Some(Ok(entry)), true) => Ok(Shown {
                shaders: self.shaders(&entry)?,
                level_4: self.level_4(&entry)?,
                entry,
            }),
        }
    }

    fn level_4(&self, entry: &Entry) -> Result<Vec<Adapter>, ArchiveError> {
        let mut found: Vec<Adapter> = Vec::new();
        if !holds_level_3(entry) {
            return Ok(found);
        }
        let tail = "WHERE k.signature = ?1 AND a.verified = 1 ORDER BY a.created, a.rowid";
        let signature = entry.key.signature();
        each(&self.connection, tail, [signature], |other| {
            if let Ok(other) = other
                && is_elsewhere(entry, &other)
                && holds_level_3(&other)
                && !found.contains(&other.key.adapter)
            {
                found.push(other.key.adapter);
            }
            Continue(())
        })
        .map_err(|error| self.failed(error))?;
        Ok(found)
    }

    fn shaders(&self, entry: &Entry) -> Result<Vec<Shader>, ArchiveError> {
        let mut found = Vec::new();
        for reference in &entry.evidence.shaders {
            let wgsl = shaders::find(&self.connection, &reference.hash)
                .map_err(|error| self.failed(error))?;
            found.extend(wgsl.map(|wgsl| Shader {
                kernel: reference.kernel.clone(),
                wgsl,
            }));
        }
        Ok(found)
    }
}

fn holds_level_3(entry: &Entry) -> bool {
    let levels = match &entry.attempt.outcome {
        Outcome::Verified { levels, .. } => &levels[..],
        Outcome::Refused { .. } => &[],
    };
    levels.iter().any(|level| level == "L3")
}

/// Whether another vendor's device ran the same kernels for the same problem, made, checked and
/// translated by the same versions.
fn is_elsewhere(entry: &Entry, other: &Entry) -> bool {
    let kernels = |of: &Entry| -> BTreeSet<String> {
        let shaders = of.evidence.shaders.iter();
        shaders.map(|shader| shader.hash.clone()).collect()
    };
    let (key, others) = (&entry.key, &other.key);
    let vendors = [&key.adapter.vendor, &others.adapter.vendor];
    vendors.iter().all(|vendor| !vendor.is_empty())
        && vendors[0] != vendors[1]
        && key.adapter.driver != others.adapter.driver
        && (&key.problem, &key.versions, &key.checks)
            == (&others.problem, &others.versions, &others.checks)
        && !entry.evidence.shaders.is_empty()
        && kernels(entry) == kernels(other)
}

fn damaged(hash: String, damage: Damage) -> ArchiveError {
    ArchiveError::Damaged { hash, damage }
}
