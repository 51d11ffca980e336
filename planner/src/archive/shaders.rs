//! Shader texts: each once, by its hash, compressed.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use rusqlite::{Connection, OptionalExtension};

/// Bytes of one shader text. Emitted kernels have some KiB; more is a mistake or a bomb.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Stores `wgsl` under `hash`, and heals what stands there damaged.
pub(super) fn insert(connection: &Connection, hash: &str, wgsl: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO shaders (hash, bytes) VALUES (?1, ?2)
               ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes
               WHERE bytes <> excluded.bytes";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute((hash, compress(wgsl)))?;
    Ok(())
}

/// The text with that hash; `None` if it is missing or another.
pub(super) fn find(connection: &Connection, hash: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT bytes FROM shaders WHERE hash = ?1 AND length(bytes) <= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let bytes: Option<Vec<u8>> = statement
        .query_row((hash, MAX_BYTES as i64), |row| row.get(0))
        .optional()?;
    let text = bytes.and_then(|bytes| expand(&bytes));
    Ok(text.filter(|text| blake3::hash(text.as_bytes()).to_hex().as_str() == hash))
}

fn compress(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail; were it to, the hash would tell on reading.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// Never more than [`MAX_BYTES`], whatever the stream says.
fn expand(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = ZlibDecoder::new(bytes)
        .take(limit)
        .read_to_string(&mut text);
    (read.is_ok() && text.len() <= MAX_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaders_come_back_and_bombs_do_not_unpack() {
        let text = "@compute fn f() {}\n".repeat(1000);
        let packed = compress(&text);
        assert!(packed.len() < text.len() / 20, "{}", packed.len());
        assert_eq!(expand(&packed), Some(text));
        assert_eq!(expand(&compress(&" ".repeat(MAX_BYTES + 1))), None);
        assert_eq!(expand(b"no stream"), None);
    }
}
