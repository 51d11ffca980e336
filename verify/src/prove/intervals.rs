//! Barrier intervals: the sets of accesses to workgroup memory between which there is no
//! barrier, so that all invocations of a workgroup may be at any of them at once.
//!
//! A sequence is what comes before its first barrier (a head), what comes behind the last
//! (a tail), the intervals in between, and the way through without a barrier, if there is
//! one. Behind the tail of an iteration comes the head of the next: there the number of
//! the iteration is one more. Branches and loops that may be skipped give alternatives.

use std::rc::Rc;

use super::{
    expr::{Cond, Expr, Node, Vars},
    range::{ANYWHERE, Terrain},
    trace::{Access, Item, Kind, Line, Loop, Memory, has_barrier},
};

/// An access in an interval.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) memory: Memory,
    pub(super) kind: Kind,
    pub(super) address: Expr,
    pub(super) size: i64,
    pub(super) path: Rc<[Cond]>,
    pub(super) line: Line,
}

/// Accesses that may happen at once.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) uses: Vec<Use>,
    /// Variables that are the same for all of a workgroup in it.
    pub(super) same: Vars,
    /// What holds of them.
    pub(super) conds: Vec<Cond>,
}

/// Most alternatives that are told apart; beyond, they are joined.
const ALTERNATIVES: usize = 4;

/// The end of a part: accesses behind its last barrier.
#[derive(Clone, Default)]
struct Tail {
    uses: Vec<Use>,
    /// Numbers of iterations in it: all of a workgroup left their loop at the same.
    left: Vars,
}

/// A part of a kernel by the ways through it.
#[derive(Default)]
struct Part {
    /// The accesses on the way without a barrier, where there is one.
    through: Option<Vec<Use>>,
    /// What may come before the first barrier, on a way with one.
    heads: Vec<Vec<Use>>,
    /// What may come behind the last.
    tails: Vec<Tail>,
}

/// The intervals of a kernel whose barriers are met by all. `same` are the variables that
/// a workgroup shares.
pub(super) fn of(terrain: &mut Terrain, items: &[Item], same: Vars) -> Vec<Interval> {
    let mut found = Vec::new();
    let all = sequence(terrain, items, same, &mut found);
    for uses in all.heads.into_iter().chain(all.through) {
        push(&mut found, uses, same, Vec::new());
    }
    for tail in all.tails {
        push(&mut found, tail.uses, same | tail.left, Vec::new());
    }
    found
}

fn push(found: &mut Vec<Interval>, uses: Vec<Use>, same: Vars, conds: Vec<Cond>) {
    // Reads alone never race.
    if uses.iter().any(|one| one.kind != Kind::Read) {
        found.push(Interval { uses, same, conds });
    }
}

fn accesses(items: &[Item]) -> Vec<Use> {
    let mut uses = Vec::new();
    super::trace::for_each_access(items, &mut |access: &Access| {
        if let Memory::Workgroup(_) = access.memory {
            uses.push(Use {
                memory: access.memory,
                kind: access.kind,
                address: access.address,
                size: access.size,
                path: Rc::clone(&access.path),
                line: access.line,
            });
        }
    });
    uses
}

fn sequence(terrain: &mut Terrain, items: &[Item], same: Vars, found: &mut Vec<Interval>) -> Part {
    let mut all = Part {
        through: Some(Vec::new()),
        ..Part::default()
    };
    for item in items {
        let next = part(terrain, item, same, found);
        for tail in &all.tails {
            for head in &next.heads {
                let joint = [&tail.uses[..], &head[..]].concat();
                push(found, joint, same | tail.left, Vec::new());
            }
        }
        if let Some(through) = &all.through {
            let longer = |head: Vec<Use>| [&through[..], &head[..]].concat();
            all.heads.extend(next.heads.into_iter().map(longer));
        }
        match &next.through {
            Some(through) => {
                for tail in &mut all.tails {
                    tail.uses.extend(through.iter().cloned());
                }
            }
            None => all.tails.clear(),
        }
        all.tails.extend(next.tails);
        all.through = match (all.through, next.through) {
            (Some(mut first), Some(second)) => {
                first.extend(second);
                Some(first)
            }
            _ => None,
        };
        all.join();
    }
    all
}

