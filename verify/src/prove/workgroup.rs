//! No race in workgroup memory: the accesses of every barrier interval, invocation by
//! invocation.
//!
//! What all of a workgroup share (its number, the iteration of a loop with barriers)
//! changes addresses by the same sums for everybody; only those sums' distinct values are
//! tried, such as the three of `i % 3`. Conditions that cannot be evaluated are left out,
//! which can only add accesses. Subgroups are not assumed to run in lockstep.
//!
//! Limits: 2^18 values of what is shared, 64 distinct ones; 2^22 touched cells; else the
//! kernel is not proved.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    cells::{CELLS, Cells, Meeting},
    exact::{every, list},
    expr::{Cond, DATA, Expr, LOCALS, Terms, Vars},
    intervals::{Interval, Use},
    range::{Terrain, gcd},
    trace::{Kind, Line, Memory},
};

const SHARED_VALUES: u64 = 1 << 18;
const DISTINCT: usize = 64;
const TOUCHES: u64 = 1 << 22;

/// Why an interval is not free of races.
#[derive(Debug)]
pub(super) enum Doubt {
    /// Two accesses meet, as far as the analysis sees.
    Meeting(Meeting),
    /// The analysis does not reach.
    Unknown(String, Line),
}

/// What the uses of a group have in common: own terms, shared sum, conditions.
type Form = (Terms, Expr, Vec<Cond>);

/// An address split into what a workgroup shares and the rest.
struct Split {
    shared: Expr,
    own: Terms,
}

/// Uses that differ in constants alone.
struct Group<'u> {
    split: Split,
    conds: Vec<Cond>,
    /// Constant, bytes and kind of each.
    uses: Vec<&'u Use>,
}

/// Checks one interval.
pub(super) fn check(
    terrain: &mut Terrain,
    interval: &Interval,
    size: [u32; 3],
) -> Result<(), Doubt> {
    let memories: BTreeSet<Memory> = interval
        .uses
        .iter()
        .filter(|one| one.kind != Kind::Read)
        .map(|one| one.memory)
        .collect();
    let invocations: u64 = size.iter().map(|count| u64::from(*count)).product();
    if invocations <= 1 {
        return Ok(());
    }
    for memory in memories {
        let uses: Vec<&Use> = interval
            .uses
            .iter()
            .filter(|one| one.memory == memory)
            .collect();
        check_memory(terrain, &uses, interval, size)?;
    }
    Ok(())
}

fn check_memory(
    terrain: &mut Terrain,
    uses: &[&Use],
    interval: &Interval,
    size: [u32; 3],
) -> Result<(), Doubt> {
    let shared_vars = interval.same;
    let mut groups: BTreeMap<Form, Group<'_>> = BTreeMap::new();
    let mut involved: Vars = 0;
    for one in uses {
        let vars = terrain.pool.vars(one.address);
        if vars & DATA != 0 {
            let why = "its address in workgroup memory depends on what was read from memory";
            return Err(Doubt::Unknown(why.into(), one.line));
        }
        let (terms, _) = terrain.pool.terms(one.address);
        let (shared, own): (Vec<_>, Vec<_>) = terms
            .iter()
            .partition(|(atom, _)| terrain.pool.atom_vars(*atom) & !shared_vars == 0);
        let too_large = || Doubt::Unknown("its address is too large".into(), one.line);
        let shared = terrain.pool.collect(shared, 0).ok_or_else(too_large)?;
        for (atom, _) in &own {
            involved |= terrain.pool.atom_vars(*atom) & shared_vars;
        }
        let conds: Vec<Cond> = one
            .path
            .iter()
            .copied()
            .filter(|cond| {
                let vars = terrain.pool.cond_vars(*cond);
                vars & DATA == 0 && vars & shared_vars == 0
            })
            .collect();
        let key = (own.clone(), shared, conds.clone());
        let split = Split { shared, own };
        let group = groups.entry(key).or_insert_with(|| Group {
            split,
            conds,
            uses: Vec::new(),
        });
        let same = |other: &&Use| {
            other.kind == one.kind && other.address == one.address && other.size == one.size
        };
        if !group.uses.iter().any(same) {
            group.uses.push(one);
        }
    }
    let groups: Vec<Group> = groups.into_values().collect();
    let line = uses.first().map_or(0, |one| one.line);
    let unit = unit(terrain, uses);
    for env in shared_values(terrain, &groups, interval, involved, line)? {
        check_values(terrain, &groups, interval, size, unit, env)?;
    }
    Ok(())
}

/// A divisor of all addresses and sizes.
fn unit(terrain: &Terrain, uses: &[&Use]) -> i64 {
    let mut unit = 0;
    for one in uses {
        let (terms, constant) = terrain.pool.terms(one.address);
        unit = terms
            .iter()
            .fold(gcd(unit, constant), |all, (_, factor)| gcd(all, *factor));
        unit = gcd(unit, one.size);
    }
    unit.max(1)
}

