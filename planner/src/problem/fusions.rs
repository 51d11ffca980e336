//! Which fusions make and take away the ops that have knobs.
//!
//! The fusions run one after the other on a copy, and each op is listed with the pass
//! that makes it and the pass that takes it away. Most fusions need what others make:
//! those without which nothing happens to an op are found by leaving them out.

use melior::{Context, ir::Module};

use super::{
    ExtractError, PlannedOp,
    extract::{clone, run, scheduled},
};
use crate::plan::catalog::FUSIONS;

/// Every op of a prepared module with knobs, at whatever stage of the fusions.
pub(super) fn ops(context: &Context, module: &Module) -> Result<Vec<PlannedOp>, ExtractError> {
    let mut copy = clone(context, module)?;
    let mut here = scheduled(copy.as_operation())?;
    let mut ops = here.clone();
    for (index, fusion) in FUSIONS.iter().enumerate() {
        run(context, &mut copy, fusion)?;
        let now = scheduled(copy.as_operation())?;
        let changes = Changes {
            gone: missing(&here, &now),
            made: missing(&now, &here),
        };
        let needs = changes.needs(context, module, index)?;
        for (op, with) in changes.gone.iter().zip(needs.gone) {
            let mut left = ops.iter_mut().filter(|it| it.gone_after.is_none());
            if let Some(op) = left.find(|it| same(it, op)) {
                op.gone_after = Some((*fusion).to_owned());
                op.gone_with = with;
            }
        }
        for (op, with) in changes.made.iter().zip(needs.made) {
            ops.push(PlannedOp {
                made_by: Some((*fusion).to_owned()),
                made_with: with,
                ..op.clone()
            });
        }
        here = now;
    }
    Ok(ops)
}

fn same(a: &PlannedOp, b: &PlannedOp) -> bool {
    a.name == b.name && a.shape == b.shape
}

/// Those that `others` lack.
fn missing(ops: &[PlannedOp], others: &[PlannedOp]) -> Vec<PlannedOp> {
    let lacks = |op: &&PlannedOp| !others.iter().any(|it| same(it, op));
    ops.iter().filter(lacks).cloned().collect()
}

/// What one fusion does.
struct Changes {
    gone: Vec<PlannedOp>,
    made: Vec<PlannedOp>,
}

/// Per op of [`Changes`] the fusions without which that does not happen to it.
struct Needs {
    gone: Vec<Vec<String>>,
    made: Vec<Vec<String>>,
}

impl Changes {
    fn needs(
        &self,
        context: &Context,
        module: &Module,
        index: usize,
    ) -> Result<Needs, ExtractError> {
        let mut needs = Needs {
            gone: vec![Vec::new(); self.gone.len()],
            made: vec![Vec::new(); self.made.len()],
        };
        if self.gone.is_empty() && self.made.is_empty() {
            return Ok(needs);
        }
        for out in &FUSIONS[..index] {
            let mut copy = clone(context, module)?;
            for pass in FUSIONS[..=index].iter().filter(|it| *it != out) {
                run(context, &mut copy, pass)?;
            }
            let left = scheduled(copy.as_operation())?;
            let is_left = |op: &PlannedOp| left.iter().any(|it| same(it, op));
            for (op, needs) in self.gone.iter().zip(&mut needs.gone) {
                needs.extend(is_left(op).then(|| (*out).to_owned()));
            }
            for (op, needs) in self.made.iter().zip(&mut needs.made) {
                needs.extend((!is_left(op)).then(|| (*out).to_owned()));
            }
        }
        Ok(needs)
    }
}
