//! Loops: those with a counter are walked once, with the number of the iteration as a
//! variable; others iteration by iteration, as long as every condition is decided.
//!
//! A counter is a local integer with one store in the loop, at its top level, that adds a
//! constant. The condition is the first branch of the body, one side of which is nothing
//! but `break`: the loop goes on while bound - counter is not negative.

use std::collections::BTreeSet;

use naga::{BinaryOperator, Block, Expression, Handle, Literal, LocalVariable, Span, Statement};

use super::{Done, Flow, UNROLLED, Value, Walk, state::LoopFrame};
use crate::prove::{
    expr::{Cond, Expr, Int, Node, Range, Test, Var, Vars},
    flow::{assigned, each, root},
    range::ceil_div,
    trace::{Item, Loop},
};

/// A local that grows by a constant.
struct Counter {
    local: Handle<LocalVariable>,
    int: Int,
    first: Expr,
    step: i64,
}

/// When a loop ends.
struct Trips {
    /// Iteration i runs while `rest` - i · `factor` is not negative.
    rest: Expr,
    factor: i64,
    range: (i64, i64),
    /// There are further conditions.
    partial: bool,
    /// What the condition depends on, the counter aside.
    depends: Vars,
}

/// Most iterations of one loop that is walked one by one.
const LONGEST: u32 = 1024;

impl<'m> Walk<'m> {
    pub(super) fn counted(
        &mut self,
        body: &'m Block,
        continuing: &'m Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
    ) -> Done<Flow> {
        let assigned = assigned(self.function(), &[body, continuing]);
        let guard = guard(body);
        if let (Some(guard), None) = (guard, break_if) {
            let counters = self.counters(&assigned, body, continuing, guard);
            if !counters.is_empty()
                && let Some((var, trips)) = self.trips(&assigned, &counters, body, guard)?
            {
                self.symbolic(
                    &assigned, &counters, body, continuing, guard, var, &trips, span,
                )?;
                return Ok(Flow::Next);
            }
        }
        self.one_by_one(body, continuing, break_if, span)
    }

    // --- Counters -----------------------------------------------------------

    fn counters(
        &mut self,
        assigned: &BTreeSet<Handle<LocalVariable>>,
        body: &Block,
        continuing: &Block,
        guard: usize,
    ) -> Vec<Counter> {
        let function = self.function();
        let mut found = Vec::new();
        for local in assigned {
            let Some(Value::Int(int, first)) = self.frame.locals.get(local).cloned() else {
                continue;
            };
            let stores = |block: &Block| count_stores(function, block, *local);
            if stores(body) + stores(continuing) != 1 {
                continue;
            }
            let store = store_to(function, body.iter().skip(guard + 1), *local)
                .or_else(|| store_to(function, continuing.iter(), *local));
            let Some((pointer, value)) = store else {
                continue;
            };
            let whole = matches!(function.expressions[pointer], Expression::LocalVariable(_));
            if !whole || (stores(body) == 1 && skips(body)) {
                continue;
            }
            let here = |handle| emits(body, handle) || emits(continuing, handle);
            let step = self.step(*local, value, &here);
            if let Some(step) = step.filter(|step| *step != 0) {
                found.push(Counter {
                    local: *local,
                    int,
                    first,
                    step,
                });
            }
        }
        found
    }

    /// The constant in `local + constant`, where the local is read inside the loop.
    fn step(
        &self,
        local: Handle<LocalVariable>,
        value: Handle<Expression>,
        here: &dyn Fn(Handle<Expression>) -> bool,
    ) -> Option<i64> {
        let expressions = &self.function().expressions;
        let Expression::Binary { op, left, right } = expressions[value] else {
            return None;
        };
        let is_local = |handle: Handle<Expression>| match expressions[handle] {
            Expression::Load { pointer } => {
                let same =
                    matches!(expressions[pointer], Expression::LocalVariable(it) if it == local);
                same && here(handle)
            }
            _ => false,
        };
        let number = |handle: Handle<Expression>| match expressions[handle] {
            Expression::Literal(Literal::I32(value)) => Some(i64::from(value)),
            Expression::Literal(Literal::U32(value)) => Some(i64::from(value)),
            Expression::Constant(constant) => {
                let init = self.code.module.constants[constant].init;
                match self.code.module.global_expressions[init] {
                    Expression::Literal(Literal::I32(value)) => Some(i64::from(value)),
                    Expression::Literal(Literal::U32(value)) => Some(i64::from(value)),
                    _ => None,
                }
            }
            _ => None,
        };
        match op {
            BinaryOperator::Add if is_local(left) => number(right),
            BinaryOperator::Add if is_local(right) => number(left),
            BinaryOperator::Subtract if is_local(left) => number(right).map(|step| -step),
            _ => None,
        }
    }

