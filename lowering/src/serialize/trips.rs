//! How many loop iterations one invocation can make, from bounds known statically.
//!
//! Some drivers end loops after a number of iterations and go on with what there
//! is. A loop counts its own iterations and those inside; loops one after another
//! add up, both sides of a branch too, since invocations that take different sides
//! run together. Bounds that are no constants are followed through arithmetic
//! (`a min b`, `a / 4`, ids of invocations and workgroups) as intervals.

use kforge_dialect::ir;
use melior::ir::{
    BlockLike, OperationRef, RegionLike, Value,
    attribute::{DenseI32ArrayAttribute, IntegerAttribute},
    block::BlockArgument,
    operation::OperationLike,
};

/// Workgroups along one dimension, WebGPU's limit.
const MAX_WORKGROUPS: i64 = 65_535;
/// Invocations along one dimension where the workgroup's size is not known.
const MAX_INVOCATIONS: i64 = 1024;
/// Steps back through the operands of a bound.
const MAX_DEPTH: usize = 32;

/// Least and greatest value.
type Range = (i64, i64);

/// The most iterations of one invocation of a kernel; `None`: no bound is known.
pub(super) fn most(func: OperationRef) -> Option<u64> {
    let mut total = 0u64;
    for region in func.regions() {
        let mut block = region.first_block();
        while let Some(current) = block {
            let mut next = current.first_operation();
            while let Some(op) = next {
                total = total.checked_add(of(op)?)?;
                next = op.next_in_block();
            }
            block = current.next_in_region();
        }
    }
    Some(total)
}

fn of(op: OperationRef) -> Option<u64> {
    match ir::name(op) {
        "scf.for" => {
            let (lower, _) = range(op.operand(0).ok()?, 0)?;
            let (_, upper) = range(op.operand(1).ok()?, 0)?;
            let (step, _) = range(op.operand(2).ok()?, 0)?;
            let distance = upper.checked_sub(lower)?.max(0).unsigned_abs();
            let step = u64::try_from(step).ok().filter(|step| *step > 0)?;
            let each = most(op)?.checked_add(1)?;
            distance.div_ceil(step).checked_mul(each)
        }
        name if name.starts_with("scf.") && name != "scf.if" && name != "scf.yield" => None,
        _ => most(op),
    }
}

fn range(value: Value, depth: usize) -> Option<Range> {
    if depth > MAX_DEPTH {
        return None;
    }
    let Some(op) = ir::defining(value) else {
        return counter(value, depth);
    };
    let operand = |index: usize| range(op.operand(index).ok()?, depth + 1);
    let natural = |index: usize| operand(index).filter(|range| range.0 >= 0);
    let positive = |index: usize| operand(index).filter(|range| range.0 > 0);
    match ir::name(op) {
        "arith.constant" => {
            let value = IntegerAttribute::try_from(op.attribute("value").ok()?)
                .ok()?
                .value();
            Some((value, value))
        }
        "gpu.thread_id" => Some((0, invocations(op).unwrap_or(MAX_INVOCATIONS) - 1)),
        "gpu.block_id" => Some((0, MAX_WORKGROUPS - 1)),
        "arith.index_cast" | "arith.index_castui" => operand(0),
        "arith.addi" => {
            let (a, b) = (operand(0)?, operand(1)?);
            Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?))
        }
        "arith.subi" => {
            let (a, b) = (operand(0)?, operand(1)?);
            let least = a.0.checked_sub(b.1)?;
            // x - (x min c) stops at 0.
            let least = if saturates(op) { least.max(0) } else { least };
            Some((least, a.1.checked_sub(b.0)?.max(least)))
        }
        "arith.muli" => {
            let (a, b) = (natural(0)?, natural(1)?);
            Some((a.0.checked_mul(b.0)?, a.1.checked_mul(b.1)?))
        }
        "arith.divui" | "arith.divsi" | "arith.floordivsi" => {
            let (a, b) = (natural(0)?, positive(1)?);
            Some((a.0 / b.1, a.1 / b.0))
        }
        "arith.ceildivui" | "arith.ceildivsi" => {
            let (a, b) = (natural(0)?, positive(1)?);
            Some((a.0 / b.1, a.1 / b.0 + 1))
        }
        "arith.remui" | "arith.remsi" => {
            let (a, b) = (natural(0)?, positive(1)?);
            Some((0, a.1.min(b.1 - 1)))
        }
        // A negative number is a large one here, so one side alone bounds it.
        "arith.minui" => match (natural(0), natural(1)) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.min(b.1))),
            (a, b) => a.or(b).map(|range| (0, range.1)),
        },
        "arith.minsi" => {
            let (a, b) = (operand(0)?, operand(1)?);
            Some((a.0.min(b.0), a.1.min(b.1)))
        }
        "arith.maxui" => {
            let (a, b) = (natural(0)?, natural(1)?);
            Some((a.0.max(b.0), a.1.max(b.1)))
        }
        "arith.maxsi" => {
            let (a, b) = (operand(0)?, operand(1)?);
            Some((a.0.max(b.0), a.1.max(b.1)))
        }
        "arith.select" => {
            let (a, b) = (operand(1)?, operand(2)?);
            Some((a.0.min(b.0), a.1.max(b.1)))
        }
        _ => None,
    }
}

