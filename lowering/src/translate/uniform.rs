//! Uniformity of control flow, on the MLIR level.
//!
//! A barrier must be reached by all invocations of a workgroup, a matrix op by
//! all of a subgroup and with the same operands; naga checks neither. The analysis is conservative: ids,
//! everything read from memory and the results of subgroup ops count as
//! divergent, even where they happen to be uniform. Sizes and other scalar
//! arguments are uniform.

use super::{error::TranslateError, read};
use melior::ir::{BlockLike, BlockRef, OperationRef, Value, operation::OperationLike};
use std::collections::HashSet;

/// Whose invocations have to agree, which ops need it, and what breaks it.
struct Scope {
    group: &'static str,
    needs: fn(&str) -> bool,
    /// Whether the operands of these ops have to agree too.
    operands_agree: bool,
    diverges: fn(&str) -> bool,
}

const WORKGROUP: Scope = Scope {
    group: "workgroup",
    needs: |op| op == "gpu.barrier",
    operands_agree: false,
    diverges: |op| {
        matches!(op, "gpu.subgroup_id" | "gpu.subgroup_reduce") || diverges_in_subgroup(op)
    },
};

const SUBGROUP: Scope = Scope {
    group: "subgroup",
    needs: |op| op.starts_with("gpu.subgroup_mma_"),
    operands_agree: true,
    diverges: diverges_in_subgroup,
};

fn diverges_in_subgroup(op: &str) -> bool {
    matches!(
        op,
        "gpu.thread_id"
            | "gpu.lane_id"
            | "gpu.global_id"
            | "gpu.shuffle"
            | "memref.load"
            | "vector.load"
    )
}

/// Refuses a barrier or matrix op in control flow that may diverge.
pub(super) fn check(func: OperationRef<'_, '_>) -> Result<(), TranslateError> {
    let Some(body) = read::block(func, 0)? else {
        return Ok(());
    };
    for scope in [WORKGROUP, SUBGROUP] {
        Analysis {
            scope,
            divergent: HashSet::new(),
        }
        .block(body, None)?;
    }
    Ok(())
}

struct Analysis {
    scope: Scope,
    divergent: HashSet<usize>,
}

impl Analysis {
    /// `control` names the op whose condition diverges, if one does.
    fn block(
        &mut self,
        block: BlockRef<'_, '_>,
        control: Option<&str>,
    ) -> Result<(), TranslateError> {
        for op in read::operations(block) {
            self.operation(op, control)?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        op: OperationRef<'_, '_>,
        control: Option<&str>,
    ) -> Result<(), TranslateError> {
        let name = read::name(op);
        if let Some(cause) = control
            && (self.scope.needs)(&name)
        {
            return Err(read::fail(
                op,
                format!(
                    "may not be reached by the whole {}: it is inside a control flow op that depends on ids or memory ({cause}); move it out",
                    self.scope.group
                ),
            ));
        }
        if self.scope.operands_agree
            && (self.scope.needs)(&name)
            && op.operands().any(|value| self.is_divergent(value))
        {
            return Err(read::fail(
                op,
                format!(
                    "has an operand that depends on ids or memory and may differ within the {}; use gpu.subgroup_id in place of thread ids",
                    self.scope.group
                ),
            ));
        }
        match name.as_str() {
            "scf.if" => self.branch(op, control),
            "scf.for" => self.counted_loop(op, control),
            "scf.while" => self.while_loop(op, control),
            _ => {
                let spreads = (self.scope.diverges)(&name)
                    || op.operands().any(|value| self.is_divergent(value));
                for result in op.results() {
                    self.mark(result.into(), spreads);
                }
                Ok(())
            }
        }
    }

    fn branch(
        &mut self,
        op: OperationRef<'_, '_>,
        control: Option<&str>,
    ) -> Result<(), TranslateError> {
        let diverges = self.is_divergent(read::operand(op, 0)?);
        let cause = cause(op);
        let inner = if diverges {
            Some(cause.as_str())
        } else {
            control
        };
        for region in 0..op.region_count() {
            let Some(block) = read::block(op, region)? else {
                continue;
            };
            self.block(block, inner)?;
            self.flow(&yielded(block, 0), &results(op), diverges);
        }
        Ok(())
    }

    fn counted_loop(
        &mut self,
        op: OperationRef<'_, '_>,
        control: Option<&str>,
    ) -> Result<(), TranslateError> {
        let Some(block) = read::block(op, 0)? else {
            return Ok(());
        };
        let bounds: Vec<bool> = op
            .operands()
            .take(3)
            .map(|v| self.is_divergent(v))
            .collect();
        let diverges = bounds.contains(&true);
        let arguments = read::arguments(block);
        let (counter, carried) = arguments.split_at(arguments.len().min(1));
        let starts: Vec<_> = op.operands().skip(3).collect();
        if let [lower, _, step] = bounds[..] {
            counter.iter().for_each(|&v| self.mark(v, lower || step));
        }
        self.flow(&starts, carried, diverges);
        let cause = cause(op);
        let inner = if diverges {
            Some(cause.as_str())
        } else {
            control
        };
        loop {
            let before = self.divergent.len();
            self.block(block, inner)?;
            self.flow(&yielded(block, 0), carried, diverges);
            if self.divergent.len() == before {
                break;
            }
        }
        self.flow(carried, &results(op), diverges);
        Ok(())
    }

    fn while_loop(
        &mut self,
        op: OperationRef<'_, '_>,
        control: Option<&str>,
    ) -> Result<(), TranslateError> {
        let (Some(before), Some(after)) = (read::block(op, 0)?, read::block(op, 1)?) else {
            return Ok(());
        };
        let cause = cause(op);
        let starts: Vec<_> = op.operands().collect();
        self.flow(&starts, &read::arguments(before), false);
        let mut inner = control;
        loop {
            let known = (self.divergent.len(), inner.is_some());
            self.block(before, inner)?;
            let diverges = yielded(before, 0)
                .first()
                .is_some_and(|&v| self.is_divergent(v));
            if diverges {
                inner = Some(cause.as_str());
            }
            let passed = yielded(before, 1);
            self.flow(&passed, &read::arguments(after), false);
            self.flow(&passed, &results(op), diverges);
            self.block(after, inner)?;
            self.flow(&yielded(after, 0), &read::arguments(before), diverges);
            if known == (self.divergent.len(), inner.is_some()) {
                return Ok(());
            }
        }
    }

    /// Values of `from` become those of `to`.
    fn flow(&mut self, from: &[Value<'_, '_>], to: &[Value<'_, '_>], diverges: bool) {
        for (&from, &to) in from.iter().zip(to) {
            let spreads = diverges || self.is_divergent(from);
            self.mark(to, spreads);
        }
    }

    fn mark(&mut self, value: Value<'_, '_>, divergent: bool) {
        if divergent {
            self.divergent.insert(read::key(&value));
        }
    }

    fn is_divergent(&self, value: Value<'_, '_>) -> bool {
        self.divergent.contains(&read::key(&value))
    }
}

fn yielded<'c, 'a>(block: BlockRef<'c, 'a>, skip: usize) -> Vec<Value<'c, 'a>> {
    match block.terminator() {
        Some(end) => (skip..end.operand_count())
            .filter_map(|index| end.operand(index).ok())
            .collect(),
        None => Vec::new(),
    }
}

fn results<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<Value<'c, 'a>> {
    (0..op.result_count())
        .filter_map(|index| read::result(op, index).ok())
        .collect()
}

fn cause(op: OperationRef<'_, '_>) -> String {
    let place = read::fail(op, "");
    format!("{} at {}", place.op, place.location)
}
