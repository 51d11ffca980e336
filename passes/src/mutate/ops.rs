//! Mistakes in ops on tensors: what a wrong pass, fusion or import would make.

use kforge_dialect::{attributes, ir};
use melior::{
    Context,
    ir::{
        Attribute, OperationRef, ShapedTypeLike, Type, Value, ValueLike,
        attribute::{FloatAttribute, StringAttribute},
        operation::OperationLike,
        r#type::{DimSize, RankedTensorType},
    },
};

use super::{
    Level, Mutation,
    edit::{Edit, New, is_float, number, operand_type, result_type},
    mutant,
};
use crate::{rewrite::nested_ops, select};

const OPS: Level = Level::Ops;

pub static MUTATIONS: &[Mutation] = &[
    mutant(
        OPS,
        "activation_changed",
        "another activation, or one where there was none",
        |context, module| {
            let ops = ours(module).into_iter();
            ops.filter(|op| ["kforge.matmul", "kforge.mlp"].contains(&ir::name(*op)))
                .map(|op| {
                    let own = op.attribute("activation").ok().and_then(attributes::text);
                    let other = if own == Some("relu") { "gelu" } else { "relu" };
                    let value = StringAttribute::new(context, other).into();
                    Edit::Attribute(op, "activation", value)
                })
                .collect()
        },
    ),
    mutant(
        OPS,
        "epsilon_large",
        "an epsilon of 1e-3",
        |context, module| floats(context, module, "epsilon", |_| 1e-3),
    ),
    mutant(
        OPS,
        "epsilon_tiny",
        "an epsilon of 1e-30",
        |context, module| floats(context, module, "epsilon", |_| 1e-30),
    ),
    mutant(
        OPS,
        "theta_changed",
        "another base of the rotary frequencies",
        |context, module| floats(context, module, "theta", |_| 9_999.0),
    ),
    mutant(
        OPS,
        "missing_sqrt_dk_scale",
        "scores are not divided by the root of their length",
        |context, module| scales(context, module, |_| 1.0),
    ),
    mutant(
        OPS,
        "scale_one_over_d",
        "scores are divided by their length",
        |context, module| scales(context, module, |depth| 1.0 / depth),
    ),
    mutant(
        OPS,
        "uniform_attention_weights",
        "every key has the same weight",
        |context, module| {
            // Scores of 1e-30 differ in no bit of their exponentials.
            scales(context, module, |_| 1e-30)
        },
    ),
    mutant(
        OPS,
        "flag_flipped",
        "causal, interleaved or transposed where it is not, or the other way round",
        |context, module| {
            let mut edits = Vec::new();
            for op in ours(module) {
                let flags: &[&'static str] = match ir::name(op) {
                    "kforge.attention" => &["causal"],
                    "kforge.rope" => &["interleaved"],
                    "kforge.matmul" => &["transpose_a", "transpose_b"],
                    _ => &[],
                };
                for flag in flags {
                    let unit = Attribute::unit(context);
                    match op.has_attribute(flag) {
                        // Removing is no edit of its own: another op takes its place.
                        true => {}
                        false => edits.push(Edit::Attribute(op, flag, unit)),
                    }
                }
            }
            edits
        },
    ),
    mutant(
        OPS,
        "operand_zero",
        "an operand is ignored: zeros in its place",
        |_, module| operands(module, |op, index| zeroed(op, index)),
    ),
    mutant(
        OPS,
        "operand_negated",
        "an operand has the other sign",
        |_, module| {
            operands(module, |op, index| {
                let ty = operand_type(op, index)?;
                let negated = New::Op("arith.negf", vec![New::Old], ty);
                Some(Edit::Operand(op, index, negated))
            })
        },
    ),
    mutant(
        OPS,
        "operands_exchanged",
        "two operands of one type are exchanged",
        |_, module| {
            let mut edits = Vec::new();
            for op in ours(module) {
                for a in 0..op.operand_count() {
                    for b in a + 1..op.operand_count() {
                        let same_type = operand_type(op, a) == operand_type(op, b);
                        let same = op.operand(a).ok() == op.operand(b).ok();
                        if same_type && !same {
                            edits.push(Edit::Swap(op, a, b));
                        }
                    }
                }
            }
            edits
        },
    ),
    mutant(
        OPS,
        "position_plus_one",
        "positions are one too large",
        |_, module| positions(module, 1.0),
    ),
    mutant(
        OPS,
        "position_minus_one",
        "positions are one too small",
        |_, module| positions(module, -1.0),
    ),
    mutant(
        OPS,
        "rope_on_values",
        "values are rotated, too",
        |_, module| {
            let Some(rope) = ours(module)
                .into_iter()
                .find(|op| ir::name(*op) == "kforge.rope")
            else {
                return Vec::new();
            };
            let found = attentions(module).into_iter().filter_map(|op| {
                let ty = operand_type(op, 2)?;
                let positions = rope.operand(1).ok()?;
                let theta = rope.attribute("theta").ok();
                let inputs = vec![New::Old, New::Value(positions)];
                let rotated = match theta {
                    Some(theta) => New::With("kforge.rope", inputs, ty, ("theta", theta)),
                    None => New::Op("kforge.rope", inputs, ty),
                };
                Some(Edit::Operand(op, 2, rotated))
            });
            found.collect()
        },
    ),
    mutant(
        OPS,
        "layer_norm_for_rms_norm",
        "a layer norm where an rms norm was asked for",
        |_, module| {
            let norms = ours(module).into_iter();
            norms
                .filter(|op| ir::name(*op) == "kforge.rms_norm")
                .filter_map(|op| {
                    let ty = result_type(op)?;
                    let x = New::Value(op.operand(0).ok()?);
                    let centred = New::Op("kforge.layer_norm", vec![x], ty);
                    let gamma = op.operand(1).is_ok();
                    // With gamma it would have to be broadcast; the norm itself is what is wrong.
                    (!gamma).then_some(Edit::Result(op, centred))
                })
                .collect()
        },
    ),
    mutant(
        OPS,
        "op_bypassed",
        "an op is left out: its operand is its result",
        |_, module| {
            let ops = ours(module).into_iter();
            ops.filter_map(|op| {
                let first = op.operand(0).ok()?;
                let same = Some(first.r#type()) == result_type(op);
                same.then_some(Edit::Result(op, New::Value(first)))
            })
            .collect()
        },
    ),
    mutant(
        OPS,
        "term_added",
        "an operand is added to the result",
        |_, module| {
            let mut edits = Vec::new();
            for op in ours(module) {
                let Some(ty) = result_type(op) else {
                    continue;
                };
                let alike = op.operands().find(|it| it.r#type() == ty);
                if let Some(value) = alike {
                    let sum = New::Op("arith.addf", vec![New::Old, New::Value(value)], ty);
                    edits.push(Edit::Result(op, sum));
                }
            }
            edits
        },
    ),
    mutant(
        OPS,
        "result_scaled",
        "a result is 1 in 1000 too small",
        |_, module| {
            let ops = ours(module).into_iter();
            ops.filter_map(|op| {
                let ty = result_type(op)?;
                let factor = New::Number(ty, 0.999);
                let product = New::Op("arith.mulf", vec![New::Old, factor], ty);
                Some(Edit::Result(op, product))
            })
            .collect()
        },
    ),
    mutant(
        OPS,
        "fused_across_second_user",
        "a fusion reaches a value's other user, too",
        |_, module| {
            let mut edits = Vec::new();
            for op in tensor_ops(module) {
                let Some(value) = op.result(0).ok().map(Value::from) else {
                    continue;
                };
                let users = ir::users(value);
                let unary = users.iter().find(|user| {
                    let unary = user.operand_count() == 1 && user.result_count() == 1;
                    unary && result_type(**user) == Some(value.r#type())
                });
                let Some(unary) = unary.filter(|_| users.len() > 1) else {
                    continue;
                };
                for user in users.iter().filter(|user| *user != unary) {
                    let index = (0..user.operand_count())
                        .find(|index| user.operand(*index).is_ok_and(|it| it == value));
                    if let (Some(index), Ok(fused)) = (index, unary.result(0)) {
                        edits.push(Edit::Operand(*user, index, New::Value(fused.into())));
                    }
                }
            }
            edits
        },
    ),
    mutant(
        OPS,
        "merged_with_other",
        "an op is taken for another one of the same name and type",
        |_, module| {
            let ops = ours(module);
            let mut edits = Vec::new();
            for (index, op) in ops.iter().enumerate() {
                let twin = ops[..index].iter().find(|other| {
                    ir::name(**other) == ir::name(*op) && result_type(**other) == result_type(*op)
                });
                if let Some(result) = twin.and_then(|twin| twin.result(0).ok()) {
                    edits.push(Edit::Result(*op, New::Value(result.into())));
                }
            }
            edits
        },
    ),
    mutant(
        OPS,
        "constant_scaled_in_module",
        "a constant of the program is 1 in 1000 too large",
        |context, module| {
            let constants = tensor_ops(module).into_iter();
            constants
                .filter(|op| ir::name(*op) == "arith.constant")
                .filter_map(|op| {
                    let ty = result_type(op).filter(|ty| is_float(*ty))?;
                    let value = crate::rewrite::splat(op.result(0).ok()?.into())?;
                    let other = number(context, ty, value * 1.001)?;
                    (value != 0.0).then_some(Edit::Attribute(op, "value", other))
                })
                .collect()
        },
    ),
    mutant(
        OPS,
        "elementwise_op",
        "a sum for a difference, a product for a sum",
        |_, module| {
            let ops = tensor_ops(module).into_iter();
            ops.filter_map(|op| {
                let other = match ir::name(op) {
                    "arith.addf" => "arith.subf",
                    "arith.subf" => "arith.addf",
                    "arith.mulf" => "arith.addf",
                    _ => return None,
                };
                let (a, b) = (op.operand(0).ok()?, op.operand(1).ok()?);
                let inputs = vec![New::Value(a), New::Value(b)];
                Some(Edit::Result(op, New::Op(other, inputs, result_type(op)?)))
            })
            .collect()
        },
    ),
];

/// The kforge ops of every function.
fn ours<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let functions = select::functions(module).into_iter();
    functions.flat_map(select::kforge_ops).collect()
}

/// Every op in a function.
fn tensor_ops<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let functions = select::functions(module).into_iter();
    functions.flat_map(nested_ops).collect()
}

fn attentions<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut ops = ours(module);
    ops.retain(|op| ir::name(*op) == "kforge.attention");
    ops
}