impl Part {
    /// Fewer alternatives: what may be at once in one of them stays so.
    fn join(&mut self) {
        if self.heads.len() > ALTERNATIVES {
            self.heads = vec![self.heads.concat()];
        }
        if self.tails.len() > ALTERNATIVES {
            let left = self.tails.iter().fold(0, |left, tail| left | tail.left);
            let uses = self.tails.drain(..).flat_map(|tail| tail.uses).collect();
            self.tails = vec![Tail { uses, left }];
        }
    }

    fn of(uses: Vec<Use>) -> Self {
        Self {
            through: Some(uses),
            ..Self::default()
        }
    }
}

fn part(terrain: &mut Terrain, item: &Item, same: Vars, found: &mut Vec<Interval>) -> Part {
    match item {
        Item::Barrier {
            orders_workgroup: true,
            ..
        } => Part {
            through: None,
            heads: vec![Vec::new()],
            tails: vec![Tail::default()],
        },
        Item::If { accept, reject, .. } if has_barrier(std::slice::from_ref(item)) => {
            let mut first = sequence(terrain, accept, same, found);
            let second = sequence(terrain, reject, same, found);
            first.heads.extend(second.heads);
            first.tails.extend(second.tails);
            first.through = match (first.through, second.through) {
                (Some(first), Some(second)) => Some([first, second].concat()),
                (one, other) => one.or(other),
            };
            first.join();
            first
        }
        Item::Loop(inner) if has_barrier(&inner.body) => repeated(terrain, inner, same, found),
        // Whatever is inside, in any order and number.
        _ => Part::of(accesses(std::slice::from_ref(item))),
    }
}

/// A loop with barriers.
fn repeated(terrain: &mut Terrain, inner: &Loop, same: Vars, found: &mut Vec<Interval>) -> Part {
    let own = same | 1 << inner.var;
    let mut body = sequence(terrain, &inner.body, own, found);
    if let Some(through) = body.through {
        // Iterations run into each other: any may meet any.
        let mut all = through;
        all.extend(body.heads.concat());
        all.extend(body.tails.into_iter().flat_map(|tail| tail.uses));
        push(found, all.clone(), same, Vec::new());
        return Part {
            heads: vec![all.clone()],
            tails: vec![Tail {
                uses: all.clone(),
                left: 0,
            }],
            through: Some(all),
        };
    }
    let number = terrain.pool.node(Node::Var(inner.var));
    if inner.trips.1 > 1 {
        let next = terrain.pool.offset(number, 1);
        // There is no iteration behind the last.
        let before = terrain.pool.constant(inner.trips.1 - 2);
        let inside = terrain.pool.at_least(before, number);
        for head in &body.heads {
            let mut head = head.clone();
            for one in &mut head {
                shift(terrain, one, number, next);
            }
            for tail in &body.tails {
                let joint = [&tail.uses[..], &head[..]].concat();
                push(found, joint, own | tail.left, vec![inside]);
            }
        }
    }
    let start = terrain.pool.constant(0);
    for one in body.heads.iter_mut().flatten() {
        shift(terrain, one, number, start);
    }
    let exact = inner.trips.0 == inner.trips.1 && !inner.ragged && inner.trips.1 > 0;
    for tail in &mut body.tails {
        match exact {
            true => {
                let last = terrain.pool.constant(inner.trips.1 - 1);
                for one in &mut tail.uses {
                    shift(terrain, one, number, last);
                }
            }
            false => tail.left |= 1 << inner.var,
        }
    }
    // A loop may end before it begins.
    body.through = (inner.trips.0 == 0).then(Vec::new);
    body
}

/// Puts another value in place of the number of an iteration.
fn shift(terrain: &mut Terrain, one: &mut Use, number: Expr, value: Expr) {
    let (terms, _) = terrain.pool.terms(number);
    let &[(atom, _)] = terms else { return };
    let wanted = terrain.pool.atom_vars(atom);
    if terrain.pool.vars(one.address) & wanted != 0 {
        one.address = terrain.replace(ANYWHERE, one.address, atom, value);
    }
    let path: Vec<Cond> = one
        .path
        .iter()
        .map(|cond| match terrain.pool.cond_vars(*cond) & wanted != 0 {
            true => terrain.replace_cond(ANYWHERE, *cond, atom, value),
            false => *cond,
        })
        .collect();
    one.path = path.into();
}