    /// Locals at the start of iteration `var`.
    fn set(
        &mut self,
        assigned: &BTreeSet<Handle<LocalVariable>>,
        counters: &[Counter],
        number: Expr,
    ) {
        for local in assigned {
            let ty = self.function().local_variables[*local].ty;
            let inner = &self.code.module.types[ty].inner;
            let value = self.unknown(inner);
            self.frame.locals.insert(*local, value);
        }
        for counter in counters {
            let pool = &mut self.terrain.pool;
            let value = pool.add_scaled(counter.first, number, counter.step);
            let value = Value::Int(counter.int, value);
            self.frame.locals.insert(counter.local, value);
        }
    }

    /// How often a loop runs; `None` where its condition does not say.
    fn trips(
        &mut self,
        assigned: &BTreeSet<Handle<LocalVariable>>,
        counters: &[Counter],
        body: &'m Block,
        guard: usize,
    ) -> Done<Option<(Var, Trips)>> {
        // As many iterations as leave every counter in its type.
        let mut most = i64::from(u32::MAX);
        for counter in counters {
            let (own, first) = (
                counter.int.range(),
                self.terrain.range(self.place, counter.first),
            );
            let room = match counter.step > 0 {
                true => own.hi - first.hi,
                false => first.lo - own.lo,
            };
            most = most.min(room / counter.step.abs());
        }
        let var = self.terrain.pool.var(Range::new(0, most.max(1)))?;
        let number = self.terrain.pool.node(Node::Var(var));
        let before = (
            self.frame.locals.clone(),
            self.items.len(),
            self.trace.bounds.len(),
        );
        self.set(assigned, counters, number);
        let mut found = None;
        for (statement, span) in body.span_iter().take(guard) {
            self.statement(statement, *span)?;
        }
        if let Some(Statement::If {
            condition, accept, ..
        }) = body.get(guard)
        {
            let cond = self.condition(*condition)?;
            let goes_on = match accept.is_empty() {
                true => cond,
                false => self.terrain.pool.not(cond),
            };
            found = self.limit(goes_on, var);
            if let Some(found) = &mut found {
                found.depends = self.terrain.pool.cond_vars(goes_on) & !(1 << var);
            }
        }
        let touched = self.items.len() != before.1 || self.trace.bounds.len() != before.2;
        self.frame.locals = before.0;
        self.items.truncate(before.1);
        self.trace.bounds.truncate(before.2);
        let Some(trips) = found.filter(|trips| !touched && trips.range.1 <= most) else {
            return Ok(None);
        };
        let last = (trips.range.1 - 1).max(0);
        self.terrain.pool.set_var_range(var, Range::new(0, last));
        self.terrain.forget(var);
        Ok(Some((var, trips)))
    }

    /// The end that a condition for going on sets to a counter.
    fn limit(&mut self, cond: Cond, var: Var) -> Option<Trips> {
        match self.terrain.pool.of_cond(cond) {
            Test::Both(a, b) => {
                let mut limit = self.limit(a, var).or_else(|| self.limit(b, var))?;
                limit.partial = true;
                Some(limit)
            }
            Test::NotNegative(sum) => {
                let pool = &mut self.terrain.pool;
                let (terms, constant) = pool.terms(sum);
                let is_var = |atom| matches!(pool.of(atom), Node::Var(it) if it == var);
                let own = terms.iter().find(|(atom, _)| is_var(*atom));
                let factor = own
                    .map(|(_, factor)| -factor)
                    .filter(|factor| *factor > 0)?;
                let rest = terms.iter().copied().filter(|(atom, _)| !is_var(*atom));
                let rest = rest.collect();
                let rest = pool.collect(rest, constant)?;
                if pool.vars(rest) >> var & 1 == 1 {
                    return None;
                }
                let mut range = self.terrain.range(self.place, rest);
                // An end that is the smaller of two begins where the counter does, or before.
                range.hi = range.hi.min(self.terrain.reaches_up_to(self.place, rest));
                let count = |rest: i64| match rest < 0 {
                    true => 0,
                    false => rest / factor + 1,
                };
                Some(Trips {
                    rest,
                    factor,
                    range: (count(range.lo), count(range.hi)),
                    partial: false,
                    depends: 0,
                })
            }
            _ => None,
        }
    }

    // --- Walking ------------------------------------------------------------

    #[allow(clippy::too_many_arguments)]
    fn symbolic(
        &mut self,
        assigned: &BTreeSet<Handle<LocalVariable>>,
        counters: &[Counter],
        body: &'m Block,
        continuing: &'m Block,
        guard: usize,
        var: Var,
        trips: &Trips,
        span: Span,
    ) -> Done {
        let around = (self.place, std::mem::take(&mut self.items));
        let mut inner = LoopFrame::default();
        let mut depends = trips.depends;
        if trips.range.1 > 0 {
            self.loops.push(LoopFrame::default());
            let number = self.terrain.pool.variable(var);
            self.set(assigned, counters, number);
            let depth = self.path.len();
            let flow = self.iteration(body, guard)?;
            if flow == Flow::Return {
                return self.outside(span, "it returns from inside of a loop");
            }
            inner = self.loops.pop().unwrap_or_default();
            if flow == Flow::Break {
                inner.breaks = true;
            }
            if inner.continues {
                self.set(assigned, counters, number);
            }
            self.block(continuing)?;
            self.path.truncate(depth);
        }
        self.place = around.0;
        let items = std::mem::replace(&mut self.items, around.1);
        depends |= inner.depends & !(1 << var);
        let early = inner.breaks || trips.partial;
        self.items.push(Item::Loop(Loop {
            var,
            trips: (if early { 0 } else { trips.range.0 }, trips.range.1),
            depends,
            ragged: early,
            body: items,
        }));
        // Behind the loop a counter has the first value that ended it.
        let count = self
            .terrain
            .pool
            .known(trips.rest)
            .filter(|_| !early)
            .map(|rest| match rest < 0 {
                true => 0,
                false => ceil_div(rest + 1, trips.factor),
            });
        let known = if count.is_some() { counters } else { &[] };
        let number = self.terrain.pool.constant(count.unwrap_or(0));
        self.set(assigned, known, number);
        Ok(())
    }

