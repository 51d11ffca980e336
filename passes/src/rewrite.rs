//! What the rewriting passes share: who uses a value, what a value is known to
//! be, and how one op takes the place of several.

use kforge_dialect::{attributes, diagnostics, ir};
use melior::{
    Context, IrRewriter,
    ir::{
        Attribute, BlockLike, Operation, OperationRef, RegionLike, Value, ValueLike,
        attribute::DenseElementsAttribute,
        operation::{OperationLike, OperationResult},
    },
};

/// Says at an op why a pattern that nearly matched left it alone.
pub fn remark(op: OperationRef, reason: &str) {
    let name = ir::name(op);
    diagnostics::remark(op.location(), &format!("'{name}' op {reason}"));
}

/// Every op inside `op`, in program order.
pub fn nested_ops<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut found = Vec::new();
    for region in op.regions() {
        let blocks = std::iter::successors(region.first_block(), |block| block.next_in_region());
        for block in blocks {
            let ops = std::iter::successors(block.first_operation(), |op| op.next_in_block());
            for inner in ops {
                found.push(inner);
                found.extend(nested_ops(inner));
            }
        }
    }
    found
}

/// The one result of an op.
pub fn result<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<Value<'c, 'a>> {
    (op.result_count() == 1).then(|| op.result(0).ok().map(OperationResult::into))?
}

/// Whether the op's one result is read exactly once.
pub fn used_once(op: OperationRef) -> bool {
    result(op).is_some_and(|value| ir::use_count(value) == 1)
}

/// Why ops cannot become one of another kind, if they cannot: a schedule is made
/// for one kind of op and would be lost.
pub fn scheduled(ops: &[OperationRef]) -> Option<String> {
    ops.iter()
        .any(|op| op.has_attribute(attributes::SCHEDULE))
        .then(|| "one of its ops has a schedule; fuse before tiling".into())
}

/// The two operands of the binary op called `name` that defines `value`.
pub fn binary<'c: 'a, 'a>(
    value: Value<'c, 'a>,
    name: &str,
) -> Option<(OperationRef<'c, 'a>, Value<'c, 'a>, Value<'c, 'a>)> {
    let op = ir::defining(value).filter(|op| ir::name(*op) == name)?;
    Some((op, op.operand(0).ok()?, op.operand(1).ok()?))
}

/// The attribute of the `arith.constant` that defines `value`.
pub fn constant<'c>(value: Value<'c, '_>) -> Option<Attribute<'c>> {
    let op = ir::defining(value).filter(|op| ir::name(*op) == "arith.constant")?;
    op.attribute("value").ok()
}

/// The number that every element of `value` is known to be: a constant, or one
/// spread by `tensor.splat`, `linalg.fill` or `linalg.broadcast`.
pub fn splat(value: Value) -> Option<f64> {
    if let Some(attribute) = constant(value) {
        return match DenseElementsAttribute::try_from(attribute) {
            Ok(dense) if dense.is_splat() => ir::splat_f64(&dense),
            Ok(_) => None,
            Err(_) => ir::scalar_f64(attribute),
        };
    }
    let op = ir::defining(value)?;
    match ir::name(op) {
        "tensor.splat" | "linalg.fill" | "linalg.broadcast" => splat(op.operand(0).ok()?),
        _ => None,
    }
}

/// What `value` repeats along new leading dimensions, which is how NumPy
/// broadcasts: the input of a `linalg.broadcast` whose dimensions are 0, 1, ...
pub fn leading_broadcast<'c: 'a, 'a>(value: Value<'c, 'a>) -> Option<Value<'c, 'a>> {
    let op = ir::defining(value).filter(|op| ir::name(*op) == "linalg.broadcast")?;
    let dimensions = ir::i64_array(op, "dimensions")?;
    (0i64..)
        .zip(&dimensions)
        .all(|(index, dimension)| index == *dimension)
        .then(|| op.operand(0).ok())?
}

/// `value` multiplied by a number, read from `arith.mulf` or `arith.divf`: the
/// op, the value and the number, rounded to f32 where it is a reciprocal.
pub fn scaled<'c: 'a, 'a>(
    value: Value<'c, 'a>,
) -> Option<(OperationRef<'c, 'a>, Value<'c, 'a>, f64)> {
    if let Some((op, left, right)) = binary(value, "arith.mulf") {
        return splat(right)
            .map(|factor| (op, left, factor))
            .or_else(|| splat(left).map(|factor| (op, right, factor)));
    }
    let (op, left, right) = binary(value, "arith.divf")?;
    let divisor = splat(right)?;
    Some((op, left, f64::from((1.0 / divisor) as f32)))
}

/// Whether multiplying by `factor` moves the exponent alone.
pub fn is_power_of_two(factor: f64) -> bool {
    // Widening leaves no f32 or f16 subnormal, so the fraction bits decide.
    factor.is_normal() && factor.to_bits() & ((1 << 52) - 1) == 0
}

/// Puts `new` in the place of `last` and erases `others`: the producers that only
/// `last` needed, in program order. Nothing changes where the types differ, which
/// is the error.
pub fn replace_group<'c>(
    context: &'c Context,
    new: Operation<'c>,
    last: OperationRef<'c, '_>,
    others: &[OperationRef<'c, '_>],
) -> Result<(), String> {
    let found = new.result(0).map_err(|error| error.to_string())?.r#type();
    let expected = last.result(0).map_err(|error| error.to_string())?.r#type();
    if found != expected {
        return Err(format!("the fused op gives {found}, not {expected}"));
    }
    let rewriter = IrRewriter::new(context);
    let rewriter = rewriter.as_rewriter_base();
    rewriter.set_insertion_point_before(last);
    let new = rewriter.insert(new);
    rewriter.replace_op_with_operation(last, new);
    // Users before producers: an op may only go when nothing reads it.
    for op in others.iter().rev() {
        rewriter.erase_op(*op);
    }
    Ok(())
}
