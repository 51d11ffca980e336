//! Operations of subgroups of a fixed size, invocations in the order of their numbers.

use naga::{CollectiveOperation, Expression, GatherMode, Handle, SubgroupOperation};

use super::{
    Arithmetic, Domain, Run, Stop,
    column::Column,
    machine::{Frame, Machine},
    unsupported,
};

impl<'m, D: Domain> Machine<'m, D> {
    /// The subgroups of these invocations, of which each must be whole.
    pub(super) fn subgroups(&self, lanes: &[u32]) -> Run<Vec<Vec<usize>>> {
        let Some(size) = self.subgroup else {
            return unsupported("it has subgroup operations and names no subgroup size");
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for lane in lanes {
            match groups.last_mut() {
                Some(group) if group[0] as u32 / size == lane / size => group.push(*lane as usize),
                _ => groups.push(vec![*lane as usize]),
            }
        }
        for group in &groups {
            let first = group[0] - group[0] % size as usize;
            let whole = (size as usize).min(self.width - first);
            if group.len() != whole {
                return Err(Stop::Refused(format!(
                    "{} of {whole} invocations of a subgroup reach a subgroup operation in workgroup {}",
                    group.len(),
                    self.number
                )));
            }
        }
        Ok(groups)
    }

    pub fn gather(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        mode: &GatherMode,
        argument: Handle<Expression>,
        result: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        let groups = self.subgroups(lanes)?;
        let shape = frame.code.shape(result);
        self.spend(lanes.len() * shape.components)?;
        let of = |index: &Handle<Expression>, lane: usize| {
            frame.columns[index.index()]
                .integers()
                .get(lane)
                .copied()
                .unwrap_or(-1)
        };
        // Where each invocation reads; its own place where there is nothing, since WGSL leaves
        // the value open: marked as not written.
        let mut sources = vec![None; self.width];
        for group in &groups {
            for (own, lane) in group.iter().enumerate() {
                let own = own as i64;
                let from = match mode {
                    GatherMode::BroadcastFirst => 0,
                    GatherMode::Broadcast(index) | GatherMode::Shuffle(index) => of(index, *lane),
                    GatherMode::ShuffleDown(index) => own + of(index, *lane),
                    GatherMode::ShuffleUp(index) => own - of(index, *lane),
                    GatherMode::ShuffleXor(index) => own ^ of(index, *lane),
                    GatherMode::QuadBroadcast(_) | GatherMode::QuadSwap(_) => {
                        return unsupported("operations of quads are not interpreted");
                    }
                };
                let from = usize::try_from(from).ok();
                sources[*lane] = from.and_then(|from| group.get(from).copied());
            }
        }
        let column = match &frame.columns[argument.index()] {
            Column::Floats(values) => {
                let mut results = self.floats(Column::Empty, shape.components);
                for component in 0..shape.components {
                    let start = component * self.width;
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        results[start + lane] = match sources[lane] {
                            Some(from) => values[start + from],
                            None => self.domain.unwritten(),
                        };
                    }
                }
                Column::Floats(results)
            }
            Column::Integers(values) => {
                let mut results = self.integers(Column::Empty, shape.components);
                for component in 0..shape.components {
                    let start = component * self.width;
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let Some(from) = sources[lane] else {
                            return unsupported("it shuffles integers from outside the subgroup");
                        };
                        results[start + lane] = values[start + from];
                    }
                }
                Column::Integers(results)
            }
            _ => return unsupported("a shuffle of what has no value"),
        };
        frame.columns[result.index()] = column;
        Ok(())
    }

    pub fn collect(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        operation: SubgroupOperation,
        collective: CollectiveOperation,
        argument: Handle<Expression>,
        result: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        if collective != CollectiveOperation::Reduce {
            return unsupported("scans of subgroups are not interpreted");
        }
        let groups = self.subgroups(lanes)?;
        let shape = frame.code.shape(result);
        self.spend(lanes.len() * shape.components)?;
        let width = self.width;
        let column = match &frame.columns[argument.index()] {
            Column::Floats(values) => {
                let operation = match operation {
                    SubgroupOperation::Add => Arithmetic::Add,
                    SubgroupOperation::Mul => Arithmetic::Mul,
                    SubgroupOperation::Max => Arithmetic::Max,
                    SubgroupOperation::Min => Arithmetic::Min,
                    _ => return unsupported(format!("{operation:?} of floats")),
                };
                let mut results = self.floats(Column::Empty, shape.components);
                for start in (0..shape.components).map(|component| component * width) {
                    for group in &groups {
                        let mut total = values[start + group[0]];
                        for lane in &group[1..] {
                            total = self.domain.binary(operation, total, values[start + lane]);
                        }
                        for lane in group {
                            results[start + lane] = total;
                        }
                    }
                }
                Column::Floats(results)
            }
            Column::Integers(values) => {
                let join = |a: i64, b: i64| match operation {
                    SubgroupOperation::Add => a.wrapping_add(b),
                    SubgroupOperation::Mul => a.wrapping_mul(b),
                    SubgroupOperation::Max => a.max(b),
                    SubgroupOperation::Min => a.min(b),
                    SubgroupOperation::And | SubgroupOperation::All => a & b,
                    SubgroupOperation::Or | SubgroupOperation::Any => a | b,
                    SubgroupOperation::Xor => a ^ b,
                };
                let mut results = self.integers(Column::Empty, shape.components);
                for start in (0..shape.components).map(|component| component * width) {
                    for group in &groups {
                        let mut total = values[start + group[0]];
                        for lane in &group[1..] {
                            total = shape.kind.wrap(join(total, values[start + lane]));
                        }
                        for lane in group {
                            results[start + lane] = total;
                        }
                    }
                }
                Column::Integers(results)
            }
            _ => return unsupported("a reduction of what has no value"),
        };
        frame.columns[result.index()] = column;
        Ok(())
    }
}
