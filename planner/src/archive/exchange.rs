//! Archives as JSON, for other machines and other people.
//!
//! One object: `format`, `version`, `rows` and `shaders` by hash. A row's three parts
//! are objects; printed without spaces they are the texts that its hash is of. To
//! import is to merge: rows are united, so the best evidence of both is there after,
//! in whichever order, and twice is once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    ops::ControlFlow::{Break, Continue},
    path::Path,
};

use kforge_runtime::whole_file::write_whole;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Archive, ArchiveError, Filter, judge::Damage, open::file, record::Row, select::each_row,
    shaders, write,
};

const FORMAT: &str = "kforge-archive";
const VERSION: u32 = 1;
/// Bytes of an export; 10 000 attempts at one op have 18 MB.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    rows: Vec<Portable>,
    shaders: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Portable {
    hash: String,
    key: Value,
    attempt: Value,
    evidence: Value,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Attempts that were not there before.
    pub added: u64,
    /// Attempts that were.
    pub known: u64,
    /// Rows that are not believed and were left out, by reason.
    pub refused: BTreeMap<Damage, u64>,
    /// Shaders whose text is not that of their hash, or over the limit: left out.
    pub refused_shaders: u64,
}

impl Archive {
    /// Writes the attempts that `filter` selects, with their shaders, and returns their
    /// number. The file appears whole or not at all.
    pub fn export(&self, filter: &Filter, path: &Path) -> Result<u64, ArchiveError> {
        let (document, bytes) = self.document(filter)?;
        if bytes > MAX_BYTES {
            return Err(exchange(
                path,
                format!(
                    "{bytes} bytes or more, the limit is {MAX_BYTES}; filter by kernel or device"
                ),
            ));
        }
        write_whole(path, |file| {
            serde_json::to_writer(&mut *file, &document)?;
            file.write_all(b"\n")
        })
        .map_err(file("write", path))?;
        Ok(document.rows.len() as u64)
    }

    /// The document and its length as far as it was read: reading ends at the limit.
    fn document(&self, filter: &Filter) -> Result<(Document, u64), ArchiveError> {
        let mut rows = Vec::new();
        let mut named = BTreeSet::new();
        let mut bytes = 0;
        let tail = format!("WHERE {} ORDER BY a.created, a.hash", Filter::SQL);
        each_row(&self.connection, &tail, filter.parameters(), |found| {
            let Ok((row, entry)) = found else {
                return Continue(());
            };
            // Some 110 bytes are the field names and the hash.
            bytes += (row.key.len() + row.attempt.len() + row.evidence.len() + 110) as u64;
            // They were read as JSON a moment ago.
            let value = |text: &str| serde_json::from_str(text).unwrap_or_default();
            let row = Portable {
                key: value(&row.key),
                attempt: value(&row.attempt),
                evidence: value(&row.evidence),
                hash: row.hash,
            };
            named.extend(entry.evidence.shaders.into_iter().map(|it| it.hash));
            rows.push(row);
            match bytes > MAX_BYTES {
                true => Break(()),
                false => Continue(()),
            }
        })
        .map_err(|error| self.failed(error))?;
        let mut shaders = BTreeMap::new();
        for hash in named {
            let wgsl = shaders::find(&self.connection, &hash);
            let wgsl = wgsl.map_err(|error| self.failed(error))?;
            if bytes > MAX_BYTES {
                break;
            }
            if let Some(wgsl) = wgsl {
                bytes += wgsl.len() as u64 + 70;
                shaders.insert(hash, wgsl);
            }
        }
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            rows,
            shaders,
        };
        Ok((document, bytes))
    }

    /// Merges an export. Rows that are not believed are left out and counted; all
    /// others are stored together or, on an error, none.
    pub fn import(&mut self, path: &Path) -> Result<Import, ArchiveError> {
        self.writable()?;
        let document = read(path)?;
        let mut import = Import::default();
        let mut rows = Vec::new();
        for row in document.rows {
            let row = row.texts();
            match row.decode() {
                Ok(entry) => rows.push((row, entry)),
                Err(damage) => *import.refused.entry(damage).or_default() += 1,
            }
        }
        let named: BTreeSet<&str> = rows
            .iter()
            .flat_map(|(_, entry)| &entry.evidence.shaders)
            .map(|it| it.hash.as_str())
            .collect();
        let mut texts = Vec::new();
        for (hash, wgsl) in &document.shaders {
            let same = blake3::hash(wgsl.as_bytes()).to_hex().as_str() == hash;
            match same && wgsl.len() <= shaders::MAX_BYTES {
                // What no row names is not wanted.
                true if named.contains(hash.as_str()) => texts.push((hash, wgsl)),
                true => {}
                false => import.refused_shaders += 1,
            }
        }
        let added = self.transact(|connection| {
            for (hash, wgsl) in &texts {
                shaders::insert(connection, hash, wgsl)?;
            }
            let mut added = 0;
            for (row, entry) in &rows {
                added += u64::from(write::insert(connection, row, entry)?);
            }
            Ok(added)
        })?;
        import.added = added;
        import.known = rows.len() as u64 - added;
        Ok(import)
    }
}

impl Portable {
    fn texts(self) -> Row {
        Row {
            hash: self.hash,
            key: self.key.to_string(),
            attempt: self.attempt.to_string(),
            evidence: self.evidence.to_string(),
        }
    }
}

/// Reads an export within its limits.
fn read(path: &Path) -> Result<Document, ArchiveError> {
    let input = File::open(path).map_err(file("read", path))?;
    let mut text = String::new();
    let read = input.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(file("read", path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(exchange(path, format!("more than {MAX_BYTES} bytes")));
    }
    let json =
        |error: serde_json::Error| exchange(path, format!("no export of an archive: {error}"));
    let document: Document = serde_json::from_str(&text).map_err(json)?;
    if document.format != FORMAT || document.version != VERSION {
        let message = format!(
            "format '{}' version {}, expected '{FORMAT}' version {VERSION}",
            document
                .format
                .chars()
                .take(64)
                .flat_map(char::escape_debug)
                .collect::<String>(),
            document.version
        );
        return Err(exchange(path, message));
    }
    Ok(document)
}

fn exchange(path: &Path, message: String) -> ArchiveError {
    ArchiveError::Exchange {
        path: path.to_owned(),
        message,
    }
}
