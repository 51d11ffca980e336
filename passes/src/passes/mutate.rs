//! `kforge-mutate`: makes one mistake, on purpose.
//!
//! Before:
//! ```mlir
//! scf.for %i = %c0 to %c16 step %c1 {...}
//! ```
//! After `kforge-mutate{kind=loop_one_short at=0}`:
//! ```mlir
//! %0 = arith.subi %c16, %c1_0 : index
//! scf.for %i = %c0 to %0 step %c1 {...}
//! ```
//! Requires: a kind of `kforge_passes::mutate`, and a place where it applies.
//! Ensures: the module is valid, and it is wrong, or for a control the same.
//! Does nothing when: never; without such a place it fails.
//! Limits: registered where mutants are made and in kforge-opt alone; no plan has it.

use kforge_dialect::{
    diagnostics,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun},
};
use melior::{
    Context,
    ir::{OperationRef, operation::OperationLike},
};

use crate::mutate;

pub const PASS: PassDef = PassDef {
    argument: "kforge-mutate",
    name: "Mutate",
    summary: "make one mistake, for mutation runs",
    options: &[
        OptionDef {
            name: "kind",
            description: "which mistake; `kforge mutate-and-test --list` shows all",
            kind: OptionKind::Text(""),
        },
        OptionDef {
            name: "at",
            description: "at which of the places where it applies",
            kind: OptionKind::Integer(0),
        },
    ],
    statistics: &[],
    dialects: &["arith", "math"],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let fail = |message: String| {
        diagnostics::error(
            module.location(),
            &format!("{}: {message}", pass.argument()),
        );
        Failed
    };
    let kind = pass.text("kind");
    let mutation = mutate::find(&kind).ok_or_else(|| {
        let known: Vec<&str> = mutate::all().map(|it| it.name).collect();
        fail(format!(
            "kind is '{kind}', expected one of {}",
            known.join(", ")
        ))
    })?;
    let at = pass.integer("at");
    let at = usize::try_from(at).map_err(|_| fail(format!("at is {at}, expected at least 0")))?;
    mutation.apply(context, module, at).map_err(fail)
}
