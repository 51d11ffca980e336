//! No race in buffers: no two invocations of a launch access one element, if one of them
//! writes. Barriers are not counted, since they order one workgroup at most.
//!
//! Accesses to one buffer, through whichever binding, form families that share a sum. A
//! single family is read like digits (`digits.rs`); families that lie apart are judged one
//! by one. What remains is tried invocation by invocation, where a launch has at most 2^21
//! accesses.

use super::{
    cells::{CELLS, Cells},
    digits::{Site, identify},
    exact::{every, list},
    expr::{Atom, DATA, LOCALS, Range, Vars, WORKGROUP},
    range::{Terrain, gcd},
    trace::{Access, Item, Kind, Line, Memory, for_each_access},
    workgroup::Doubt,
};

const TOUCHES: u64 = 1 << 21;

/// Accesses that differ in constants alone.
struct Family<'t> {
    terms: Vec<(Atom, i64)>,
    members: Vec<(&'t Access, i64)>,
}

/// Checks every buffer that is written. Gives how many there are, and what is open.
pub(super) fn check(terrain: &mut Terrain, items: &[Item], size: [u32; 3]) -> (usize, Vec<Doubt>) {
    let mut accesses: Vec<&Access> = Vec::new();
    for_each_access(items, &mut |access| accesses.push(access));
    let mut buffers: Vec<u32> = accesses
        .iter()
        .filter(|access| access.kind != Kind::Read)
        .filter_map(|access| match access.memory {
            Memory::Buffer(buffer) => Some(buffer),
            Memory::Workgroup(_) => None,
        })
        .collect();
    buffers.sort_unstable();
    buffers.dedup();
    let mut open = Vec::new();
    for buffer in &buffers {
        let of = |access: &&&Access| access.memory == Memory::Buffer(*buffer);
        let own: Vec<&Access> = accesses.iter().filter(of).copied().collect();
        if let Err(doubt) = check_buffer(terrain, &own, size) {
            open.push(doubt);
        }
    }
    (buffers.len(), open)
}

fn check_buffer(terrain: &mut Terrain, accesses: &[&Access], size: [u32; 3]) -> Result<(), Doubt> {
    let several = list(LOCALS | WORKGROUP.iter().fold(0, |vars, var| vars | 1 << var))
        .into_iter()
        .any(|var| terrain.pool.var_range(var).width() > 0);
    if !several || accesses.iter().all(|one| one.kind == Kind::Atomic) {
        return Ok(());
    }
    let families = families(terrain, accesses);
    let mut spans: Vec<(Range, bool)> = Vec::new();
    for family in &families {
        spans.push((span(terrain, family), writes(family)));
    }
    let apart = |a: usize, b: usize| {
        let (first, second) = (spans[a], spans[b]);
        !first.1 && !second.1 || first.0.hi < second.0.lo || second.0.hi < first.0.lo
    };
    let all_apart = (0..spans.len()).all(|a| (0..a).all(|b| apart(a, b)));
    if all_apart {
        let judged = families
            .iter()
            .all(|family| !writes(family) || is_private(terrain, family));
        if judged {
            return Ok(());
        }
    }
    try_all(terrain, accesses, size)
}

fn writes(family: &Family) -> bool {
    family.members.iter().any(|(one, _)| one.kind != Kind::Read)
}

fn families<'t>(terrain: &mut Terrain, accesses: &[&'t Access]) -> Vec<Family<'t>> {
    let mut families: Vec<Family<'t>> = Vec::new();
    for access in accesses {
        if terrain.is_impossible(access.place) {
            continue;
        }
        // What is decided where the access is need not stand in its address.
        let address = terrain.simplified(access.place, access.address);
        let (terms, constant) = terrain.pool.terms(address);
        match families.iter_mut().find(|family| family.terms == terms) {
            Some(family) => family.members.push((access, constant)),
            None => families.push(Family {
                terms: terms.to_vec(),
                members: vec![(access, constant)],
            }),
        }
    }
    families
}

/// Bytes that a family touches.
fn span(terrain: &mut Terrain, family: &Family) -> Range {
    let mut all: Option<Range> = None;
    for (access, constant) in &family.members {
        let first = terrain.range_of(access.place, &family.terms, *constant);
        let own = Range::new(first.lo, first.hi.saturating_add(access.size - 1));
        all = Some(all.map_or(own, |all| all.or(own)));
    }
    all.unwrap_or(Range::new(0, 0))
}

