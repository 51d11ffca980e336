//! The folder of a candidate.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use kforge_runtime::{
    Package, PackageError,
    whole_file::{put_folder, write_whole},
};
use kforge_verify::{Runnable, Subject, SubjectError, Variant};
use serde::Deserialize;
use serde_json::json;

/// Its package, in the folder of a candidate.
pub const PACKAGE: &str = "package";
const SHAPES: &str = "shapes";
/// Stages without other shapes, each with the reason.
const OWN_SHAPE_ONLY: &str = "own-shape-only.json";
/// The plan, which measuring only hands through.
const PLAN: &str = "plan.json";

/// Why a folder is no candidate.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// The file system refuses.
    #[error("'{path}': {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A package in it is not valid.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A package in it cannot be verified.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A package with no or several functions.
    #[error("'{path}' has {count} entries, a candidate has one")]
    Entries {
        /// Which package.
        path: PathBuf,
        /// How many entries it has.
        count: usize,
    },
    /// There is nothing to measure.
    #[error("'{0}' holds no candidates: no folder in it has a '{PACKAGE}' folder")]
    Empty(PathBuf),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CandidateError {
    let path = path.to_path_buf();
    |source| CandidateError::Io { path, source }
}

/// Writes a candidate whole: its folder appears under its name only when complete.
pub fn write(folder: &Path, plan: &str, subject: &Subject) -> Result<(), CandidateError> {
    // Its ending keeps it from being listed, whoever else writes the same candidate.
    let place = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(place).map_err(io_error(place))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kforge-").suffix(".part");
    let staging = builder.tempdir_in(place).map_err(io_error(place))?;
    let part = staging.path().join("new");
    fs::create_dir_all(part.join(SHAPES)).map_err(io_error(&part))?;
    subject.function.package.clone().save(part.join(PACKAGE))?;
    for (index, variant) in subject.variants.iter().enumerate() {
        let Runnable {
            stage,
            package,
            program,
            ..
        } = &variant.unit;
        let (mut package, mut program) = (package.clone(), program.clone());
        program.name.clone_from(stage);
        package.program = Some(json!({ "function": program, "of": variant.of }));
        package.save(part.join(SHAPES).join(format!("{index:02}")))?;
    }
    let own = serde_json::to_string(&subject.own_shape_only).unwrap_or_default();
    for (name, text) in [(PLAN, plan), (OWN_SHAPE_ONLY, &own)] {
        let file = part.join(name);
        write_whole(&file, |it| it.write_all(text.as_bytes())).map_err(io_error(&file))?;
    }
    put_folder(&part, folder).map_err(io_error(folder))
}

/// The candidates in a folder, by name.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, CandidateError> {
    let mut found = folders(folder)?;
    found.retain(|path| path.join(PACKAGE).is_dir());
    match found.is_empty() {
        true => Err(CandidateError::Empty(folder.to_path_buf())),
        false => Ok(found),
    }
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, CandidateError> {
    let entries = fs::read_dir(folder).map_err(io_error(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(io_error(folder))?;
    paths.retain(|path| path.is_dir() && path.extension().is_none_or(|it| it != "part"));
    paths.sort();
    Ok(paths)
}

/// What the gate checks of a candidate.
pub(crate) fn subject(folder: &Path) -> Result<Subject, CandidateError> {
    let mut subject = package(&folder.join(PACKAGE))?;
    for path in folders(&folder.join(SHAPES))? {
        let mut unit = package(&path)?.function;
        unit.stage.clone_from(&unit.program.name);
        let of = unit
            .package
            .program
            .as_ref()
            .and_then(|program| program.get("of"));
        let of = of.map_or_else(Vec::new, |of| Vec::deserialize(of).unwrap_or_default());
        subject.variants.push(Variant { unit, of });
    }
    let path = folder.join(OWN_SHAPE_ONLY);
    let text = fs::read(&path).map_err(io_error(&path))?;
    subject.own_shape_only =
        serde_json::from_slice(&text).map_err(|error| io_error(&path)(io::Error::from(error)))?;
    Ok(subject)
}

/// What the gate checks of a package of one function.
pub(crate) fn package(path: &Path) -> Result<Subject, CandidateError> {
    let package = Package::load(path)?;
    let entries: Vec<&String> = package
        .manifest
        .entries
        .keys()
        .filter(|it| *it != "init")
        .collect();
    let [entry] = entries[..] else {
        return Err(CandidateError::Entries {
            path: path.to_path_buf(),
            count: entries.len(),
        });
    };
    Ok(Subject::of_package(&package, entry)?)
}
