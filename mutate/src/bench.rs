//! Where mutants of one package are made and judged.
//!
//! The gate is the real one at its real bounds. Only its order is made cheaper: what must
//! be wrong at the package's own shape is run before the shapes that the mistake is not
//! in. A kernel that is accepted there is tried with the same mistake in the kernels that
//! the same knobs make at other shapes: a mistake in a generator would be in all of them.
//! What quick cases accept is asked again as everything is before it ships: with all cases,
//! and as exact algebra.

use std::{collections::BTreeMap, time::Instant};

use kforge_oracle::Level;
use kforge_runtime::{
    Device, ExecOptions, Package,
    manifest::{Code, Step},
};
use kforge_verify::{Failure, Options, Runnable, Subject, Variant, Verdict, verify};

use crate::{
    host,
    instance::{self, Instance, host_operator, kernel_operator},
    kernel::{Edit, Kernel, Watched, watch},
    kind::Place,
    observe::{Observed, observe},
    outcome::{Fate, Judged, Kill, stage_errors},
};

/// A package whose mutants are judged on a device.
#[derive(Debug)]
pub struct Bench<'d> {
    subject: Subject,
    device: &'d Device,
    exec: ExecOptions,
    options: Options,
    kernels: BTreeMap<String, Kernel>,
}

/// A mutant that can run.
enum Made {
    Subject(Box<Subject>),
    Fate(Fate),
}

impl<'d> Bench<'d> {
    /// A bench for a right package; the regression cases of the options are those of its function.
    pub fn new(
        mut subject: Subject,
        device: &'d Device,
        exec: ExecOptions,
        options: Options,
    ) -> Self {
        // A changed package is one that was sealed after the change.
        unseal(&mut subject.function.package);
        subject
            .units
            .iter_mut()
            .for_each(|it| unseal(&mut it.package));
        let variants = subject.variants.iter_mut();
        variants.for_each(|it| unseal(&mut it.unit.package));
        let package = &subject.function.package;
        let names = package.manifest.kernels.keys();
        let parsed = names.filter_map(|name| {
            let kernel = Kernel::parse(package.wgsl(name)?).ok()?;
            Some((name.clone(), kernel))
        });
        let kernels = parsed.collect();
        Self {
            subject,
            device,
            exec,
            options,
            kernels,
        }
    }

    /// What it judges.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Every instance of every kind that is made of a package.
    pub fn instances(&self) -> Vec<Instance> {
        let kernels = self.kernels.iter();
        let mut all: Vec<Instance> = kernels
            .flat_map(|(name, kernel)| instance::of_kernel(name, kernel))
            .collect();
        all.extend(instance::of_host(&self.host()));
        all
    }

