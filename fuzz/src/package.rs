//! Packages: the manifest and the reference program.

use std::path::Path;

use kforge_runtime::{
    Manifest, Package,
    manifest::{Code, Step, Symbols},
};
use kforge_verify::Subject;
use serde_json::Value;

/// Valid WGSL for every kernel of a manifest.
const WGSL: &str = "@compute @workgroup_size(1) fn main() {}";

/// A manifest and, after a zero byte, a program: what is valid prints and reads again as the
/// same, has sizes at every value of its symbols or says why not, and what the gate would
/// check of it can be cut out or is refused.
pub fn package_manifest(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0);
    let (manifest, program) = data.split_at(at.unwrap_or(data.len()));
    let Ok(manifest) = Manifest::from_json(Path::new("manifest.json"), manifest) else {
        return;
    };
    let mut package = Package::new(manifest);
    for kernel in package.manifest.kernels.values() {
        if let Code::Wgsl { file } = &kernel.code {
            package.files.insert(file.clone(), WGSL.into());
        }
    }
    // Any valid manifest has hashes of its own files.
    package.manifest.hashes.clear();
    package.program = program
        .get(1..)
        .and_then(|text| serde_json::from_slice::<Value>(text).ok());
    if package.validate().is_err() {
        return;
    }
    prints(&package);
    for symbols in values(&package.manifest) {
        sizes(&package, &symbols);
    }
    units(&package);
}

fn prints(package: &Package) {
    let text = serde_json::to_vec(&package.manifest).unwrap_or_default();
    let again = Manifest::from_json(Path::new("manifest.json"), &text);
    assert_eq!(again.ok().as_ref(), Some(&package.manifest));
    let mut sealed = package.clone();
    assert!(sealed.seal().is_ok());
    assert!(sealed.validate().is_ok());
    assert!(sealed.content_hash().is_ok());
}

/// All symbols at their least, at their greatest, and between.
fn values(manifest: &Manifest) -> Vec<Symbols> {
    let at = |of: fn(i64, i64) -> i64| {
        let symbols = manifest.symbols.iter();
        let symbols = symbols.map(|(name, it)| (name.clone(), of(it.min, it.max)));
        let bound = manifest.bind_symbols(&symbols.collect());
        assert!(bound.is_ok(), "{:?}", bound.err());
        bound.unwrap_or_default()
    };
    vec![
        at(|min, _| min),
        at(|_, max| max),
        at(|min, max| min + (max - min) / 3),
    ]
}

fn sizes(package: &Package, symbols: &Symbols) {
    let manifest = &package.manifest;
    for buffer in &manifest.buffers {
        let Ok(extent) = buffer.instantiate(symbols) else {
            continue;
        };
        let last = extent.shape.iter().zip(&extent.strides);
        let last: u128 = last
            .map(|(size, stride)| u128::from(size.saturating_sub(1)) * u128::from(*stride))
            .sum();
        let empty = extent.shape.contains(&0);
        assert!(
            empty || (last + 1) * buffer.dtype.bytes() as u128 <= u128::from(extent.bytes),
            "{extent:?}"
        );
    }
    for entry in manifest.entries.values() {
        for Step::Dispatch(dispatch) in &entry.steps {
            for count in &dispatch.workgroups {
                let _ = count.evaluate(symbols);
            }
        }
    }
}

fn units(package: &Package) {
    for unit in package.units().unwrap_or_default() {
        if let Ok(cut) = package.unit(&unit) {
            assert_eq!(cut.validate().map_err(|it| it.to_string()), Ok(()));
        }
    }
    for entry in package.manifest.entries.keys() {
        let _ = Subject::of_package(package, entry);
    }
}