/// Another value of a float attribute, where it is given or has a default.
fn floats<'c: 'a, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    name: &'static str,
    other: fn(f64) -> f64,
) -> Vec<Edit<'c, 'a>> {
    let has = |op: &OperationRef| match name {
        "epsilon" => ["kforge.layer_norm", "kforge.rms_norm"].contains(&ir::name(*op)),
        _ => ir::name(*op) == "kforge.rope",
    };
    let ops = ours(module).into_iter();
    ops.filter(has)
        .map(|op| {
            let own = op.attribute(name).ok().and_then(ir::scalar_f64);
            let value = other(own.unwrap_or(0.0));
            Edit::Attribute(op, name, float(context, value))
        })
        .collect()
}

fn float(context: &Context, value: f64) -> Attribute<'_> {
    FloatAttribute::new(context, Type::float32(context), value).into()
}

/// Another scale, of the length of a row of q.
fn scales<'c: 'a, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    other: fn(f64) -> f64,
) -> Vec<Edit<'c, 'a>> {
    let ops = attentions(module).into_iter();
    ops.filter_map(|op| {
        let q = RankedTensorType::try_from(operand_type(op, 0)?).ok()?;
        let DimSize::Static(depth) = q.dim_size(q.rank().checked_sub(1)?).ok()? else {
            return None;
        };
        let depth = depth as f64;
        Some(Edit::Attribute(op, "scale", float(context, other(depth))))
    })
    .collect()
}

