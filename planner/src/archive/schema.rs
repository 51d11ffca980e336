//! The tables, and how a file is told from one that only looks like an archive.

use rusqlite::{Connection, Row, TransactionBehavior};

/// Version of the tables, kept in the file's `user_version`.
pub(super) const VERSION: i64 = 1;
/// `kfrg` in the file's header: tells an archive from other people's databases.
pub(super) const APPLICATION: i64 = 0x6b66_7267;

/// A key stands once, an attempt names it by its digest. All columns but the texts
/// and the hash are for searching and are held against the texts when a row is read.
const TABLES: &str = "
CREATE TABLE keys (
  digest TEXT PRIMARY KEY NOT NULL,
  text TEXT NOT NULL,
  signature TEXT NOT NULL,
  kernel TEXT NOT NULL,
  workload TEXT NOT NULL,
  device TEXT NOT NULL
) STRICT;
CREATE INDEX keys_by_signature ON keys (signature);
CREATE TABLE attempts (
  hash TEXT PRIMARY KEY NOT NULL,
  digest TEXT NOT NULL,
  attempt_id TEXT NOT NULL,
  created INTEGER NOT NULL,
  verified INTEGER NOT NULL,
  reason TEXT,
  ms REAL,
  plan TEXT NOT NULL,
  attempt TEXT NOT NULL,
  evidence TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_time ON attempts (digest, verified, ms);
CREATE INDEX attempts_by_plan ON attempts (digest, plan, verified, created);
CREATE INDEX attempts_by_id ON attempts (attempt_id);
CREATE INDEX attempts_by_age ON attempts (created);
CREATE TABLE shaders (
  hash TEXT PRIMARY KEY NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
";

/// What a file is, by its header and its tables.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet.
    Empty,
    /// An archive that can be used.
    Archive,
    /// Another program's database.
    Foreign,
    /// An archive that cannot be used, and why.
    Unusable(String),
}

/// Reads header and tables, and has SQLite check every page.
pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Content> {
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables = tables(connection)?;
    if application == 0 && version == 0 && tables.is_empty() {
        return Ok(Content::Empty);
    }
    if application != APPLICATION {
        return Ok(Content::Foreign);
    }
    if version > VERSION {
        let why = format!("its schema is {version}, this program knows {VERSION}");
        return Ok(Content::Unusable(why));
    }
    // The quick check would pass an index that is not its table's, and the next write fail.
    let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| lossy(row, 0))?;
    if found != "ok" {
        return Ok(Content::Unusable(found));
    }
    // A trigger or a view in a file from elsewhere would be its author's code.
    let expected = {
        let model = Connection::open_in_memory()?;
        model.execute_batch(TABLES)?;
        self::tables(&model)?
    };
    if version != VERSION || tables != expected {
        return Ok(Content::Unusable(
            "its tables are not those of an archive".into(),
        ));
    }
    Ok(Content::Archive)
}

/// Makes the tables; all of them or none.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<[String; 3]>> {
    let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY name LIMIT 100";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok([lossy(row, 0)?, lossy(row, 1)?, lossy(row, 2)?])
    })?;
    rows.collect()
}

/// A column's text, readable even where the file's bytes are none; empty for NULL.
pub(super) fn lossy(row: &Row, index: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(index)?.as_bytes_or_null().unwrap_or_default();
    Ok(String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned())
}