/// Whether a difference takes no more than there is.
fn saturates(difference: OperationRef) -> bool {
    let (Ok(from), Ok(what)) = (difference.operand(0), difference.operand(1)) else {
        return false;
    };
    ir::defining(what).is_some_and(|least| {
        ir::name(least) == "arith.minui" && least.operands().any(|operand| operand == from)
    })
}

/// The counter of an enclosing loop.
fn counter(value: Value, depth: usize) -> Option<Range> {
    let argument = BlockArgument::try_from(value).ok()?;
    let around = argument.owner().parent_operation()?;
    if ir::name(around) != "scf.for" || argument.argument_number() != 0 {
        return None;
    }
    let (lower, _) = range(around.operand(0).ok()?, depth + 1)?;
    let (_, upper) = range(around.operand(1).ok()?, depth + 1)?;
    Some((lower, upper.saturating_sub(1).max(lower)))
}

/// Invocations along any dimension, from the kernel's known size.
fn invocations(op: OperationRef) -> Option<i64> {
    let mut around = op.parent_operation()?;
    while ir::name(around) != "gpu.func" {
        around = around.parent_operation()?;
    }
    let sizes =
        DenseI32ArrayAttribute::try_from(around.attribute("known_block_size").ok()?).ok()?;
    (0..sizes.len())
        .filter_map(|index| sizes.element(index).ok())
        .max()
        .map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use melior::ir::Module;

    fn trips(body: &str) -> Option<u64> {
        let context = kforge_dialect::context();
        let source = format!(
            "gpu.module @k {{ gpu.func @f(%n: index) kernel attributes {{known_block_size = array<i32: 8, 1, 1>}} {{
               %c0 = arith.constant 0 : index
               %c1 = arith.constant 1 : index
               %c3 = arith.constant 3 : index
               %c10 = arith.constant 10 : index
               %t = gpu.thread_id x
               {body}
               gpu.return }} }}"
        );
        let module = Module::parse(&context, &source).expect("test input parses");
        let kernels = module.body().first_operation().expect("a gpu.module");
        let func = super::super::read::body(kernels)[0];
        most(func)
    }

    #[test]
    fn nests_multiply_and_neighbours_add() {
        let inner = "scf.for %j = %c0 to %c3 step %c1 { }";
        assert_eq!(trips(""), Some(0));
        assert_eq!(trips(inner), Some(3));
        // ceil(10 / 3) times, with 3 more each.
        assert_eq!(
            trips(&format!("scf.for %i = %c0 to %c10 step %c3 {{ {inner} }}")),
            Some(16)
        );
        assert_eq!(trips(&format!("{inner}\n{inner}")), Some(6));
        let branch = "%b = arith.cmpi ult, %t, %c3 : index\n scf.if %b {";
        assert_eq!(trips(&format!("{branch} {inner} }}")), Some(3));
        assert_eq!(trips("scf.for %i = %c10 to %c3 step %c1 { }"), Some(0));
    }

    #[test]
    fn bounds_are_followed() {
        // At most min(7 * 3, 10) iterations.
        let bounded = "%a = arith.muli %t, %c3 : index
            %b = arith.minui %a, %c10 : index
            scf.for %i = %t to %b step %c1 { }";
        assert_eq!(trips(bounded), Some(10));
        let rest = "%a = arith.subi %t, %c3 : index
            %b = arith.minui %a, %c10 : index
            scf.for %i = %c0 to %b step %c1 { }";
        assert_eq!(trips(rest), Some(10));
        let seen = "%a = arith.minui %t, %c3 : index
            %b = arith.subi %t, %a : index
            %d = arith.divui %b, %c3 : index
            scf.for %i = %c0 to %d step %c1 { }";
        assert_eq!(trips(seen), Some(2));
        let inner = "scf.for %i = %c0 to %c10 step %c1 { scf.for %j = %c0 to %i step %c1 { } }";
        assert_eq!(trips(inner), Some(100));
    }

    #[test]
    fn unknown_bounds_stay_unknown() {
        assert_eq!(trips("scf.for %i = %c0 to %n step %c1 { }"), None);
        assert_eq!(trips("scf.for %i = %c0 to %c10 step %n { }"), None);
        let forever = "%x = scf.while (%i = %c0) : (index) -> index {
              %b = arith.cmpi ult, %i, %n : index
              scf.condition(%b) %i : index
            } do { ^bb0(%i: index): scf.yield %i : index }";
        assert_eq!(trips(forever), None);
    }
}
