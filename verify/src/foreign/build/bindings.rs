//! The storage buffers of a launch: what each is, and whether it is declared as such.

use kforge_runtime::{
    Dtype,
    manifest::{Abi, Access, Binding, Expr},
};
use naga::ScalarKind;

use super::{Builder, ScratchBuffer, Slot, Stated};
use crate::{
    convert,
    foreign::{
        Cause, ForeignError,
        dims::Role,
        interface::{Bound, Length},
        shader::Storage,
    },
};

/// A name that stands for something.
struct Target {
    slot: Slot,
    dtype: Dtype,
    elements: i64,
}

/// The storage buffers of a launch.
pub(super) struct Buffers {
    pub bindings: Vec<Binding>,
    pub slots: Vec<Slot>,
    pub written: Vec<Slot>,
    pub abi: Abi,
}

impl Builder<'_> {
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

    /// The storage buffers that an entry point uses.
    pub(super) fn bindings(
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
}
