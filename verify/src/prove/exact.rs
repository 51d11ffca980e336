//! Exact intervals by trying every value of the variables an expression depends on.
//!
//! Terms that share no variable are tried apart, since their extremes add up. Conditions
//! of the path whose variables are among those tried leave out what cannot be. Limits:
//! as many combinations per group of terms as the caller allows.

use super::{
    expr::{Atom, Cond, DATA, Expr, Range, Var, Vars},
    range::Terrain,
};

/// Combinations that are tried of a sum.
pub(super) const COMBINATIONS: u64 = 1 << 16;

/// The variables of a set.
pub(super) fn list(vars: Vars) -> Vec<Var> {
    (0..120).filter(|var| vars >> var & 1 == 1).collect()
}

/// Calls `visit` with every combination of values of `vars`, as long as it returns true.
/// `env` has a place for every variable. False where it was ended or there are more than
/// `most` combinations.
pub(super) fn every(
    terrain: &Terrain,
    vars: &[Var],
    most: u64,
    env: &mut [i64],
    visit: &mut impl FnMut(&[i64]) -> bool,
) -> bool {
    let ranges: Vec<Range> = vars
        .iter()
        .map(|var| terrain.pool.var_range(*var))
        .collect();
    let mut count = 1_u64;
    for range in &ranges {
        let own = range.width().max(0) as u64 + 1;
        match count.checked_mul(own).filter(|count| *count <= most) {
            Some(product) => count = product,
            None => return false,
        }
    }
    for (var, range) in vars.iter().zip(&ranges) {
        env[*var as usize] = range.lo;
    }
    loop {
        if !visit(env) {
            return false;
        }
        let mut next = 0;
        loop {
            let Some(var) = vars.get(next) else {
                return true;
            };
            let value = &mut env[*var as usize];
            if *value < ranges[next].hi {
                *value += 1;
                break;
            }
            *value = ranges[next].lo;
            next += 1;
        }
    }
}

impl Terrain {
    /// Values of `expr` where the conditions of `path` hold; `None` where data decides or
    /// there are more than `most` combinations to try.
    pub(super) fn exact(&self, expr: Expr, path: &[Cond], most: u64) -> Option<Range> {
        if self.pool.vars(expr) & DATA != 0 {
            return None;
        }
        let (terms, constant) = self.pool.terms(expr);
        let mut total = Range::new(constant, constant);
        for group in groups(terms, |atom| self.pool.atom_vars(atom)) {
            total = total.plus(self.exact_group(&group, path, most)?);
        }
        Some(total)
    }

    fn exact_group(&self, terms: &[(Atom, i64)], path: &[Cond], most: u64) -> Option<Range> {
        let vars = terms
            .iter()
            .fold(0, |vars, (atom, _)| vars | self.pool.atom_vars(*atom));
        let within = |cond: &&Cond| self.pool.cond_vars(**cond) & !vars == 0;
        let conds: Vec<Cond> = path.iter().filter(within).copied().collect();
        let mut env = vec![0; self.pool.var_count()];
        let mut found: Option<Range> = None;
        let mut known = true;
        let complete = every(self, &list(vars), most, &mut env, &mut |env| {
            if conds
                .iter()
                .any(|cond| self.pool.eval_cond(*cond, env) == Some(false))
            {
                return true;
            }
            let mut sum = 0_i64;
            for (atom, factor) in terms {
                let term = self.pool.eval_atom(*atom, env);
                let term = term.and_then(|value| value.checked_mul(*factor));
                match term.and_then(|term| sum.checked_add(term)) {
                    Some(more) => sum = more,
                    None => {
                        known = false;
                        return false;
                    }
                }
            }
            let own = Range::new(sum, sum);
            found = Some(found.map_or(own, |found| found.or(own)));
            true
        });
        if !complete || !known {
            return None;
        }
        // Where nothing satisfies the conditions nobody is there.
        Some(found.unwrap_or(Range::new(0, 0)))
    }
}

/// Terms by shared variables.
pub(super) fn groups(terms: &[(Atom, i64)], vars: impl Fn(Atom) -> Vars) -> Vec<Vec<(Atom, i64)>> {
    let mut groups: Vec<(Vars, Vec<(Atom, i64)>)> = Vec::new();
    for (atom, factor) in terms {
        let mut own = (vars(*atom), vec![(*atom, *factor)]);
        let mut apart = Vec::new();
        for group in groups {
            if group.0 & own.0 != 0 {
                own.0 |= group.0;
                own.1.extend(group.1);
            } else {
                apart.push(group);
            }
        }
        apart.push(own);
        groups = apart;
    }
    groups.into_iter().map(|(_, terms)| terms).collect()
}
