//! Emission of upstream ops into a block: what kernels and host code are
//! written with. Names and attributes are MLIR's own; nothing is text.

mod index;

pub use index::{Ix, IxOp};

use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, BlockRef, Identifier, Location, OperationRef, Region,
        RegionLike, ShapedTypeLike, Type, Value, ValueLike,
        attribute::{
            DenseElementsAttribute, DenseI64ArrayAttribute, FloatAttribute, IntegerAttribute,
        },
        operation::{OperationBuilder, OperationLike},
        r#type::{IntegerType, MemRefType},
    },
};

use crate::LoweringError;

/// Result of an emission.
pub type Emitted<T> = Result<T, LoweringError>;

/// Where ops go.
#[derive(Clone, Copy, Debug)]
pub struct Emit<'c, 'a> {
    /// The context of everything.
    pub context: &'c Context,
    /// The location every op gets: that of the op being lowered.
    pub location: Location<'c>,
    /// The block, at whose end ops are put.
    pub block: BlockRef<'c, 'a>,
}

impl<'c, 'a> Emit<'c, 'a> {
    /// Emits into another block.
    pub fn at(&self, block: BlockRef<'c, 'a>) -> Self {
        Self { block, ..*self }
    }

    /// An op without regions.
    pub fn op(
        &self,
        name: &str,
        operands: &[Value<'c, 'a>],
        results: &[Type<'c>],
        attributes: &[(&str, Attribute<'c>)],
    ) -> Emitted<OperationRef<'c, 'a>> {
        self.op_with_regions(name, operands, results, attributes, Vec::new())
    }

    /// An op.
    pub fn op_with_regions(
        &self,
        name: &str,
        operands: &[Value<'c, 'a>],
        results: &[Type<'c>],
        attributes: &[(&str, Attribute<'c>)],
        regions: Vec<Region<'c>>,
    ) -> Emitted<OperationRef<'c, 'a>> {
        let attributes: Vec<(Identifier, Attribute)> = attributes
            .iter()
            .map(|(name, value)| (Identifier::new(self.context, name), *value))
            .collect();
        let operation = OperationBuilder::new(name, self.location)
            .add_operands(operands)
            .add_results(results)
            .add_attributes(&attributes)
            .add_regions_vec(regions)
            .build()?;
        Ok(self.block.append_operation(operation))
    }

    /// The one result of an op without regions.
    pub fn value(
        &self,
        name: &str,
        operands: &[Value<'c, 'a>],
        result: Type<'c>,
        attributes: &[(&str, Attribute<'c>)],
    ) -> Emitted<Value<'c, 'a>> {
        Ok(self
            .op(name, operands, &[result], attributes)?
            .result(0)?
            .into())
    }

    /// An op whose result has the type of its first operand.
    pub fn same(&self, name: &str, operands: &[Value<'c, 'a>]) -> Emitted<Value<'c, 'a>> {
        self.value(name, operands, operands[0].r#type(), &[])
    }

    // --- Types and constants ------------------------------------------------

    /// `index`.
    pub fn index_type(&self) -> Type<'c> {
        Type::index(self.context)
    }

    /// `element`, or a vector of it.
    pub fn vector_type(&self, element: Type<'c>, width: i64) -> Type<'c> {
        if width == 1 {
            element
        } else {
            Type::vector(&[width as u64], element)
        }
    }

    /// A float constant; a splat where `ty` is a vector of `element`.
    pub fn float(&self, element: Type<'c>, ty: Type<'c>, value: f64) -> Emitted<Value<'c, 'a>> {
        let scalar: Attribute = FloatAttribute::new(self.context, element, value).into();
        let value = if ty == element {
            scalar
        } else {
            DenseElementsAttribute::splat(ty, scalar).into()
        };
        self.value("arith.constant", &[], ty, &[("value", value)])
    }

    /// An integer constant.
    pub fn integer(&self, ty: Type<'c>, value: i64) -> Emitted<Value<'c, 'a>> {
        let value = IntegerAttribute::new(ty, value).into();
        self.value("arith.constant", &[], ty, &[("value", value)])
    }

    /// The value of an index expression.
    pub fn index(&self, ix: &Ix<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        match ix {
            Ix::Const(value) => self.integer(self.index_type(), *value),
            Ix::Value(value) => Ok(*value),
            Ix::Op(op, a, b) => {
                let (a, b) = (self.index(a)?, self.index(b)?);
                self.same(op.name(), &[a, b])
            }
        }
    }

    /// The expression as one value, so that its uses share the computation.
    pub fn shared(&self, ix: Ix<'c, 'a>) -> Emitted<Ix<'c, 'a>> {
        match ix {
            Ix::Op(..) => Ok(Ix::Value(self.index(&ix)?)),
            known => Ok(known),
        }
    }

    // --- Memory -------------------------------------------------------------

    /// `memref.load`.
    pub fn load(&self, memref: Value<'c, 'a>, at: &[Ix<'c, 'a>]) -> Emitted<Value<'c, 'a>> {
        let element = MemRefType::try_from(memref.r#type())?.element();
        let mut operands = vec![memref];
        for ix in at {
            operands.push(self.index(ix)?);
        }
        self.value("memref.load", &operands, element, &[])
    }

    /// `memref.store`.
    pub fn store(
        &self,
        value: Value<'c, 'a>,
        memref: Value<'c, 'a>,
        at: &[Ix<'c, 'a>],
    ) -> Emitted<()> {
        let mut operands = vec![value, memref];
        for ix in at {
            operands.push(self.index(ix)?);
        }
        self.op("memref.store", &operands, &[], &[])?;
        Ok(())
    }

    // --- Control flow -------------------------------------------------------

    /// `scf.for` over `from..to`; the body gives the next loop-carried values.
    pub fn for_loop(
        &self,
        from: &Ix<'c, 'a>,
        to: &Ix<'c, 'a>,
        step: i64,
        init: &[Value<'c, 'a>],
        body: impl FnOnce(&Self, Ix<'c, 'a>, &[Value<'c, 'a>]) -> Emitted<Vec<Value<'c, 'a>>>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let mut operands = vec![
            self.index(from)?,
            self.index(to)?,
            self.index(&Ix::Const(step))?,
        ];
        operands.extend(init);
        let types: Vec<Type> = init.iter().map(|value| value.r#type()).collect();
        let mut arguments = vec![(self.index_type(), self.location)];
        arguments.extend(types.iter().map(|ty| (*ty, self.location)));
        let region = Region::new();
        region.append_block(Block::new(&arguments));
        let op = self.op_with_regions("scf.for", &operands, &types, &[], vec![region])?;
        let block = first_block(op)?;
        let inner = self.at(block);
        let carried: Vec<Value> = (1..=init.len())
            .map(|index| Ok(block.argument(index)?.into()))
            .collect::<Emitted<_>>()?;
        let counter: Value = block.argument(0)?.into();
        let next = body(&inner, Ix::Value(counter), &carried)?;
        inner.op("scf.yield", &next, &[], &[])?;
        op.results().map(|result| Ok(result.into())).collect()
    }

    /// `scf.if` without results and without else.
    pub fn when(
        &self,
        condition: Value<'c, 'a>,
        body: impl FnOnce(&Self) -> Emitted<()>,
    ) -> Emitted<()> {
        let (then, otherwise) = (Region::new(), Region::new());
        then.append_block(Block::new(&[]));
        let op = self.op_with_regions("scf.if", &[condition], &[], &[], vec![then, otherwise])?;
        let inner = self.at(first_block(op)?);
        body(&inner)?;
        inner.op("scf.yield", &[], &[], &[])?;
        Ok(())
    }

    /// As [`Self::when`], but without a test where there is no condition.
    pub fn when_some(
        &self,
        condition: Option<Value<'c, 'a>>,
        body: impl FnOnce(&Self) -> Emitted<()>,
    ) -> Emitted<()> {
        match condition {
            Some(condition) => self.when(condition, body),
            None => body(self),
        }
    }

    /// `a < b`, or `None` where it holds for every value of `a`, which is known
    /// to be less than `bound`.
    pub fn below(&self, a: &Ix<'c, 'a>, bound: i64, limit: i64) -> Emitted<Option<Value<'c, 'a>>> {
        if bound <= limit {
            return Ok(None);
        }
        Ok(Some(self.less(a, &Ix::Const(limit))?))
    }

    /// `a < b`.
    pub fn less(&self, a: &Ix<'c, 'a>, b: &Ix<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        const ULT: i64 = 6;
        let operands = [self.index(a)?, self.index(b)?];
        let predicate = IntegerAttribute::new(IntegerType::new(self.context, 64).into(), ULT);
        let boolean = IntegerType::new(self.context, 1).into();
        self.value(
            "arith.cmpi",
            &operands,
            boolean,
            &[("predicate", predicate.into())],
        )
    }

    /// Both, where both are asked for.
    pub fn both(
        &self,
        a: Option<Value<'c, 'a>>,
        b: Option<Value<'c, 'a>>,
    ) -> Emitted<Option<Value<'c, 'a>>> {
        match (a, b) {
            (Some(a), Some(b)) => Ok(Some(self.same("arith.andi", &[a, b])?)),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// `value` where the condition holds, else zero.
    pub fn or_zero(
        &self,
        condition: Option<Value<'c, 'a>>,
        value: Value<'c, 'a>,
        element: Type<'c>,
    ) -> Emitted<Value<'c, 'a>> {
        let Some(condition) = condition else {
            return Ok(value);
        };
        let ty = value.r#type();
        let zero = self.float(element, ty, 0.0)?;
        self.value("arith.select", &[condition, value, zero], ty, &[])
    }

    // --- Vectors ------------------------------------------------------------

    /// Lane `lane` of a vector of `width`; a scalar is its own only lane.
    pub fn lane(
        &self,
        value: Value<'c, 'a>,
        element: Type<'c>,
        width: i64,
        lane: i64,
    ) -> Emitted<Value<'c, 'a>> {
        if width == 1 {
            return Ok(value);
        }
        let position = DenseI64ArrayAttribute::new(self.context, &[lane]);
        self.value(
            "vector.extract",
            &[value],
            element,
            &[("static_position", position.into())],
        )
    }

    /// A vector of scalars; one scalar stays a scalar.
    pub fn compose(&self, scalars: &[Value<'c, 'a>], element: Type<'c>) -> Emitted<Value<'c, 'a>> {
        if let [scalar] = scalars {
            return Ok(*scalar);
        }
        let ty = self.vector_type(element, scalars.len() as i64);
        self.value("vector.from_elements", scalars, ty, &[])
    }

    /// A scalar in every lane.
    pub fn broadcast(
        &self,
        scalar: Value<'c, 'a>,
        element: Type<'c>,
        width: i64,
    ) -> Emitted<Value<'c, 'a>> {
        if width == 1 {
            return Ok(scalar);
        }
        self.value(
            "vector.broadcast",
            &[scalar],
            self.vector_type(element, width),
            &[],
        )
    }

    /// Widens f16 to f32; f32 stays.
    pub fn to_f32(
        &self,
        value: Value<'c, 'a>,
        element: Type<'c>,
        width: i64,
    ) -> Emitted<Value<'c, 'a>> {
        let f32 = Type::float32(self.context);
        if element == f32 {
            return Ok(value);
        }
        self.value("arith.extf", &[value], self.vector_type(f32, width), &[])
    }

    /// Rounds f32 to the element type.
    pub fn from_f32(
        &self,
        value: Value<'c, 'a>,
        element: Type<'c>,
        width: i64,
    ) -> Emitted<Value<'c, 'a>> {
        if element == Type::float32(self.context) {
            return Ok(value);
        }
        self.value(
            "arith.truncf",
            &[value],
            self.vector_type(element, width),
            &[],
        )
    }
}

/// The first block of an op's first region.
pub fn first_block<'c, 'a>(op: OperationRef<'c, 'a>) -> Emitted<BlockRef<'c, 'a>> {
    op.region(0)?
        .first_block()
        .ok_or_else(|| LoweringError::at(op, "has an empty region".into()))
}
