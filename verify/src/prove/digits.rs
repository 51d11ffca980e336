//! Which invocation an address belongs to, read from the address like digits from a number.
//!
//! An address is a sum of multiples of atoms. Where the part of small multiples spans less
//! than g, and all other multiples are multiples of g, equal sums have equal parts: the
//! address determines both, and so on down to single atoms. `x / d` and `x % d` together
//! determine x. Where that leads to all ids, two invocations never have the same address.
//!
//! Several sites share one sum and differ in a constant; the constants are split likewise.
//! What remains open of the ids within a workgroup, or of the workgroup's, is tried value
//! by value, 2^16 of them at most.

use std::collections::{BTreeSet, HashSet};

use super::{
    exact::{every, list},
    expr::{Atom, DATA, Expr, LOCALS, Node, Vars, WORKGROUP},
    range::{ANYWHERE, Place, Terrain, gcd},
};

/// Values of ids that are tried.
const VALUES: u64 = 1 << 16;

/// One site: the constant of its address, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) offset: i64,
    pub(super) place: Place,
}

/// Whether equal addresses are those of one invocation. `terms` is what all `sites` share.
pub(super) fn identify(terrain: &mut Terrain, terms: &[(Atom, i64)], sites: &[Site]) -> bool {
    let facts = decompose(terrain, terms, sites);
    let workgroups = WORKGROUP.iter().fold(0, |vars, var| vars | 1 << var);
    let needed: Vars = list(workgroups | LOCALS)
        .into_iter()
        .filter(|var| terrain.pool.var_range(*var).width() > 0)
        .fold(0, |vars, var| vars | 1 << var);
    let mut known = Known {
        facts: facts.into_iter().collect(),
        vars: 0,
    };
    known.close(terrain);
    for group in [LOCALS, workgroups, LOCALS | workgroups] {
        let open = needed & group & !known.vars;
        // What is known already may be in the facts that tell the others apart.
        let with_known = open | needed & LOCALS & known.vars;
        let mut tried = [open, with_known].into_iter();
        if open != 0 && tried.any(|vars| known.is_injective(terrain, vars)) {
            known.vars |= open;
            known.close(terrain);
        }
    }
    needed & !known.vars == 0
}

/// Sums that the sum of `terms` and an offset determines.
fn decompose(terrain: &mut Terrain, terms: &[(Atom, i64)], sites: &[Site]) -> BTreeSet<Expr> {
    let mut terms = terms.to_vec();
    terms.sort_by_key(|(_, factor)| factor.unsigned_abs());
    if terms.is_empty() || sites.is_empty() {
        return BTreeSet::new();
    }
    for count in (0..terms.len()).rev() {
        let (low, high) = terms.split_at(count);
        let all = high.iter().fold(0, |all, (_, factor)| gcd(all, *factor));
        for modulus in moduli(all, sites) {
            if let Some(split) = split(terrain, low, sites, modulus) {
                if count == 0 {
                    if split.iter().all(|(low, _)| low.offset == split[0].0.offset) {
                        continue;
                    }
                    return by_class(terrain, &terms, &split);
                }
                let lows: Vec<Site> = split.iter().map(|(low, _)| *low).collect();
                let highs: Vec<Site> = split.iter().map(|(_, high)| *high).collect();
                let mut facts = decompose(terrain, low, &lows);
                facts.extend(decompose(terrain, high, &highs));
                return facts;
            }
        }
    }
    if sites.iter().all(|site| site.offset == sites[0].offset) {
        return fact(terrain, &terms).into_iter().collect();
    }
    // Sites whose sums lie apart.
    let mut spans: Vec<(i64, super::expr::Range)> = Vec::new();
    for site in sites {
        let range = terrain.range_of(site.place, &sorted(&terms), site.offset);
        match spans.iter_mut().find(|(offset, _)| *offset == site.offset) {
            Some((_, span)) => *span = span.or(range),
            None => spans.push((site.offset, range)),
        }
    }
    spans.sort_by_key(|(_, span)| span.lo);
    if spans.windows(2).all(|two| two[0].1.hi < two[1].1.lo) {
        let split: Vec<(Site, Site)> = sites
            .iter()
            .map(|site| (*site, Site { offset: 0, ..*site }))
            .collect();
        return by_class(terrain, &terms, &split);
    }
    BTreeSet::new()
}

