//! Walks a function and appends its ops to the program, by the dispatch tables
//! of the sibling files.

use std::collections::HashMap;

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId, validate::MAX_VALUES};
use melior::ir::{
    BlockLike, BlockRef, Location, OperationRef, RegionLike, ShapedTypeLike, Type, TypeLike, Value,
    ValueLike,
    attribute::{ArrayAttribute, DictionaryAttribute, FlatSymbolRefAttribute},
    operation::OperationLike,
    r#type::{DimSize, IntegerType, RankedTensorType},
};

use super::{
    Functions, ProgramError, constant, elementwise, linalg, place, structured, tensor, transformer,
};
use crate::{attributes, ffi, ir};

/// Calls nested deeper are refused: each costs stack here.
const MAX_CALL_DEPTH: usize = 64;

/// Appends one op.
pub(super) type Rule =
    for<'c, 'a> fn(&mut Importer<'c, 'a, '_>, OperationRef<'c, 'a>) -> Result<(), ProgramError>;

/// The ops of one dialect and how each is appended.
pub(super) type Table = &'static [(&'static str, Rule)];

const TABLES: [Table; 7] = [
    transformer::TABLE,
    constant::TABLE,
    elementwise::TABLE,
    tensor::TABLE,
    structured::TABLE,
    linalg::TABLE,
    &[("func.call", call)],
];

/// What is known of an MLIR value.
#[derive(Clone)]
enum Slot {
    /// A value of the program.
    Defined(ValueId),
    /// A `tensor.empty`: nothing may read it.
    Uninitialised(TensorType),
    /// Of a type that programs do not have; an error only when used.
    Opaque,
}

pub(super) struct Importer<'c, 'a, 'f> {
    pub program: Program,
    functions: &'f Functions<'c, 'a>,
    /// By address. A value of an inlined function is overwritten by each call.
    values: HashMap<usize, Slot>,
    calls: Vec<String>,
    steps: usize,
}

