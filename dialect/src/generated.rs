//! The Rust side of KForgeOps.td (written by build.rs) and what it stands on.

use melior::{
    Context,
    ir::{
        Attribute, Identifier, Location, Operation, OperationRef, Type, Value, ValueLike,
        attribute::{
            DenseI32ArrayAttribute, DictionaryAttribute, FloatAttribute, IntegerAttribute,
            StringAttribute,
        },
        operation::{OperationBuilder, OperationLike},
        r#type::IntegerType,
    },
};

use crate::{Element, Error, TensorType, Violation};

/// The attribute that says which optional operands are present.
pub(crate) const SEGMENTS: &str = "operandSegmentSizes";

/// One op of the dialect.
#[derive(Debug)]
pub struct OpDef {
    /// With the dialect prefix.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Required ones first.
    pub operands: &'static [OperandDef],
    /// Every inherent attribute.
    pub attributes: &'static [AttributeDef],
}

/// One operand of an op.
#[derive(Debug)]
pub struct OperandDef {
    /// Its name in the definition, the keyword of an optional one.
    pub name: &'static str,
    /// Whether it may be absent.
    pub optional: bool,
    /// Element types it may have.
    pub elements: &'static [Element],
}

/// One attribute of an op.
#[derive(Debug)]
pub struct AttributeDef {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: AttributeKind,
}

/// What an attribute may hold.
#[derive(Debug)]
pub enum AttributeKind {
    /// Present or absent.
    Unit,
    /// A 64-bit integer.
    I64,
    /// An f32.
    F32,
    /// A string of a closed set.
    Choice(&'static [&'static str]),
}

/// Attribute look-up, on an operation or on the dictionary of one to be built.
pub(crate) enum Attributes<'c, 'a> {
    Operation(OperationRef<'c, 'a>),
    Dictionary(DictionaryAttribute<'c>),
    List(&'a [(&'a str, Attribute<'c>)]),
}

impl<'c, 'a> Attributes<'c, 'a> {
    pub fn of(operation: OperationRef<'c, 'a>) -> Self {
        Self::Operation(operation)
    }

    pub fn get(&self, name: &str) -> Option<Attribute<'c>> {
        match self {
            Self::Operation(operation) => operation.attribute(name).ok(),
            Self::Dictionary(dictionary) => dictionary.element_by_name(name),
            Self::List(list) => list
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value),
        }
    }

    fn unit(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn integer(&self, name: &str) -> Option<i64> {
        Some(IntegerAttribute::try_from(self.get(name)?).ok()?.value())
    }

    fn float(&self, name: &str) -> Option<f32> {
        // An f32 attribute holds an f32; the C API widens it, exactly.
        Some(FloatAttribute::try_from(self.get(name)?).ok()?.value() as f32)
    }

    fn text(&self, name: &str) -> Option<&'c str> {
        crate::attributes::text(self.get(name)?)
    }

    /// Which slots have an operand, for an op with `slots` slots.
    pub fn segments(&self, slots: usize) -> Option<Vec<bool>> {
        let sizes = DenseI32ArrayAttribute::try_from(self.get(SEGMENTS)?).ok()?;
        if sizes.len() != slots {
            return None;
        }
        (0..slots)
            .map(|slot| match sizes.element(slot) {
                Ok(0) => Some(false),
                Ok(1) => Some(true),
                _ => None,
            })
            .collect()
    }
}

fn is_op(operation: OperationRef, name: &str) -> bool {
    crate::ir::name(operation) == name
}

/// Where the operand of `slot` stands among the operands, if it is given.
fn operand_at<'c, 'a>(operation: OperationRef<'c, 'a>, slot: usize) -> Option<Value<'c, 'a>> {
    let sizes = DenseI32ArrayAttribute::try_from(operation.attribute(SEGMENTS).ok()?).ok()?;
    let present = |slot| sizes.element(slot).is_ok_and(|size| size == 1);
    let index = (0..slot).filter(|&earlier| present(earlier)).count();
    present(slot)
        .then(|| operation.operand(index).ok())
        .flatten()
}

/// The operand types of an op by slot, `None` where an operand is absent.
pub(crate) fn operand_types(operation: OperationRef, slots: usize) -> Vec<Option<TensorType>> {
    let present = Attributes::of(operation)
        .segments(slots)
        .unwrap_or_else(|| vec![true; slots]);
    let mut values = operation.operands();
    present
        .into_iter()
        .map(|present| {
            if present {
                values
                    .next()
                    .and_then(|value| TensorType::of(value.r#type()))
            } else {
                None
            }
        })
        .collect()
}

fn integer_attribute(context: &Context, value: i64) -> Attribute<'_> {
    IntegerAttribute::new(IntegerType::new(context, 64).into(), value).into()
}

fn float_attribute(context: &Context, value: f32) -> Attribute<'_> {
    FloatAttribute::new(context, Type::float32(context), f64::from(value)).into()
}

fn build_op<'c>(
    context: &'c Context,
    location: Location<'c>,
    index: usize,
    operands: &[Option<Value<'c, '_>>],
    attributes: &[(&str, Attribute<'c>)],
) -> Result<Operation<'c>, Error> {
    let op = &OPS[index];
    let types: Vec<Option<TensorType>> = operands
        .iter()
        .map(|value| value.and_then(|value| TensorType::of(value.r#type())))
        .collect();
    for (slot, operand) in op.operands.iter().enumerate() {
        let Some(value) = operands[slot] else {
            continue;
        };
        let fits = types[slot]
            .as_ref()
            .is_some_and(|ty| operand.elements.contains(&ty.element));
        if !fits {
            return Err(Error::Message(format!(
                "'{}' op operand '{}' cannot be {}",
                op.name,
                operand.name,
                value.r#type()
            )));
        }
    }
    let result = infer_result(index, &types, &Attributes::List(attributes))
        .ok_or_else(|| Error::Message(format!("'{}' op lacks a required operand", op.name)))?
        .map_err(|violation| Error::Rule {
            op: op.name,
            violation,
        })?;
    let mut named: Vec<(Identifier, Attribute)> = attributes
        .iter()
        .map(|(name, value)| (Identifier::new(context, name), *value))
        .collect();
    if op.operands.iter().any(|operand| operand.optional) {
        let sizes: Vec<i32> = operands
            .iter()
            .map(|value| i32::from(value.is_some()))
            .collect();
        let sizes = DenseI32ArrayAttribute::new(context, &sizes);
        named.push((Identifier::new(context, SEGMENTS), sizes.into()));
    }
    let values: Vec<Value> = operands.iter().flatten().copied().collect();
    Ok(OperationBuilder::new(op.name, location)
        .add_operands(&values)
        .add_attributes(&named)
        .add_results(&[result.to_mlir(context)])
        .build()?)
}

include!(concat!(env!("OUT_DIR"), "/generated.rs"));
