//! The function under construction: arguments, constants, elementwise sums and
//! products, names.

use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, BlockRef, Identifier, Location, Operation, Region, RegionLike,
        Type, Value, ValueLike,
        attribute::{
            ArrayAttribute, DenseElementsAttribute, DictionaryAttribute, StringAttribute,
            TypeAttribute,
        },
        operation::OperationBuilder,
        r#type::FunctionType,
    },
};

use crate::{Element, Error, TensorType, attributes, ir};

/// Builds the one block of a function.
#[derive(Debug)]
pub struct FunctionBuilder<'c, 'a> {
    context: &'c Context,
    block: BlockRef<'c, 'a>,
    location: Location<'c>,
    arguments: Vec<Option<String>>,
}

pub(super) fn build<'c, F>(
    context: &'c Context,
    name: &str,
    body: F,
) -> Result<Operation<'c>, Error>
where
    F: for<'a> FnOnce(&mut FunctionBuilder<'c, 'a>) -> Result<Vec<Value<'c, 'a>>, Error>,
{
    let region = Region::new();
    let location = Location::unknown(context);
    let mut builder = FunctionBuilder {
        context,
        block: region.append_block(Block::new(&[])),
        location,
        arguments: Vec::new(),
    };
    let results = body(&mut builder)?;
    let FunctionBuilder {
        block, arguments, ..
    } = builder;
    let inputs = (0..block.argument_count())
        .map(|index| Ok(block.argument(index)?.r#type()))
        .collect::<Result<Vec<Type>, Error>>()?;
    let outputs: Vec<Type> = results.iter().map(|value| value.r#type()).collect();
    block.append_operation(melior::dialect::func::r#return(&results, location));
    let ty = FunctionType::new(context, &inputs, &outputs);
    Ok(melior::dialect::func::func(
        context,
        StringAttribute::new(context, name),
        TypeAttribute::new(ty.into()),
        region,
        &argument_attributes(context, &arguments),
        location,
    ))
}

fn argument_attributes<'c>(
    context: &'c Context,
    arguments: &[Option<String>],
) -> Vec<(Identifier<'c>, Attribute<'c>)> {
    if arguments.iter().all(Option::is_none) {
        return Vec::new();
    }
    let dictionaries: Vec<Attribute> = arguments
        .iter()
        .map(|weight| {
            let entries: Vec<(Identifier, Attribute)> = weight
                .iter()
                .map(|name| {
                    let name = StringAttribute::new(context, name);
                    (Identifier::new(context, attributes::WEIGHT), name.into())
                })
                .collect();
            DictionaryAttribute::new(context, &entries).into()
        })
        .collect();
    let array = ArrayAttribute::new(context, &dictionaries);
    vec![(Identifier::new(context, "arg_attrs"), array.into())]
}

impl<'c, 'a> FunctionBuilder<'c, 'a> {
    /// The context of the module.
    pub fn context(&self) -> &'c Context {
        self.context
    }

    /// Where the ops that follow come from.
    pub fn at(&mut self, location: Location<'c>) -> &mut Self {
        self.location = location;
        self
    }

    /// Where the ops that follow come from.
    pub fn location(&self) -> Location<'c> {
        self.location
    }

    /// A new last argument.
    pub fn argument(&mut self, ty: &TensorType) -> Value<'c, 'a> {
        self.arguments.push(None);
        self.block
            .add_argument(ty.to_mlir(self.context), self.location)
    }

    /// A new last argument that is bound to the tensor `name` of a weights file.
    pub fn weight(&mut self, name: &str, ty: &TensorType) -> Value<'c, 'a> {
        let value = self.argument(ty);
        if let Some(last) = self.arguments.last_mut() {
            *last = Some(name.to_owned());
        }
        value
    }

    /// Appends any op and gives its first result.
    pub fn insert(&self, operation: Operation<'c>) -> Result<Value<'c, 'a>, Error> {
        let operation = self.block.append_operation(operation);
        Ok(operation.result(0)?.into())
    }

    /// Names the op that defines `value`; a function argument stays as it is.
    pub fn name(&self, value: Value<'c, 'a>, name: &str) -> Result<Value<'c, 'a>, Error> {
        if !attributes::is_name(name) {
            return Err(Error::Message(format!(
                "'{name}' is no name; one matches [A-Za-z_][A-Za-z0-9_.]*"
            )));
        }
        if let Some(operation) = ir::defining(value) {
            let name = StringAttribute::new(self.context, name);
            ir::set_attribute(operation, attributes::NAME, name.into());
        }
        Ok(value)
    }

    /// The tensor type of a value.
    pub fn type_of(&self, value: Value<'c, 'a>) -> Result<TensorType, Error> {
        ir::tensor_type(value).ok_or_else(|| {
            Error::Message(format!(
                "a value of type {} is no ranked tensor of f32, f16, i32, i64, i1 or index",
                value.r#type()
            ))
        })
    }

    /// The sizes of a value of static shape.
    pub(super) fn sizes(&self, value: Value<'c, 'a>) -> Result<Vec<u64>, Error> {
        let ty = self.type_of(value)?;
        ty.sizes()
            .ok_or_else(|| Error::Message(format!("{ty} is dynamic; every size is needed here")))
    }

    /// A constant: one value for every element, or as many values as elements,
    /// row-major. Each is rounded to the element type.
    ///
    /// ```
    /// use kforge_dialect::{Element, TensorType, build};
    ///
    /// let context = kforge_dialect::context();
    /// let module = build::module(&context, "positions", |f| {
    ///     Ok(vec![f.constant(&TensorType::fixed(&[3], Element::I32), &[0.0, 1.0, 2.0])?])
    /// })?;
    /// assert!(module.as_operation().to_string().contains("dense<[0, 1, 2]> : tensor<3xi32>"));
    /// # Ok::<(), kforge_dialect::Error>(())
    /// ```
    pub fn constant(&self, ty: &TensorType, values: &[f64]) -> Result<Value<'c, 'a>, Error> {
        let elements = ty
            .sizes()
            .and_then(|sizes| sizes.iter().try_fold(1u64, |n, size| n.checked_mul(*size)));
        if values.len() != 1 && elements != Some(values.len() as u64) {
            return Err(Error::Message(format!(
                "{} values for a constant of type {ty}; give one, or one per element",
                values.len()
            )));
        }
        let mlir = ty.to_mlir(self.context);
        let value: Attribute = match ty.element {
            Element::I1 => {
                let values: Vec<i32> = values.iter().map(|v| i32::from(*v != 0.0)).collect();
                DenseElementsAttribute::bool_values(mlir, &values).into()
            }
            element => {
                let bytes: Vec<u8> = values.iter().flat_map(|v| bytes(*v, element)).collect();
                DenseElementsAttribute::raw_buffer(mlir, &bytes).into()
            }
        };
        let constant = OperationBuilder::new("arith.constant", self.location)
            .add_attributes(&[(Identifier::new(self.context, "value"), value)])
            .add_results(&[mlir])
            .build()?;
        self.insert(constant)
    }

    /// a + b, elementwise, of one type.
    pub fn add(&self, a: Value<'c, 'a>, b: Value<'c, 'a>) -> Result<Value<'c, 'a>, Error> {
        self.elementwise("arith.addf", "arith.addi", a, b)
    }

    /// a · b, elementwise, of one type.
    pub fn mul(&self, a: Value<'c, 'a>, b: Value<'c, 'a>) -> Result<Value<'c, 'a>, Error> {
        self.elementwise("arith.mulf", "arith.muli", a, b)
    }

    fn elementwise(
        &self,
        of_floats: &str,
        of_integers: &str,
        a: Value<'c, 'a>,
        b: Value<'c, 'a>,
    ) -> Result<Value<'c, 'a>, Error> {
        let (left, right) = (self.type_of(a)?, self.type_of(b)?);
        if left != right {
            return Err(Error::Message(format!(
                "an elementwise op takes two tensors of one type, not {left} and {right}"
            )));
        }
        let name = match left.element {
            Element::F32 | Element::F16 => of_floats,
            _ => of_integers,
        };
        let operation = OperationBuilder::new(name, self.location)
            .add_operands(&[a, b])
            .add_results(&[a.r#type()])
            .build()?;
        self.insert(operation)
    }
}

/// One element, rounded, in the host's byte order.
fn bytes(value: f64, element: Element) -> Vec<u8> {
    match element {
        Element::F32 => (value as f32).to_ne_bytes().into(),
        Element::F16 => half::f16::from_f64(value).to_ne_bytes().into(),
        Element::I32 => (value as i32).to_ne_bytes().into(),
        Element::I64 | Element::Index => (value as i64).to_ne_bytes().into(),
        Element::I1 => vec![u8::from(value != 0.0)],
    }
}
