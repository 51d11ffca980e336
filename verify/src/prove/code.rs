//! The module that a package's WGSL text says, parsed and validated by naga.

use naga::{
    EntryPoint, Expression, Handle, Module, ShaderStage, Span, Type, TypeInner,
    proc::Layouter,
    valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator},
};

use super::trace::Line;

/// A parsed entry point.
#[derive(Debug)]
pub struct Code {
    source: String,
    /// Where each line begins: naga counts them anew for every span.
    lines: Vec<usize>,
    pub(super) module: Module,
    pub(super) info: ModuleInfo,
    pub(super) layouter: Layouter,
    entry: usize,
}

/// Why a text cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// It does not parse.
    #[error("the text does not parse: {0}")]
    Parse(String),
    /// naga's validator refuses it.
    #[error("the text is not valid: {0}")]
    Invalid(String),
    /// There is no such entry point.
    #[error("there is no compute entry point '{0}'")]
    NoEntry(String),
}

impl Code {
    /// Parses and validates `source`; `entry` names a compute entry point of it.
    ///
    /// # Errors
    /// naga's reasons, or an entry point that is not there.
    pub fn parse(source: &str, entry: &str) -> Result<Self, CodeError> {
        let module = naga::front::wgsl::parse_str(source)
            .map_err(|error| CodeError::Parse(error.message().to_owned()))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
            .subgroup_operations(naga::valid::SubgroupOperationSet::all())
            .validate(&module)
            .map_err(|error| CodeError::Invalid(error.to_string()))?;
        let mut layouter = Layouter::default();
        layouter
            .update(module.to_ctx())
            .map_err(|error| CodeError::Invalid(error.to_string()))?;
        let found = module
            .entry_points
            .iter()
            .position(|it| it.stage == ShaderStage::Compute && (it.name == entry));
        let Some(entry) = found else {
            return Err(CodeError::NoEntry(entry.escape_default().to_string()));
        };
        Ok(Self {
            source: source.to_owned(),
            lines: std::iter::once(0)
                .chain(source.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
            module,
            info,
            layouter,
            entry,
        })
    }

    pub(super) fn entry(&self) -> &EntryPoint {
        &self.module.entry_points[self.entry]
    }

    pub(super) fn entry_info(&self) -> &FunctionInfo {
        self.info.get_entry_point(self.entry)
    }

    /// Bytes of a type.
    pub(super) fn size(&self, ty: Handle<Type>) -> i64 {
        i64::from(self.layouter[ty].size)
    }

    /// Bytes that a variable has whatever is bound: all of it, or what is in front of an array
    /// without a size.
    pub(super) fn fixed_size(&self, ty: Handle<Type>) -> i64 {
        let types = &self.module.types;
        match &types[ty].inner {
            inner if !inner.is_dynamically_sized(types) => self.size(ty),
            TypeInner::Struct { members, .. } => {
                members.last().map_or(0, |last| i64::from(last.offset))
            }
            _ => 0,
        }
    }

    /// What a pointer's type says it points to; `info` is that of its function.
    pub(super) fn pointee(
        &self,
        info: &FunctionInfo,
        pointer: Handle<Expression>,
    ) -> Option<TypeInner> {
        let types = &self.module.types;
        match info[pointer].ty.inner_with(types) {
            TypeInner::Pointer { base, .. } => Some(types[*base].inner.clone()),
            TypeInner::ValuePointer { size, scalar, .. } => Some(match size {
                Some(size) => TypeInner::Vector {
                    size: *size,
                    scalar: *scalar,
                },
                None => TypeInner::Scalar(*scalar),
            }),
            _ => None,
        }
    }

    /// The line a span starts in.
    pub(super) fn line(&self, span: Span) -> Line {
        match span.to_range() {
            Some(range) => self.lines.partition_point(|begin| *begin <= range.start) as Line,
            None => 0,
        }
    }

    /// The text of a line, without the space around it.
    pub(super) fn text(&self, line: Line) -> &str {
        let index = (line as usize).wrapping_sub(1);
        self.source.lines().nth(index).map_or("", str::trim)
    }
}
