//! Values of neighbours in a subgroup.

use melior::ir::{Attribute, Type, Value, r#type::IntegerType};

use crate::emit::{Emit, Emitted};

/// Combines by `op` the f32 values of `count` neighbours, a power of two that divides the
/// subgroup's size: each of them gets the result.
///
/// All invocations of the subgroup must come here together.
pub(super) fn combine<'c, 'a>(
    emit: &Emit<'c, 'a>,
    op: &str,
    mut value: Value<'c, 'a>,
    count: i64,
    subgroup_size: i64,
) -> Emitted<Value<'c, 'a>> {
    let mut distance = 1;
    while distance < count {
        let other = xor(emit, value, distance, subgroup_size)?;
        value = emit.same(op, &[value, other])?;
        distance *= 2;
    }
    Ok(value)
}

/// The value of the invocation whose number in the subgroup differs in the bits of `distance`.
fn xor<'c, 'a>(
    emit: &Emit<'c, 'a>,
    value: Value<'c, 'a>,
    distance: i64,
    subgroup_size: i64,
) -> Emitted<Value<'c, 'a>> {
    let i32 = IntegerType::new(emit.context, 32).into();
    let types = [
        Type::float32(emit.context),
        IntegerType::new(emit.context, 1).into(),
    ];
    let operands = [
        value,
        emit.integer(i32, distance)?,
        emit.integer(i32, subgroup_size)?,
    ];
    let mode = Attribute::parse(emit.context, "#gpu<shuffle_mode xor>")
        .ok_or_else(|| kforge_dialect::Error::Message("the gpu dialect is not loaded".into()))?;
    let other = emit.op("gpu.shuffle", &operands, &types, &[("mode", mode)])?;
    Ok(other.result(0)?.into())
}
