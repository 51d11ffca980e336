//! One kernel of somebody else's at one shape: bindings checked against the WGSL (`bindings.rs`),
//! sizes evaluated (`scalars.rs`), override constants resolved (`resolve.rs`), workgroups counted.

mod bindings;
mod resolve;
mod scalars;

use std::collections::BTreeMap;

use kforge_runtime::{
    Dtype,
    manifest::{Abi, Code, Expr, Immediate, Kernel, RequiredLimits, Requires},
};

use super::{
    Cause, ForeignError,
    dims::{Problem, Role},
    interface::{Bound, Formula, Interface},
    shader::Shader,
};
use bindings::Buffers;
use resolve::Resolved;

/// WebGPU's limit of a dispatch dimension.
const MAX_WORKGROUPS: i64 = 65_535;
/// Elements of one scratch buffer.
const MAX_SCRATCH: i64 = 1 << 30;

/// What a binding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Input of the program, by number.
    Operand(usize),
    /// Output of the program, by number.
    Result(usize),
    /// By number.
    Scratch(usize),
}

/// One launch, ready for any package.
#[derive(Clone, Debug)]
pub(crate) struct Launched {
    pub kernel: Kernel,
    pub workgroups: [i64; 3],
    pub slots: Vec<Slot>,
    /// Which of them it writes to.
    pub written: Vec<Slot>,
    pub immediates: Vec<Immediate>,
}

/// A scratch buffer at one shape.
#[derive(Clone, Debug)]
pub(crate) struct ScratchBuffer {
    pub name: String,
    pub dtype: Dtype,
    pub elements: i64,
}

/// All launches of a kernel at one shape.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub launches: Vec<Launched>,
    pub scratch: Vec<ScratchBuffer>,
}

/// One launch as the interface states it.
struct Stated<'i> {
    entry: Option<&'i str>,
    workgroup: Option<[u32; 3]>,
    bindings: &'i [Bound],
    workgroups: &'i [Formula; 3],
}

/// What is known while a kernel is built.
struct Builder<'b> {
    stage: &'b str,
    file: &'b str,
    shader: &'b Shader,
    interface: &'b Interface,
    problem: &'b Problem,
}

/// Binds `shader` as `interface` says, for the sizes of `problem`; `file` is its path in a package.
pub(crate) fn build(
    stage: &str,
    file: &str,
    shader: &Shader,
    interface: &Interface,
    problem: &Problem,
) -> Result<Built, ForeignError> {
    let builder = Builder {
        stage,
        file,
        shader,
        interface,
        problem,
    };
    builder.check_shape()?;
    let scratch = builder.scratch()?;
    let mut launches = Vec::new();
    for stated in builder.stated()? {
        launches.push(builder.launch(&stated, &scratch)?);
    }
    builder.check_coverage(&launches)?;
    Ok(Built { launches, scratch })
}

impl<'b> Builder<'b> {
    fn error(&self, cause: Cause, problem: impl Into<String>) -> ForeignError {
        ForeignError::new(cause, &self.shader.name, problem)
    }

    /// The op's own sizes must be among those that the kernel takes.
    fn check_shape(&self) -> Result<(), ForeignError> {
        let sizes = &self.problem.sizes;
        for (name, rule) in &self.interface.shapes {
            let known = sizes.get(name).copied().ok_or_else(|| {
                let names = self.problem.size_names();
                let problem = format!("shapes.{name}: no such size; there are {names}");
                self.error(Cause::Input, problem)
            })?;
            if !rule.takes(usize::try_from(known).unwrap_or(usize::MAX)) {
                return Err(self.error(
                    Cause::Interface,
                    format!("{name} is {known}, which its interface (shapes.{name}) does not take"),
                ));
            }
        }
        if let Some(name) = self
            .interface
            .tile
            .keys()
            .find(|it| !sizes.contains_key(*it))
        {
            let names = self.problem.size_names();
            let problem = format!("tile.{name}: no such size; there are {names}");
            return Err(self.error(Cause::Input, problem));
        }
        Ok(())
    }

