//! `kforge-eliminate-dead-ops`: removes pure ops on tensors whose results nobody
//! reads.
//!
//! Before:
//! ```mlir
//! %0 = kforge.matmul %x, %w : ...
//! %1 = kforge.softmax %0 : ...
//! return %x : ...
//! ```
//! After:
//! ```mlir
//! return %x : ...
//! ```
//! Requires: nothing.
//! Ensures: no op of `kforge`, `arith`, `math` and `tensor`, and no
//! `linalg.transpose`, `linalg.broadcast` or `linalg.fill` on tensors, has only
//! unread results. That is what the fusing passes leave behind.
//! Does nothing when: every result is read. Upstream's `canonicalize` removes more.
//! Limits: ops with regions (`tensor.generate`, `tensor.pad`) stay, apart from the
//! three of linalg, whose bodies are fixed.

use kforge_dialect::{
    ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context, IrRewriter,
    ir::{OperationRef, operation::OperationLike},
};

use crate::rewrite;

pub const PASS: PassDef = PassDef {
    argument: "kforge-eliminate-dead-ops",
    name: "EliminateDeadOps",
    summary: "remove pure tensor ops whose results nobody reads",
    options: &[],
    statistics: &[StatisticDef {
        name: "removed",
        description: "ops removed",
    }],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let rewriter = IrRewriter::new(context);
    let rewriter = rewriter.as_rewriter_base();
    let mut ops = rewrite::nested_ops(module);
    // The body of a linalg op dies with it and is never looked at again.
    ops.retain(|op| !op.parent_operation().is_some_and(has_fixed_body));
    loop {
        let before = ops.len();
        // From the back, so that a user is gone before its producer is asked.
        for at in (0..ops.len()).rev() {
            if is_dead(ops[at]) {
                rewriter.erase_op(ops.remove(at));
                pass.count("removed", 1);
            }
        }
        // Blocks need not stand in the order of dominance.
        if ops.len() == before {
            return Ok(());
        }
    }
}

fn has_fixed_body(op: OperationRef) -> bool {
    matches!(
        ir::name(op),
        "linalg.transpose" | "linalg.broadcast" | "linalg.fill"
    )
}

fn is_dead(op: OperationRef) -> bool {
    let name = ir::name(op);
    let dialect = name.split('.').next().unwrap_or(name);
    let pure = has_fixed_body(op)
        || (op.region_count() == 0 && ["kforge", "arith", "math", "tensor"].contains(&dialect));
    // An op without results, a terminator for one, is there for something else.
    pure && op.result_count() > 0 && op.results().all(|value| ir::use_count(value.into()) == 0)
}
