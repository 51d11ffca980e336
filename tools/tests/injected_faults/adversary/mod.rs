//! An unverified or tampered plan, presented as accepted. Every try must end in a refusal, or
//! in a verification that really ran on this device before anything was used.
//!
//! A try counts only where the forged thing was there and was looked at.

mod packages;
mod rows;
mod using;

use crate::kind::Kind;

/// A kind of try, with its share of 10,000.
pub(crate) struct Attack {
    pub kind: Kind,
    pub share: usize,
}

macro_rules! attacks {
    ($($name:literal, $what:literal, $share:literal, $run:expr;)*) => {
        &[$(Attack {
            kind: Kind { name: $name, injected: $what, cheap: true, at_once: 2, run: $run },
            share: $share,
        },)*]
    };
}

pub(crate) const ATTACKS: &[Attack] = attacks![
    "try-row-edited", "a row of the archive edited by SQL, its hash left", 2200, rows::edited;
    "try-row-impossible", "a row with an outcome or plan that cannot be, hashed anew", 1500, rows::impossible;
    "try-row-renamed", "a row of another device, driver, version or module named to fit", 700, rows::renamed;
    "try-plan-with-verdict", "plan JSON that says it is verified", 2300, rows::plan_with_verdict;
    "try-report-forged", "a run whose file says what cannot be", 900, rows::report;
    "try-row-forged", "a row forged whole, every hash to match: fast, every level", 150, using::row;
    "try-import-forged", "an export forged whole, imported", 60, using::import;
    "try-results-forged", "results of kforge-run --measure forged, imported", 80, using::results;
    "try-opt-archive", "a row forged whole, for kforge-opt --kforge-planner=archive", 40, using::opt;
    "try-environment", "variables and PATH that name another measurer, with a forged row", 40, using::environment;
    "try-alone-on-path", "kforge without its kforge-run, and a forger's on PATH", 20, using::alone;
    "try-same-name", "another program under the names of one that was verified", 20, using::same_name;
    "try-attribute", "a module that says kforge.verified of itself", 20, using::attribute;
    "try-answer-forged", "a measuring child that answers for another plan, package or version", 120, using::answers;
    "try-package-exchanged", "the package is exchanged before the child reads it", 40, using::exchanged;
    "try-package-changed", "any byte of a package changed", 1500, packages::changed;
    "try-package-rehashed", "another kernel in a package, hashes to match", 200, packages::rehashed;
    "try-package-says-so", "another kernel, and a manifest that says it is verified", 50, packages::says_so;
    "try-package-race", "two packages exchanged all the time while kforge-run reads", 60, packages::race;
    "try-symlinks", "links in the place of a package's files, or of a file to be written", 60, packages::links;
];
