//! A module's problem: its hash and the ops that passes can schedule.
//!
//! Which ops there are depends on what is fused: [`fusions`] finds that out.

use kforge_dialect::{
    Attention, Element, LayerNorm, Matmul, RmsNorm, Softmax, TensorType, attributes, ir,
    schedule::{AttentionProblem, MatmulProblem},
};
use kforge_passes::select;
use kforge_runtime::Dtype;
use melior::{
    Context,
    ir::{
        Module, OperationRef, attribute::TypeAttribute, operation::OperationLike,
        r#type::FunctionType,
    },
    pass::PassManager,
    utility::parse_pass_pipeline,
};

use super::{OpShape, PlannedOp, Problem, Rows, fusions};
use crate::plan::catalog;

/// Why a module is no problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// A pass refused the module; its diagnostic says why.
    #[error("{pass} refuses the module")]
    Pass {
        /// The pass.
        pass: String,
    },
    /// A tensor of unknown size.
    #[error("op '{name}' has a dynamic dimension, which no schedule covers yet")]
    Dynamic {
        /// The op.
        name: String,
    },
    /// Nothing in it can be planned.
    #[error(
        "the module has no op that a plan can schedule: a matmul, attention, softmax, layer_norm or rms_norm"
    )]
    Nothing,
    /// Lowered already.
    #[error("the module is lowered already: it has kernels, and plans are for modules on tensors")]
    Lowered,
}

/// The problem that `module` poses. Diagnostics go to the context's handler.
/// [`kforge_passes::register`] must have run.
pub fn of_module(context: &Context, module: &Module) -> Result<Problem, ExtractError> {
    let root = module.as_operation();
    if !select::kernels(root).is_empty() {
        return Err(ExtractError::Lowered);
    }
    let hash = blake3::hash(canonical(context, module)?.as_bytes());
    let ops = fusions::ops(context, &prepared(context, module)?)?;
    if ops.is_empty() {
        return Err(ExtractError::Nothing);
    }
    let workload = workload(root, &ops);
    Ok(Problem {
        module: hash.to_hex().as_str()[..32].to_owned(),
        workload,
        ops,
    })
}

/// A copy of `module` in the form that plans are for: calls inlined, ops named.
pub(crate) fn prepared<'c>(
    context: &'c Context,
    module: &Module,
) -> Result<Module<'c>, ExtractError> {
    let mut copy = clone(context, module)?;
    for pass in catalog::PREPARE {
        run(context, &mut copy, pass)?;
    }
    Ok(copy)
}

/// The module's text without what says nothing about it: locations, layout, a verdict.
fn canonical(context: &Context, module: &Module) -> Result<String, ExtractError> {
    let copy = clone(context, module)?;
    for name in [
        attributes::VERIFIED,
        attributes::REFERENCE,
        attributes::DEVICE,
    ] {
        ir::remove_attribute(copy.as_operation(), name);
    }
    Ok(copy.as_operation().to_string())
}

pub(super) fn clone<'c>(context: &'c Context, module: &Module) -> Result<Module<'c>, ExtractError> {
    let text = module.as_operation().to_string();
    Module::parse(context, &text).ok_or_else(|| ExtractError::Pass {
        pass: "the parser".into(),
    })
}

pub(super) fn run(context: &Context, module: &mut Module, pass: &str) -> Result<(), ExtractError> {
    let failed = || ExtractError::Pass {
        pass: pass.split('{').next().unwrap_or(pass).into(),
    };
    let manager = PassManager::new(context);
    let text = format!("builtin.module({pass})");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &text).map_err(|_| failed())?;
    manager.run(module).map_err(|_| failed())
}

/// The ops with knobs as they stand.
pub(super) fn scheduled(module: OperationRef) -> Result<Vec<PlannedOp>, ExtractError> {
    let functions = select::functions(module).into_iter();
    let ops = functions.flat_map(select::kforge_ops);
    let planned = ops.filter_map(|op| {
        let name = select::name_of(op)?.to_owned();
        let (shape, epsilon) = match shape(op)? {
            Some(shape) => shape,
            None => return Some(Err(ExtractError::Dynamic { name })),
        };
        Some(Ok(PlannedOp {
            name,
            made_by: None,
            made_with: Vec::new(),
            gone_after: None,
            gone_with: Vec::new(),
            epsilon,
            shape,
        }))
    });
    planned.collect()
}

