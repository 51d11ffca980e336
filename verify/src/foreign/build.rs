//! One kernel of somebody else's at one shape: bindings checked against the WGSL, sizes and
//! workgroups evaluated.

use std::collections::BTreeMap;

use kforge_runtime::{
    Dtype,
    manifest::{
        Abi, Access, Binding, Code, Expr, Immediate, Kernel, RequiredLimits, Requires, ScalarType,
        Symbols,
    },
};
use naga::{AddressSpace, ScalarKind, proc::Layouter};

use super::{
    Cause, ForeignError,
    dims::{Problem, Role},
    interface::{Bound, Formula, Interface, Length, Number, Sizes, Source},
    shader::{Scalars, Shader, Storage, scalar_name},
};
use crate::convert;

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

/// A name that stands for something.
struct Target {
    slot: Slot,
    dtype: Dtype,
    elements: i64,
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

    fn target(&self, name: &str, scratch: &[ScratchBuffer]) -> Result<Target, ForeignError> {
        if let Some(tensor) = self.problem.tensors.iter().find(|it| it.name == name) {
            return Ok(Target {
                slot: match tensor.what {
                    Role::Operand(index) => Slot::Operand(index),
                    Role::Result(index) => Slot::Result(index),
                },
                dtype: convert::dtype(tensor.ty.dtype),
                elements: i64::try_from(tensor.ty.elements()).unwrap_or(i64::MAX),
            });
        }
        if let Some(index) = scratch.iter().position(|it| it.name == name) {
            return Ok(Target {
                slot: Slot::Scratch(index),
                dtype: scratch[index].dtype,
                elements: scratch[index].elements,
            });
        }
        let mut names: Vec<&str> = self
            .problem
            .tensors
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        names.extend(scratch.iter().map(|it| it.name.as_str()));
        Err(self.error(
            Cause::Input,
            format!(
                "binding '{}' is no operand, result or scratch buffer of '{}'; there are {}",
                name.escape_default(),
                self.stage,
                names.join(", ")
            ),
        ))
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
        let (scalars, immediates, uniform) = self.scalars(entry)?;
        let workgroups = self.workgroups(stated.workgroups)?;
        let mut features = self.shader.features();
        if uniform.is_some() || immediates.is_empty() {
            features.retain(|feature| feature != "immediates");
        }
        let kernel = Kernel {
            entry_point: self.shader.module.entry_points[entry].name.clone(),
            code: Code::Wgsl {
                file: self.file.to_owned(),
            },
            workgroup_size: resolved.workgroup,
            bindings,
            immediates: scalars,
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
                uniform,
                constants,
                ..abi
            },
        };
        Ok(Launched {
            kernel,
            workgroups,
            slots,
            written,
            immediates,
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

    /// The storage buffers that an entry point uses.
    fn bindings(
        &self,
        entry: usize,
        stated: &Stated,
        scratch: &[ScratchBuffer],
    ) -> Result<Buffers, ForeignError> {
        let all = self.shader.storage()?;
        let used: Vec<Storage> = all
            .iter()
            .filter(|it| self.shader.uses(entry, it.variable).any)
            .cloned()
            .collect();
        // A list is for all buffers of the file, or for those of one entry point.
        let own = !self.interface.dispatches.is_empty()
            && !std::ptr::eq(stated.bindings, &self.interface.bindings[..]);
        let listed = if own { &used } else { &all };
        let names = self.names(stated.bindings, listed)?;
        let (mut bindings, mut slots, mut abi) = (Vec::new(), Vec::new(), Abi::default());
        let mut written = Vec::new();
        for (storage, bound) in listed.iter().zip(&names) {
            let uses = self.shader.uses(entry, storage.variable);
            self.check_place(storage, bound)?;
            let target = self.target(bound.name(), scratch)?;
            if !uses.any {
                continue;
            }
            self.check_element(storage, bound.name(), &target)?;
            let access = self.access(storage, bound.name(), &target, uses.reads)?;
            match (uses.asks_length, self.interface.length) {
                (true, None) => {
                    return Err(self.error(
                        Cause::Interface,
                        format!(
                            "asks for the arrayLength of '{}', which counts a guard zone as well \
                             unless the interface says length = \"arrayLength\"",
                            storage.name
                        ),
                    ));
                }
                (true, Some(Length::ArrayLength)) => abi.exact.push(bindings.len()),
                (false, _) => {}
            }
            abi.places.push(storage.place);
            slots.push(target.slot);
            if uses.writes {
                written.push(target.slot);
            }
            bindings.push(Binding {
                access,
                dtype: target.dtype,
                elements: Some(Expr::Constant(target.elements)),
            });
        }
        let twice = slots
            .iter()
            .enumerate()
            .find(|(index, slot)| slots[..*index].contains(slot));
        if let Some((index, _)) = twice {
            let name = &used.get(index).map_or("", |it| it.name.as_str());
            return Err(self.error(
                Cause::Interface,
                format!("binds one tensor twice, the second time as '{name}'; bind it once"),
            ));
        }
        Ok(Buffers {
            bindings,
            slots,
            written,
            abi,
        })
    }

    /// What each listed buffer is: as stated, else operands and results in order.
    fn names(&self, stated: &[Bound], listed: &[Storage]) -> Result<Vec<Bound>, ForeignError> {
        let names: Vec<Bound> = match stated {
            [] => self
                .problem
                .tensors
                .iter()
                .map(|tensor| Bound::Name(tensor.name.clone()))
                .collect(),
            stated => stated.to_vec(),
        };
        if names.len() == listed.len() {
            return Ok(names);
        }
        let list: Vec<&str> = names.iter().map(Bound::name).collect();
        let how = match stated {
            [] => "without an interface, operands and results in order",
            _ => "as listed",
        };
        Err(self.error(
            Cause::Interface,
            format!(
                "has {} storage buffers, and {} are to be bound ({how}: {}); it has {}",
                listed.len(),
                names.len(),
                list.join(", "),
                self.shader.describe()
            ),
        ))
    }

    fn check_place(&self, storage: &Storage, bound: &Bound) -> Result<(), ForeignError> {
        let Bound::At(at) = bound else {
            return Ok(());
        };
        let place = storage.place;
        let elsewhere = at.group.is_some_and(|group| group != place.group)
            || at.binding.is_some_and(|binding| binding != place.binding);
        let wrong = |problem: String| Err(self.error(Cause::Interface, problem));
        if elsewhere {
            return wrong(format!(
                "binding '{}' is listed for '{}', which is at {place} in the WGSL; list bindings in \
                 order of group and binding",
                at.name, storage.name
            ));
        }
        let text = storage.element.text();
        match &at.element {
            Some(element) if *element != text => wrong(format!(
                "binding '{}' has elements {} in the interface, {text} in the WGSL",
                at.name,
                element.escape_default()
            )),
            _ => Ok(()),
        }
    }

    fn check_element(
        &self,
        storage: &Storage,
        name: &str,
        target: &Target,
    ) -> Result<(), ForeignError> {
        let element = storage.element;
        let (kind, width) = (element.scalar.kind, element.scalar.width);
        let integer = matches!(kind, ScalarKind::Sint | ScalarKind::Uint);
        // Types without one of their own in WGSL are passed as the words they fill.
        let fits = match target.dtype {
            Dtype::F32 => kind == ScalarKind::Float && width == 4,
            Dtype::F16 => {
                kind == ScalarKind::Float && width == 2 || kind == ScalarKind::Uint && width == 4
            }
            Dtype::Bf16 | Dtype::Bool | Dtype::I8 | Dtype::U8 => {
                kind == ScalarKind::Uint && width == 4
            }
            Dtype::I32 => integer && width == 4,
            Dtype::I64 => integer && width == 8,
        };
        let text = element.text();
        // Split sums add atomically to what is a float for everybody else.
        let scratch = matches!(target.slot, Slot::Scratch(_)) && width == 4;
        if !fits && !scratch {
            return Err(self.error(
                Cause::Interface,
                format!(
                    "'{}' has elements {text}, '{name}' is {}",
                    storage.name, target.dtype
                ),
            ));
        }
        let bytes = i64::from(element.lanes) * i64::from(width);
        let have = target.elements.saturating_mul(target.dtype.bytes() as i64);
        let declared = storage
            .fixed
            .map(|count| i64::from(count).saturating_mul(bytes));
        if let Some(declared) = declared.filter(|declared| *declared > have) {
            return Err(self.error(
                Cause::Interface,
                format!(
                    "'{}' is declared with {declared} bytes, '{name}' has {have}",
                    storage.name
                ),
            ));
        }
        // A last vector that is not whole would reach into the guard.
        if bytes > 4 && have % bytes != 0 {
            return Err(self.error(
                Cause::Interface,
                format!(
                    "'{}' has elements {text} of {bytes} bytes, and the {have} bytes of '{name}' are \
                     no multiple of it; restrict the sizes under [shapes], or use scalars",
                    storage.name
                ),
            ));
        }
        Ok(())
    }

    fn access(
        &self,
        storage: &Storage,
        name: &str,
        target: &Target,
        reads: bool,
    ) -> Result<Access, ForeignError> {
        let wrong = |problem: String| Err(self.error(Cause::Interface, problem));
        match (target.slot, storage.writable, reads) {
            (Slot::Operand(_), true, _) => wrong(format!(
                "operand '{name}' is bound to '{}', which is declared read_write; operands must stay \
                 as they were: declare it var<storage, read>",
                storage.name
            )),
            (Slot::Result(_), false, _) => wrong(format!(
                "result '{name}' is bound to '{}', which is declared read; declare it \
                 var<storage, read_write>",
                storage.name
            )),
            (Slot::Result(_) | Slot::Scratch(_), true, false) => Ok(Access::Write),
            (Slot::Result(_) | Slot::Scratch(_), true, true) => Ok(Access::ReadWrite),
            (_, false, _) => Ok(Access::Read),
        }
    }

    /// What an `override` constant, or all, are set to.
    fn constants(&self) -> Result<BTreeMap<String, Immediate>, ForeignError> {
        let stated = self.interface.sizes.as_ref();
        let stated = stated.map(|sizes| &sizes.constants);
        let mut values = BTreeMap::new();
        for (name, number) in stated.into_iter().flatten() {
            let mut overrides = self.shader.module.overrides.iter();
            let known = overrides.any(|(_, it)| match it.id {
                Some(id) => *name == id.to_string(),
                None => it.name.as_ref() == Some(name),
            });
            if !known {
                let problem = format!(
                    "sizes.constants.{}: there is no such override constant (one with an @id is \
                     called by its number); the WGSL has {}",
                    name.escape_default(),
                    self.shader.describe()
                );
                return Err(self.error(Cause::Interface, problem));
            }
            let value = match self.number(name, number)? {
                Value::Integer(value) => Immediate::Integer(Expr::Constant(value)),
                Value::Float(value) => value.into(),
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }

    fn number(&self, place: &str, number: &Number) -> Result<Value, ForeignError> {
        match number {
            Number::Float(value) => Ok(Value::Float(*value as f32)),
            Number::Formula(Formula(Expr::Symbol(name)))
                if self.problem.floats.contains_key(name) =>
            {
                Ok(Value::Float(self.problem.floats[name]))
            }
            Number::Formula(formula) => Ok(Value::Integer(self.value(place, &formula.0)?)),
        }
    }

    /// The scalars of the uniform or of the immediates, with zeros in the gaps of the struct.
    #[allow(
        clippy::type_complexity,
        reason = "types, values and place of one thing"
    )]
    fn scalars(
        &self,
        entry: usize,
    ) -> Result<
        (
            Vec<ScalarType>,
            Vec<Immediate>,
            Option<kforge_runtime::manifest::Place>,
        ),
        ForeignError,
    > {
        let uniform = self.shader.scalars(entry, AddressSpace::Uniform)?;
        let immediate = self.shader.scalars(entry, AddressSpace::Immediate)?;
        let source = self.interface.sizes.as_ref().map(|sizes| sizes.from);
        let undeclared = |word: &str| {
            self.error(
                Cause::Interface,
                format!(
                    "has a var<{word}>, and the interface does not say what is in it: give \
                     [sizes] with from = \"{}\" and values; the WGSL has {}",
                    if word == "uniform" {
                        word
                    } else {
                        "immediates"
                    },
                    self.shader.describe()
                ),
            )
        };
        let (scalars, sizes) = match (uniform, immediate, source) {
            (Some(_), Some(_), _) => {
                let problem = "has a var<uniform> and a var<immediate>; use one of them";
                return Err(self.error(Cause::Unsupported, problem));
            }
            (Some(scalars), None, Some(Source::Uniform))
            | (None, Some(scalars), Some(Source::Immediates)) => {
                (scalars, self.interface.sizes.as_ref())
            }
            (Some(_), None, _) => return Err(undeclared("uniform")),
            (None, Some(_), _) => return Err(undeclared("immediate")),
            // Of several dispatches, one may need no sizes.
            (None, None, _) => return Ok((Vec::new(), Vec::new(), None)),
        };
        let Some(sizes) = sizes else {
            return Ok((Vec::new(), Vec::new(), None));
        };
        let (types, values) = self.fields(&scalars, sizes)?;
        Ok((types, values, scalars.place))
    }

    fn fields(
        &self,
        scalars: &Scalars,
        sizes: &Sizes,
    ) -> Result<(Vec<ScalarType>, Vec<Immediate>), ForeignError> {
        let wrong = |problem: String| self.error(Cause::Interface, problem);
        if scalars.fields.len() != sizes.values.len() {
            return Err(wrong(format!(
                "sizes.values has {} values, the WGSL has {} fields",
                sizes.values.len(),
                scalars.fields.len()
            )));
        }
        let (mut types, mut values) = (Vec::new(), Vec::new());
        for (index, ((offset, scalar), number)) in
            scalars.fields.iter().zip(&sizes.values).enumerate()
        {
            while 4 * (types.len() as u32) < *offset {
                types.push(ScalarType::U32);
                values.push(Immediate::Integer(Expr::Constant(0)));
            }
            let name = scalar_name(*scalar);
            if let Some(stated) = sizes.types.get(index).filter(|stated| **stated != name) {
                return Err(wrong(format!(
                    "sizes.types[{index}] is {}, the field is {name} in the WGSL",
                    stated.escape_default()
                )));
            }
            let place = format!("sizes.values[{index}]");
            let value = self.number(&place, number)?;
            let (ty, value) = match (scalar.kind, value) {
                (ScalarKind::Sint, Value::Integer(value)) => (ScalarType::I32, integer(value)),
                (ScalarKind::Uint, Value::Integer(value)) => (ScalarType::U32, integer(value)),
                (ScalarKind::Float, Value::Float(value)) => (ScalarType::F32, value.into()),
                (ScalarKind::Float, Value::Integer(value)) => {
                    (ScalarType::F32, (value as f32).into())
                }
                (_, Value::Float(value)) => {
                    return Err(wrong(format!(
                        "{place} is the float {value}, the field is {name}"
                    )));
                }
                (_, Value::Integer(_)) => {
                    return Err(wrong(format!(
                        "{place}: the field is {name}, which is not passed"
                    )));
                }
            };
            types.push(ty);
            values.push(value);
        }
        Ok((types, values))
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

/// The storage buffers of a launch.
struct Buffers {
    bindings: Vec<Binding>,
    slots: Vec<Slot>,
    written: Vec<Slot>,
    abi: Abi,
}

/// The value of a [`Number`].
enum Value {
    Integer(i64),
    Float(f32),
}

fn integer(value: i64) -> Immediate {
    Immediate::Integer(Expr::Constant(value))
}

/// Whether an expression depends on a symbol.
pub(crate) fn uses(expr: &Expr, name: &str) -> bool {
    let mut found = false;
    expr.for_each_symbol(&mut |symbol| found |= symbol == name);
    found
}

/// An entry point with values for its `override` constants.
struct Resolved {
    workgroup: [u32; 3],
    workgroup_memory: u64,
}

impl Resolved {
    fn of(
        shader: &Shader,
        entry: usize,
        constants: &BTreeMap<String, Immediate>,
    ) -> Result<Self, String> {
        let mut given = naga::back::PipelineConstants::default();
        for (name, value) in constants {
            let value = match value {
                Immediate::F32(value) => f64::from(value.0),
                Immediate::Integer(expr) => expr.evaluate(&Symbols::new()).unwrap_or(0) as f64,
            };
            given.insert(name.clone(), value);
        }
        let name = &shader.module.entry_points[entry].name;
        let (module, info) = naga::back::pipeline_constants::process_overrides(
            &shader.module,
            &shader.info,
            Some((naga::ShaderStage::Compute, name)),
            &given,
        )
        .map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            format!(
                "override constants: {text}; the WGSL has {}",
                shader.describe()
            )
        })?;
        let position = module.entry_points.iter().position(|it| it.name == *name);
        let position = position.ok_or("has lost its entry point")?;
        let mut layouter = Layouter::default();
        layouter
            .update(module.to_ctx())
            .map_err(|error| error.to_string())?;
        let uses = info.get_entry_point(position);
        let globals = module.global_variables.iter();
        let memory = globals
            .filter(|(variable, global)| {
                global.space == AddressSpace::WorkGroup && !uses[*variable].is_empty()
            })
            .map(|(_, global)| u64::from(layouter[global.ty].size));
        Ok(Self {
            workgroup: module.entry_points[position].workgroup_size,
            workgroup_memory: memory.fold(0, u64::saturating_add),
        })
    }
}
