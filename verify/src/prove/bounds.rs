//! Every index below its length.
//!
//! By intervals; where those are too wide, by trying values (`exact.rs`) and by combining
//! the conditions on the way (`reach.rs`).

use std::collections::HashMap;

use super::{
    exact::COMBINATIONS,
    expr::{Expr, Range},
    range::{Place, Terrain},
    trace::Bound,
};

/// Indices that are not shown to be inside, each once.
pub(super) fn check<'t>(terrain: &mut Terrain, bounds: &'t [Bound]) -> Vec<&'t Bound> {
    let mut judged: HashMap<(Expr, i64, Place), bool> = HashMap::new();
    let mut open = Vec::new();
    for bound in bounds {
        let key = (bound.index, bound.length, bound.place);
        if judged.contains_key(&key) {
            continue;
        }
        let inside = terrain.is_impossible(bound.place) || is_inside(terrain, bound);
        judged.insert(key, inside);
        if !inside {
            open.push(bound);
        }
    }
    open
}

fn is_inside(terrain: &mut Terrain, bound: &Bound) -> bool {
    let allowed = Range::new(0, bound.length - 1);
    let coarse = terrain.range(bound.place, bound.index);
    if coarse.within(allowed) {
        return true;
    }
    if let Some(exact) = terrain.exact(bound.index, &bound.path, COMBINATIONS)
        && exact.within(allowed)
    {
        return true;
    }
    let below = coarse.lo >= 0 || terrain.reaches_down_to(bound.place, bound.index) >= 0;
    below && terrain.reaches_up_to(bound.place, bound.index) <= allowed.hi
}
