//! The two functions around a kernel's body.
//!
//! `@symbol` has the runtime's ABI: it reads the pointers and calls
//! `@symbol_blocks`, which takes each pointer as an argument of its own, because
//! only there LLVM can be told which of them no other pointer aliases. The inner
//! function makes memrefs and scalars of the pointers, then loops over the blocks.

use melior::{
    dialect::llvm,
    ir::{
        Attribute, Block, BlockLike, Identifier, Region, RegionLike, ShapedTypeLike, Type, Value,
        attribute::{
            ArrayAttribute, DenseI32ArrayAttribute, DenseI64ArrayAttribute, DictionaryAttribute,
            FlatSymbolRefAttribute, StringAttribute, TypeAttribute,
        },
        r#type::{FunctionType, IntegerType, MemRefType},
    },
};

use super::{
    arguments::{Argument, Arguments, Extent},
    local::without_space,
};
use crate::{
    emit::{Emit, Emitted, Ix, first_block},
    translate::{Scalar, ScalarType},
};

/// The inner function while it is being written.
pub(super) struct Blocks<'c, 'a> {
    /// Its entry block.
    pub(super) emit: Emit<'c, 'a>,
    /// The kernel's arguments.
    pub(super) arguments: Vec<Value<'c, 'a>>,
    /// Workgroups in x, y, z, as `index`.
    pub(super) grid: [Value<'c, 'a>; 3],
    /// First block and the one behind the last.
    pub(super) range: [Ix<'c, 'a>; 2],
}

/// The name of the inner function.
pub(super) fn inner(symbol: &str) -> String {
    format!("{symbol}_blocks")
}

/// Emits both functions; the inner one ends after the arguments.
pub(super) fn functions<'c, 'a>(
    module: &Emit<'c, 'a>,
    symbol: &str,
    arguments: &Arguments<'c>,
) -> Emitted<Blocks<'c, 'a>> {
    let context = module.context;
    let pointer = llvm::r#type::pointer(context, 0);
    let i64: Type = IntegerType::new(context, 64).into();
    let pointers = arguments.bindings.len() + 2;
    let inner = inner(symbol);

    let outer = function(module, symbol, &[pointer, i64, i64], &[])?;
    let list: Value = outer.block.argument(0)?.into();
    let mut operands = Vec::new();
    for index in 0..pointers {
        operands.push(outer.element(list, pointer, index, pointer)?);
    }
    operands.push(outer.block.argument(1)?.into());
    operands.push(outer.block.argument(2)?.into());
    let callee = FlatSymbolRefAttribute::new(context, &inner);
    outer.op("func.call", &operands, &[], &[("callee", callee.into())])?;
    outer.op("func.return", &[], &[], &[])?;

    let mut types = vec![pointer; pointers];
    types.extend([i64, i64]);
    let linkage = llvm::attributes::linkage(context, llvm::attributes::Linkage::Internal);
    let attributes = [
        ("llvm.linkage", linkage),
        ("arg_attrs", aliasing(module, arguments, types.len())),
    ];
    let emit = function(module, &inner, &types, &attributes)?;
    let argument =
        |index: usize| -> Emitted<Value<'c, 'a>> { Ok(emit.block.argument(index)?.into()) };
    let counts = argument(pointers - 1)?;
    let count = |dimension| emit.index_of(emit.element(counts, i64, dimension, i64)?);
    let grid = [count(0)?, count(1)?, count(2)?];
    let immediates = argument(pointers - 2)?;
    let mut values = Vec::new();
    let mut binding = 0;
    for list in &arguments.list {
        values.push(match list {
            Argument::Buffer {
                ty,
                sizes,
                strides,
                offset,
            } => {
                binding += 1;
                let data = argument(binding - 1)?;
                let extents = Extents {
                    arguments,
                    immediates,
                };
                emit.descriptor(*ty, data, &extents, sizes, strides, *offset)?
            }
            Argument::Immediate { number, ty } => {
                let stored = emit.immediate(arguments, immediates, *number)?;
                emit.scalar(stored, *ty)?
            }
            Argument::Constant {
                value: Scalar::Int(value),
                ty,
            } => emit.integer(*ty, *value)?,
            Argument::Constant {
                value: Scalar::Float(value),
                ty,
            } => emit.float(*ty, *ty, *value)?,
        });
    }
    let range = [
        emit.index_of(argument(pointers)?)?.into(),
        emit.index_of(argument(pointers + 1)?)?.into(),
    ];
    Ok(Blocks {
        emit,
        arguments: values,
        grid,
        range,
    })
}

/// `llvm.noalias` on the pointers no other access goes around. The runtime
/// refuses a buffer that is bound for reading and writing at once, but lets it be
/// bound for writing twice.
fn aliasing<'c>(emit: &Emit<'c, '_>, arguments: &Arguments, count: usize) -> Attribute<'c> {
    let context = emit.context;
    let written = arguments
        .bindings
        .iter()
        .filter(|binding| binding.writes)
        .count();
    let name = Identifier::new(context, "llvm.noalias");
    let attributes: Vec<Attribute> = (0..count)
        .map(|index| {
            let alone = match arguments.bindings.get(index) {
                Some(binding) => !binding.writes || written == 1,
                None => false,
            };
            let list = if alone {
                vec![(name, Attribute::unit(context))]
            } else {
                Vec::new()
            };
            DictionaryAttribute::new(context, &list).into()
        })
        .collect();
    ArrayAttribute::new(context, &attributes).into()
}

