//! What invocations gathered, combined in a tree in workgroup memory.

use melior::ir::Value;

use crate::emit::{Emit, Emitted, Ix};

/// Combines by `op` what `count` participants, a power of two, have stored: `values` values
/// each, number `index` of participant `number` at `at(number, index)`. This invocation is
/// participant `own`. Results are those of participant 0, visible to all.
pub(super) fn combine<'c, 'a, const N: usize>(
    emit: &Emit<'c, 'a>,
    op: &str,
    memory: Value<'c, 'a>,
    (own, count): (&Ix<'c, 'a>, i64),
    values: usize,
    at: impl Fn(Ix<'c, 'a>, usize) -> [Ix<'c, 'a>; N],
) -> Emitted<()> {
    emit.barrier()?;
    let mut half = count / 2;
    while half > 0 {
        let takes_part = emit.less(own, &Ix::Const(half))?;
        emit.when(takes_part, |emit| {
            for index in 0..values {
                let mine = emit.load(memory, &at(own.clone(), index))?;
                let other = emit.load(memory, &at(own + half, index))?;
                let both = emit.same(op, &[mine, other])?;
                emit.store(both, memory, &at(own.clone(), index))?;
            }
            Ok(())
        })?;
        emit.barrier()?;
        half /= 2;
    }
    Ok(())
}