/// What is determined in every class of sites; the offset of a pair's first names it.
fn by_class(
    terrain: &mut Terrain,
    terms: &[(Atom, i64)],
    split: &[(Site, Site)],
) -> BTreeSet<Expr> {
    let classes: BTreeSet<i64> = split.iter().map(|(low, _)| low.offset).collect();
    let mut facts: Option<BTreeSet<Expr>> = None;
    for class in classes {
        let members = split.iter().filter(|(low, _)| low.offset == class);
        let members: Vec<Site> = members.map(|(_, high)| *high).collect();
        let own = decompose(terrain, terms, &members);
        facts = Some(match facts {
            None => own,
            Some(facts) => facts.intersection(&own).copied().collect(),
        });
    }
    facts.unwrap_or_default()
}

/// Candidates for the modulus of a split, the largest first.
fn moduli(all: i64, sites: &[Site]) -> Vec<i64> {
    let first = sites[0].offset;
    let mut found: BTreeSet<i64> = sites
        .iter()
        .map(|site| gcd(all, site.offset.saturating_sub(first)))
        .collect();
    found.insert(all);
    found.into_iter().rev().filter(|it| *it > 0).collect()
}

/// Every site's offset as a multiple of the modulus and a rest, with all sums of `low` and
/// rest inside one window that is smaller than the modulus.
fn split(
    terrain: &mut Terrain,
    low: &[(Atom, i64)],
    sites: &[Site],
    modulus: i64,
) -> Option<Vec<(Site, Site)>> {
    let low = sorted(low);
    let start = terrain.range_of(sites[0].place, &low, 0).lo;
    let mut window: Option<super::expr::Range> = None;
    let mut parts = Vec::with_capacity(sites.len());
    for site in sites {
        let rest = site.offset.checked_add(start)?.rem_euclid(modulus) - start;
        let own = terrain.range_of(site.place, &low, rest);
        let all = window.map_or(own, |window| window.or(own));
        if all.width() >= modulus {
            return None;
        }
        window = Some(all);
        let place = site.place;
        parts.push((
            Site {
                offset: rest,
                place,
            },
            Site {
                offset: site.offset - rest,
                place,
            },
        ));
    }
    Some(parts)
}

fn sorted(terms: &[(Atom, i64)]) -> Vec<(Atom, i64)> {
    let mut terms = terms.to_vec();
    terms.sort_unstable_by_key(|(atom, _)| *atom);
    terms
}

/// A determined sum as an expression, without the factor its terms share.
fn fact(terrain: &mut Terrain, terms: &[(Atom, i64)]) -> Option<Expr> {
    let factor = super::range::common(terms).max(1);
    let terms = terms.iter().map(|(atom, own)| (*atom, own / factor));
    let terms = terms.collect();
    terrain.pool.collect(terms, 0)
}

/// What a quotient or remainder determines in units of c, where its divisor and some terms
/// are multiples of c: `(c·A + x) / (c·d)` is `(A + x / c) / d`, and `(c·A + x) % (c·d)` is
/// `c·((A + x / c) % d) + x % c`. So two that were spelled apart meet.
fn coarser(terrain: &mut Terrain, node: Node) -> Vec<Expr> {
    let (Node::Div(of, by) | Node::Rem(of, by)) = node else {
        return Vec::new();
    };
    let Some(divisor) = terrain.pool.known(by) else {
        return Vec::new();
    };
    let (terms, constant) = terrain.pool.terms(of);
    let (high, low): (Vec<_>, Vec<_>) = terms
        .iter()
        .copied()
        .partition(|(_, factor)| gcd(*factor, divisor) > 1);
    let unit = high
        .iter()
        .fold(divisor, |all, (_, factor)| gcd(all, *factor));
    if high.is_empty() || unit <= 1 {
        return Vec::new();
    }
    let high = high.iter().map(|(atom, factor)| (*atom, factor / unit));
    let high = terrain.pool.collect(high.collect(), 0);
    let (Some(high), Some(low)) = (high, terrain.pool.collect(low, constant)) else {
        return Vec::new();
    };
    if terrain.range(ANYWHERE, high).lo < 0 || terrain.range(ANYWHERE, low).lo < 0 {
        return Vec::new();
    }
    let (int, own) = (super::expr::Int::Signed, terrain.pool.constant(unit));
    let by = terrain.pool.constant(divisor / unit);
    let carried = terrain.quotient(ANYWHERE, int, low, own);
    let whole = terrain.pool.add(high, carried);
    let facts = match node {
        Node::Div(..) => vec![terrain.quotient(ANYWHERE, int, whole, by)],
        _ => vec![
            terrain.remainder(ANYWHERE, int, whole, by),
            terrain.remainder(ANYWHERE, int, low, own),
        ],
    };
    let known = |fact: &Expr| terrain.pool.vars(*fact) & DATA == 0;
    facts.into_iter().filter(known).collect()
}

