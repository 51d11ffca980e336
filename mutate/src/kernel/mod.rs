//! A package's kernel as a naga module that can be changed and written back.
//!
//! Names of expressions are dropped on reading, so that a kernel and its mutant are
//! written the same way and their texts differ only where the kernels do.

mod bounds;
mod edit;
mod operands;
mod operators;
mod rebuild;
mod tripwire;

pub use bounds::watch_bounds;
pub use edit::Edit;
pub use operators::{OPERATORS, Operator};
pub use tripwire::{Watched, watch};

use naga::{
    Expression, Function, Handle, Module, ScalarKind, TypeInner,
    back::wgsl,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

/// Why a kernel's text cannot be worked on, or a mutant's not be written.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The text is no WGSL.
    #[error("the kernel does not parse: {0}")]
    Parse(String),
    /// naga's validator refuses the module.
    #[error("the kernel is not valid: {0}")]
    Invalid(String),
    /// The module cannot be written.
    #[error("the kernel cannot be written: {0}")]
    Write(String),
    /// A kernel file holds one entry point.
    #[error("the file has {0} entry points, expected 1")]
    EntryPoints(usize),
}

/// A valid module of one entry point, with naga's analysis of it.
#[derive(Clone, Debug)]
pub struct Kernel {
    module: Module,
    info: ModuleInfo,
}

impl Kernel {
    /// Reads a kernel's text.
    pub fn parse(wgsl: &str) -> Result<Self, KernelError> {
        let module = naga::front::wgsl::parse_str(wgsl)
            .map_err(|error| KernelError::Parse(error.emit_to_string(wgsl)))?;
        Self::of(module)
    }

    /// A module that naga accepts.
    pub fn of(mut module: Module) -> Result<Self, KernelError> {
        let [entry] = &mut module.entry_points[..] else {
            return Err(KernelError::EntryPoints(module.entry_points.len()));
        };
        entry.function.named_expressions.clear();
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .validate(&module)
            .map_err(|error| KernelError::Invalid(error.emit_to_string("")))?;
        Ok(Self { module, info })
    }

    /// The kernel with one change, as text.
    pub fn changed(&self, edit: &Edit) -> Result<String, KernelError> {
        let mut module = self.module.clone();
        edit.apply(&mut module);
        Self::of(module)?.text()
    }

    /// The kernel as WGSL.
    pub fn text(&self) -> Result<String, KernelError> {
        wgsl::write_string(&self.module, &self.info, wgsl::WriterFlags::empty())
            .map_err(|error| KernelError::Write(error.to_string()))
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The entry point's body.
    fn function(&self) -> &Function {
        &self.module.entry_points[0].function
    }

    /// Every expression that some statement needs, in order.
    fn expressions(&self) -> impl Iterator<Item = (Handle<Expression>, &Expression)> {
        let live = operands::live(self.function());
        let all = self.function().expressions.iter();
        all.filter(move |(handle, _)| live[handle.index()])
    }

    /// The type of an expression.
    fn ty(&self, handle: Handle<Expression>) -> &TypeInner {
        self.info.get_entry_point(0)[handle]
            .ty
            .inner_with(&self.module.types)
    }

    /// The kind of a scalar's or vector's elements.
    fn scalar(&self, handle: Handle<Expression>) -> Option<ScalarKind> {
        self.ty(handle).scalar().map(|scalar| scalar.kind)
    }

    fn is_float(&self, handle: Handle<Expression>) -> bool {
        self.scalar(handle) == Some(ScalarKind::Float)
    }

    fn is_integer(&self, handle: Handle<Expression>) -> bool {
        matches!(
            self.scalar(handle),
            Some(ScalarKind::Sint | ScalarKind::Uint)
        )
    }
}
