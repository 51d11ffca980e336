//! Branches: both sides, what follows where one side leaves, and locals behind them.

use naga::{Block, Expression, Handle, Span, Statement};

use super::{Done, Flow, Value, Walk, state::Locals};
use crate::prove::{
    expr::Cond,
    flow::{root, statement_leaves},
    trace::Item,
};

/// Whether a block leaves what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Never,
    Always(Flow),
    Sometimes,
}

impl<'m> Walk<'m> {
    /// Both sides of a branch. Where one side leaves, the statements behind it belong to
    /// the other; then the second result is true.
    pub(super) fn branch(
        &mut self,
        condition: Handle<Expression>,
        accept: &'m Block,
        reject: &'m Block,
        rest: &[(&'m Statement, Span)],
        span: Span,
    ) -> Done<(Flow, bool)> {
        let cond = self.condition(condition)?;
        match self.terrain.decide(self.place, cond) {
            Some(true) => return Ok((self.block(accept)?, false)),
            Some(false) => return Ok((self.block(reject)?, false)),
            None => {}
        }
        let opposite = self.terrain.pool.not(cond);
        let (first, second) = (exit(accept), exit(reject));
        let leaves = match (first, second) {
            (Exit::Never, Exit::Never) => None,
            (Exit::Always(flow), Exit::Never) | (Exit::Never, Exit::Always(flow)) => Some(flow),
            (Exit::Always(one), Exit::Always(other)) if one == other => Some(one),
            _ => return self.outside(span, "control leaves a branch in several ways"),
        };
        let both = leaves.is_some() && first == second;
        if let Some(flow) = leaves {
            self.leave(flow, both, cond, span)?;
        }
        let first_leaves = matches!(first, Exit::Always(_));
        let second_leaves = matches!(second, Exit::Always(_));
        let split = leaves.is_some() && !both;
        let before = self.frame.locals.clone();
        let behind = |leaving: bool| if split && !leaving { rest } else { &[] };
        let (accepted, first_flow) = self.side(cond, accept, behind(first_leaves))?;
        let after_accept = std::mem::replace(&mut self.frame.locals, before);
        let (rejected, second_flow) = self.side(opposite, reject, behind(second_leaves))?;
        self.items.push(Item::If {
            cond,
            accept: accepted,
            reject: rejected,
        });
        match leaves {
            None => {
                self.merge(cond, after_accept);
                Ok((Flow::Next, false))
            }
            Some(flow) if both => Ok((flow, true)),
            Some(_) if first_leaves => Ok((second_flow, true)),
            Some(_) => {
                self.frame.locals = after_accept;
                Ok((first_flow, true))
            }
        }
    }

    /// One side of a branch, with the statements behind the branch that belong to it.
    fn side(
        &mut self,
        cond: Cond,
        block: &'m Block,
        behind: &[(&'m Statement, Span)],
    ) -> Done<(Vec<Item>, Flow)> {
        let around = (self.place, std::mem::take(&mut self.items));
        self.place = self.terrain.enter(self.place, cond);
        self.path.push(cond);
        let mut flow = Flow::Next;
        // Where nobody can be there is nothing to judge.
        if !self.terrain.is_impossible(self.place) {
            flow = self.block(block)?;
            if flow == Flow::Next {
                flow = self.statements(behind)?;
            }
        }
        self.path.pop();
        self.place = around.0;
        Ok((std::mem::replace(&mut self.items, around.1), flow))
    }

    /// Registers that invocations leave under a condition that is not decided.
    fn leave(&mut self, flow: Flow, both: bool, cond: Cond, span: Span) -> Done {
        if flow == Flow::Return && !self.loops.is_empty() {
            return self.outside(span, "it returns from inside of a loop");
        }
        // naga writes a return at the end of every branch that ends a function.
        let value = self.function().result.is_some();
        if flow == Flow::Return && self.frame.is_callee && (value || !both) {
            return self.outside(span, "a function returns from inside of a branch");
        }
        if flow == Flow::Return {
            return Ok(());
        }
        let depends = self.terrain.pool.cond_vars(cond);
        if let Some(inner) = self.loops.last_mut() {
            if inner.unrolling {
                return match inner.still {
                    true => self.endless(span),
                    false => self.outside(span, "a loop without a counter ends at an unknown time"),
                };
            }
            inner.breaks |= flow == Flow::Break;
            inner.continues |= flow == Flow::Continue;
            inner.depends |= depends;
        }
        Ok(())
    }

    /// Whether a loop is nothing but a condition on locals that ends it: it does so at first or never.
    pub(super) fn is_still(&self, body: &Block) -> bool {
        let function = self.function();
        let of_locals = |it| match function.expressions[it] {
            Expression::Load { pointer } => root(function, pointer).is_some(),
            _ => true,
        };
        let mut ends = 0;
        let still = body.iter().all(|statement| match statement {
            Statement::Emit(range) => range.clone().all(of_locals),
            Statement::If { accept, reject, .. } => {
                ends += 1;
                matches!(
                    (&accept[..], &reject[..]),
                    ([Statement::Break], []) | ([], [Statement::Break])
                )
            }
            _ => false,
        });
        still && ends == 1
    }

    /// Locals after a branch: `accepted` where the condition holds, else the present ones.
    fn merge(&mut self, cond: Cond, accepted: Locals) {
        let handles: Vec<_> = accepted.into_iter().collect();
        for (handle, first) in handles {
            let second = match self.frame.locals.get(&handle) {
                Some(second) if *second == first => continue,
                Some(second) => second.clone(),
                None => Value::Data,
            };
            let merged = self.select(cond, first, second);
            self.frame.locals.insert(handle, merged);
        }
    }
}

/// Whether control leaves a block, not counting loops inside of it. naga ends both sides
/// of a branch at the end of a function with a return, at any depth.
fn exit(block: &Block) -> Exit {
    let Some((last, before)) = block.split_last() else {
        return Exit::Never;
    };
    if before.iter().any(|it| statement_leaves(it, false)) {
        return Exit::Sometimes;
    }
    match last {
        Statement::Break => Exit::Always(Flow::Break),
        Statement::Continue => Exit::Always(Flow::Continue),
        Statement::Return { .. } => Exit::Always(Flow::Return),
        Statement::Block(inner) => exit(inner),
        Statement::If { accept, reject, .. } => match (exit(accept), exit(reject)) {
            (one, other) if one == other => one,
            _ => Exit::Sometimes,
        },
        other => match statement_leaves(other, false) {
            true => Exit::Sometimes,
            false => Exit::Never,
        },
    }
}
