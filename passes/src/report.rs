//! Reports: verdicts as JSON, written whole or not at all.

use std::{io, path::Path};

use kforge_verify::Verdict;

/// Writes the verdicts by entry.
pub fn write_json(path: &Path, verdicts: &[(String, Verdict)]) -> io::Result<()> {
    let map: std::collections::BTreeMap<&str, &Verdict> = verdicts
        .iter()
        .map(|(entry, verdict)| (entry.as_str(), verdict))
        .collect();
    write_whole(path, &serde_json::to_string_pretty(&map)?)
}

/// Writes a text whole or not at all.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    kforge_runtime::whole_file::write_whole(path, |file| file.write_all(text.as_bytes()))
}
