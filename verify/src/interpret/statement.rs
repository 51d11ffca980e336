//! Statements: which invocations take part in what.
//!
//! A block is run by a set of invocations, ascending, and leaves those that reach its end.
//! Others wait where they left: behind the loop they broke out of, at the end of its body,
//! behind the function.

use naga::{Barrier, Block, Expression, Handle, Statement, SwitchCase, SwitchValue};

use super::{
    Domain, Run, Stop,
    column::Column,
    machine::{Frame, Machine},
    unsupported,
};

/// Invocations that left a loop's body or a switch.
#[derive(Debug, Default)]
pub(super) struct Escape {
    is_switch: bool,
    broken: Vec<u32>,
    continued: Vec<u32>,
}

impl<'m, D: Domain> Machine<'m, D> {
    pub fn block(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        block: &Block,
        mut lanes: Vec<u32>,
    ) -> Run<Vec<u32>> {
        for statement in block.iter() {
            if lanes.is_empty() {
                break;
            }
            self.spend(1)?;
            lanes = self.statement(frame, statement, lanes)?;
        }
        Ok(lanes)
    }

    fn statement(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        statement: &Statement,
        lanes: Vec<u32>,
    ) -> Run<Vec<u32>> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.evaluate(frame, handle, &lanes)?;
                }
            }
            Statement::Block(block) => return self.block(frame, block, lanes),
            Statement::If {
                condition,
                accept,
                reject,
            } => {
                let holds = frame.columns[condition.index()].integers();
                let (yes, no): (Vec<u32>, Vec<u32>) =
                    lanes.iter().partition(|lane| holds[**lane as usize] != 0);
                let yes = self.block(frame, accept, yes)?;
                let no = self.block(frame, reject, no)?;
                return Ok(merge(yes, no));
            }
            Statement::Switch { selector, cases } => {
                return self.switch(frame, *selector, cases, lanes);
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => {
                return self.repeat(frame, body, continuing, *break_if, lanes);
            }
            Statement::Break => {
                return self.leave(frame, lanes, false);
            }
            Statement::Continue => {
                return self.leave(frame, lanes, true);
            }
            Statement::Return { value } => {
                if let Some(value) = value {
                    let column = frame.columns[value.index()].clone();
                    self.keep(frame, column, &lanes)?;
                }
                frame.returned = merge(std::mem::take(&mut frame.returned), lanes);
                return Ok(Vec::new());
            }
            Statement::ControlBarrier(flags) => self.barrier(*flags, &lanes)?,
            Statement::Store { pointer, value } => self.store(frame, *pointer, *value, &lanes)?,
            Statement::Call {
                function,
                arguments,
                result,
            } => {
                self.call(frame, *function, arguments, *result, &lanes)?;
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                // A barrier before and after, and one value for all.
                self.barrier(Barrier::WORK_GROUP, &lanes)?;
                self.uniform_load(frame, *pointer, *result, &lanes)?;
                self.barrier(Barrier::WORK_GROUP, &lanes)?;
            }
            Statement::SubgroupGather {
                mode,
                argument,
                result,
            } => {
                self.gather(frame, mode, *argument, *result, &lanes)?;
            }
            Statement::SubgroupCollectiveOperation {
                op,
                collective_op,
                argument,
                result,
            } => {
                self.collect(frame, *op, *collective_op, *argument, *result, &lanes)?;
            }
            Statement::Atomic { .. } => return unsupported("atomics are not interpreted"),
            Statement::CooperativeStore { target, data } => {
                self.store_matrix(frame, *target, data, &lanes)?;
            }
            _ => return unsupported("a statement that is not interpreted"),
        }
        Ok(lanes)
    }

    fn leave(
        &self,
        frame: &mut Frame<'_, 'm, D::Value>,
        lanes: Vec<u32>,
        continues: bool,
    ) -> Run<Vec<u32>> {
        let mut escapes = frame.loops.iter_mut().rev();
        let found = match continues {
            true => escapes.find(|escape| !escape.is_switch),
            false => escapes.next(),
        };
        let Some(escape) = found else {
            return unsupported("a break outside of a loop");
        };
        let to = if continues {
            &mut escape.continued
        } else {
            &mut escape.broken
        };
        *to = merge(std::mem::take(to), lanes);
        Ok(Vec::new())
    }

    fn repeat(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        mut lanes: Vec<u32>,
    ) -> Run<Vec<u32>> {
        let mut left = Vec::new();
        while !lanes.is_empty() {
            self.spend(1)?;
            frame.loops.push(Escape::default());
            let ended = self.block(frame, body, lanes)?;
            let escape = frame.loops.pop().unwrap_or_default();
            left = merge(left, escape.broken);
            lanes = self.block(frame, continuing, merge(ended, escape.continued))?;
            if let Some(condition) = break_if {
                let holds = frame.columns[condition.index()].integers();
                let (out, on): (Vec<u32>, Vec<u32>) =
                    lanes.iter().partition(|lane| holds[**lane as usize] != 0);
                left = merge(left, out);
                lanes = on;
            }
        }
        Ok(left)
    }

    fn switch(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        selector: Handle<Expression>,
        cases: &[SwitchCase],
        lanes: Vec<u32>,
    ) -> Run<Vec<u32>> {
        let selected = frame.columns[selector.index()].integers().to_vec();
        let fits = |case: &SwitchCase, value: i64| match case.value {
            SwitchValue::I32(expected) => value == i64::from(expected),
            SwitchValue::U32(expected) => value == i64::from(expected),
            SwitchValue::Default => false,
        };
        frame.loops.push(Escape {
            is_switch: true,
            ..Escape::default()
        });
        let mut ended = Vec::new();
        let mut falling = Vec::new();
        for case in cases {
            let takes = |lane: &&u32| {
                let value = selected[**lane as usize];
                match case.value {
                    SwitchValue::Default => !cases.iter().any(|case| fits(case, value)),
                    _ => fits(case, value),
                }
            };
            let own: Vec<u32> = lanes.iter().filter(takes).copied().collect();
            let after = self.block(frame, &case.body, merge(falling, own))?;
            falling = Vec::new();
            match case.fall_through {
                true => falling = after,
                false => ended = merge(ended, after),
            }
        }
        let escape = frame.loops.pop().unwrap_or_default();
        Ok(merge(merge(ended, falling), escape.broken))
    }

    fn barrier(&mut self, flags: Barrier, lanes: &[u32]) -> Run<()> {
        if flags.contains(Barrier::SUB_GROUP) {
            return unsupported("barriers of subgroups are not interpreted");
        }
        if lanes.len() != self.width {
            let mut all = 0..self.width as u32;
            let missing = all.find(|lane| !lanes.contains(lane)).unwrap_or_default();
            return Err(Stop::Refused(format!(
                "{} of {} invocations of workgroup {} reach a barrier, invocation {missing} does not",
                lanes.len(),
                self.width,
                self.number
            )));
        }
        for (interval, flag) in self
            .intervals
            .iter_mut()
            .zip([Barrier::WORK_GROUP, Barrier::STORAGE])
        {
            *interval += u32::from(flags.contains(flag));
        }
        Ok(())
    }

    /// Keeps what some invocations returned.
    fn keep(
        &self,
        frame: &mut Frame<'_, 'm, D::Value>,
        column: Column<D::Value>,
        lanes: &[u32],
    ) -> Run<()> {
        match (&mut frame.result, column) {
            (result @ Column::Empty, column) => *result = column,
            (Column::Floats(to), Column::Floats(from)) => copy(to, &from, lanes, self.width),
            (Column::Integers(to), Column::Integers(from)) => copy(to, &from, lanes, self.width),
            _ => return unsupported("a function that returns something else"),
        }
        Ok(())
    }
}

fn copy<T: Copy>(to: &mut [T], from: &[T], lanes: &[u32], width: usize) {
    for start in (0..to.len()).step_by(width.max(1)) {
        for lane in lanes {
            to[start + *lane as usize] = from[start + *lane as usize];
        }
    }
}

/// Two ascending sets that share nothing.
pub(super) fn merge(a: Vec<u32>, b: Vec<u32>) -> Vec<u32> {
    if a.is_empty() {
        return b;
    }
    if b.is_empty() {
        return a;
    }
    let mut merged = a;
    merged.extend(b);
    merged.sort_unstable();
    merged
}