    fn host(&self) -> host::Subject<'_> {
        host::Subject {
            package: &self.subject.function.package,
            entry: &self.subject.function.entry,
        }
    }

    /// What the gate says of the package as it is.
    pub fn judge_unchanged(&self) -> (Judged, Option<Failure>) {
        let start = Instant::now();
        let verdict = verify(&self.subject, self.device, &self.exec, &self.options);
        let stages = stage_errors(&verdict);
        let (fate, failure) = refused(&verdict).unwrap_or((Fate::ACCEPTED, None));
        (judged(fate, stages, start), failure)
    }

    /// What the gate says of the package as of one that ships.
    pub fn judge_shipped(&self) -> (Judged, Option<Failure>) {
        let start = Instant::now();
        let (quick, failure) = self.judge_unchanged();
        if failure.is_some() {
            return (quick, failure);
        }
        let verdict = self.as_shipped(&self.subject);
        let stages = stage_errors(&verdict);
        let (fate, failure) = refused(&verdict).unwrap_or((Fate::ACCEPTED, None));
        (judged(fate, stages, start), failure)
    }

    /// Makes a mutant and asks the gate. The failure is what a corpus keeps.
    pub fn judge(&self, instance: &Instance) -> (Judged, Option<Failure>) {
        let start = Instant::now();
        let subject = match self.make(instance) {
            Made::Subject(subject) => subject,
            Made::Fate(fate) => return (judged(fate, BTreeMap::new(), start), None),
        };
        let verdict = verify(&subject, self.device, &self.exec, &self.options);
        let stages = stage_errors(&verdict);
        let (fate, failure) =
            refused(&verdict).unwrap_or_else(|| self.survivor(instance, &subject));
        (judged(fate, stages, start), failure)
    }

    fn make(&self, instance: &Instance) -> Made {
        let not_built = |because: String| Made::Fate(Fate::NotBuilt { because });
        let function = &self.subject.function;
        let mut package = function.package.clone();
        match instance.place {
            Place::Kernel => match self.changed(instance) {
                Ok((file, text)) => drop(package.files.insert(file, text.into_bytes())),
                Err(fate) => return Made::Fate(*fate),
            },
            _ => {
                let operator = host_operator(&instance.kind);
                let changes = operator.map(|operator| (operator.changes)(&self.host()));
                let change = changes.and_then(|all| all.into_iter().nth(instance.at));
                let Some(change) = change else {
                    return not_built("there is no such instance".into());
                };
                change(&mut package);
            }
        }
        if package == function.package && !self.is_control(instance) {
            return Made::Fate(Fate::NotApplied);
        }
        // For a package its rules are the check under test.
        if let Err(error) = package.validate() {
            return Made::Fate(Fate::Refused(Kill::validation(error.to_string())));
        }
        match Subject::of_package(&package, &function.entry) {
            Ok(subject) => Made::Subject(Box::new(subject)),
            Err(error) => Made::Fate(Fate::Refused(Kill::validation(error.to_string()))),
        }
    }

    fn is_control(&self, instance: &Instance) -> bool {
        instance::purpose(&instance.kind) == Some(crate::Purpose::Control)
    }

    /// The file of a changed kernel and its text.
    fn changed(&self, instance: &Instance) -> Result<(String, String), Box<Fate>> {
        let not_built = |because: String| Box::new(Fate::NotBuilt { because });
        let kernels = &self.subject.function.package.manifest.kernels;
        let found = instance.kernel.as_ref().and_then(|name| {
            let Code::Wgsl { file } = &kernels.get(name)?.code else {
                return None;
            };
            Some((file.clone(), self.kernels.get(name)?))
        });
        let Some((file, kernel)) = found else {
            return Err(not_built("there is no such kernel".into()));
        };
        let edit = nth_edit(kernel, instance)
            .ok_or_else(|| not_built("there is no such instance".into()))?;
        let text = kernel
            .changed(&edit)
            .map_err(|error| not_built(error.to_string()))?;
        let same = kernel.text().is_ok_and(|unchanged| unchanged == text);
        match same && !self.is_control(instance) {
            true => Err(Box::new(Fate::NotApplied)),
            false => Ok((file, text)),
        }
    }

    /// What becomes of a mutant that quick cases accept at its own shape.
    fn survivor(&self, instance: &Instance, mutant: &Subject) -> (Fate, Option<Failure>) {
        if self.is_control(instance) {
            return (Fate::ACCEPTED, None);
        }
        if instance.place == Place::Kernel
            && let Some(failure) = self.at_other_shapes(instance)
        {
            return (Fate::Refused(Kill::of(&failure)), Some(failure));
        }
        let verdict = self.as_shipped(mutant);
        if let Some(refused) = refused(&verdict) {
            return refused;
        }
        if instance.place == Place::Kernel
            && let Some(argument) = self.never_differs(instance)
        {
            let rule = "same-value".into();
            return (Fate::Equivalent { rule, argument }, None);
        }
        if instance.kind == "workgroups_rounded_up" {
            let argument = "reviewed rule: every store of an added workgroup is masked; in all \
                            cases outputs are right, equal bit for bit in two runs, and guards \
                            are intact"
                .into();
            let rule = "masked-workgroup".into();
            return (Fate::Equivalent { rule, argument }, None);
        }
        let orders_memory = instance.kind.starts_with("barrier_");
        (self.observed(mutant, orders_memory, &verdict), None)
    }

    /// The verdict of the gate as it decides what ships, at the mutant's own shape: with every
    /// case, and as exact algebra.
    fn as_shipped(&self, mutant: &Subject) -> Verdict {
        let options = Options {
            cases: Level::Full,
            // They agreed already.
            regression: Vec::new(),
            ..self.options.clone()
        };
        verify(mutant, self.device, &self.exec, &options)
    }

    /// What a survivor is, as far as can be observed and proved.
    fn observed(&self, mutant: &Subject, orders_memory: bool, verdict: &Verdict) -> Fate {
        let (unchanged, device) = (&self.subject, self.device);
        let accepted = |note: String| Fate::Accepted { note: Some(note) };
        let proved = verdict.levels.iter().any(|it| it == "L1");
        match observe(unchanged, mutant, device, &self.exec, &self.options) {
            Ok(Observed::Same) if orders_memory && proved => Fate::Equivalent {
                rule: "unneeded-barrier".into(),
                argument: "reviewed rule: the static proof holds for the kernel as it is \
                           changed, so that no two invocations race in any order, and no bit \
                           of an output differs on 42 draws"
                    .into(),
            },
            Ok(Observed::Same) if orders_memory => {
                accepted("its order of memory differs, which no run on this device shows".into())
            }
            Ok(Observed::Same) => Fate::Equivalent {
                rule: "bit-identical".into(),
                argument: "reviewed rule: every access stays inside its buffer or array, shown \
                           by a wired kernel for all invocations, and no bit of an output \
                           differs from the unchanged kernel's on 42 draws: normal numbers, \
                           exponents from -20 to 17, and the gate's cases"
                    .into(),
            },
            Ok(Observed::AsGood(ratio)) if !orders_memory => Fate::Equivalent {
                rule: "as-good".into(),
                argument: format!(
                    "reviewed rule: every access stays inside its buffer or array; every case \
                     passes; and on none of 42 draws are the largest or the root mean square \
                     error against f64 more than 3 times the unchanged kernel's (at most \
                     {ratio:.3}), two units of f32's last place aside: what was changed is within the rounding of the computation"
                ),
            },
            Ok(Observed::AsGood(_)) => {
                accepted("its order of memory differs, and so do its outputs".into())
            }
            Ok(Observed::OutOfBounds(kernel)) => {
                accepted(format!("kernel '{kernel}' leaves its buffers or arrays"))
            }
            Ok(Observed::Differs(draw)) => {
                accepted(format!("its outputs differ on {draw}, within the bound"))
            }
            Err(why) => accepted(format!("not compared: {why}")),
        }
    }

    /// What becomes of a package of the same function that quick cases accept.
    pub fn judge_survivor(&self, mutant: &Subject, kind: &str) -> (Fate, Option<Failure>) {
        let verdict = self.as_shipped(mutant);
        if let Some(refused) = refused(&verdict) {
            return refused;
        }
        let orders_memory = kind.starts_with("barrier_");
        (self.observed(mutant, orders_memory, &verdict), None)
    }

    /// The first refusal of the same mistake at other shapes.
    fn at_other_shapes(&self, instance: &Instance) -> Option<Failure> {
        let own = self.kernels.get(instance.kernel.as_ref()?)?;
        let count = edits(own, instance).len();
        let mut variants = Vec::new();
        for variant in &self.subject.variants {
            let Some(package) = changed_variant(&variant.unit.package, instance, count) else {
                continue;
            };
            let unit = Runnable {
                package,
                ..variant.unit.clone()
            };
            let of = variant.of.clone();
            variants.push(Variant { unit, of });
        }
        if variants.is_empty() {
            return None;
        }
        let package = &self.subject.function.package;
        let mut subject = Subject::of_package(package, &self.subject.function.entry).ok()?;
        subject.variants = variants;
        let verdict = verify(&subject, self.device, &self.exec, &self.options);
        verdict.failures.into_iter().next()
    }

    /// Why the changed value is the same at every evaluation, if it is.
    fn never_differs(&self, instance: &Instance) -> Option<String> {
        let name = instance.kernel.as_ref()?;
        let kernel = self.kernels.get(name)?;
        let edit = nth_edit(kernel, instance)?;
        let place = self.behind_output(name)?;
        let text = watch(kernel, &edit, place).ok()??;
        let mut package = self.subject.function.package.clone();
        let Code::Wgsl { file } = package.manifest.kernels.get(name)?.code.clone() else {
            return None;
        };
        package.files.insert(file, text.into_bytes());
        let subject = Subject::of_package(&package, &self.subject.function.entry).ok()?;
        let verdict = verify(&subject, self.device, &self.exec, &self.options);
        verdict.passed.then(|| {
            "the changed index or condition depends on no data and has the value of the \
             unchanged one at every evaluation of every invocation at this shape"
                .into()
        })
    }

    /// A place behind the data of a buffer that a kernel writes.
    fn behind_output(&self, kernel: &str) -> Option<Watched> {
        let function = &self.subject.function;
        let manifest = &function.package.manifest;
        let steps = &manifest.entries.get(&function.entry)?.steps;
        let step = steps
            .iter()
            .map(|Step::Dispatch(dispatch)| dispatch)
            .find(|dispatch| dispatch.kernel == kernel)?;
        let bindings = &manifest.kernels.get(kernel)?.bindings;
        let binding = bindings.iter().position(|it| it.access.writes())?;
        let buffer = manifest.buffer(step.args.get(binding)?.buffer)?;
        let extent = buffer.instantiate(&Default::default()).ok()?;
        Some(Watched {
            binding: u32::try_from(binding).ok()?,
            byte: u32::try_from(extent.bytes.next_multiple_of(256) + 256).ok()?,
        })
    }
}

