//! A plan as a module of upstream's transform dialect, which runs it.
//!
//! Every pass is a `transform.apply_registered_pass`; every knob that searches try is a
//! `transform.tune.knob` with their values and the plan's one selected:
//!
//! ```mlir
//! %1 = transform.tune.knob<"scores:tile-k"> = 16 from options = [4, 8, 16, 32, 64] -> ...
//! %2 = transform.apply_registered_pass "kforge-tile-matmul"
//!     with options = { "tile-k" = %1, ... } to %0 : ...
//! ```
//! A knob is named as `--set` of the tools names it, with the pass in place of the op
//! where a step is about all ops. `kforge-opt` with `transform-preload-library` and
//! `transform-interpreter` makes of it what the plan's pipeline makes. Whether a plan
//! fits is not said here: [`super::check`] does.

use kforge_dialect::{Error, ir};
use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, Identifier, Location, Module, Operation, Region, RegionLike,
        Type, Value,
        attribute::{
            ArrayAttribute, BoolAttribute, DictionaryAttribute, IntegerAttribute, StringAttribute,
            TypeAttribute,
        },
        operation::{OperationBuilder, OperationLike},
        r#type::{FunctionType, IntegerType},
    },
};

use super::{
    Plan,
    text::{options_of, parts},
};
use crate::space;

/// The plan as text that any `mlir-opt` parses and verifies.
pub fn to_transform(plan: &Plan) -> Result<String, Error> {
    let context = kforge_dialect::transform_context();
    let builder = Builder::new(&context)?;
    let module = Module::new(builder.location);
    let root = module.as_operation();
    let marker = Attribute::unit(&context);
    ir::set_attribute(root, "transform.with_named_sequence", marker);
    module.body().append_operation(builder.sequence(plan)?);
    match root.verify() {
        true => Ok(root.to_string()),
        false => Err(Error::Message(
            "the plan has no valid transform module".into(),
        )),
    }
}

struct Builder<'c> {
    context: &'c Context,
    location: Location<'c>,
    /// A handle of an op.
    handle: Type<'c>,
    /// A parameter.
    param: Type<'c>,
}

impl<'c> Builder<'c> {
    fn new(context: &'c Context) -> Result<Self, Error> {
        let ty = |text: &str| {
            let missing = || Error::Message(format!("this MLIR has no type {text}"));
            Type::parse(context, text).ok_or_else(missing)
        };
        Ok(Self {
            context,
            location: Location::unknown(context),
            handle: ty("!transform.any_op")?,
            param: ty("!transform.param<i64>")?,
        })
    }

    /// The entry point of the interpreter, with one op per pass and knob.
    fn sequence(&self, plan: &Plan) -> Result<Operation<'c>, Error> {
        let block = Block::new(&[(self.handle, self.location)]);
        let mut module: Value = block.argument(0)?.into();
        for item in plan.items() {
            let (pass, options) = parts(&item);
            let op = options_of(options).find(|(name, value)| *name == "op" && !value.is_empty());
            let place = op.map_or(pass, |(_, op)| op);
            let mut operands = vec![module];
            let mut named = Vec::new();
            for (name, text) in options_of(options) {
                let values = space::of_pass(pass).iter().find(|axis| axis.0 == name);
                let value = match (values, text.parse()) {
                    (Some((_, values)), Ok(selected)) => {
                        let knob = self.knob(&format!("{place}:{name}"), values, selected)?;
                        let knob = block.append_operation(knob).result(0)?.into();
                        operands.push(knob);
                        self.parameter(operands.len() - 2)?
                    }
                    _ => self.constant(text),
                };
                named.push((Identifier::new(self.context, name), value));
            }
            let pass = StringAttribute::new(self.context, pass).into();
            let options = DictionaryAttribute::new(self.context, &named).into();
            let apply = self
                .op("transform.apply_registered_pass")
                .add_operands(&operands)
                .add_attributes(&[
                    self.named("pass_name", pass),
                    self.named("options", options),
                ])
                .add_results(&[self.handle])
                .build()?;
            module = block.append_operation(apply).result(0)?.into();
        }
        block.append_operation(self.op("transform.yield").build()?);
        let body = Region::new();
        body.append_block(block);
        let consumed = self.named("transform.consumed", Attribute::unit(self.context));
        let argument = DictionaryAttribute::new(self.context, &[consumed]).into();
        let arguments = ArrayAttribute::new(self.context, &[argument]).into();
        let name = StringAttribute::new(self.context, "__transform_main").into();
        let ty = FunctionType::new(self.context, &[self.handle], &[]).into();
        let attributes = [
            self.named("sym_name", name),
            self.named("function_type", TypeAttribute::new(ty).into()),
            self.named("arg_attrs", arguments),
        ];
        let sequence = self.op("transform.named_sequence");
        let sequence = sequence.add_attributes(&attributes).add_regions([body]);
        Ok(sequence.build()?)
    }

    /// A knob with the values of a search; the plan's own may lie between them.
    fn knob(&self, name: &str, values: &[i64], selected: i64) -> Result<Operation<'c>, Error> {
        let mut values = values.to_vec();
        if let Err(place) = values.binary_search(&selected) {
            values.insert(place, selected);
        }
        let values: Vec<Attribute> = values.into_iter().map(|it| self.integer(it)).collect();
        let name = StringAttribute::new(self.context, name).into();
        let options = ArrayAttribute::new(self.context, &values).into();
        let attributes = [
            self.named("name", name),
            self.named("options", options),
            self.named("selected", self.integer(selected)),
        ];
        let knob = self.op("transform.tune.knob").add_attributes(&attributes);
        Ok(knob.add_results(&[self.param]).build()?)
    }

    /// What stands for the operand number `index` among a pass's options.
    fn parameter(&self, index: usize) -> Result<Attribute<'c>, Error> {
        let text = format!("#transform.param_operand<index = {index} : i64>");
        let missing = || Error::Message(format!("this MLIR has no attribute {text}"));
        Attribute::parse(self.context, &text).ok_or_else(missing)
    }

    /// An option's value, of a kind that prints as the same text.
    fn constant(&self, text: &str) -> Attribute<'c> {
        let integer = text.parse::<i64>().ok();
        match (text, integer.filter(|it| it.to_string() == text)) {
            ("true" | "false", _) => BoolAttribute::new(self.context, text == "true").into(),
            (_, Some(integer)) => self.integer(integer),
            _ => StringAttribute::new(self.context, text).into(),
        }
    }

    fn integer(&self, value: i64) -> Attribute<'c> {
        IntegerAttribute::new(IntegerType::new(self.context, 64).into(), value).into()
    }

    fn named(&self, name: &str, value: Attribute<'c>) -> (Identifier<'c>, Attribute<'c>) {
        (Identifier::new(self.context, name), value)
    }

    fn op(&self, name: &str) -> OperationBuilder<'c> {
        OperationBuilder::new(name, self.location)
    }
}
