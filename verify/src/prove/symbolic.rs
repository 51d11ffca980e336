//! The proof for all invocations at once.

use super::{
    barriers, bounds,
    code::Code,
    finding::{Facts, Open},
    intervals,
    launch::Launch,
    storage,
    walk::Walk,
    workgroup::{self, Doubt},
};

/// Judges a launch; what is not shown, if anything.
pub(super) fn judge(code: &Code, launch: &Launch) -> Result<Facts, Vec<Open>> {
    let mut facts = Facts::default();
    let (trace, mut terrain) = Walk::run(code, launch).map_err(|outside| {
        vec![Open {
            what: outside.why,
            line: outside.line,
            endless: outside.endless,
        }]
    })?;
    let mut open = Vec::new();
    facts.indices = trace.bounds.len();
    for bound in bounds::check(&mut terrain, &trace.bounds) {
        open.push(Open {
            what: format!(
                "an index into {} is not shown to be below {}",
                bound.what, bound.length
            ),
            line: bound.line,
            endless: false,
        });
    }
    let met = barriers::check(&trace.items, &|cond| terrain.pool.cond_vars(cond));
    facts.barriers = met.count;
    for line in &met.divergent {
        open.push(Open {
            what: "a barrier is not shown to be met by the whole workgroup".into(),
            line: *line,
            endless: false,
        });
    }
    let size = code.entry().workgroup_size;
    let intervals = intervals::of(&mut terrain, &trace.items, barriers::shared());
    facts.intervals = intervals.len();
    for interval in &intervals {
        if let Err(doubt) = workgroup::check(&mut terrain, interval, size) {
            open.push(doubt.open("workgroup memory"));
        }
    }
    let (buffers, doubts) = storage::check(&mut terrain, &trace.items, size);
    facts.buffers = buffers;
    for one in doubts {
        open.push(one.open("a buffer"));
    }
    open.dedup();
    match open.is_empty() {
        true => Ok(facts),
        false => Err(open),
    }
}

impl Doubt {
    fn open(&self, memory: &str) -> Open {
        match self {
            Self::Unknown(why, line) => Open {
                what: format!("{memory} is not shown to be free of races: {why}"),
                line: *line,
                endless: false,
            },
            Self::Meeting(meeting) => Open {
                what: format!(
                    "{memory} is not shown to be free of races: lines {} and {} may meet",
                    meeting.lines[0], meeting.lines[1]
                ),
                line: meeting.lines[1],
                endless: false,
            },
        }
    }
}
