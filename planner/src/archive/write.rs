//! Storing attempts: all of a call or nothing of it.

use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    Archive, ArchiveError,
    record::{Entry, Record, Row},
    shaders,
};

impl Archive {
    /// Stores an attempt and returns its row's hash. When this returns, it is on disk.
    /// Storing the same attempt again changes nothing.
    ///
    /// Refused are times and ratios that are not finite and positive, a pass without
    /// a level, and a passing plan that [`crate::check`] refuses for the key.
    pub fn record(&mut self, record: &Record) -> Result<String, ArchiveError> {
        self.record_all(std::slice::from_ref(record))
            .map(|hashes| hashes.concat())
    }

    /// Stores several attempts in one transaction.
    pub fn record_all(&mut self, records: &[Record]) -> Result<Vec<String>, ArchiveError> {
        self.writable()?;
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let encoded = record.encode().map_err(|message| ArchiveError::Unfit {
                id: record
                    .attempt
                    .id
                    .chars()
                    .take(64)
                    .flat_map(char::escape_debug)
                    .collect(),
                message,
            })?;
            rows.push((encoded, &record.shaders));
        }
        self.transact(|connection| {
            for ((row, entry), shaders) in &rows {
                for shader in *shaders {
                    shaders::insert(connection, &shader.hash(), &shader.wgsl)?;
                }
                insert(connection, row, entry)?;
            }
            Ok(())
        })?;
        Ok(rows.into_iter().map(|((row, _), _)| row.hash).collect())
    }

    /// Runs `change` in a transaction that no other writer can come between.
    pub(super) fn transact<T>(
        &mut self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ArchiveError> {
        self.writable()?;
        let immediate = TransactionBehavior::Immediate;
        let run = || {
            let transaction = self.connection.transaction_with_behavior(immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.failed(error))
    }
}

/// Inserts a row; returns whether it was new. A damaged row of that hash is healed.
pub(super) fn insert(connection: &Connection, row: &Row, entry: &Entry) -> rusqlite::Result<bool> {
    let columns = entry.columns(row);
    let sql = "INSERT INTO keys (digest, text, signature, kernel, workload, device)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (digest) DO UPDATE SET text = excluded.text,
                 signature = excluded.signature, kernel = excluded.kernel,
                 workload = excluded.workload, device = excluded.device";
    connection.prepare_cached(sql)?.execute(params![
        columns.digest,
        row.key,
        columns.signature,
        columns.kernel,
        columns.workload,
        columns.device
    ])?;
    let known = connection
        .prepare_cached("SELECT 1 FROM attempts WHERE hash = ?1")?
        .exists([&row.hash])?;
    let sql = "INSERT INTO attempts
                 (hash, digest, attempt_id, created, verified, reason, ms, plan, attempt, evidence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
               ON CONFLICT (hash) DO UPDATE SET digest = excluded.digest,
                 attempt_id = excluded.attempt_id, created = excluded.created,
                 verified = excluded.verified, reason = excluded.reason, ms = excluded.ms,
                 plan = excluded.plan, attempt = excluded.attempt, evidence = excluded.evidence";
    connection.prepare_cached(sql)?.execute(params![
        row.hash,
        columns.digest,
        columns.attempt_id,
        columns.created,
        columns.verified,
        columns.reason,
        columns.ms,
        columns.plan,
        row.attempt,
        row.evidence
    ])?;
    Ok(!known)
}
