//! One invocation, step by step: what it accesses and which barriers it meets, as far as
//! that does not depend on what is in memory.
//!
//! It knows nothing of `walk/` and of expressions, so that the one can be held against the
//! other. An index out of bounds ends it: that is a defect whatever comes after.

mod access;
mod compute;

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use naga::{
    Barrier, Block, BuiltIn, Expression, Function, GlobalVariable, Handle, LocalVariable, Span,
    Statement, TypeInner, valid::FunctionInfo,
};

use super::values::Value;
use crate::prove::{
    code::Code,
    flow::{assigned, is_pure, is_quiet},
    launch::Launch,
    trace::{Kind, Line, Memory},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    Local(Handle<LocalVariable>),
    Global(Handle<GlobalVariable>),
}

/// A pointer.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    root: Root,
    /// Bytes from the start of the variable.
    address: i64,
    part: bool,
    /// The vector or matrix that it points into, with its bytes.
    whole: Option<(i64, i64)>,
}

/// What an invocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Access {
        memory: Memory,
        kind: Kind,
        address: i64,
        size: i64,
        line: Line,
    },
    Barrier {
        orders_workgroup: bool,
        orders_storage: bool,
        /// Tells it from every other in the text, and from itself in another call.
        site: u64,
        line: Line,
    },
}

/// Why an invocation was not followed further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The steps are used up.
    Steps,
    /// What comes depends on data, or is not followed.
    Unknown,
    /// An index is out of bounds.
    Outside {
        what: String,
        index: i64,
        length: i64,
        line: Line,
    },
}

enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

type Done<T = ()> = Result<T, Stop>;

struct Frame<'m> {
    function: &'m Function,
    info: &'m FunctionInfo,
    arguments: Vec<Value>,
    values: HashMap<Handle<Expression>, Value>,
    locals: HashMap<Handle<LocalVariable>, Value>,
    returned: Value,
}

/// An invocation.
pub(super) struct Machine<'m> {
    code: &'m Code,
    launch: &'m Launch,
    workgroup: [u32; 3],
    local: [u32; 3],
    frame: Frame<'m>,
    steps: u64,
    /// The calls around the present statement, as one number.
    calls: u64,
    pub(super) events: Vec<Event>,
}

/// Follows an invocation for at most `steps` steps. The second result is why it was not
/// followed to its end.
pub(super) fn follow(
    code: &Code,
    launch: &Launch,
    workgroup: [u32; 3],
    local: [u32; 3],
    steps: u64,
) -> (Vec<Event>, Option<Stop>, u64) {
    let entry = code.entry();
    let mut machine = Machine {
        code,
        launch,
        workgroup,
        local,
        frame: Frame::new(&entry.function, code.entry_info()),
        steps,
        calls: 0,
        events: Vec::new(),
    };
    machine.arguments();
    let stop = machine.whole().err();
    let used = steps - machine.steps;
    (machine.events, stop, used)
}

/// A place in the text inside of some calls.
fn site(calls: u64, span: Span) -> u64 {
    let mut hasher = DefaultHasher::new();
    (calls, span.to_range().map(|range| range.start)).hash(&mut hasher);
    hasher.finish()
}

impl<'m> Frame<'m> {
    fn new(function: &'m Function, info: &'m FunctionInfo) -> Self {
        Self {
            function,
            info,
            arguments: Vec::new(),
            values: HashMap::new(),
            locals: HashMap::new(),
            returned: Value::Unknown,
        }
    }
}

impl<'m> Machine<'m> {
    fn arguments(&mut self) {
        for argument in &self.code.entry().function.arguments {
            let value = match (
                &argument.binding,
                &self.code.module.types[argument.ty].inner,
            ) {
                (Some(naga::Binding::BuiltIn(builtin)), _) => self.builtin(*builtin),
                (_, TypeInner::Struct { members, .. }) => {
                    let part = |member: &naga::StructMember| match &member.binding {
                        Some(naga::Binding::BuiltIn(builtin)) => self.builtin(*builtin),
                        _ => Value::Unknown,
                    };
                    Value::Parts(members.iter().map(part).collect())
                }
                _ => Value::Unknown,
            };
            self.frame.arguments.push(value);
        }
    }

    fn builtin(&self, builtin: BuiltIn) -> Value {
        let three = |values: [u32; 3]| Value::Parts(values.map(Value::U32).into());
        let size = self.code.entry().workgroup_size;
        let local = self.local;
        match builtin {
            BuiltIn::WorkGroupId => three(self.workgroup),
            BuiltIn::LocalInvocationId => three(local),
            BuiltIn::GlobalInvocationId => three(std::array::from_fn(|index| {
                self.workgroup[index]
                    .wrapping_mul(size[index])
                    .wrapping_add(local[index])
            })),
            BuiltIn::LocalInvocationIndex => {
                Value::U32(local[0] + size[0] * (local[1] + size[1] * local[2]))
            }
            BuiltIn::NumWorkGroups => three(self.launch.workgroups),
            _ => Value::Unknown,
        }
    }

    fn whole(&mut self) -> Done {
        let function = self.frame.function;
        for (handle, local) in function.local_variables.iter() {
            let value = match local.init {
                Some(init) => self.value(init)?,
                None => Value::zero(&self.code.module.types[local.ty].inner),
            };
            self.frame.locals.insert(handle, value);
        }
        self.block(&function.body)?;
        Ok(())
    }

    // --- Statements ---------------------------------------------------------