    fn stated(&self) -> Result<Vec<Stated<'b>>, ForeignError> {
        let interface = self.interface;
        if !interface.dispatches.is_empty() {
            let stated = interface.dispatches.iter().map(|launch| Stated {
                entry: launch.entry.as_deref(),
                workgroup: launch.workgroup.or(interface.workgroup),
                bindings: match launch.bindings.is_empty() {
                    true => &interface.bindings,
                    false => &launch.bindings,
                },
                workgroups: &launch.workgroups,
            });
            return Ok(stated.collect());
        }
        let workgroups = interface.workgroups.as_ref().ok_or_else(|| {
            self.error(
                Cause::Input,
                format!(
                    "how many workgroups to launch is not known: give --workgroups X,Y,Z, or an \
                     interface with workgroups = [X, Y, Z] (formulas over {}); the WGSL has {}",
                    self.problem.size_names(),
                    self.shader.describe()
                ),
            )
        })?;
        Ok(vec![Stated {
            entry: interface.entry.as_deref(),
            workgroup: interface.workgroup,
            bindings: &interface.bindings,
            workgroups,
        }])
    }

    fn value(&self, place: &str, formula: &Expr) -> Result<i64, ForeignError> {
        let value = formula.evaluate(&self.problem.sizes);
        value.map_err(|error| self.error(Cause::Launch, format!("{place}: {error}")))
    }

    fn scratch(&self) -> Result<Vec<ScratchBuffer>, ForeignError> {
        let mut found = Vec::new();
        for (name, scratch) in &self.interface.scratch {
            let place = format!("scratch.{name}");
            let dtype = match scratch.element.as_str() {
                "f32" => Dtype::F32,
                "f16" => Dtype::F16,
                "i32" | "u32" => Dtype::I32,
                other => {
                    let other = other.escape_default();
                    let problem = format!("{place}: element '{other}' is not f32, f16, i32 or u32");
                    return Err(self.error(Cause::Input, problem));
                }
            };
            if self
                .problem
                .tensors
                .iter()
                .any(|tensor| tensor.name == *name)
            {
                let problem = format!("{place}: the op has a tensor of this name");
                return Err(self.error(Cause::Input, problem));
            }
            let elements = self.value(&place, &scratch.size.0)?;
            if !(1..=MAX_SCRATCH).contains(&elements) {
                let problem = format!(
                    "{place}: size '{}' is {elements}, not within 1..={MAX_SCRATCH}",
                    scratch.size
                );
                return Err(self.error(Cause::Launch, problem));
            }
            found.push(ScratchBuffer {
                name: name.clone(),
                dtype,
                elements,
            });
        }
        Ok(found)
    }

    fn launch(&self, stated: &Stated, scratch: &[ScratchBuffer]) -> Result<Launched, ForeignError> {
        let entry = self.shader.entry(stated.entry)?;
        let constants = self.constants()?;
        let resolved = Resolved::of(self.shader, entry, &constants)
            .map_err(|problem| self.error(Cause::Interface, problem))?;
        if let Some(size) = stated.workgroup.filter(|size| *size != resolved.workgroup) {
            return Err(self.error(
                Cause::Interface,
                format!(
                    "workgroup is {size:?} in the interface, {:?} in the WGSL",
                    resolved.workgroup
                ),
            ));
        }
        let Buffers {
            bindings,
            slots,
            written,
            abi,
        } = self.bindings(entry, stated, scratch)?;
        let passed = self.scalars(entry)?;
        let workgroups = self.workgroups(stated.workgroups)?;
        let mut features = self.shader.features();
        if passed.uniform.is_some() || passed.values.is_empty() {
            features.retain(|feature| feature != "immediates");
        }
        let kernel = Kernel {
            entry_point: self.shader.module.entry_points[entry].name.clone(),
            code: Code::Wgsl {
                file: self.file.to_owned(),
            },
            workgroup_size: resolved.workgroup,
            bindings,
            immediates: passed.types,
            stage: self.stage.to_owned(),
            knobs: BTreeMap::new(),
            requires: Requires {
                features,
                limits: RequiredLimits {
                    workgroup_memory: resolved.workgroup_memory,
                    ..RequiredLimits::default()
                },
                matrix_shapes: Vec::new(),
            },
            abi: Abi {
                uniform: passed.uniform,
                constants,
                ..abi
            },
        };
        Ok(Launched {
            kernel,
            workgroups,
            slots,
            written,
            immediates: passed.values,
        })
    }

    fn workgroups(&self, formulas: &[Formula; 3]) -> Result<[i64; 3], ForeignError> {
        let mut counts = [0; 3];
        for ((count, formula), axis) in counts.iter_mut().zip(formulas).zip(["x", "y", "z"]) {
            *count = self.value(&format!("workgroups in {axis}"), &formula.0)?;
            if !(1..=MAX_WORKGROUPS).contains(count) {
                let sizes: Vec<String> = self
                    .problem
                    .sizes
                    .iter()
                    .filter(|(name, _)| uses(&formula.0, name))
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect();
                let at = match sizes.is_empty() {
                    true => String::new(),
                    false => format!(" at {}", sizes.join(", ")),
                };
                return Err(self.error(
                    Cause::Launch,
                    format!(
                        "workgroups in {axis}: '{formula}' is {count}{at}, not within \
                         1..={MAX_WORKGROUPS}; give each workgroup more to do, or spread them \
                         over the other dimensions"
                    ),
                ));
            }
        }
        Ok(counts)
    }

    /// Every operand must be read by some launch, every result written.
    fn check_coverage(&self, launches: &[Launched]) -> Result<(), ForeignError> {
        if self.interface.length.is_some()
            && launches
                .iter()
                .all(|launch| launch.kernel.abi.exact.is_empty())
        {
            let problem = "length is \"arrayLength\" in the interface, and no buffer is asked for \
                           its length; leave it out";
            return Err(self.error(Cause::Interface, problem));
        }
        let mut written: Vec<Slot> = Vec::new();
        for launch in launches {
            written.extend(&launch.written);
            let unwritten = launch
                .slots
                .iter()
                .filter(|slot| !written.contains(slot))
                .find_map(|slot| match slot {
                    Slot::Scratch(index) => self.interface.scratch.keys().nth(*index),
                    _ => None,
                });
            if let Some(name) = unwritten {
                let problem = format!("scratch '{name}' is read before anything is written to it");
                return Err(self.error(Cause::Interface, problem));
            }
        }
        for tensor in &self.problem.tensors {
            let slot = match tensor.what {
                Role::Operand(index) => Slot::Operand(index),
                Role::Result(index) => Slot::Result(index),
            };
            if !launches.iter().any(|launch| launch.slots.contains(&slot)) {
                let what = match tensor.what {
                    Role::Operand(_) => "operand",
                    Role::Result(_) => "result",
                };
                return Err(self.error(
                    Cause::Interface,
                    format!(
                        "{what} '{}' of '{}' is used by no entry point that is launched, so this \
                         cannot be an implementation of it; the WGSL has {}",
                        tensor.name,
                        self.stage,
                        self.shader.describe()
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Whether an expression depends on a symbol.
pub(crate) fn uses(expr: &Expr, name: &str) -> bool {
    let mut found = false;
    expr.for_each_symbol(&mut |symbol| found |= symbol == name);
    found
}
