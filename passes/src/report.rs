//! Reports: verdicts as JSON, written whole or not at all.

use std::{fs, io, path::Path};

use kforge_verify::Verdict;

/// Writes the verdicts by entry, through a file beside `path` and a rename.
pub fn write_json(path: &Path, verdicts: &[(String, Verdict)]) -> io::Result<()> {
    let map: std::collections::BTreeMap<&str, &Verdict> = verdicts
        .iter()
        .map(|(entry, verdict)| (entry.as_str(), verdict))
        .collect();
    write_whole(path, &serde_json::to_string_pretty(&map)?)
}

/// Writes a file through one beside it and a rename: it is there whole or not at all.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = fs::File::create(part).and_then(|mut file| {
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()
    });
    match written.and_then(|()| fs::rename(part, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // What was half written is of no use to anyone.
            let _ = fs::remove_file(part);
            Err(error)
        }
    }
}
