//! What was fastest for ops that were tried alone, as the defaults of a device.

use kforge_dialect::schedule::{Defaults, Kernel, Row};

use super::{Archive, ArchiveError, Entry, Filter};
use crate::{
    attempt::Outcome,
    plan::Knob,
    problem::{OpShape, PlannedOp},
};

/// A plan that is not so much faster than the default one is none to keep: times scatter.
const GAIN: f64 = 1.03;

impl Archive {
    /// The fastest verified plan of every problem of one op, where it is faster than the
    /// default one; for the device of the one that passed last.
    pub fn defaults(&self, filter: &Filter) -> Result<Defaults, ArchiveError> {
        let leaders = self.leaders(filter, usize::MAX)?;
        let mut defaults = Defaults::default();
        for entry in &leaders {
            let Some((device, row)) = row(entry) else {
                continue;
            };
            if defaults.rows.is_empty() {
                defaults.device = device.clone();
            }
            if defaults.device == device {
                defaults.rows.push(row);
            }
        }
        let order = |row: &Row| (row.kernel, row.element.clone(), row.sizes.clone());
        defaults.rows.sort_by_key(order);
        // Softmax and norms of one size share a row: the first is kept.
        defaults.rows.dedup_by_key(|row| order(row));
        Ok(defaults)
    }
}

fn row(entry: &Entry) -> Option<(String, Row)> {
    let [op] = &entry.key.problem.ops[..] else {
        return None;
    };
    let Outcome::Verified { ms, speedup, .. } = entry.attempt.outcome else {
        return None;
    };
    let plan = &entry.attempt.plan;
    let pass = op.shape.pass();
    let step = plan
        .passes
        .iter()
        .find(|step| step.pass == pass && step.op.as_deref() == Some(&op.name));
    let knobs = step.filter(|_| speedup >= GAIN)?.knobs.iter();
    let knobs = knobs.filter_map(|(name, value)| match value {
        Knob::Integer(value) => Some((name.clone(), *value)),
        Knob::Flag(_) | Knob::Name(_) => None,
    });
    let Some(Knob::Name(device)) = plan.device.get("name") else {
        return None;
    };
    let (kernel, sizes) = sizes(op);
    let row = Row {
        kernel,
        sizes,
        element: op.shape.element().to_string(),
        knobs: knobs.collect(),
        ms,
        driver: entry.key.adapter.driver_info.clone(),
        created: entry.evidence.created,
    };
    Some((device.clone(), row))
}

/// What a schedule is looked up by.
fn sizes(op: &PlannedOp) -> (Kernel, Vec<u64>) {
    match op.shape {
        OpShape::Matmul { batch, m, n, k, .. } => (Kernel::Matmul, vec![batch, m, n, k]),
        OpShape::Attention {
            queries,
            head,
            value_head,
            ..
        } => (Kernel::Attention, vec![queries, head, value_head]),
        OpShape::Softmax(rows) | OpShape::LayerNorm(rows) | OpShape::RmsNorm(rows) => {
            (Kernel::Rows, vec![rows.rows, rows.n])
        }
    }
}
