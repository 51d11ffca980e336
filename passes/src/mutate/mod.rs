//! Mistakes in IR, for mutation runs: in ops on tensors, and in kernels of the gpu dialect.
//!
//! The pass `kforge-mutate` makes one of them at one place. It is registered only where
//! mutants are made and in kforge-opt; no plan can name it.

mod edit;
mod kernels;
mod loops;
mod ops;
mod values;

use melior::{Context, ir::OperationRef};

use edit::Edit;

/// What a mutation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// kforge ops on tensors, before they are lowered.
    Ops,
    /// Kernels in the gpu dialect.
    Kernels,
}

/// One kind of mistake, or of harmless change.
pub struct Mutation {
    /// Its name, the option `kind` of the pass.
    pub name: &'static str,
    /// What is wrong, in a few words.
    pub what: &'static str,
    /// What it works on.
    pub level: Level,
    /// Whether nothing that matters is changed.
    pub is_control: bool,
    edits: Edits,
}

/// One change per place where a kind applies, in program order.
type Edits = for<'c, 'a> fn(&'c Context, OperationRef<'c, 'a>) -> Vec<Edit<'c, 'a>>;

const fn mutant(level: Level, name: &'static str, what: &'static str, edits: Edits) -> Mutation {
    Mutation {
        name,
        what,
        level,
        is_control: false,
        edits,
    }
}

const fn control(level: Level, name: &'static str, what: &'static str, edits: Edits) -> Mutation {
    Mutation {
        name,
        what,
        level,
        is_control: true,
        edits,
    }
}

/// Every kind.
pub static MUTATIONS: &[&[Mutation]] = &[
    ops::MUTATIONS,
    loops::MUTATIONS,
    kernels::MUTATIONS,
    values::MUTATIONS,
];

/// Every kind, in one list.
pub fn all() -> impl Iterator<Item = &'static Mutation> {
    MUTATIONS.iter().copied().flatten()
}

/// The kind of a name.
pub fn find(name: &str) -> Option<&'static Mutation> {
    all().find(|mutation| mutation.name == name)
}

impl Mutation {
    /// At how many places of a module it applies.
    pub fn places<'c>(&self, context: &'c Context, module: OperationRef<'c, '_>) -> usize {
        (self.edits)(context, module).len()
    }

    /// Makes the change at one place.
    ///
    /// # Errors
    /// Why there is no such place, or why the change cannot be made there.
    pub fn apply<'c>(
        &self,
        context: &'c Context,
        module: OperationRef<'c, '_>,
        at: usize,
    ) -> Result<(), String> {
        let edits = (self.edits)(context, module);
        let count = edits.len();
        let edit = edits.into_iter().nth(at).ok_or_else(|| {
            format!(
                "'{}' applies at {count} places of this module, place {at} is none",
                self.name
            )
        })?;
        edit.apply(context)
    }
}
