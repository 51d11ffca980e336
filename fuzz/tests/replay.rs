//! Every target on its seeds: those of its folder, where every input that was ever found
//! wrong stays, and those that are made.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{fs, path::Path};

use kforge_fuzz::{TARGETS, made_seeds};

#[test]
fn seeds_are_handled_as_promised() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        assert!(
            root.join(format!("fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
        let folder = root.join("seeds").join(name);
        let files = fs::read_dir(&folder).map(|it| it.map(|it| it.unwrap().path()).collect());
        let files: Vec<_> = files.unwrap_or_default();
        let seeds: Vec<Vec<u8>> = files.iter().map(|it| fs::read(it).unwrap()).collect();
        let made = made_seeds(name);
        assert!(seeds.len() + made.len() > 0, "{name} has no seeds");
        for seed in seeds.iter().chain(&made) {
            println!("{name}: {} bytes", seed.len());
            target(seed);
        }
    }
}