/// The sizes and a norm's epsilon: `None` for ops without knobs, `Some(None)` for
/// dynamic dimensions.
fn shape(op: OperationRef) -> Option<Option<(OpShape, Option<String>)>> {
    if let Some(op) = Matmul::cast(op) {
        return Some(
            op.signature()
                .and_then(|it| MatmulProblem::of(&it))
                .and_then(|it| {
                    let MatmulProblem {
                        batch,
                        m,
                        n,
                        k,
                        element,
                        transpose_b,
                    } = it;
                    Some((
                        OpShape::Matmul {
                            batch,
                            m,
                            n,
                            k,
                            element: dtype(element)?,
                            transpose_b,
                        },
                        None,
                    ))
                }),
        );
    }
    if let Some(op) = Attention::cast(op) {
        let problem = op.signature().and_then(|it| AttentionProblem::of(&it));
        return Some(problem.and_then(|it| {
            let shape = OpShape::Attention {
                heads: it.heads,
                queries: it.queries,
                keys: it.keys,
                head: it.head,
                value_head: it.value_head,
                element: dtype(it.element)?,
            };
            Some((shape, None))
        }));
    }
    if let Some(op) = Softmax::cast(op) {
        return Some(
            op.x()
                .ok()
                .and_then(ir::tensor_type)
                .and_then(|x| Some((OpShape::Softmax(rows(&x, op.axis())?), None))),
        );
    }
    if let Some(op) = LayerNorm::cast(op) {
        let epsilon = Some(op.epsilon().to_string());
        return Some(
            op.x()
                .ok()
                .and_then(ir::tensor_type)
                .and_then(|x| Some((OpShape::LayerNorm(rows(&x, op.axis())?), epsilon))),
        );
    }
    if let Some(op) = RmsNorm::cast(op) {
        let epsilon = Some(op.epsilon().to_string());
        return Some(
            op.x()
                .ok()
                .and_then(ir::tensor_type)
                .and_then(|x| Some((OpShape::RmsNorm(rows(&x, op.axis())?), epsilon))),
        );
    }
    None
}

fn rows(x: &TensorType, axis: i64) -> Option<Rows> {
    let sizes = x.sizes()?;
    let n = *sizes.get(axis.rem_euclid(sizes.len().max(1) as i64) as usize)?;
    let all = sizes
        .iter()
        .try_fold(1u64, |product, size| product.checked_mul(*size))?;
    Some(Rows {
        rows: all / n.max(1),
        n,
        element: dtype(x.element)?,
    })
}

fn dtype(element: Element) -> Option<Dtype> {
    match element {
        Element::F32 => Some(Dtype::F32),
        Element::F16 => Some(Dtype::F16),
        _ => None,
    }
}

/// One op names itself; several are named by their function and its first tensor's sizes.
fn workload(module: OperationRef, ops: &[PlannedOp]) -> String {
    let kept: Vec<&PlannedOp> = ops.iter().filter(|op| op.gone_after.is_none()).collect();
    if let [op] = kept[..] {
        return op.shape.to_string();
    }
    let functions = select::functions(module);
    let names: Vec<&str> = functions
        .iter()
        .filter_map(|op| op.attribute("sym_name").ok().and_then(attributes::text))
        .collect();
    let sizes = functions.iter().find_map(|op| first_sizes(*op));
    let sizes = sizes.map_or_else(String::new, |sizes| {
        let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
        format!(" {}", sizes.join("x"))
    });
    format!("{}{sizes} ({} ops)", names.join("+"), kept.len())
}

/// The sizes of a function's first argument that is a tensor of rank 1 or more.
fn first_sizes(function: OperationRef) -> Option<Vec<u64>> {
    let ty = function.attribute("function_type").ok()?;
    let ty = FunctionType::try_from(TypeAttribute::try_from(ty).ok()?.value()).ok()?;
    let inputs = (0..ty.input_count()).filter_map(|index| ty.input(index).ok());
    let sizes = inputs.filter_map(|ty| TensorType::of(ty)?.sizes());
    sizes.into_iter().find(|sizes| !sizes.is_empty())
}
