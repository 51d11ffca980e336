//! Mistakes in IR: made by the pass `kforge-mutate`, compiled, and judged as packages.
//!
//! A mistake in an op on tensors is tried twice. Once the kernels say what they compute,
//! as after a wrong fusion: the programs differ from the reference. Once they claim to
//! compute what was asked for, as after a wrong lowering: only their values are wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kforge_mutate::{Fate, Instance, Judged, Kind, Place, Purpose};
use kforge_passes::mutate::{self, Level, Mutation};
use kforge_runtime::Package;
use kforge_verify::Subject;

use super::{
    campaign::{Campaign, Prepared},
    job::Ask,
    sample::sample,
    settings::MutateError,
};
use crate::{
    compile::{Compiled, Session, Source},
    measure::{PACKAGE, write},
};

/// How instances are marked whose kernels claim to be right.
const CLAIMED: &str = "claimed";

/// The kinds, as those of other places.
pub(super) fn kinds() -> impl Iterator<Item = Kind> {
    mutate::all().map(|mutation| match mutation.is_control {
        true => Kind::control(Place::Ir, mutation.name, mutation.what),
        false => Kind::mutant(Place::Ir, mutation.name, mutation.what),
    })
}

/// A module where mistakes are put, and what is still to run on it.
struct Stage {
    level: Level,
    source: Source,
    rest: String,
}

/// What a mistake became.
enum Made {
    Folder(PathBuf),
    Fate(Fate),
}

impl Campaign<'_> {
    /// Mutants of a program's IR.
    pub(super) fn of_ir(&mut self, prepared: &Prepared) -> Result<(), MutateError> {
        let kinds = mutate::all().filter(|it| self.wants(Place::Ir, it.name));
        let kinds: Vec<&Mutation> = kinds.collect();
        if kinds.is_empty() {
            return Ok(());
        }
        let failed = |why: String| MutateError::Child {
            program: prepared.name.clone(),
            why,
        };
        let base = Package::load(prepared.folder.join(PACKAGE))
            .map_err(|error| failed(error.to_string()))?;
        for stage in stages(prepared).map_err(failed)? {
            let own = kinds.iter().filter(|kind| kind.level == stage.level);
            let instances = instances(&stage, own.copied()).map_err(failed)?;
            let instances = sample(instances, self.settings.limit, self.settings.seed);
            let folder = self.folder.join(format!("{}-ir", prepared.name));
            let (mut jobs, mut asked) = (Vec::new(), Vec::new());
            for instance in instances {
                if self.is_over() {
                    break;
                }
                let purpose = purpose(&instance);
                let place = folder.join(format!("{}", asked.len()));
                let start = std::time::Instant::now();
                match make(prepared, &stage, &instance, &base, &place) {
                    Made::Folder(place) => {
                        let ask = Ask::Changed {
                            folder: place,
                            kind: instance.kind.clone(),
                            control: purpose == Purpose::Control,
                        };
                        jobs.push(self.job(prepared, prepared.folder.clone(), ask));
                        asked.push((purpose, instance));
                    }
                    Made::Fate(fate) => {
                        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                        let judged = Judged {
                            fate,
                            stages: Default::default(),
                            ms,
                        };
                        self.record(prepared, purpose, instance, judged, None);
                    }
                }
            }
            self.ask_all(prepared, jobs, asked)?;
            // What was judged can be made again.
            let _ = fs::remove_dir_all(&folder);
        }
        Ok(())
    }
}

fn purpose(instance: &Instance) -> Purpose {
    match mutate::find(&instance.kind).is_some_and(|it| it.is_control) {
        true => Purpose::Control,
        false => Purpose::Mutant,
    }
}

/// The module before the conversion, and behind everything.
fn stages(prepared: &Prepared) -> Result<[Stage; 2], String> {
    let pipeline = prepared.plan.text();
    let (before, convert) = pipeline
        .split_once(",convert-kforge-to-")
        .ok_or("the plan's pipeline has no conversion")?;
    let run = |pipeline: &str| -> Result<Source, String> {
        let session = Session::default();
        let mut module = session
            .parse(&prepared.source)
            .map_err(|error| error.to_string())?;
        session
            .run(&mut module, pipeline)
            .map_err(|error| error.to_string())?;
        let text = kforge_text(&module);
        Ok(Source::of_text(prepared.name.clone(), text))
    };
    Ok([
        Stage {
            level: Level::Ops,
            source: run(&format!("{before})"))?,
            rest: format!("canonicalize,cse,convert-kforge-to-{convert}"),
        },
        Stage {
            level: Level::Kernels,
            source: run(&pipeline)?,
            rest: "canonicalize,cse)".into(),
        },
    ])
}

