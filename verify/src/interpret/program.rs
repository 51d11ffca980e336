//! The module of a kernel, and what is known of its expressions before it runs.

use naga::{
    Arena, Expression, Function, GlobalVariable, Handle, Module, Type, TypeInner,
    valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator},
};

use super::{Run, column::Shape, unsupported};

/// A parsed and validated module.
#[derive(Debug)]
pub(super) struct Program {
    pub module: Module,
    pub info: ModuleInfo,
}

/// A function and the shapes of its expressions.
#[derive(Debug)]
pub(super) struct Code<'m> {
    pub function: &'m Function,
    pub info: &'m FunctionInfo,
    pub shapes: Vec<Shape>,
}

impl Program {
    pub fn parse(wgsl: &str) -> Run<Self> {
        let module = match naga::front::wgsl::parse_str(wgsl) {
            Ok(module) => module,
            Err(error) => {
                return unsupported(format!("naga does not read it: {}", error.message()));
            }
        };
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
        match validator.validate(&module) {
            Ok(info) => Ok(Self { module, info }),
            Err(error) => unsupported(format!("naga's validator refuses it: {}", error.as_inner())),
        }
    }

    pub fn entry(&self, name: &str) -> Run<(Code<'_>, [u32; 3])> {
        let mut entries = self.module.entry_points.iter().enumerate();
        let found = entries.find(|(_, entry)| entry.name == name);
        let Some((index, entry)) = found else {
            return unsupported(format!("it has no entry point '{name}'"));
        };
        let info = self.info.get_entry_point(index);
        Ok((self.code(&entry.function, info), entry.workgroup_size))
    }

    pub fn function(&self, handle: Handle<Function>) -> Code<'_> {
        self.code(&self.module.functions[handle], &self.info[handle])
    }

    fn code<'m>(&'m self, function: &'m Function, info: &'m FunctionInfo) -> Code<'m> {
        let shape = |(handle, expression): (Handle<Expression>, &Expression)| {
            if let Expression::GlobalVariable(_) | Expression::LocalVariable(_) = expression {
                return Shape {
                    kind: super::column::Kind::Pointer,
                    components: 1,
                };
            }
            Shape::of(info[handle].ty.inner_with(&self.module.types))
        };
        Code {
            function,
            info,
            shapes: function.expressions.iter().map(shape).collect(),
        }
    }

    pub fn globals(&self) -> &Arena<GlobalVariable> {
        &self.module.global_variables
    }

    pub fn inner(&self, ty: Handle<Type>) -> &TypeInner {
        &self.module.types[ty].inner
    }

    /// Bytes of a type; those of one element for an array without a size.
    pub fn bytes(&self, ty: Handle<Type>) -> usize {
        match self.inner(ty) {
            // One that is held whole.
            matrix @ TypeInner::CooperativeMatrix { scalar, .. } => {
                Shape::of(matrix).components * usize::from(scalar.width)
            }
            inner => inner.size(self.module.to_ctx()) as usize,
        }
    }

    /// Bytes of the smallest scalar in a type.
    pub fn unit(&self, ty: Handle<Type>) -> usize {
        match self.inner(ty) {
            TypeInner::Scalar(scalar)
            | TypeInner::Vector { scalar, .. }
            | TypeInner::Matrix { scalar, .. }
            | TypeInner::CooperativeMatrix { scalar, .. }
            | TypeInner::Atomic(scalar) => usize::from(scalar.width),
            TypeInner::Array { base, .. } => self.unit(*base),
            TypeInner::Struct { members, .. } => {
                let units = members.iter().map(|member| self.unit(member.ty));
                units.min().unwrap_or(4)
            }
            _ => 4,
        }
    }
}

impl Code<'_> {
    pub fn shape(&self, handle: Handle<Expression>) -> Shape {
        self.shapes[handle.index()]
    }
}
