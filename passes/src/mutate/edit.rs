//! The few ways in which mutations change IR.

use kforge_dialect::ir;
use melior::{
    Context, IrRewriter,
    ir::{
        Attribute, Identifier, Operation, OperationRef, Type, Value, ValueLike,
        attribute::{DenseElementsAttribute, FloatAttribute, IntegerAttribute},
        operation::{OperationBuilder, OperationLike, OperationMutLike},
        r#type::IntegerType,
    },
};

/// One change.
pub enum Edit<'c, 'a> {
    /// An attribute has another value.
    Attribute(OperationRef<'c, 'a>, &'static str, Attribute<'c>),
    /// An operand is another value.
    Operand(OperationRef<'c, 'a>, usize, New<'c, 'a>),
    /// Two operands are exchanged.
    Swap(OperationRef<'c, 'a>, usize, usize),
    /// Whoever uses the op's result uses another value.
    Result(OperationRef<'c, 'a>, New<'c, 'a>),
    /// Whoever uses a value uses another one.
    Uses(Value<'c, 'a>, Value<'c, 'a>),
    /// An op is left out.
    Erase(OperationRef<'c, 'a>),
    /// An op is made twice.
    Repeat(OperationRef<'c, 'a>),
}

/// A value that takes another's place.
#[derive(Clone)]
pub enum New<'c, 'a> {
    /// One that is there.
    Value(Value<'c, 'a>),
    /// The value whose place it takes.
    Old,
    /// A number as often as the type has elements.
    Number(Type<'c>, f64),
    /// An op on others, with a result of a type.
    Op(&'static str, Vec<New<'c, 'a>>, Type<'c>),
    /// The same with one attribute.
    With(
        &'static str,
        Vec<New<'c, 'a>>,
        Type<'c>,
        (&'static str, Attribute<'c>),
    ),
}

impl<'c: 'a, 'a> Edit<'c, 'a> {
    /// Makes the change.
    ///
    /// # Errors
    /// What cannot be built.
    pub fn apply(self, context: &'c Context) -> Result<(), String> {
        let rewriter = IrRewriter::new(context);
        let base = rewriter.as_rewriter_base();
        let text = |error: melior::Error| error.to_string();
        match self {
            Self::Attribute(op, name, value) => ir::set_attribute(op, name, value),
            Self::Erase(op) => base.erase_op(op),
            Self::Repeat(op) => {
                base.set_insertion_point_before(op);
                base.insert(Operation::clone(&op));
            }
            Self::Uses(old, new) => base.replace_all_uses_with(old, new),
            Self::Swap(op, first, second) => {
                let a = op.operand(first).map_err(text)?;
                let b = op.operand(second).map_err(text)?;
                let mut new = Operation::clone(&op);
                new.set_operand(first, b);
                new.set_operand(second, a);
                base.set_insertion_point_before(op);
                let new = base.insert(new);
                base.replace_op_with_operation(op, new);
            }
            Self::Operand(op, index, value) => {
                let old = op.operand(index).map_err(text)?;
                base.set_insertion_point_before(op);
                let insert = |made: Operation<'c>| base.insert(made).result(0).map(Value::from);
                let value = build(context, op, value, old, &insert)?;
                let mut new = Operation::clone(&op);
                new.set_operand(index, value);
                let new = base.insert(new);
                base.replace_op_with_operation(op, new);
            }
            Self::Result(op, value) => {
                let old: Value = op.result(0).map_err(text)?.into();
                base.set_insertion_point_after(op);
                // New ops read the old value; all others read what is made of it.
                let own = std::cell::RefCell::new(Vec::new());
                let insert = |made: Operation<'c>| {
                    let made = base.insert(made);
                    own.borrow_mut().push(made);
                    base.set_insertion_point_after(made);
                    made.result(0).map(Value::from)
                };
                // Each once, and what is inside of another before it: that one's clone takes it along.
                let mut users: Vec<OperationRef> = Vec::new();
                for user in ir::users(old) {
                    if !users.contains(&user) {
                        users.push(user);
                    }
                }
                users.sort_by_key(|user| std::cmp::Reverse(depth(*user)));
                let value = build(context, op, value, old, &insert)?;
                if value == old {
                    return Ok(());
                }
                for user in users {
                    let uses = (0..user.operand_count())
                        .filter(|index| user.operand(*index).is_ok_and(|it| it == old));
                    let uses: Vec<usize> = uses.collect();
                    let mut new = Operation::clone(&user);
                    for index in uses {
                        new.set_operand(index, value);
                    }
                    base.set_insertion_point_before(user);
                    let new = base.insert(new);
                    base.replace_op_with_operation(user, new);
                }
            }
        }
        Ok(())
    }
}