fn kforge_text(module: &melior::ir::Module) -> String {
    use melior::ir::operation::OperationLike;
    debug_assert!(module.as_operation().verify());
    module.as_operation().to_string()
}

/// Every instance of these kinds in a module.
fn instances<'m>(
    stage: &Stage,
    kinds: impl Iterator<Item = &'m Mutation>,
) -> Result<Vec<Instance>, String> {
    let session = Session::default();
    let module = session
        .parse(&stage.source)
        .map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for kind in kinds {
        let forms: &[Option<&str>] = match stage.level {
            Level::Ops => &[None, Some(CLAIMED)],
            Level::Kernels => &[None],
        };
        for at in 0..kind.places(session.context(), module.as_operation()) {
            all.extend(forms.iter().map(|form| Instance {
                place: Place::Ir,
                kind: kind.name.into(),
                kernel: form.map(Into::into),
                at,
            }));
        }
    }
    Ok(all)
}

/// Compiles a mistake into a candidate's folder.
fn make(
    prepared: &Prepared,
    stage: &Stage,
    instance: &Instance,
    base: &Package,
    place: &Path,
) -> Made {
    let not_built = |because: String| Made::Fate(Fate::NotBuilt { because });
    let session = Session::default();
    let compiled = session.parse(&stage.source).and_then(|module| {
        let (kind, at) = (&instance.kind, instance.at);
        let pipeline = format!(
            "builtin.module(kforge-mutate{{kind={kind} at={at}}},{}",
            stage.rest
        );
        session.compile(module, &pipeline, 0)
    });
    let mut compiled: Compiled = match compiled {
        Ok(compiled) => compiled,
        Err(error) => return not_built(error.to_string()),
    };
    if let Err(error) = compiled.serialized.link() {
        return not_built(error.to_string());
    }
    let entry = match compiled.entry() {
        Ok(entry) => entry,
        Err(error) => return not_built(error.to_string()),
    };
    let mut package = compiled.serialized.package;
    if same(&package, base) {
        return Made::Fate(match purpose(instance) {
            Purpose::Control => Fate::ACCEPTED,
            Purpose::Mutant => Fate::Equivalent {
                rule: "canonical-form".into(),
                argument: "canonicalised, the mutant is the kernel that was there".into(),
            },
        });
    }
    if instance.kernel.as_deref() == Some(CLAIMED) {
        if !claim(&mut package, base) {
            return not_built("its kernels take other arguments than the right ones".into());
        }
        if same(&package, base) {
            return Made::Fate(Fate::NotApplied);
        }
    }
    let subject = match Subject::of_package(&package, &entry) {
        Ok(subject) => subject,
        Err(error) => {
            let kill = kforge_mutate::Kill::validation(error.to_string());
            return Made::Fate(Fate::Refused(kill));
        }
    };
    match write(place, &prepared.plan.text(), &subject) {
        Ok(()) => Made::Folder(place.to_path_buf()),
        Err(error) => not_built(error.to_string()),
    }
}

/// Whether two packages run and say the same.
fn same(a: &Package, b: &Package) -> bool {
    let launches = |package: &Package| (package.manifest.entries.clone(), package.files.clone());
    launches(a) == launches(b) && a.program == b.program && a.constants == b.constants
}

/// Gives a package the programs of the right one, where its stages take the same arguments.
fn claim(package: &mut Package, right: &Package) -> bool {
    let shape = |package: &Package| -> Option<Vec<_>> {
        let units = package.units().ok()?;
        let of = |unit: kforge_runtime::manifest::Unit| {
            (unit.stage, unit.steps, unit.inputs, unit.outputs)
        };
        Some(units.into_iter().map(of).collect())
    };
    let same = shape(package).is_some() && shape(package) == shape(right);
    if same {
        package.program.clone_from(&right.program);
    }
    same
}
