//! Which instances are tried where not all are.

use std::collections::BTreeMap;

use kforge_mutate::Instance;

/// At most `most` instances of each kind, drawn with a seed, in their order.
pub(super) fn sample(instances: Vec<Instance>, most: usize, seed: u64) -> Vec<Instance> {
    let mut kinds: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        kinds
            .entry(instance.kind.clone())
            .or_default()
            .push(instance);
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kept = Vec::new();
    for (_, mut of_kind) in kinds {
        while of_kind.len() > most {
            of_kind.swap_remove(random.usize(..of_kind.len()));
        }
        of_kind.sort();
        kept.extend(of_kind);
    }
    kept
}
