//! Wrong order: barriers, branches, loops.

use naga::{Barrier, Block, Statement};

use super::{Operator, mutant};
use crate::kernel::{
    Edit, Kernel,
    edit::{Place, around, statements, without},
};

pub const OPERATORS: &[Operator] = &[
    mutant("barrier_dropped", "a barrier is left out", |kernel| {
        places(kernel, is_barrier)
            .into_iter()
            .map(without)
            .collect()
    }),
    mutant(
        "barrier_earlier",
        "a barrier stands before the last store, not behind it",
        |kernel| {
            barriers(kernel, |statements, index| {
                let at = statements[..index].iter().rposition(is_store);
                if let Some(at) = at {
                    let barrier = statements.remove(index);
                    statements.insert(at, barrier);
                }
            })
        },
    ),
    mutant(
        "barrier_later",
        "a barrier stands behind the next store or loop",
        |kernel| {
            barriers(kernel, |statements, index| {
                let works = |statement: &Statement| {
                    is_store(statement) || matches!(statement, Statement::Loop { .. })
                };
                let at = statements[index..].iter().position(works);
                if let Some(at) = at {
                    let barrier = statements.remove(index);
                    statements.insert(index + at, barrier);
                }
            })
        },
    ),
    mutant(
        "barrier_other_memory",
        "a barrier orders buffers, not workgroup memory",
        |kernel| {
            barriers(kernel, |statements, index| {
                statements[index] = Statement::ControlBarrier(Barrier::STORAGE);
            })
        },
    ),
    mutant("branch_always", "a branch is always taken", |kernel| {
        branches(kernel, false, true)
    }),
    mutant("branch_never", "a branch is never taken", |kernel| {
        branches(kernel, false, false)
    }),
    mutant("loop_skipped", "a loop ends at once", |kernel| {
        branches(kernel, true, true)
    }),
    mutant("loop_endless", "a loop does not end", |kernel| {
        branches(kernel, true, false)
    }),
    mutant("loop_once", "a loop runs once", |kernel| {
        let loops = places(kernel, |statement| {
            matches!(statement, Statement::Loop { .. })
        });
        let once = |place| {
            around(place, |statements, index| {
                if let Statement::Loop { body, .. } = &mut statements[index] {
                    let mut inner: Vec<Statement> = body.iter().cloned().collect();
                    inner.push(Statement::Break);
                    *body = Block::from_vec(inner);
                }
            })
        };
        loops.into_iter().map(once).collect()
    }),
    mutant(
        "branches_exchanged",
        "what is done and what is done otherwise are exchanged",
        |kernel| {
            let both = places(kernel, |statement| match statement {
                Statement::If { accept, reject, .. } => !accept.is_empty() && !reject.is_empty(),
                _ => false,
            });
            let exchanged = |place| {
                around(place, |statements, index| {
                    if let Statement::If { accept, reject, .. } = &mut statements[index] {
                        std::mem::swap(accept, reject);
                    }
                })
            };
            both.into_iter().map(exchanged).collect()
        },
    ),
];

const fn is_barrier(statement: &Statement) -> bool {
    matches!(statement, Statement::ControlBarrier(_))
}

const fn is_store(statement: &Statement) -> bool {
    matches!(statement, Statement::Store { .. })
}

fn places(kernel: &Kernel, wanted: impl Fn(&Statement) -> bool) -> Vec<Place> {
    let all = statements(kernel.function()).into_iter();
    all.filter(|(_, statement, _)| wanted(statement))
        .map(|(place, ..)| place)
        .collect()
}

fn barriers(kernel: &Kernel, change: fn(&mut Vec<Statement>, usize)) -> Vec<Edit> {
    let places = places(kernel, is_barrier).into_iter();
    places.map(|place| around(place, change)).collect()
}

/// Whether a branch is how its loop ends.
fn ends_loop(statement: &Statement) -> bool {
    match statement {
        Statement::If { accept, reject, .. } => {
            let breaks = |block: &Block| matches!(block.last(), Some(Statement::Break));
            breaks(accept) || breaks(reject)
        }
        _ => false,
    }
}

/// Branches that take one side whatever their condition.
fn branches(kernel: &Kernel, loops: bool, taken: bool) -> Vec<Edit> {
    let wanted = |statement: &Statement| {
        matches!(statement, Statement::If { .. }) && ends_loop(statement) == loops
    };
    let one_side = |place| {
        around(place, move |statements, index| {
            if let Statement::If { accept, reject, .. } = &statements[index] {
                let side = if taken { accept } else { reject };
                statements[index] = Statement::Block(side.clone());
            }
        })
    };
    places(kernel, wanted).into_iter().map(one_side).collect()
}
