//! What ODS would write in C++ per op: rules with the result type they infer,
//! folds, and canonicalisation patterns.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod layer_norm;
pub(crate) mod matmul;
pub(crate) mod mlp;
pub(crate) mod rms_norm;
pub(crate) mod rope;
mod rules;
pub(crate) mod softmax;

use melior::{
    Context, RewriterBase,
    ir::{Attribute, AttributeLike, OperationRef, Value, ValueLike},
};

use crate::{Activation, Element, Matmul, Rope, Softmax};

/// What an op folds to.
pub(crate) enum Folded<'c, 'a> {
    Attribute(Attribute<'c>),
    Value(Value<'c, 'a>),
}

/// Folds `operation`, given the constants among its operands.
pub(crate) fn fold<'c, 'a>(
    context: &'c Context,
    operation: OperationRef<'c, 'a>,
    operands: &[Option<Attribute<'c>>],
) -> Option<Folded<'c, 'a>> {
    let result = operation.result(0).ok()?.r#type();
    // An op may declare a more or less static result than it infers; what takes
    // its place must be of the declared type.
    fold_op(context, operation, operands).filter(|folded| match folded {
        Folded::Attribute(value) => value.r#type() == result,
        Folded::Value(value) => value.r#type() == result,
    })
}

fn fold_op<'c, 'a>(
    context: &'c Context,
    operation: OperationRef<'c, 'a>,
    operands: &[Option<Attribute<'c>>],
) -> Option<Folded<'c, 'a>> {
    if let Some(op) = Softmax::cast(operation) {
        return softmax::fold(context, op, operands);
    }
    if let Some(op) = Rope::cast(operation) {
        return rope::fold(op, operands);
    }
    if let Some(op) = Activation::cast(operation) {
        return activation::fold(context, op, operands);
    }
    None
}

/// `value` in the element type of a float tensor, rounded once.
fn rounded(value: f64, element: Element) -> f64 {
    match element {
        Element::F16 => half::f16::from_f64(value).to_f64(),
        _ => f64::from(value as f32),
    }
}

/// A canonicalisation: rewrites the op and returns `Some`, or leaves it alone.
pub(crate) type Pattern =
    for<'c, 'a> fn(&'c Context, OperationRef<'c, 'a>, &RewriterBase<'c, 'a>) -> Option<()>;

/// The canonicalisation patterns of the op called `name`.
pub(crate) fn patterns(name: &str) -> &'static [Pattern] {
    match name {
        Matmul::NAME => &[matmul::absorb_transpose],
        _ => &[],
    }
}
