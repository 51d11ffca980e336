//! WGSL that somebody wrote, read by naga: what it declares and what it uses.
//!
//! Everything naga accepts for compute is taken, except what the gate cannot bind: textures,
//! samplers and acceleration structures, cooperative matrices, pointers out of fixed groups.
//! Limits: 1 MiB of text, and those of `nesting.rs`.

use kforge_runtime::manifest::Place;
use naga::{
    AddressSpace, ArraySize, Handle, Module, Scalar, ScalarKind, ShaderStage, StorageAccess, Type,
    TypeInner,
    valid::{GlobalUse, ModuleInfo, ValidationFlags, Validator},
};

use super::{
    Cause, ForeignError,
    found::{capabilities, unsupported},
    nesting,
};

/// Bytes of WGSL; a hand-written kernel has a few thousand.
pub const MAX_WGSL_BYTES: usize = 1 << 20;
/// Bytes of a message of naga's that are kept.
const MAX_MESSAGE: usize = 4000;

/// A parsed and validated file.
#[derive(Debug)]
pub(crate) struct Shader {
    /// The file, in messages.
    pub name: String,
    pub module: Module,
    pub info: ModuleInfo,
}

/// The element of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub scalar: Scalar,
    pub lanes: u32,
    pub is_atomic: bool,
}

/// A `var<storage>` as an entry point sees it.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub variable: Handle<naga::GlobalVariable>,
    pub name: String,
    pub place: Place,
    pub element: Element,
    /// Elements, where the array is not sized at run time and its length is known.
    pub fixed: Option<u32>,
    /// Declared `read_write`.
    pub writable: bool,
}

/// How an entry point uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uses {
    pub any: bool,
    pub reads: bool,
    pub writes: bool,
    pub asks_length: bool,
}

impl Shader {
    /// Parses and validates.
    pub fn read(name: &str, text: &str) -> Result<Self, ForeignError> {
        let wrong = |problem: String| ForeignError::new(Cause::Wgsl, name, problem);
        if text.len() > MAX_WGSL_BYTES {
            let bytes = text.len();
            return Err(wrong(format!(
                "{bytes} bytes exceed the limit of {MAX_WGSL_BYTES}; split the file"
            )));
        }
        nesting::check(text).map_err(wrong)?;
        let module = naga::front::wgsl::parse_str(text)
            .map_err(|error| wrong(short(&error.emit_to_string_with_path(text, name))))?;
        if let Some(problem) = unsupported(&module) {
            return Err(ForeignError::new(Cause::Unsupported, name, problem));
        }
        let info = Validator::new(ValidationFlags::all(), capabilities())
            .validate(&module)
            .map_err(|error| wrong(short(&error.emit_to_string_with_path(text, name))))?;
        let name = name.to_owned();
        Ok(Self { name, module, info })
    }

    /// The number of an entry point: the one named, or the only one.
    pub fn entry(&self, wanted: Option<&str>) -> Result<usize, ForeignError> {
        let entries = &self.module.entry_points;
        let compute = |entry: &naga::EntryPoint| entry.stage == ShaderStage::Compute;
        let names: Vec<&str> = entries
            .iter()
            .filter(|entry| compute(entry))
            .map(|entry| entry.name.as_str())
            .collect();
        let missing = |problem: String| ForeignError::new(Cause::Interface, &self.name, problem);
        match (wanted, &names[..]) {
            (_, []) => Err(missing("has no @compute entry point".into())),
            (None, [only]) => Ok(entries.iter().position(|it| it.name == *only).unwrap_or(0)),
            (None, several) => Err(missing(format!(
                "has {} entry points, choose one with 'entry': {}",
                several.len(),
                several.join(", ")
            ))),
            (Some(wanted), names) => entries
                .iter()
                .position(|entry| compute(entry) && entry.name == wanted)
                .ok_or_else(|| {
                    let wanted = wanted.escape_default();
                    let names = names.join(", ");
                    missing(format!("has no entry point '{wanted}'; it has {names}"))
                }),
        }
    }

    /// Every storage buffer, in order of group and binding.
    pub fn storage(&self) -> Result<Vec<Storage>, ForeignError> {
        let mut found = Vec::new();
        for (variable, global) in self.module.global_variables.iter() {
            let (AddressSpace::Storage { access }, Some(at)) = (global.space, global.binding)
            else {
                continue;
            };
            let name = global.name.clone().unwrap_or_default();
            let (element, fixed) = self.element(global.ty).map_err(|problem| {
                let place = format!("{}: storage buffer '{name}'", self.name);
                ForeignError::new(Cause::Unsupported, place, problem)
            })?;
            found.push(Storage {
                variable,
                name,
                place: place(at),
                element,
                fixed,
                writable: access.contains(StorageAccess::STORE),
            });
        }
        found.sort_by_key(|storage| storage.place);
        Ok(found)
    }

