//! Wrong launches, buffers, programs and claims of a package.

mod buffers;
mod claims;
mod launches;
mod programs;
mod units;

use kforge_runtime::{
    Package,
    manifest::{Dispatch, Entry, Step},
};

use crate::kind::{Kind, Place};

/// One change of a package.
pub type Change = Box<dyn Fn(&mut Package)>;

/// A kind of change, and where it can be made.
pub struct Operator {
    /// What it is called.
    pub kind: Kind,
    /// One change per place, in the order of the entry's steps.
    pub changes: fn(&Subject<'_>) -> Vec<Change>,
}

/// The entry of a package that is changed.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'p> {
    /// The package.
    pub package: &'p Package,
    /// Its entry.
    pub entry: &'p str,
}

/// Every operator, by what it changes.
pub static OPERATORS: &[&[Operator]] = &[
    launches::OPERATORS,
    buffers::OPERATORS,
    claims::OPERATORS,
    programs::OPERATORS,
];

const fn mutant(
    name: &'static str,
    what: &'static str,
    changes: fn(&Subject<'_>) -> Vec<Change>,
) -> Operator {
    Operator {
        kind: Kind::mutant(Place::Host, name, what),
        changes,
    }
}

const fn control(
    name: &'static str,
    what: &'static str,
    changes: fn(&Subject<'_>) -> Vec<Change>,
) -> Operator {
    Operator {
        kind: Kind::control(Place::Host, name, what),
        changes,
    }
}

impl<'p> Subject<'p> {
    fn steps(&self) -> impl Iterator<Item = (usize, &'p Dispatch)> {
        let entry = self.package.manifest.entries.get(self.entry);
        let steps = entry.map_or(&[][..], |entry| &entry.steps);
        steps
            .iter()
            .map(|Step::Dispatch(dispatch)| dispatch)
            .enumerate()
    }

    fn entry(&self) -> Option<&'p Entry> {
        self.package.manifest.entries.get(self.entry)
    }

    /// A change of the entry.
    fn on_entry(&self, change: impl Fn(&mut Entry) + 'static) -> Change {
        let name = self.entry.to_owned();
        Box::new(move |package| {
            if let Some(entry) = package.manifest.entries.get_mut(&name) {
                change(entry);
            }
        })
    }

    /// A change of one launch. The units say what their launches now read and write: the
    /// mistake is in the package, not between its parts.
    fn on_step(&self, index: usize, change: impl Fn(&mut Dispatch) + 'static) -> Change {
        let name = self.entry.to_owned();
        Box::new(move |package| {
            let entry = package.manifest.entries.get_mut(&name);
            let step = entry.and_then(|entry| entry.steps.get_mut(index));
            if let Some(Step::Dispatch(dispatch)) = step {
                change(dispatch);
            }
            units::refresh(package, &name);
        })
    }
}
