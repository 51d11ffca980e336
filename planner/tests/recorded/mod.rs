//! The devices under test/Inputs/devices.

use std::fs;

use kforge_runtime::DeviceDescription;

/// All of them, by file name.
pub fn devices() -> Vec<DeviceDescription> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../test/Inputs/devices");
    let files = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
    paths.sort();
    let read = |path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    paths.into_iter().map(read).collect()
}
