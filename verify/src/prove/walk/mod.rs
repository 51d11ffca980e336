//! From a naga module to a [`Trace`]: one walk over the entry point, in which every
//! integer is an expression in ids and loop counters.
//!
//! Control flow that depends on ids or sizes becomes a branch of the tree; loops with a
//! counter (`loops.rs`) are walked once. What is not understood ends the walk with the
//! reason, and nothing is claimed of the kernel.
//!
//! Outside of the class: `switch`, images, 64-bit integers in addresses, `break` and
//! `return` that are neither the end of a branch nor a loop's condition.

mod arithmetic;
mod branch;
mod loops;
mod matrix;
mod memory;
mod state;
mod value;

use std::rc::Rc;

use naga::{
    Barrier, Block, BuiltIn, Expression, Function, Handle, Span, Statement, valid::FunctionInfo,
};

use self::state::{Frame, LoopFrame};
pub(super) use self::value::Value;
use super::{
    code::Code,
    expr::{Cond, DATA, Expr, Int, LOCAL, Range, TooManyVariables, Vars, WORKGROUP},
    flow::{is_pure, statement_leaves},
    launch::{Launch, Scalar},
    range::{ANYWHERE, Place, Terrain},
    trace::{Item, Line, Trace},
};

/// Why a kernel is outside of the class.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) why: String,
    pub(super) line: Line,
    /// A loop that is the same after an iteration as before it, so that it has no end.
    pub(super) endless: bool,
}

impl From<TooManyVariables> for Outside {
    fn from(_: TooManyVariables) -> Self {
        Self {
            why: "it has more than 110 loops".into(),
            line: 0,
            endless: false,
        }
    }
}

type Done<T = ()> = Result<T, Outside>;

/// Where control goes after statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

/// Most lists of statements inside of each other.
const DEEPEST: u32 = 100;

/// Most iterations of loops that are walked one by one.
const UNROLLED: u32 = 4096;

/// The walk.
pub(super) struct Walk<'m> {
    code: &'m Code,
    launch: &'m Launch,
    pub(super) terrain: Terrain,
    frame: Frame<'m>,
    place: Place,
    path: Vec<Cond>,
    items: Vec<Item>,
    trace: Trace,
    loops: Vec<LoopFrame>,
    unrolled: u32,
    depth: u32,
    /// Variables that differ within a subgroup, besides local ids.
    lanes: Vars,
}

impl<'m> Walk<'m> {
    /// Walks the entry point of `code` as `launch` runs it.
    pub(super) fn run(code: &'m Code, launch: &'m Launch) -> Done<(Trace, Terrain)> {
        let entry = code.entry();
        if entry.workgroup_size_overrides.is_some() {
            return Err(Outside {
                why: "the size of its workgroups is an override".into(),
                line: 0,
                endless: false,
            });
        }
        let mut terrain = Terrain::default();
        let ids = launch.workgroups.iter().chain(&entry.workgroup_size);
        for count in ids {
            terrain
                .pool
                .var(Range::new(0, i64::from(*count).max(1) - 1))?;
        }
        let mut walk = Self {
            code,
            launch,
            terrain,
            frame: Frame::new(&entry.function, code.entry_info()),
            place: ANYWHERE,
            path: Vec::new(),
            items: Vec::new(),
            trace: Trace::default(),
            loops: Vec::new(),
            unrolled: 0,
            depth: 0,
            lanes: 0,
        };
        walk.arguments()?;
        walk.initialise()?;
        walk.block(&entry.function.body)?;
        walk.trace.items = std::mem::take(&mut walk.items);
        Ok((walk.trace, walk.terrain))
    }