    /// The element of an array, or of a struct of nothing but one.
    fn element(&self, ty: Handle<Type>) -> Result<(Element, Option<u32>), String> {
        let types = &self.module.types;
        let inner = match &types[ty].inner {
            TypeInner::Struct { members, .. } => match &members[..] {
                [only] => &types[only.ty].inner,
                _ => {
                    return Err(format!(
                        "is a struct of {} members; declare an array, or a struct of one array",
                        members.len()
                    ));
                }
            },
            inner => inner,
        };
        let TypeInner::Array { base, size, stride } = *inner else {
            return Err("is no array; declare array<f32> or array<vec4<f32>>".into());
        };
        let fixed = match size {
            ArraySize::Constant(count) => Some(count.get()),
            ArraySize::Pending(_) | ArraySize::Dynamic => None,
        };
        let element = match types[base].inner {
            TypeInner::Scalar(scalar) => Element::of(scalar, 1),
            TypeInner::Vector { size, scalar } => Element::of(scalar, size as u32),
            TypeInner::Atomic(scalar) => Element {
                is_atomic: true,
                ..Element::of(scalar, 1)
            },
            _ => return Err("has elements that are neither scalars nor vectors".into()),
        };
        let bytes = element.lanes * u32::from(element.scalar.width);
        if bytes != stride {
            return Err(format!(
                "has elements {} of {bytes} bytes every {stride} bytes, tensors are dense; \
                 use scalars or vec4",
                element.text()
            ));
        }
        Ok((element, fixed))
    }

    /// How an entry point uses a variable.
    pub fn uses(&self, entry: usize, variable: Handle<naga::GlobalVariable>) -> Uses {
        let uses = self.info.get_entry_point(entry)[variable];
        Uses {
            any: !uses.is_empty(),
            reads: uses.intersects(GlobalUse::READ | GlobalUse::ATOMIC),
            writes: uses.intersects(GlobalUse::WRITE | GlobalUse::ATOMIC),
            asks_length: uses.contains(GlobalUse::QUERY),
        }
    }

    /// The variable in an address space that an entry point uses, with its scalars and the
    /// place of each in bytes. Several are refused.
    pub fn scalars(
        &self,
        entry: usize,
        space: AddressSpace,
    ) -> Result<Option<Scalars>, ForeignError> {
        let word = match space {
            AddressSpace::Uniform => "uniform",
            _ => "immediate",
        };
        let mut variables = self.module.global_variables.iter();
        let used = variables
            .by_ref()
            .filter(|(variable, global)| global.space == space && self.uses(entry, *variable).any);
        let used: Vec<_> = used.collect();
        let [(_, global)] = used[..] else {
            let problem = format!("has {} var<{word}>s, one can be bound", used.len());
            return match used.is_empty() {
                true => Ok(None),
                false => Err(ForeignError::new(Cause::Unsupported, &self.name, problem)),
            };
        };
        let mut fields = Vec::new();
        self.flatten(global.ty, 0, &mut fields).map_err(|problem| {
            let name = global.name.as_deref().unwrap_or_default();
            let place = format!("{}: var<{word}> '{name}'", self.name);
            ForeignError::new(Cause::Unsupported, place, problem)
        })?;
        Ok(Some(Scalars {
            place: global.binding.map(place),
            fields,
        }))
    }

    fn flatten(
        &self,
        ty: Handle<Type>,
        offset: u32,
        fields: &mut Vec<(u32, Scalar)>,
    ) -> Result<(), String> {
        if fields.len() > 64 {
            return Err("has more than 64 fields".into());
        }
        match &self.module.types[ty].inner {
            TypeInner::Scalar(scalar) => fields.push((offset, *scalar)),
            TypeInner::Vector { size, scalar } => {
                let width = u32::from(scalar.width);
                fields.extend((0..*size as u32).map(|lane| (offset + lane * width, *scalar)));
            }
            TypeInner::Struct { members, .. } => {
                for member in members {
                    self.flatten(member.ty, offset + member.offset, fields)?;
                }
            }
            _ => return Err("has fields that are neither scalars nor vectors".into()),
        }
        match fields.iter().find(|(_, scalar)| scalar.width != 4) {
            Some((_, scalar)) => Err(format!(
                "has a field of type {}; i32, u32 and f32 can be passed",
                scalar_name(*scalar)
            )),
            None => Ok(()),
        }
    }
}

/// The fields of a uniform or of the immediates.
#[derive(Clone, Debug)]
pub(crate) struct Scalars {
    pub place: Option<Place>,
    /// Byte and type of each.
    pub fields: Vec<(u32, Scalar)>,
}

impl Element {
    const fn of(scalar: Scalar, lanes: u32) -> Self {
        Self {
            scalar,
            lanes,
            is_atomic: false,
        }
    }

    /// In WGSL.
    pub fn text(self) -> String {
        let scalar = scalar_name(self.scalar);
        match (self.is_atomic, self.lanes) {
            (true, _) => format!("atomic<{scalar}>"),
            (false, 1) => scalar,
            (false, lanes) => format!("vec{lanes}<{scalar}>"),
        }
    }
}

/// In WGSL.
pub(crate) fn scalar_name(scalar: Scalar) -> String {
    let bits = 8 * u32::from(scalar.width);
    match scalar.kind {
        ScalarKind::Sint | ScalarKind::AbstractInt => format!("i{bits}"),
        ScalarKind::Uint => format!("u{bits}"),
        ScalarKind::Float | ScalarKind::AbstractFloat => format!("f{bits}"),
        ScalarKind::Bool => "bool".into(),
    }
}

pub(super) fn place(at: naga::ResourceBinding) -> Place {
    Place {
        group: at.group,
        binding: at.binding,
    }
}

/// Without what a hostile file makes a message of.
fn short(message: &str) -> String {
    let clean: String = message
        .trim()
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .take(MAX_MESSAGE)
        .collect();
    clean
}