fn function<'c, 'a>(
    module: &Emit<'c, 'a>,
    name: &str,
    arguments: &[Type<'c>],
    attributes: &[(&str, Attribute<'c>)],
) -> Emitted<Emit<'c, 'a>> {
    let region = Region::new();
    let block: Vec<_> = arguments.iter().map(|ty| (*ty, module.location)).collect();
    region.append_block(Block::new(&block));
    let ty = FunctionType::new(module.context, arguments, &[]);
    let mut all = vec![
        (
            "sym_name",
            StringAttribute::new(module.context, name).into(),
        ),
        ("function_type", TypeAttribute::new(ty.into()).into()),
    ];
    all.extend_from_slice(attributes);
    let op = module.op_with_regions("func.func", &[], &[], &all, vec![region])?;
    Ok(module.at(first_block(op)?))
}

/// What sizes, strides and offsets are read from.
struct Extents<'r, 'c, 'a> {
    arguments: &'r Arguments<'c>,
    immediates: Value<'c, 'a>,
}

impl<'c, 'a> Emit<'c, 'a> {
    /// Element `index` of an array of `element` at `pointer`, as `ty`.
    fn element(
        &self,
        pointer: Value<'c, 'a>,
        element: Type<'c>,
        index: usize,
        ty: Type<'c>,
    ) -> Emitted<Value<'c, 'a>> {
        let indices = DenseI32ArrayAttribute::new(self.context, &[index as i32]);
        let address = self.value(
            "llvm.getelementptr",
            &[pointer],
            llvm::r#type::pointer(self.context, 0),
            &[
                ("rawConstantIndices", indices.into()),
                ("elem_type", TypeAttribute::new(element).into()),
            ],
        )?;
        self.value("llvm.load", &[address], ty, &[])
    }

    fn index_of(&self, value: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        self.value("arith.index_cast", &[value], self.index_type(), &[])
    }

    /// Immediate `number`, in the type it is stored as.
    fn immediate(
        &self,
        arguments: &Arguments<'c>,
        pointer: Value<'c, 'a>,
        number: usize,
    ) -> Emitted<Value<'c, 'a>> {
        let immediate = &arguments.immediates[number];
        let ty = match immediate.scalar {
            ScalarType::F32 | ScalarType::F16 => Type::float32(self.context),
            ScalarType::I32 | ScalarType::Bool => IntegerType::new(self.context, 32).into(),
            ScalarType::I64 => IntegerType::new(self.context, 64).into(),
        };
        let byte = IntegerType::new(self.context, 8).into();
        self.element(pointer, byte, immediate.offset as usize, ty)
    }

    /// A scalar argument of type `ty` from the immediate it is stored as.
    fn scalar(&self, stored: Value<'c, 'a>, ty: Type<'c>) -> Emitted<Value<'c, 'a>> {
        match ty.to_string().as_str() {
            "index" => self.index_of(stored),
            "i1" => self.value("arith.trunci", &[stored], ty, &[]),
            "f16" => self.value("arith.truncf", &[stored], ty, &[]),
            _ => Ok(stored),
        }
    }

    /// A memref over `data`: MLIR's descriptor, cast to the memref type; the
    /// conversion of memrefs to LLVM cancels the cast.
    fn descriptor(
        &self,
        ty: MemRefType<'c>,
        data: Value<'c, 'a>,
        extents: &Extents<'_, 'c, 'a>,
        sizes: &[Extent],
        strides: &[Extent],
        offset: Extent,
    ) -> Emitted<Value<'c, 'a>> {
        let context = self.context;
        let (pointer, i64) = (
            llvm::r#type::pointer(context, 0),
            IntegerType::new(context, 64).into(),
        );
        let rank = ty.rank();
        let mut fields = vec![pointer, pointer, i64];
        if rank > 0 {
            fields.extend([llvm::r#type::array(i64, rank as u32); 2]);
        }
        let descriptor = llvm::r#type::r#struct(context, &fields, false);
        let mut value = self.value("llvm.mlir.poison", &[], descriptor, &[])?;
        let mut insert = |part: Value<'c, 'a>, position: &[i64]| -> Emitted<()> {
            let position = DenseI64ArrayAttribute::new(context, position);
            let attributes = [("position", position.into())];
            value = self.value("llvm.insertvalue", &[value, part], descriptor, &attributes)?;
            Ok(())
        };
        let read = |extent: Extent, behind: Value<'c, 'a>| match extent {
            Extent::Known(value) => self.integer(i64, value),
            Extent::Immediate(number) => {
                let stored = self.immediate(extents.arguments, extents.immediates, number)?;
                self.value("arith.extsi", &[stored], i64, &[])
            }
            Extent::Contiguous => Ok(behind),
        };
        insert(data, &[0])?;
        insert(data, &[1])?;
        // Elements of the dimensions behind, which is the stride of the next.
        let mut behind = self.integer(i64, 1)?;
        insert(read(offset, behind)?, &[2])?;
        for dimension in (0..rank).rev() {
            let size = read(sizes[dimension], behind)?;
            insert(size, &[3, dimension as i64])?;
            insert(read(strides[dimension], behind)?, &[4, dimension as i64])?;
            behind = self.same("arith.muli", &[behind, size])?;
        }
        let plain = without_space(ty.into())?;
        self.value("builtin.unrealized_conversion_cast", &[value], plain, &[])
    }
}