fn unseal(package: &mut Package) {
    package.manifest.hashes.clear();
}

/// What a verdict's first failure makes of a mutant; `None` where it passed.
fn refused(verdict: &Verdict) -> Option<(Fate, Option<Failure>)> {
    let failure = verdict.failures.first()?;
    let kill = match verdict.regression_case {
        Some(_) => Kill::regression(failure),
        None => Kill::of(failure),
    };
    Some((Fate::Refused(kill), Some(failure.clone())))
}

fn judged(fate: Fate, stages: BTreeMap<String, f64>, start: Instant) -> Judged {
    Judged {
        fate,
        stages,
        ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn edits(kernel: &Kernel, instance: &Instance) -> Vec<Edit> {
    let operator = kernel_operator(&instance.kind);
    operator.map_or_else(Vec::new, |operator| (operator.edits)(kernel))
}

fn nth_edit(kernel: &Kernel, instance: &Instance) -> Option<Edit> {
    edits(kernel, instance).into_iter().nth(instance.at)
}

/// A variant with the same change, where its kernel has as many places for it.
fn changed_variant(package: &Package, instance: &Instance, count: usize) -> Option<Package> {
    let mut kernels = package.manifest.kernels.iter();
    kernels.find_map(|(name, record)| {
        let Code::Wgsl { file } = &record.code else {
            return None;
        };
        let kernel = Kernel::parse(package.wgsl(name)?).ok()?;
        let mut edits = edits(&kernel, instance);
        let edit = (edits.len() == count).then(|| edits.swap_remove(instance.at))?;
        let text = kernel.changed(&edit).ok()?;
        let mut package = package.clone();
        package.files.insert(file.clone(), text.into_bytes());
        Some(package)
    })
}