    fn function(&self) -> &'m Function {
        self.frame.function
    }

    fn info(&self) -> &'m FunctionInfo {
        self.frame.info
    }

    fn outside<T>(&self, span: Span, why: impl Into<String>) -> Done<T> {
        Err(Outside {
            why: why.into(),
            line: self.code.line(span),
            endless: false,
        })
    }

    /// A loop that is the same after an iteration as before it.
    fn endless<T>(&self, span: Span) -> Done<T> {
        Err(Outside {
            why: "a loop changes nothing that it could end by".into(),
            line: self.code.line(span),
            endless: true,
        })
    }

    // --- The beginning ------------------------------------------------------

    /// What the entry point is passed.
    fn arguments(&mut self) -> Done {
        let arguments = &self.code.entry().function.arguments;
        for argument in arguments {
            let value = match &argument.binding {
                Some(naga::Binding::BuiltIn(builtin)) => self.builtin(*builtin)?,
                _ => match &self.code.module.types[argument.ty].inner {
                    naga::TypeInner::Struct { members, .. } => {
                        let mut values = Vec::new();
                        for member in members {
                            values.push(match &member.binding {
                                Some(naga::Binding::BuiltIn(builtin)) => self.builtin(*builtin)?,
                                _ => Value::Data,
                            });
                        }
                        Value::Parts(values)
                    }
                    _ => Value::Data,
                },
            };
            self.frame.arguments.push(value);
        }
        Ok(())
    }

    fn builtin(&mut self, builtin: BuiltIn) -> Done<Value> {
        let size = self.code.entry().workgroup_size;
        let pool = &mut self.terrain.pool;
        let unsigned = |expr: Expr| Value::Int(Int::Unsigned, expr);
        Ok(match builtin {
            BuiltIn::WorkGroupId => {
                Value::Parts(WORKGROUP.map(|var| unsigned(pool.variable(var))).into())
            }
            BuiltIn::LocalInvocationId => {
                Value::Parts(LOCAL.map(|var| unsigned(pool.variable(var))).into())
            }
            BuiltIn::GlobalInvocationId => {
                let mut parts = Vec::new();
                for (index, size) in size.iter().enumerate() {
                    let group = pool.variable(WORKGROUP[index]);
                    let local = pool.variable(LOCAL[index]);
                    let exact = pool.add_scaled(local, group, i64::from(*size));
                    parts.push(unsigned(exact));
                }
                let place = self.place;
                for part in &mut parts {
                    if let Value::Int(int, exact) = part {
                        *exact = self.terrain.fit(place, *int, *exact);
                    }
                }
                Value::Parts(parts)
            }
            BuiltIn::LocalInvocationIndex => unsigned(self.local_index()),
            BuiltIn::NumWorkGroups => {
                let counts = self.launch.workgroups;
                Value::Parts(
                    counts
                        .map(|count| unsigned(pool.constant(i64::from(count))))
                        .into(),
                )
            }
            BuiltIn::SubgroupId if self.launch.subgroup_size > 0 => match self.subgroup_number() {
                Some(number) => unsigned(number),
                None => Value::Data,
            },
            BuiltIn::SubgroupId | BuiltIn::NumSubgroups => {
                let most = size.iter().map(|size| i64::from(*size)).product::<i64>();
                let range = match builtin {
                    BuiltIn::SubgroupId => Range::new(0, most - 1),
                    _ => Range::new(1, most.max(2)),
                };
                let var = pool.var(range)?;
                unsigned(pool.variable(var))
            }
            BuiltIn::SubgroupInvocationId | BuiltIn::SubgroupSize => {
                let range = match builtin {
                    BuiltIn::SubgroupInvocationId => Range::new(0, 127),
                    _ => Range::new(1, 128),
                };
                let var = pool.var(range)?;
                if builtin == BuiltIn::SubgroupInvocationId {
                    self.lanes |= 1 << var;
                }
                unsigned(pool.variable(var))
            }
            _ => Value::Data,
        })
    }

    /// Locals with the values they are declared with; WGSL's is zero.
    fn initialise(&mut self) -> Done {
        let function = self.function();
        for (handle, local) in function.local_variables.iter() {
            let value = match local.init {
                Some(init) => self.value(init)?,
                None => self.zero(local.ty),
            };
            self.frame.locals.insert(handle, value);
        }
        Ok(())
    }

    /// The scalar argument at `byte` of the struct of immediates.
    fn immediate(&mut self, byte: i64) -> Option<Value> {
        let index = usize::try_from(byte / 4).ok().filter(|_| byte % 4 == 0)?;
        let pool = &mut self.terrain.pool;
        Some(match self.launch.immediates.get(index)? {
            Scalar::I32(value) => Value::Int(Int::Signed, pool.constant(i64::from(*value))),
            Scalar::U32(value) => Value::Int(Int::Unsigned, pool.constant(i64::from(*value))),
            Scalar::F32(_) => Value::Data,
        })
    }

    // --- Statements ---------------------------------------------------------

    fn block(&mut self, block: &'m Block) -> Done<Flow> {
        let statements: Vec<_> = block.span_iter().map(|(s, span)| (s, *span)).collect();
        self.statements(&statements)
    }

    /// Statements, one behind the other. What follows a branch that may be left is walked
    /// inside of it, so long lists of such branches become deep.
    fn statements(&mut self, statements: &[(&'m Statement, Span)]) -> Done<Flow> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Outside {
                why: "its control flow is nested too deeply".into(),
                line: 0,
                endless: false,
            });
        }
        let flow = self.listed(statements);
        self.depth -= 1;
        flow
    }

    fn listed(&mut self, statements: &[(&'m Statement, Span)]) -> Done<Flow> {
        for (number, (statement, span)) in statements.iter().enumerate() {
            let flow = match statement {
                Statement::Block(inner) if !inner.iter().any(|it| statement_leaves(it, false)) => {
                    self.block(inner)?
                }
                Statement::Block(inner) => {
                    // One list with what follows, so that a way out of the block is a way
                    // past that, too.
                    let inner = inner.span_iter().map(|(it, span)| (it, *span));
                    let all: Vec<_> = inner
                        .chain(statements[number + 1..].iter().copied())
                        .collect();
                    return self.statements(&all);
                }
                Statement::If {
                    condition,
                    accept,
                    reject,
                } => {
                    let rest = &statements[number + 1..];
                    match self.branch(*condition, accept, reject, rest, *span)? {
                        // The rest was walked inside of it.
                        (flow, true) => return Ok(flow),
                        (flow, false) => flow,
                    }
                }
                _ => self.statement(statement, *span)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &'m Statement, span: Span) -> Done<Flow> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    let value = self.compute(handle)?;
                    self.frame.values.insert(handle, value);
                }
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => return self.counted(body, continuing, *break_if, span),
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Return { value } => {
                if let Some(value) = value {
                    self.frame.returned = Some(self.value(*value)?);
                }
                return Ok(Flow::Return);
            }
            Statement::ControlBarrier(flags) => self.barrier(*flags, span),
            Statement::MemoryBarrier(_) => {}
            Statement::Store { pointer, value } => self.store(*pointer, *value, span)?,
            Statement::Atomic {
                pointer, result, ..
            } => self.atomic(*pointer, *result, span)?,
            Statement::WorkGroupUniformLoad { pointer, result } => {
                self.barrier(Barrier::WORK_GROUP, span);
                self.touch(*pointer, super::trace::Kind::Read, span)?;
                let value = self.unknown_of(*result);
                self.frame.values.insert(*result, value);
                self.barrier(Barrier::WORK_GROUP, span);
            }
            Statement::Call {
                function,
                arguments,
                result,
            } => self.call(*function, arguments, *result, span)?,
            Statement::SubgroupBallot { result, .. }
            | Statement::SubgroupGather { result, .. }
            | Statement::SubgroupCollectiveOperation { result, .. } => {
                let value = self.unknown_of(*result);
                self.frame.values.insert(*result, value);
            }
            Statement::Switch { .. } => return self.outside(span, "it has a switch"),
            Statement::CooperativeStore { target, data } => {
                self.store_matrix(*target, data, span)?;
            }
            _ => return self.outside(span, "it has a statement that is not analysed"),
        }
        Ok(Flow::Next)
    }

    fn barrier(&mut self, flags: Barrier, span: Span) {
        if flags.intersects(Barrier::WORK_GROUP | Barrier::STORAGE | Barrier::TEXTURE) {
            self.items.push(Item::Barrier {
                orders_workgroup: flags.contains(Barrier::WORK_GROUP),
                line: self.code.line(span),
            });
        }
    }

    fn path(&self) -> Rc<[Cond]> {
        self.path.as_slice().into()
    }

    // --- Calls --------------------------------------------------------------

    fn call(
        &mut self,
        callee: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Done {
        let function = &self.code.module.functions[callee];
        if is_pure(self.code, function) {
            if let Some(result) = result {
                let value = self.unknown_of(result);
                self.frame.values.insert(result, value);
            }
            return Ok(());
        }
        let mut frame = Frame::new(function, &self.code.info[callee]);
        frame.is_callee = true;
        for argument in arguments {
            let value = self.value(*argument)?;
            if let Value::Pointer(pointer) = &value
                && pointer.is_local()
            {
                return self.outside(span, "a function is passed a pointer to a local");
            }
            frame.arguments.push(value);
        }
        let caller = std::mem::replace(&mut self.frame, frame);
        self.initialise()?;
        let loops = std::mem::take(&mut self.loops);
        self.block(&function.body)?;
        self.loops = loops;
        let callee = std::mem::replace(&mut self.frame, caller);
        if let Some(result) = result {
            let value = match callee.returned {
                Some(value) => value,
                None => self.unknown_of(result),
            };
            self.frame.values.insert(result, value);
        }
        Ok(())
    }
}

/// Whether nothing else than constants and, where allowed, variables is in `vars`.
pub(super) const fn only_of(vars: Vars, allowed: Vars) -> bool {
    vars & !allowed == 0 && vars & DATA == 0
}