    fn block(&mut self, block: &'m Block) -> Done<Flow> {
        for (statement, span) in block.span_iter() {
            match self.statement(statement, *span)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &'m Statement, span: Span) -> Done<Flow> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.steps = self.steps.checked_sub(1).ok_or(Stop::Steps)?;
                    let value = self.compute(handle)?;
                    self.frame.values.insert(handle, value);
                }
            }
            Statement::Block(block) => return self.block(block),
            Statement::If {
                condition,
                accept,
                reject,
            } => match self.value(*condition)? {
                Value::Bool(true) => return self.block(accept),
                Value::Bool(false) => return self.block(reject),
                _ => self.either(&[accept, reject])?,
            },
            Statement::Switch { selector, cases } => {
                let Some(selector) = self.value(*selector)?.index() else {
                    return Err(Stop::Unknown);
                };
                let hit = cases.iter().position(|case| match case.value {
                    naga::SwitchValue::I32(value) => i64::from(value) == selector,
                    naga::SwitchValue::U32(value) => i64::from(value) == selector,
                    naga::SwitchValue::Default => false,
                });
                let default = || {
                    let is_default =
                        |case: &naga::SwitchCase| matches!(case.value, naga::SwitchValue::Default);
                    cases.iter().position(is_default)
                };
                let Some(first) = hit.or_else(default) else {
                    return Ok(Flow::Next);
                };
                for case in &cases[first..] {
                    match self.block(&case.body)? {
                        Flow::Next if case.fall_through => {}
                        Flow::Next | Flow::Break => break,
                        other => return Ok(other),
                    }
                }
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => loop {
                self.steps = self.steps.checked_sub(1).ok_or(Stop::Steps)?;
                match self.block(body)? {
                    Flow::Break => break,
                    Flow::Return => return Ok(Flow::Return),
                    Flow::Next | Flow::Continue => {}
                }
                self.block(continuing)?;
                match break_if {
                    None => {}
                    Some(condition) => match self.value(*condition)? {
                        Value::Bool(true) => break,
                        Value::Bool(false) => {}
                        _ => return Err(Stop::Unknown),
                    },
                }
            },
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Return { value } => {
                self.frame.returned = match value {
                    Some(value) => self.value(*value)?,
                    None => Value::Unknown,
                };
                return Ok(Flow::Return);
            }
            Statement::ControlBarrier(flags) => self.barrier(*flags, span),
            Statement::MemoryBarrier(_) => {}
            Statement::Store { pointer, value } => {
                let stored = self.value(*value)?;
                match self.value(*pointer)? {
                    Value::Pointer(at) => match at.root {
                        Root::Local(local) => {
                            let whole = if at.part { Value::Unknown } else { stored };
                            self.frame.locals.insert(local, whole);
                        }
                        Root::Global(_) => self.touch(*pointer, &at, Kind::Write, span)?,
                    },
                    _ => return Err(Stop::Unknown),
                }
            }
            Statement::Atomic {
                pointer, result, ..
            } => {
                let Value::Pointer(at) = self.value(*pointer)? else {
                    return Err(Stop::Unknown);
                };
                self.touch(*pointer, &at, Kind::Atomic, span)?;
                if let Some(result) = result {
                    self.frame.values.insert(*result, Value::Unknown);
                }
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                let Value::Pointer(at) = self.value(*pointer)? else {
                    return Err(Stop::Unknown);
                };
                self.barrier(Barrier::WORK_GROUP, span);
                self.touch(*pointer, &at, Kind::Read, span)?;
                self.barrier(Barrier::WORK_GROUP, span);
                self.frame.values.insert(*result, Value::Unknown);
            }
            Statement::Call {
                function,
                arguments,
                result,
            } => self.call(*function, arguments, *result, span)?,
            Statement::SubgroupBallot { result, .. }
            | Statement::SubgroupGather { result, .. }
            | Statement::SubgroupCollectiveOperation { result, .. } => {
                self.frame.values.insert(*result, Value::Unknown);
            }
            _ => return Err(Stop::Unknown),
        }
        Ok(Flow::Next)
    }

    /// Blocks of which one runs, it is not known which.
    fn either(&mut self, blocks: &[&'m Block]) -> Done {
        for block in blocks {
            if !is_quiet(self.code, self.frame.function, block) {
                return Err(Stop::Unknown);
            }
            for local in assigned(self.frame.function, &[*block]) {
                self.frame.locals.insert(local, Value::Unknown);
            }
        }
        Ok(())
    }

    fn barrier(&mut self, flags: Barrier, span: Span) {
        if flags.intersects(Barrier::WORK_GROUP | Barrier::STORAGE | Barrier::TEXTURE) {
            self.events.push(Event::Barrier {
                orders_workgroup: flags.contains(Barrier::WORK_GROUP),
                orders_storage: flags.contains(Barrier::STORAGE),
                site: site(self.calls, span),
                line: self.code.line(span),
            });
        }
    }

    fn call(
        &mut self,
        callee: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Done {
        let function = &self.code.module.functions[callee];
        let returned = if is_pure(self.code, function) {
            Value::Unknown
        } else {
            let mut frame = Frame::new(function, &self.code.info[callee]);
            for argument in arguments {
                let value = self.value(*argument)?;
                if let Value::Pointer(Pointer {
                    root: Root::Local(_),
                    ..
                }) = value
                {
                    return Err(Stop::Unknown);
                }
                frame.arguments.push(value);
            }
            let caller = std::mem::replace(&mut self.frame, frame);
            let calls = self.calls;
            self.calls = site(calls, span);
            self.whole()?;
            self.calls = calls;
            std::mem::replace(&mut self.frame, caller).returned
        };
        if let Some(result) = result {
            self.frame.values.insert(result, returned);
        }
        Ok(())
    }
}
