//! Packages of a suite, the list of them, and the programs that measure them.
//!
//! Every work gets the default knobs for the device that is described. A work that does not
//! fit the device, or does not compile for it, is left out and listed with the reason; that
//! the others are correct is for `kforge-run` to find where they are measured.

use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
};

use kforge_dialect::program;
use kforge_passes::report::write_whole;
use kforge_planner::{check, heuristic, plan::Violation, problem::of_module};
use kforge_runtime::{DeviceDescription, PackageError, device::Target};

use super::{
    Element, LeftOut, SCHEMA, Suite, SuiteName, Work,
    source::source,
    works::{self, Planned},
};
use crate::{benchmark, compile::Session};

/// The list beside the packages.
const LIST: &str = "suite.json";

/// What measures a suite where the GPU is.
const PROGRAMS: [(&str, &str); 2] = [
    ("run.py", include_str!("../../bench/run.py")),
    ("peers.py", include_str!("../../bench/peers.py")),
];

/// Why there is no suite.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// Plans for a CPU are measured where they are made.
    #[error("'{0}' is a CPU, and suites are for GPUs; `kforge benchmark-suite` measures a CPU")]
    Cpu(String),
    /// No work has what was asked for in its name.
    #[error("'{text}' is in no work's name; there are: {names}")]
    NoWork {
        /// What was asked for.
        text: String,
        /// The names there are.
        names: String,
    },
    /// The folder has files of somebody else.
    #[error(
        "'{}' is not empty and has no {LIST}; give a new folder, or one that a suite was written to",
        .0.display()
    )]
    Taken(PathBuf),
    /// A file or folder that cannot be written.
    #[error("cannot write '{}': {source}", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A package that cannot be written.
    #[error("cannot write the package '{name}': {source}")]
    Package {
        /// Which work.
        name: String,
        /// Why.
        source: Box<PackageError>,
    },
}

/// Writes a suite for a device into `folder`, works with `only` in their names alone, and
/// gives what is listed; `watch` hears each name before it is compiled. A suite that is
/// there is replaced, package by package, and its list last.
///
/// # Errors
/// A CPU, a folder that is not for suites, `only` in no name, or a file that cannot be
/// written. A work that cannot be compiled is no error: it is in the list as left out.
pub fn emit(
    suite: SuiteName,
    device: &DeviceDescription,
    folder: &Path,
    only: &str,
    watch: &mut dyn FnMut(&str),
) -> Result<Suite, EmitError> {
    if device.target == Target::Cpu {
        return Err(EmitError::Cpu(device.name.clone()));
    }
    let mut planned = works::of(suite);
    let name = |it: &Planned| it.op.name(it.element);
    let names: Vec<String> = planned.iter().map(name).collect();
    planned.retain(|it| name(it).contains(only));
    if planned.is_empty() {
        return Err(EmitError::NoWork {
            text: only.escape_debug().to_string(),
            names: names.join(", "),
        });
    }
    prepare(folder)?;
    let mut list = Suite {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        suite,
        device: device.clone(),
        works: Vec::new(),
        left_out: Vec::new(),
    };
    for work in &planned {
        let name = name(work);
        watch(&name);
        match package(&name, work, device, folder)? {
            Ok(work) => list.works.push(work),
            Err(because) => list.left_out.push(LeftOut { name, because }),
        }
    }
    for (file, text) in PROGRAMS {
        write(&folder.join(file), text)?;
    }
    let text = serde_json::to_string_pretty(&list).map_err(io::Error::from);
    let path = folder.join(LIST);
    let text = text.map_err(|source| EmitError::Write {
        path: path.clone(),
        source,
    })?;
    write(&path, &(text + "\n"))?;
    Ok(list)
}

/// Makes the folder; one with files must be a suite's.
fn prepare(folder: &Path) -> Result<(), EmitError> {
    let failed = |source| EmitError::Write {
        path: folder.to_path_buf(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let found: io::Result<Vec<DirEntry>> = fs::read_dir(folder).and_then(Iterator::collect);
    let found = found.map_err(failed)?;
    match found.is_empty() || found.iter().any(|it| it.file_name() == LIST) {
        true => Ok(()),
        false => Err(EmitError::Taken(folder.to_path_buf())),
    }
}

fn write(path: &Path, text: &str) -> Result<(), EmitError> {
    write_whole(path, text).map_err(|source| EmitError::Write {
        path: path.to_path_buf(),
        source,
    })
}

/// Writes the package of a work, or says why it has none.
fn package(
    name: &str,
    planned: &Planned,
    device: &DeviceDescription,
    folder: &Path,
) -> Result<Result<Work, String>, EmitError> {
    let mut compiled = match fits(planned, device).and_then(|()| compiled(name, planned, device)) {
        Ok(compiled) => compiled,
        Err(because) => return Ok(Err(because)),
    };
    let saved = compiled.package.save(folder.join(name));
    saved.map_err(|source| EmitError::Package {
        name: name.into(),
        source: Box::new(source),
    })?;
    Ok(Ok(compiled.work))
}

/// Whether a device has what every plan of a work needs.
fn fits(planned: &Planned, device: &DeviceDescription) -> Result<(), String> {
    let needs = "shader-f16";
    if planned.element == Element::F16 && !device.features.iter().any(|it| it == needs) {
        return Err(format!("the device has no {needs}"));
    }
    let most = device.storage_binding_bytes.min(device.buffer_bytes);
    let largest = planned.op.largest();
    let bytes = largest.saturating_mul(planned.element.bytes());
    match bytes > most {
        true => Err(format!(
            "a tensor of {bytes} bytes is over the device's limit of {most}"
        )),
        false => Ok(()),
    }
}

struct Compiled {
    package: kforge_runtime::Package,
    work: Work,
}

/// Compiles a work with the default knobs.
fn compiled(name: &str, planned: &Planned, device: &DeviceDescription) -> Result<Compiled, String> {
    let Planned { op, element, peers } = planned;
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let source = source(name, *op, *element).map_err(|it| told(&it))?;
    let session = Session::default();
    let module = session.parse(&source).map_err(|it| told(&it))?;
    let problem = of_module(session.context(), &module).map_err(|it| told(&it))?;
    let plan = heuristic::propose(&problem, device);
    check(&plan, Some(&problem)).map_err(|it| Violation::list(&it))?;
    let counted = program::of_function(module.as_operation(), None);
    let counted = benchmark::Work::of(&counted.map_err(|it| told(&it))?);
    let compiled = session
        .compile(module, &plan.text(), 0)
        .map_err(|it| told(&it))?;
    let entry = compiled.entry().map_err(|it| told(&it))?;
    let package = compiled.serialized.package;
    let steps = package
        .manifest
        .entries
        .get(&entry)
        .map(|it| it.steps.len());
    Ok(Compiled {
        work: Work {
            name: name.into(),
            package: name.into(),
            op: *op,
            element: *element,
            flops: counted.flops,
            bytes: counted.bytes,
            launches: steps.unwrap_or_default(),
            plan: plan.id(),
            peers: peers.clone(),
        },
        package,
    })
}