/// Values of the shared variables that lead to distinct addresses.
fn shared_values(
    terrain: &Terrain,
    groups: &[Group],
    interval: &Interval,
    involved: Vars,
    line: Line,
) -> Result<Vec<Vec<i64>>, Doubt> {
    let mut sums: Vec<Expr> = groups.iter().map(|group| group.split.shared).collect();
    sums.sort_unstable();
    sums.dedup();
    let mut env = vec![0; terrain.pool.var_count()];
    // One shared sum moves all addresses alike; but cells are counted from zero.
    let vars = match sums[..] {
        [_] => involved,
        _ => sums
            .iter()
            .fold(involved, |vars, sum| vars | terrain.pool.vars(*sum)),
    };
    let conds: Vec<Cond> = interval
        .conds
        .iter()
        .copied()
        .filter(|cond| terrain.pool.cond_vars(*cond) & !vars == 0)
        .collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let involved = list(involved);
    let complete = every(terrain, &list(vars), SHARED_VALUES, &mut env, &mut |env| {
        let excluded = |cond: &Cond| terrain.pool.eval_cond(*cond, env) == Some(false);
        if conds.iter().any(excluded) {
            return true;
        }
        let mut key: Vec<Option<i64>> = involved
            .iter()
            .map(|var| Some(env[*var as usize]))
            .collect();
        let values = sums.iter().map(|sum| terrain.pool.eval(*sum, env));
        match sums.len() {
            1 => {}
            _ => key.extend(values),
        }
        if seen.insert(key) {
            found.push(env.to_vec());
        }
        found.len() <= DISTINCT
    });
    match complete {
        true => Ok(found),
        false => Err(Doubt::Unknown(
            "addresses in workgroup memory take more forms than are tried".into(),
            line,
        )),
    }
}

fn check_values(
    terrain: &Terrain,
    groups: &[Group],
    interval: &Interval,
    size: [u32; 3],
    unit: i64,
    mut env: Vec<i64>,
) -> Result<(), Doubt> {
    let mut cells = Cells::new(0);
    let mut room = 0;
    let mut left = TOUCHES;
    let alone = groups
        .windows(2)
        .all(|two| two[0].split.shared == two[1].split.shared);
    for group in groups {
        let line = group.uses.first().map_or(0, |one| one.line);
        let unknown = |why: &str| Doubt::Unknown(why.into(), line);
        let mut vars: Vars = 0;
        for (atom, _) in &group.split.own {
            vars |= terrain.pool.atom_vars(*atom);
        }
        for cond in &group.conds {
            vars |= terrain.pool.cond_vars(*cond);
        }
        let shared = match alone {
            true => 0,
            false => terrain
                .pool
                .eval(group.split.shared, &env)
                .ok_or_else(|| unknown("a shared address is not known"))?,
        };
        let tried = list(vars & !interval.same);
        let by_id = vars & LOCALS != 0;
        let mut problem = None;
        let complete = every(terrain, &tried, TOUCHES, &mut env, &mut |env| {
            if group
                .conds
                .iter()
                .any(|cond| terrain.pool.eval_cond(*cond, env) == Some(false))
            {
                return true;
            }
            let mut base = shared;
            for (atom, factor) in &group.split.own {
                let term = terrain.pool.eval_atom(*atom, env);
                let term = term.and_then(|value| value.checked_mul(*factor));
                match term.and_then(|term| base.checked_add(term)) {
                    Some(more) => base = more,
                    None => {
                        problem = Some(unknown("an address has no value"));
                        return false;
                    }
                }
            }
            // Ids that do not matter stand for every invocation with them.
            let who = by_id.then(|| who(terrain, env, vars, size)).flatten();
            for one in &group.uses {
                let (_, constant) = terrain.pool.terms(one.address);
                let first = (base + constant).div_euclid(unit);
                let count = one.size / unit;
                let end = first + count;
                if first < 0 || end > CELLS || left == 0 {
                    problem = Some(unknown("there are more accesses than are tried"));
                    return false;
                }
                left -= 1;
                if end > room {
                    room = (end * 2).min(CELLS);
                    cells.grow(room as usize);
                }
                match cells.touch(who, one.kind, first, count, one.line) {
                    Some(Ok(())) => {}
                    Some(Err(mut meeting)) => {
                        meeting.cell *= unit;
                        problem = Some(Doubt::Meeting(meeting));
                        return false;
                    }
                    None => {
                        problem = Some(unknown("an address is outside of its memory"));
                        return false;
                    }
                }
            }
            true
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        if !complete {
            return Err(unknown("there are more accesses than are tried"));
        }
    }
    Ok(())
}

/// The number of the invocation in its workgroup; `None` for several, where an id that has
/// more than one value is not among `vars`.
fn who(terrain: &Terrain, env: &[i64], vars: Vars, size: [u32; 3]) -> Option<u32> {
    let mut number = 0;
    for (var, count) in super::expr::LOCAL.iter().zip(size).rev() {
        let several = terrain.pool.var_range(*var).width() > 0;
        if several && vars >> var & 1 == 0 {
            return None;
        }
        let own = if several { env[*var as usize] } else { 0 };
        number = number * i64::from(count) + own;
    }
    u32::try_from(number).ok()
}