/// Ops around an op.
fn depth(op: OperationRef) -> usize {
    std::iter::successors(op.parent_operation(), |it| it.parent_operation()).count()
}

type Insert<'i, 'c, 'a> = &'i dyn Fn(Operation<'c>) -> Result<Value<'c, 'a>, melior::Error>;

fn build<'c: 'a, 'a>(
    context: &'c Context,
    place: OperationRef<'c, 'a>,
    new: New<'c, 'a>,
    old: Value<'c, 'a>,
    insert: Insert<'_, 'c, 'a>,
) -> Result<Value<'c, 'a>, String> {
    let text = |error: melior::Error| error.to_string();
    let (name, operands, ty, attribute) = match new {
        New::Value(value) => return Ok(value),
        New::Old => return Ok(old),
        New::Number(ty, value) => {
            let value = number(context, ty, value).ok_or("no number has this type")?;
            ("arith.constant", Vec::new(), ty, Some(("value", value)))
        }
        New::Op(name, operands, ty) => (name, operands, ty, None),
        New::With(name, operands, ty, attribute) => (name, operands, ty, Some(attribute)),
    };
    let operands = operands.into_iter();
    let operands: Vec<Value> = operands
        .map(|operand| build(context, place, operand, old, insert))
        .collect::<Result<_, _>>()?;
    let mut builder = OperationBuilder::new(name, place.location())
        .add_operands(&operands)
        .add_results(&[ty]);
    if let Some((name, value)) = attribute {
        builder = builder.add_attributes(&[(Identifier::new(context, name), value)]);
    }
    insert(builder.build().map_err(text)?).map_err(text)
}

/// The name of a type's elements, or of the type itself: `f32` of `vector<4xf32>`.
pub fn element(ty: Type) -> String {
    let text = ty.to_string();
    let inner = text
        .split_once('<')
        .and_then(|(_, rest)| rest.strip_suffix('>'))
        .and_then(|inner| inner.rsplit('x').next());
    inner.map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// Whether a value holds floats.
pub fn is_float(ty: Type) -> bool {
    ["f32", "f16"].contains(&element(ty).as_str())
}

/// A constant of a type, the same in every element.
pub fn number<'c>(context: &'c Context, ty: Type<'c>, value: f64) -> Option<Attribute<'c>> {
    let of = match element(ty).as_str() {
        "f32" => Type::float32(context),
        "f16" => Type::float16(context),
        "index" => Type::index(context),
        "i1" => IntegerType::new(context, 1).into(),
        "i32" => IntegerType::new(context, 32).into(),
        _ => return None,
    };
    let one: Attribute = match is_float(of) {
        true => FloatAttribute::new(context, of, value).into(),
        false => IntegerAttribute::new(of, value as i64).into(),
    };
    match of == ty {
        true => Some(one),
        false => Some(DenseElementsAttribute::splat(ty, one).into()),
    }
}

/// The type of an op's operand.
pub fn operand_type<'c>(op: OperationRef<'c, '_>, index: usize) -> Option<Type<'c>> {
    op.operand(index).ok().map(|value| value.r#type())
}

/// The type of an op's first result.
pub fn result_type<'c>(op: OperationRef<'c, '_>) -> Option<Type<'c>> {
    op.result(0).ok().map(|value| value.r#type())
}