/// The program of `functions[name]`.
pub(super) fn function(functions: &Functions, name: &str) -> Result<Program, ProgramError> {
    let mut importer = Importer {
        program: Program {
            name: name.to_owned(),
            inputs: Vec::new(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        },
        functions,
        values: HashMap::new(),
        calls: vec![name.to_owned()],
        steps: 0,
    };
    let function = functions[name];
    let block = body(function)?;
    for index in 0..block.argument_count() {
        let value = argument(function, block, index)?;
        let tensor = RankedTensorType::try_from(value.r#type()).is_ok();
        let ty = tensor_type(value.r#type())
            .and_then(|ty| {
                tensor
                    .then_some(ty)
                    .ok_or_else(|| "is no ranked tensor".into())
            })
            .map_err(|message| refuse(function, format!("argument {index} {message}")))?;
        let id = ValueId(index as u32);
        let name = argument_name(function, index).unwrap_or_else(|| format!("arg{index}"));
        importer.program.inputs.push(Input { name, ty });
        importer.values.insert(key(value), Slot::Defined(id));
    }
    importer.program.outputs = importer.block(function, block)?;
    Ok(importer.program)
}

impl<'c, 'a> Importer<'c, 'a, '_> {
    /// Appends the ops of a function's block and gives what it returns.
    fn block(
        &mut self,
        function: OperationRef<'c, 'a>,
        block: BlockRef<'c, 'a>,
    ) -> Result<Vec<ValueId>, ProgramError> {
        let mut next = block.first_operation();
        while let Some(operation) = next {
            next = operation.next_in_block();
            let name = ir::name(operation);
            if name == "func.return" {
                return (0..operation.operand_count())
                    .map(|index| self.operand(operation, index))
                    .collect();
            }
            self.step(operation)?;
            let rule = find(name).ok_or_else(|| ProgramError::Unsupported {
                place: place(operation.location()),
                op: name.to_owned(),
                supported: supported(),
            })?;
            rule(self, operation)?;
        }
        Err(refuse(function, "does not end in 'func.return'".into()))
    }

    /// Bounds the work that a small text can ask for by calling much.
    fn step(&mut self, operation: OperationRef) -> Result<(), ProgramError> {
        self.steps += 1;
        if self.steps > MAX_VALUES {
            let message = format!("is beyond the limit of {MAX_VALUES} ops with all calls inlined");
            return Err(refuse(operation, message));
        }
        Ok(())
    }

    /// The program's value of operand `index`.
    pub fn operand(
        &self,
        operation: OperationRef<'c, 'a>,
        index: usize,
    ) -> Result<ValueId, ProgramError> {
        let value = operand(operation, index)?;
        self.value(operation, value)
    }

    /// The program's value of `value`, which `operation` uses.
    pub fn value(&self, operation: OperationRef, value: Value) -> Result<ValueId, ProgramError> {
        let message = match self.values.get(&key(value)) {
            Some(Slot::Defined(id)) => return Ok(*id),
            Some(Slot::Uninitialised(ty)) => {
                format!(
                    "reads the undefined elements of a 'tensor.empty' of type {ty}; fill it first"
                )
            }
            Some(Slot::Opaque) | None => format!(
                "uses a value of type {}, which a program cannot hold",
                value.r#type()
            ),
        };
        Err(refuse(operation, message))
    }

    /// As [`Self::value`] for an operand that may be absent.
    pub fn optional(
        &self,
        operation: OperationRef,
        value: Option<Value>,
    ) -> Result<Option<ValueId>, ProgramError> {
        value.map(|value| self.value(operation, value)).transpose()
    }

    /// The type of a `tensor.empty` behind `value`.
    pub fn uninitialised(&self, value: Value) -> Option<TensorType> {
        match self.values.get(&key(value)) {
            Some(Slot::Uninitialised(ty)) => Some(ty.clone()),
            _ => None,
        }
    }

    /// The type of a value of the program.
    pub fn type_of(&self, id: ValueId) -> TensorType {
        match self.program.type_of(id) {
            Some(ty) => ty.clone(),
            // Every id was made by `append` or is an input.
            None => TensorType::new(DType::F32, &[]),
        }
    }

    /// Appends a node that stands for (a part of) `operation`.
    pub fn append(&mut self, operation: OperationRef, op: Op, ty: TensorType) -> ValueId {
        let stage = stage(operation);
        self.program.push(&stage, op, ty)
    }

    /// Appends a node with the type of `operation`'s result, and defines that.
    pub fn result(&mut self, operation: OperationRef<'c, 'a>, op: Op) -> Result<(), ProgramError> {
        let ty = result_type(operation)?;
        let id = self.append(operation, op, ty);
        self.define(operation, id)
    }

    /// Says that `operation`'s result is `id`.
    pub fn define(
        &mut self,
        operation: OperationRef<'c, 'a>,
        id: ValueId,
    ) -> Result<(), ProgramError> {
        let value = result(operation, 0)?;
        self.values.insert(key(value), Slot::Defined(id));
        Ok(())
    }

    /// Says that `value` is `id`.
    pub fn define_value(&mut self, value: Value, id: ValueId) {
        self.values.insert(key(value), Slot::Defined(id));
    }

    /// Says that nothing may read `operation`'s result, of type `ty`.
    pub fn define_uninitialised(
        &mut self,
        operation: OperationRef<'c, 'a>,
        ty: TensorType,
    ) -> Result<(), ProgramError> {
        let value = result(operation, 0)?;
        self.values.insert(key(value), Slot::Uninitialised(ty));
        Ok(())
    }

    /// Says that `operation`'s result is of a type that programs do not have.
    pub fn define_opaque(&mut self, operation: OperationRef<'c, 'a>) -> Result<(), ProgramError> {
        let value = result(operation, 0)?;
        self.values.insert(key(value), Slot::Opaque);
        Ok(())
    }

    /// Says that `to` is what `from` is, whatever that is.
    pub fn alias(&mut self, from: Value, to: Value) {
        let slot = self.values.get(&key(from)).cloned().unwrap_or(Slot::Opaque);
        self.values.insert(key(to), slot);
    }
}

fn call<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let callee = operation
        .attribute("callee")
        .ok()
        .and_then(|callee| FlatSymbolRefAttribute::try_from(callee).ok())
        .map(|callee| callee.value())
        .ok_or_else(|| refuse(operation, "has no callee".into()))?;
    let function = *importer.functions.get(callee).ok_or_else(|| {
        refuse(
            operation,
            format!("calls '{callee}', which is no function of the module"),
        )
    })?;
    if importer.calls.iter().any(|name| name == callee) {
        let message = format!("calls '{callee}' recursively; a program has no recursion");
        return Err(refuse(operation, message));
    }
    if importer.calls.len() >= MAX_CALL_DEPTH {
        let message = format!("is nested deeper than the limit of {MAX_CALL_DEPTH} calls");
        return Err(refuse(operation, message));
    }
    let block = body(function)?;
    for index in 0..block.argument_count() {
        let from = operand(operation, index)?;
        importer.alias(from, argument(function, block, index)?);
    }
    importer.calls.push(callee.to_owned());
    let results = importer.block(function, block)?;
    importer.calls.pop();
    for (index, id) in results.into_iter().enumerate() {
        importer.define_value(result(operation, index)?, id);
    }
    Ok(())
}

fn find(name: &str) -> Option<Rule> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find_map(|(known, rule)| (*known == name).then_some(*rule))
}

