//! Every barrier is met by the whole workgroup: no condition around it, and no number of
//! iterations, depends on ids within the workgroup or on data.

use super::{
    expr::{Vars, WORKGROUP},
    trace::{Item, Line},
    walk::only_of,
};

/// Variables that are the same for all of a workgroup.
pub(super) fn shared() -> Vars {
    WORKGROUP.iter().fold(0, |vars, var| vars | 1 << var)
}

/// What the check found.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    /// How many barriers there are in the text that is reached.
    pub(super) count: usize,
    /// Those that may not be met by all.
    pub(super) divergent: Vec<Line>,
}

/// Checks every barrier; `vars` gives what a condition depends on.
pub(super) fn check(items: &[Item], vars: &dyn Fn(super::expr::Cond) -> Vars) -> Barriers {
    let mut found = Barriers::default();
    visit(items, shared(), true, vars, &mut found);
    found
}

fn visit(
    items: &[Item],
    same: Vars,
    together: bool,
    vars: &dyn Fn(super::expr::Cond) -> Vars,
    found: &mut Barriers,
) {
    for item in items {
        match item {
            Item::Access(_) => {}
            Item::Barrier { line, .. } => {
                found.count += 1;
                if !together {
                    found.divergent.push(*line);
                }
            }
            Item::If {
                cond,
                accept,
                reject,
                ..
            } => {
                let together = together && only_of(vars(*cond), same);
                visit(accept, same, together, vars, found);
                visit(reject, same, together, vars, found);
            }
            Item::Loop(inner) => {
                let together = together && only_of(inner.depends, same);
                let same = if together {
                    same | 1 << inner.var
                } else {
                    same
                };
                visit(&inner.body, same, together, vars, found);
            }
        }
    }
}
