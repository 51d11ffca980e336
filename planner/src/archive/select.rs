//! Reading rows: each is believed or named as damaged, none ends the search.

use std::ops::ControlFlow;

use rusqlite::{Connection, Params, Row as Sql};
use serde::{Deserialize, Serialize};

use super::{
    judge::Damage,
    record::{Columns, Entry, MAX_TEXT, Row},
};

/// Which attempts a report is about; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A kind of op (`matmul`), or a part of the workload's name.
    pub kernel: Option<String>,
    /// A part of the device's name; case does not matter.
    pub device: Option<String>,
}

impl Filter {
    /// The condition for it, whose two parameters are [`Filter::parameters`].
    pub(super) const SQL: &str =
        "(?1 IS NULL OR instr('+' || k.kernel || '+', '+' || ?1 || '+') > 0
          OR instr(lower(k.workload), lower(?1)) > 0)
         AND (?2 IS NULL OR instr(lower(k.device), lower(?2)) > 0)";

    pub(super) fn parameters(&self) -> (Option<&str>, Option<&str>) {
        (self.kernel.as_deref(), self.device.as_deref())
    }
}

/// What a row turned out to be: the entry, or its hash and why it is not believed.
pub(super) type Found<T = Entry> = Result<T, (String, Damage)>;

/// Hands every row that `tail` selects (`a` is attempts, `k` keys) to `visit` until it
/// breaks.
pub(super) fn each<P: Params>(
    connection: &Connection,
    tail: &str,
    parameters: P,
    mut visit: impl FnMut(Found) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    each_row(connection, tail, parameters, |found| {
        visit(found.map(|(_, entry)| entry))
    })
}

/// [`each`] with the texts as they are stored.
pub(super) fn each_row<P: Params>(
    connection: &Connection,
    tail: &str,
    parameters: P,
    mut visit: impl FnMut(Found<(Row, Entry)>) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    // A text over the limit is not even loaded.
    let text = |name: &str| format!("iif(octet_length({name}) <= {MAX_TEXT}, {name}, NULL)");
    let sql = format!(
        "SELECT a.hash, {}, {}, {}, a.digest, a.attempt_id, a.created, a.verified, a.reason,
                a.ms, a.plan, k.signature, k.kernel, k.workload, k.device
         FROM attempts a LEFT JOIN keys k ON k.digest = a.digest {tail}",
        text("k.text"),
        text("a.attempt"),
        text("a.evidence"),
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        if visit(found(row)).is_break() {
            break;
        }
    }
    Ok(())
}

fn found(sql: &Sql) -> Found<(Row, Entry)> {
    let text = |index: usize| -> Option<String> {
        let value = sql.get_ref(index).ok()?;
        value.as_str().ok().map(str::to_owned)
    };
    let hash = text(0).filter(|it| it.len() == 64 && it.bytes().all(|b| b.is_ascii_hexdigit()));
    let name = hash.clone().unwrap_or_else(|| "without a hash".into());
    let row = || {
        Some(Row {
            hash: hash?,
            key: text(1)?,
            attempt: text(2)?,
            evidence: text(3)?,
        })
    };
    let row = row().ok_or((name.clone(), Damage::Unreadable))?;
    let columns = || {
        Some(Columns {
            digest: text(4)?,
            attempt_id: text(5)?,
            created: sql.get(6).ok()?,
            verified: sql.get(7).ok()?,
            reason: text(8),
            ms: sql.get(9).ok()?,
            plan: text(10)?,
            signature: text(11)?,
            kernel: text(12)?,
            workload: text(13)?,
            device: text(14)?,
        })
    };
    let entry = row.decode().map_err(|damage| (name.clone(), damage))?;
    match columns() == Some(entry.columns(&row)) {
        true => Ok((row, entry)),
        false => Err((name, Damage::ColumnMismatch)),
    }
}