/// Every supported op, grouped by dialect: `arith.{addf, subf}, ...`.
fn supported() -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let names = TABLES.iter().flat_map(|table| table.iter());
    for (dialect, op) in names.filter_map(|(name, _)| name.split_once('.')) {
        match groups.iter_mut().find(|(known, _)| *known == dialect) {
            Some((_, ops)) => ops.push(op),
            None => groups.push((dialect, vec![op])),
        }
    }
    let groups: Vec<String> = groups
        .into_iter()
        .map(|(dialect, ops)| format!("{dialect}.{{{}}}", ops.join(", ")))
        .collect();
    format!("{}, func.return", groups.join(", "))
}

/// The one block of a function.
fn body<'c, 'a>(function: OperationRef<'c, 'a>) -> Result<BlockRef<'c, 'a>, ProgramError> {
    let block = function
        .first_region()
        .and_then(|region| region.first_block())
        .ok_or_else(|| refuse(function, "is only declared; its body is needed".into()))?;
    if block.next_in_region().is_some() {
        let message = "has several blocks; a program has no control flow";
        return Err(refuse(function, message.into()));
    }
    Ok(block)
}

fn argument_name(function: OperationRef, index: usize) -> Option<String> {
    let attributes = ArrayAttribute::try_from(function.attribute("arg_attrs").ok()?).ok()?;
    let attributes = DictionaryAttribute::try_from(attributes.element(index).ok()?).ok()?;
    attributes::text(attributes.element_by_name(attributes::WEIGHT)?).map(str::to_owned)
}

/// The user's name of an op, else the name in its location, else the op's name.
fn stage(operation: OperationRef) -> String {
    operation
        .attribute(attributes::NAME)
        .ok()
        .and_then(attributes::text)
        .or_else(|| location_name(operation.location()))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| ir::name(operation))
        .to_owned()
}

fn location_name<'c>(location: Location<'c>) -> Option<&'c str> {
    // An inlined op says in its callee's location what it is.
    let mut location = location;
    for _ in 0..MAX_CALL_DEPTH {
        if location.is_name() {
            return Some(ffi::location_name(location));
        }
        location = if location.is_call_site() {
            location.call_site_callee()
        } else if location.is_fused() && location.fused_num_locations() > 0 {
            location.fused_location(0)
        } else {
            return None;
        };
    }
    None
}

pub(super) fn refuse(operation: OperationRef, message: String) -> ProgramError {
    ProgramError::Op {
        place: place(operation.location()),
        op: ir::name(operation).to_owned(),
        message,
    }
}

fn key(value: Value) -> usize {
    value.to_raw().ptr as usize
}

pub(super) fn operand<'c, 'a>(
    operation: OperationRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, ProgramError> {
    operation
        .operand(index)
        .map_err(|_| refuse(operation, format!("has no operand {index}")))
}

fn result<'c, 'a>(
    operation: OperationRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, ProgramError> {
    operation.result(index).map(Into::into).map_err(|_| {
        refuse(
            operation,
            format!("has no result {index}; ops on memrefs have no value"),
        )
    })
}

fn argument<'c, 'a>(
    operation: OperationRef,
    block: BlockRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, ProgramError> {
    block
        .argument(index)
        .map(Into::into)
        .map_err(|_| refuse(operation, format!("has no argument {index}")))
}

/// The type of the one result.
pub(super) fn result_type(operation: OperationRef) -> Result<TensorType, ProgramError> {
    let value = result(operation, 0)?;
    tensor_type(value.r#type()).map_err(|message| refuse(operation, format!("result {message}")))
}

/// A tensor of static shape, or a scalar as a tensor of rank 0.
pub(super) fn tensor_type(ty: Type) -> Result<TensorType, String> {
    let unknown =
        || format!("has type {ty}; a program has tensors of f32, f16, bf16, i32, i64 and i1");
    let Ok(tensor) = RankedTensorType::try_from(ty) else {
        return dtype(ty)
            .map(|dtype| TensorType::new(dtype, &[]))
            .ok_or_else(unknown);
    };
    let dtype = dtype(tensor.element()).ok_or_else(unknown)?;
    let shape = (0..tensor.rank())
        .map(|index| match tensor.dim_size(index) {
            Ok(DimSize::Static(size)) => usize::try_from(size).ok(),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("has the dynamic type {ty}; a program needs every size"))?;
    Ok(TensorType { dtype, shape })
}

fn dtype(ty: Type) -> Option<DType> {
    if let Ok(integer) = IntegerType::try_from(ty) {
        return match (integer.is_signless(), integer.width()) {
            (true, 1) => Some(DType::Bool),
            (true, 32) => Some(DType::I32),
            (true, 64) => Some(DType::I64),
            _ => None,
        };
    }
    [
        (ty.is_f32(), DType::F32),
        (ty.is_f16(), DType::F16),
        (ty.is_bf16(), DType::Bf16),
    ]
    .into_iter()
    .find_map(|(is, dtype)| is.then_some(dtype))
}