    /// The body, under the condition that it is reached.
    fn iteration(&mut self, body: &'m Block, guard: usize) -> Done<Flow> {
        let statements: Vec<_> = body.span_iter().map(|(s, span)| (s, *span)).collect();
        self.statements(&statements[..guard])?;
        if let Some((
            Statement::If {
                condition, accept, ..
            },
            _,
        )) = statements.get(guard)
        {
            let cond = self.condition(*condition)?;
            let goes_on = match accept.is_empty() {
                true => cond,
                false => self.terrain.pool.not(cond),
            };
            self.place = self.terrain.enter(self.place, goes_on);
            self.path.push(goes_on);
        }
        self.statements(&statements[guard + 1..])
    }

    /// Every iteration on its own.
    fn one_by_one(
        &mut self,
        body: &'m Block,
        continuing: &'m Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
    ) -> Done<Flow> {
        self.loops.push(LoopFrame {
            unrolling: true,
            still: break_if.is_none() && continuing.is_empty() && self.is_still(body),
            ..LoopFrame::default()
        });
        for _ in 0..LONGEST {
            self.unrolled += 1;
            if self.unrolled > UNROLLED {
                break;
            }
            let before = self.frame.locals.clone();
            let flow = self.block(body)?;
            if flow == Flow::Break || flow == Flow::Return {
                self.loops.pop();
                return Ok(if flow == Flow::Return {
                    flow
                } else {
                    Flow::Next
                });
            }
            self.block(continuing)?;
            if let Some(condition) = break_if {
                let cond = self.condition(condition)?;
                match self.terrain.decide(self.place, cond) {
                    Some(true) => {
                        self.loops.pop();
                        return Ok(Flow::Next);
                    }
                    Some(false) => {}
                    None => {
                        return self
                            .outside(span, "a loop without a counter ends at an unknown time");
                    }
                }
            }
            // What ends it was decided by the locals alone, and they are what they were.
            if self.frame.locals == before {
                return self.endless(span);
            }
        }
        self.outside(span, "a loop without a counter runs too long to be walked")
    }
}

fn count_stores(function: &naga::Function, block: &Block, local: Handle<LocalVariable>) -> usize {
    let mut count = 0;
    each(block, &mut |statement| match statement {
        Statement::Store { pointer, .. } if root(function, *pointer) == Some(local) => count += 1,
        // A callee may store any number of times.
        Statement::Call { arguments, .. } => {
            let passed = arguments
                .iter()
                .filter(|it| root(function, **it) == Some(local));
            count += 2 * passed.count();
        }
        _ => {}
    });
    count
}

/// The store to `local` among statements that always run.
fn store_to<'b>(
    function: &naga::Function,
    statements: impl Iterator<Item = &'b Statement>,
    local: Handle<LocalVariable>,
) -> Option<(Handle<Expression>, Handle<Expression>)> {
    for statement in statements {
        match statement {
            Statement::Store { pointer, value } if root(function, *pointer) == Some(local) => {
                return Some((*pointer, *value));
            }
            Statement::Block(inner) => {
                if let Some(found) = store_to(function, inner.iter(), local) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a block computes an expression.
fn emits(block: &Block, handle: Handle<Expression>) -> bool {
    let mut found = false;
    each(block, &mut |statement| {
        if let Statement::Emit(range) = statement {
            found |= range.clone().any(|it| it == handle);
        }
    });
    found
}

/// Whether a body may skip what follows in it.
fn skips(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Continue => true,
        Statement::Block(inner) => skips(inner),
        Statement::If { accept, reject, .. } => skips(accept) || skips(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| skips(&case.body)),
        _ => false,
    })
}

/// The statement of a body that ends the loop: before it nothing but values is computed.
fn guard(body: &Block) -> Option<usize> {
    let index = body
        .iter()
        .position(|statement| !matches!(statement, Statement::Emit(_)))?;
    match body.get(index) {
        Some(Statement::If { accept, reject, .. }) => {
            let breaks =
                |block: &Block| matches!(block.first(), Some(Statement::Break)) && block.len() == 1;
            let ends =
                (breaks(accept) && reject.is_empty()) || (accept.is_empty() && breaks(reject));
            ends.then_some(index)
        }
        _ => None,
    }
}
