//! What the walk knows of the function it is in.

use std::collections::HashMap;

use naga::{Expression, Function, Handle, LocalVariable, valid::FunctionInfo};

use super::value::Value;
use crate::prove::expr::Vars;

/// Values of local variables.
pub(super) type Locals = HashMap<Handle<LocalVariable>, Value>;

/// A function being walked.
pub(super) struct Frame<'m> {
    pub(super) function: &'m Function,
    pub(super) info: &'m FunctionInfo,
    pub(super) arguments: Vec<Value>,
    pub(super) values: HashMap<Handle<Expression>, Value>,
    pub(super) locals: Locals,
    pub(super) returned: Option<Value>,
    pub(super) is_callee: bool,
}

impl<'m> Frame<'m> {
    pub(super) fn new(function: &'m Function, info: &'m FunctionInfo) -> Self {
        Self {
            function,
            info,
            arguments: Vec::new(),
            values: HashMap::new(),
            locals: Locals::new(),
            returned: None,
            is_callee: false,
        }
    }
}

/// A loop being walked.
#[derive(Debug, Default)]
pub(super) struct LoopFrame {
    /// Every iteration is walked on its own.
    pub(super) unrolling: bool,
    /// A condition on locals is all there is in it, so that it ends at first or never.
    pub(super) still: bool,
    /// Some invocations leave it where others may not.
    pub(super) breaks: bool,
    /// Some skip to the next iteration.
    pub(super) continues: bool,
    /// What that depends on.
    pub(super) depends: Vars,
}