/// What equal addresses have in common.
struct Known {
    facts: HashSet<Expr>,
    vars: Vars,
}

impl Known {
    /// Whether two invocations with equal addresses have equal values of `expr`.
    fn has(&self, terrain: &mut Terrain, expr: Expr) -> bool {
        let vars = terrain.pool.vars(expr);
        if vars & DATA == 0 && vars & !self.vars == 0 {
            return true;
        }
        let (terms, _) = terrain.pool.terms(expr);
        let terms = terms.to_vec();
        terms.into_iter().all(|(atom, _)| {
            let vars = terrain.pool.atom_vars(atom);
            if vars & DATA == 0 && vars & !self.vars == 0 {
                return true;
            }
            let own = terrain.pool.collect(vec![(atom, 1)], 0);
            own.is_some_and(|own| self.facts.contains(&own)) || self.has_operands(terrain, atom)
        })
    }

    /// Whether what an operation works on is determined, so that its result is.
    fn has_operands(&self, terrain: &mut Terrain, atom: Atom) -> bool {
        match terrain.pool.of(atom) {
            Node::Div(a, b) | Node::Rem(a, b) | Node::Min(a, b) | Node::Max(a, b) => {
                self.has(terrain, a) && self.has(terrain, b)
            }
            _ => false,
        }
    }

    /// Draws conclusions until there are no more.
    fn close(&mut self, terrain: &mut Terrain) {
        loop {
            let before = (self.facts.len(), self.vars);
            for known in self.facts.clone() {
                self.conclude(terrain, known);
            }
            if before == (self.facts.len(), self.vars) {
                return;
            }
        }
    }

    fn conclude(&mut self, terrain: &mut Terrain, known: Expr) {
        let (terms, _) = terrain.pool.terms(known);
        let open: Vec<(Atom, i64)> = terms
            .iter()
            .copied()
            .filter(|(atom, _)| {
                let vars = terrain.pool.atom_vars(*atom);
                vars & DATA != 0 || vars & !self.vars != 0
            })
            .collect();
        let &[(atom, _)] = &open[..] else {
            let anywhere = Site {
                offset: 0,
                place: ANYWHERE,
            };
            if open.len() > 1 {
                let more = decompose(terrain, &open, &[anywhere]);
                self.facts.extend(more);
            }
            return;
        };
        if let Some(own) = terrain.pool.collect(vec![(atom, 1)], 0) {
            self.facts.insert(own);
        }
        let node = terrain.pool.of(atom);
        self.facts.extend(coarser(terrain, node));
        match node {
            Node::Var(var) => self.vars |= 1 << var,
            Node::Rem(x, divisor) if self.has(terrain, divisor) => {
                let quotient = terrain.quotient(ANYWHERE, super::expr::Int::Signed, x, divisor);
                if terrain.pool.vars(quotient) & DATA == 0 && self.has(terrain, quotient) {
                    let (terms, _) = terrain.pool.terms(x);
                    let terms = terms.to_vec();
                    self.facts.extend(fact(terrain, &terms));
                }
            }
            _ => {}
        }
    }

    /// Whether the facts in `open` alone tell all its values apart.
    fn is_injective(&self, terrain: &Terrain, open: Vars) -> bool {
        let facts: Vec<Expr> = self
            .facts
            .iter()
            .copied()
            .filter(|fact| terrain.pool.vars(*fact) & !open == 0)
            .collect();
        let mut env = vec![0; terrain.pool.var_count()];
        let mut seen = HashSet::new();
        every(terrain, &list(open), VALUES, &mut env, &mut |env| {
            let values: Option<Vec<i64>> = facts
                .iter()
                .map(|fact| terrain.pool.eval(*fact, env))
                .collect();
            values.is_some_and(|values| seen.insert(values))
        })
    }
}
