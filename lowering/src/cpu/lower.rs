//! Kernels of a module to the LLVM dialect.

use std::collections::HashSet;

use kforge_dialect::ir;
use melior::{
    Context, IrRewriter,
    dialect::DialectHandle,
    ir::{
        BlockLike, Location, Module, OperationRef, Value,
        attribute::{DenseI32ArrayAttribute, StringAttribute},
        operation::OperationLike,
    },
};

use super::{Binding, CpuError, arguments::Arguments, body, frame, pipeline};
use crate::{
    LoweringError,
    emit::{Emit, Emitted, first_block},
    translate::{Immediate, Launch, collect_launches},
};

/// What every kernel's symbol begins with, so that none hides a function of C.
pub(super) const PREFIX: &str = "kforge_";

/// A kernel in the object, with what a host needs to launch it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Name of the `gpu.module`.
    pub module: String,
    /// Name of the `gpu.func`.
    pub name: String,
    /// The C symbol; unique in the object.
    pub symbol: String,
    /// One per memref argument, in order.
    pub bindings: Vec<Binding>,
    /// Members of the struct of immediates, in order.
    pub immediates: Vec<Immediate>,
}

/// Kernels as LLVM dialect.
#[derive(Debug)]
pub struct Lowered<'c> {
    /// The module; two functions per kernel.
    pub module: Module<'c>,
    /// The kernels, in the order of the input.
    pub kernels: Vec<Kernel>,
}

/// Lowers every kernel of `module`, which is left as it is.
///
/// # Errors
/// A located error for an op or type outside the subset, for more local memory
/// than [`LOCAL_BYTES`](super::LOCAL_BYTES), and for invocations that must run
/// together; MLIR's messages if a conversion fails.
pub fn lower<'c>(
    context: &'c Context,
    module: OperationRef<'c, '_>,
) -> Result<Lowered<'c>, CpuError> {
    for dialect in [
        DialectHandle::llvm(),
        DialectHandle::func(),
        DialectHandle::scf(),
    ] {
        dialect.register_dialect(context);
        dialect.load_dialect(context);
    }
    let launches = collect_launches(module)?;
    let result = Module::new(Location::unknown(context));
    let mut symbols = HashSet::new();
    let mut kernels = Vec::new();
    for func in functions(module) {
        let parent = func.parent_operation().map(symbol_name).unwrap_or_default();
        let name = symbol_name(func);
        let launch = launches
            .get(&(parent.clone(), name.clone()))
            .cloned()
            .unwrap_or_default();
        let mut symbol = format!("{PREFIX}{}", clean(&name));
        // The inner function of another kernel may have this name, too.
        while symbols.contains(&symbol) || symbols.contains(&frame::inner(&symbol)) {
            symbol.push('_');
        }
        symbols.extend([symbol.clone(), frame::inner(&symbol)]);
        let top = Emit {
            context,
            location: func.location(),
            block: result.body(),
        };
        let arguments = kernel(&top, func, &launch, &symbol)?;
        let Arguments {
            bindings,
            immediates,
            ..
        } = arguments;
        kernels.push(Kernel {
            module: parent,
            name,
            symbol,
            bindings,
            immediates,
        });
    }
    let module = pipeline::to_llvm(context, result)?;
    Ok(Lowered { module, kernels })
}

fn kernel<'c>(
    top: &Emit<'c, '_>,
    func: OperationRef<'c, '_>,
    launch: &Launch,
    symbol: &str,
) -> Emitted<Arguments<'c>> {
    let size = workgroup_size(func, launch)?;
    let func = top.block.append_operation((*func).clone());
    let block = first_block(func)?;
    if block.next_in_region().is_some() {
        let message = "has several blocks; lower it before control flow becomes cf".to_owned();
        return Err(LoweringError::at(func, message));
    }
    let all: Vec<Value> = (0..block.argument_count())
        .map(|index| Ok(block.argument(index)?.into()))
        .collect::<Emitted<_>>()?;
    let arguments = Arguments::read(func, &all[..argument_count(func, all.len())], launch)?;
    let blocks = frame::functions(top, symbol, &arguments)?;
    body::inline(&body::Kernel { func, block, size }, &blocks)?;
    IrRewriter::from_op(func).as_rewriter_base().erase_op(func);
    Ok(arguments)
}

/// Arguments proper; the rest of the block's are workgroup and private memory.
fn argument_count(func: OperationRef, all: usize) -> usize {
    let inputs = func
        .attribute("function_type")
        .ok()
        .and_then(|ty| melior::ir::attribute::TypeAttribute::try_from(ty).ok())
        .and_then(|ty| melior::ir::r#type::FunctionType::try_from(ty.value()).ok());
    inputs.map_or(all, |ty| ty.input_count().min(all))
}

fn workgroup_size(func: OperationRef, launch: &Launch) -> Emitted<[i64; 3]> {
    let known = func
        .attribute("known_block_size")
        .ok()
        .and_then(|size| DenseI32ArrayAttribute::try_from(size).ok());
    let size = match known {
        Some(known) => [known.element(0)?, known.element(1)?, known.element(2)?].map(i64::from),
        None => {
            let size = launch.block.ok_or_else(|| {
                let message = "has no workgroup size: give it known_block_size, or launch it with \
                               the same constant block size everywhere";
                LoweringError::at(func, message.into())
            })?;
            size.map(i64::from)
        }
    };
    if size.iter().any(|size| *size < 1) {
        return Err(LoweringError::at(
            func,
            format!("has workgroup size {size:?}; the least is 1"),
        ));
    }
    Ok(size)
}

fn functions<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let kernel = |op: &OperationRef| ir::name(*op) == "gpu.func" && op.has_attribute("gpu.kernel");
    body::nested(module).into_iter().filter(kernel).collect()
}

fn symbol_name(op: OperationRef) -> String {
    op.attribute("sym_name")
        .ok()
        .and_then(|name| StringAttribute::try_from(name).ok())
        .map(|name| name.value().to_owned())
        .unwrap_or_default()
}

/// A C identifier: what cannot be part of one becomes `_`.
fn clean(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}