fn zeroed<'c, 'a>(op: OperationRef<'c, 'a>, index: usize) -> Option<Edit<'c, 'a>> {
    let ty = operand_type(op, index)?;
    Some(Edit::Operand(op, index, New::Number(ty, 0.0)))
}

/// An edit for every operand of floats.
fn operands<'c, 'a>(
    module: OperationRef<'c, 'a>,
    edit: impl Fn(OperationRef<'c, 'a>, usize) -> Option<Edit<'c, 'a>>,
) -> Vec<Edit<'c, 'a>> {
    let mut edits = Vec::new();
    for op in ours(module) {
        for index in 0..op.operand_count() {
            if operand_type(op, index).is_some_and(is_float) {
                edits.extend(edit(op, index));
            }
        }
    }
    edits
}

/// Positions of rope, shifted.
fn positions<'c, 'a>(module: OperationRef<'c, 'a>, by: f64) -> Vec<Edit<'c, 'a>> {
    let ops = ours(module).into_iter();
    ops.filter(|op| ir::name(*op) == "kforge.rope")
        .filter_map(|op| {
            let ty = operand_type(op, 1)?;
            let shift = New::Number(ty, by);
            let sum = New::Op("arith.addi", vec![New::Old, shift], ty);
            Some(Edit::Operand(op, 1, sum))
        })
        .collect()
}