/// Whether no two invocations have an element of a family in common.
fn is_private(terrain: &mut Terrain, family: &Family) -> bool {
    let Some((first, _)) = family.members.first() else {
        return true;
    };
    // Elements of one size that start at multiples of it are equal or apart.
    let size = first.size;
    let aligned = family
        .members
        .iter()
        .all(|(one, constant)| one.size == size && constant % size == 0)
        && family.terms.iter().all(|(_, factor)| factor % size == 0);
    if !aligned {
        return false;
    }
    let terms: Vec<(Atom, i64)> = family
        .terms
        .iter()
        .map(|(atom, factor)| (*atom, factor / size))
        .collect();
    let mut sites: Vec<Site> = family
        .members
        .iter()
        .map(|(one, constant)| Site {
            offset: constant / size,
            place: one.place,
        })
        .collect();
    sites.dedup_by(|a, b| a.offset == b.offset && a.place == b.place);
    identify(terrain, &terms, &sites)
}

/// Every access of every invocation.
fn try_all(terrain: &Terrain, accesses: &[&Access], size: [u32; 3]) -> Result<(), Doubt> {
    let line = accesses
        .iter()
        .find(|one| one.kind != Kind::Read)
        .map_or(0, |one| one.line);
    let unknown = |why: &str, line: Line| Doubt::Unknown(why.into(), line);
    let mut unit = 0;
    for one in accesses {
        let (terms, constant) = terrain.pool.terms(one.address);
        unit = terms
            .iter()
            .fold(gcd(unit, constant), |all, (_, factor)| gcd(all, *factor));
        unit = gcd(unit, one.size);
    }
    let unit = unit.max(1);
    let ids: Vars = LOCALS | WORKGROUP.iter().fold(0, |vars, var| vars | 1 << var);
    let mut left = TOUCHES;
    let mut cells = Cells::new(0);
    let mut room = 0;
    for one in accesses {
        let vars = terrain.pool.vars(one.address);
        if vars & DATA != 0 {
            let why = "its address depends on what was read from memory";
            return Err(unknown(why, one.line));
        }
        let mut vars = vars | ids;
        for cond in one.path.iter() {
            let own = terrain.pool.cond_vars(*cond);
            if own & DATA == 0 {
                vars |= own;
            }
        }
        let mut env = vec![0; terrain.pool.var_count()];
        let mut problem = None;
        let complete = every(terrain, &list(vars), left, &mut env, &mut |env| {
            left = left.saturating_sub(1);
            let excluded =
                |cond: &super::expr::Cond| terrain.pool.eval_cond(*cond, env) == Some(false);
            if one.path.iter().any(excluded) {
                return true;
            }
            let Some(address) = terrain.pool.eval(one.address, env) else {
                problem = Some(unknown("an address has no value", one.line));
                return false;
            };
            let (first, count) = (address.div_euclid(unit), one.size / unit);
            if first < 0 || first + count > CELLS || left == 0 {
                problem = Some(unknown("there are more accesses than are tried", one.line));
                return false;
            }
            if first + count > room {
                room = ((first + count) * 2).min(CELLS);
                cells.grow(room as usize);
            }
            match cells.touch(who(terrain, env, size), one.kind, first, count, one.line) {
                Some(Ok(())) => true,
                Some(Err(mut meeting)) => {
                    meeting.cell *= unit;
                    problem = Some(Doubt::Meeting(meeting));
                    false
                }
                None => {
                    problem = Some(unknown("an address is outside of its memory", one.line));
                    false
                }
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        if !complete {
            let why = "it is not shown that invocations write apart, and there are too many to try";
            return Err(unknown(why, line));
        }
    }
    Ok(())
}

/// The number of an invocation in its launch.
fn who(terrain: &Terrain, env: &[i64], size: [u32; 3]) -> Option<u32> {
    let mut number = 0_i64;
    for var in WORKGROUP.iter().rev() {
        let count = terrain.pool.var_range(*var).width() + 1;
        number = number * count + value(terrain, env, *var);
    }
    for (var, count) in super::expr::LOCAL.iter().zip(size).rev() {
        number = number * i64::from(count) + value(terrain, env, *var);
    }
    u32::try_from(number).ok()
}

fn value(terrain: &Terrain, env: &[i64], var: super::expr::Var) -> i64 {
    match terrain.pool.var_range(var).width() {
        0 => 0,
        _ => env[var as usize],
    }
}
