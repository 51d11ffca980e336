//! The knobs of a unit at other shapes.
//!
//! A kernel that is right at one shape may be wrong at the next: tails, prime
//! sizes, tiles larger than the problem. So the specification of every unit is
//! lowered again, with the same schedule, at the mandatory shapes, and the gate
//! runs those too. Two units of one generator have the same modules at those
//! shapes; each module is run once.
//!
//! A unit is tried at its own shape only where it has neither a schedule nor the
//! kernels that the generator makes of its specification, or where its ops leave no
//! size free. The verdict then says so.
//! Limits: six shapes per unit with quick cases.

mod chain;
mod layers;
mod origin;
mod rebuild;
mod scheduled;

use std::{collections::HashMap, ops::Range};

use kforge_dialect::{
    Attention, LayerNorm, Matmul, Mlp, RmsNorm, Rope, Softmax, TensorType, device::Device, ir,
    schedule::MatmulSchedule,
};
use kforge_lowering::serialize::{self, Serialized};
use kforge_oracle::Level;
use kforge_runtime::manifest::Unit;
use kforge_verify::{OwnShapeOnly, Runnable, Variant};
use melior::{
    Context,
    ir::{Module, OperationRef, operation::OperationLike},
};

use crate::{select, verify::VerifyError};

/// Shapes per unit with quick cases, spread over the whole list.
const QUICK_SHAPES: usize = 6;

/// What is tried at other shapes, and what is not.
#[derive(Debug, Default)]
pub struct Variants {
    /// Units at other shapes.
    pub tried: Vec<Variant>,
    /// Units that have none.
    pub own_shape_only: Vec<OwnShapeOnly>,
}

/// One op's operands at other shapes, with the schedule it gets if it has none.
struct Shapes {
    schedule: Option<MatmulSchedule>,
    operands: Vec<Vec<TensorType>>,
}

/// A module at another shape, not yet lowered.
struct Candidate<'c> {
    sizes: String,
    module: Module<'c>,
}

/// The units of `entry` at other shapes, each distinct module once.
pub fn of_units(
    device: &Device,
    serialized: &Serialized,
    entry: &str,
    cases: Level,
) -> Result<Variants, VerifyError> {
    let context = kforge_dialect::context();
    // The variants of each module.
    let mut seen: HashMap<String, Range<usize>> = HashMap::new();
    let mut variants = Variants::default();
    for unit in serialized.units.iter().filter(|unit| unit.entry == entry) {
        let candidates = match candidates(&context, device, serialized, unit, cases) {
            Ok(candidates) => candidates,
            Err(because) => {
                let stage = unit.stage.clone();
                variants
                    .own_shape_only
                    .push(OwnShapeOnly { stage, because });
                continue;
            }
        };
        // Of kernels that were changed behind the conversion other shapes say less.
        let generated = origin::check(&context, device, serialized, unit).is_ok();
        for candidate in candidates {
            let text = candidate.module.as_operation().to_string();
            let made = match seen.get(&text) {
                Some(made) => made.clone(),
                None => {
                    let stage = format!("{} at ({})", unit.stage, candidate.sizes);
                    // What is measured by another process is saved with all its units.
                    let link = serialized.is_linked();
                    let first = variants.tried.len();
                    variants
                        .tried
                        .extend(lower(&context, candidate, stage, link)?);
                    let made = first..variants.tried.len();
                    seen.insert(text, made.clone());
                    made
                }
            };
            if generated {
                for variant in &mut variants.tried[made] {
                    variant.of.push(unit.stage.clone());
                }
            }
        }
    }
    Ok(variants)
}

/// The modules to try for a unit, or why there are none.
fn candidates<'c>(
    context: &'c Context,
    device: &Device,
    serialized: &Serialized,
    unit: &Unit,
    cases: Level,
) -> Result<Vec<Candidate<'c>>, String> {
    let spec = unit
        .spec
        .as_deref()
        .and_then(|spec| Module::parse(context, spec))
        .ok_or("its specification cannot be read")?;
    let functions = select::functions(spec.as_operation());
    let [function] = functions[..] else {
        return Err("its specification is not one function".into());
    };
    let ops: Vec<OperationRef> = select::ops_of(function)
        .into_iter()
        .filter(|op| ir::name(*op) != "func.return")
        .collect();
    if let [op] = ops[..]
        && let Some(shapes) = shapes_of(op, device)?
    {
        // What has a schedule was made from its knobs.
        if !op.has_attribute(kforge_dialect::attributes::SCHEDULE) {
            origin::check(context, device, serialized, unit)?;
        }
        let most = QUICK_SHAPES.div_ceil(shapes.len().max(1));
        let mut found = Vec::new();
        for shapes in shapes {
            for operands in sampled(shapes.operands, cases, most) {
                let schedule = shapes.schedule.as_ref();
                found.push(Candidate {
                    sizes: listed(&operands),
                    module: rebuild::op(context, op, &operands, schedule, device)?,
                });
            }
        }
        return Ok(found);
    }
    let chain = chain::Chain::of(function, &ops)?;
    origin::check(context, device, serialized, unit)?;
    sampled(chain.sizes(device)?, cases, QUICK_SHAPES)
        .map(|sizes| {
            Ok(Candidate {
                sizes: listed(&chain.inputs(&sizes)),
                module: rebuild::chain(context, &chain, &sizes, device)?,
            })
        })
        .collect()
}

/// Operand types to try for an op that is a unit of its own; none where it is
/// one of elements.
fn shapes_of(op: OperationRef, device: &Device) -> Result<Option<Vec<Shapes>>, String> {
    let scheduled = |operands: Option<Vec<Vec<TensorType>>>| {
        let schedule = None;
        let operands = operands.ok_or("its specification has no schedule: no knobs made it")?;
        Ok(Some(vec![Shapes { schedule, operands }]))
    };
    if let Some(op) = Matmul::cast(op) {
        return scheduled(scheduled::matmul(op));
    }
    if let Some(op) = Softmax::cast(op) {
        return scheduled(scheduled::rows(op.operation(), op.axis(), &[]));
    }
    if let Some(op) = LayerNorm::cast(op) {
        let parameters = [op.gamma(), op.beta()];
        return scheduled(scheduled::rows(op.operation(), op.axis(), &parameters));
    }
    if let Some(op) = RmsNorm::cast(op) {
        return scheduled(scheduled::rows(op.operation(), op.axis(), &[op.gamma()]));
    }
    if let Some(op) = Attention::cast(op) {
        return scheduled(scheduled::attention(op));
    }
    if let Some(op) = Mlp::cast(op) {
        return layers::mlp(op, device).map(Some);
    }
    if let Some(op) = Rope::cast(op) {
        return layers::rope(op).map(Some);
    }
    Ok(None)
}

/// All of `list`, or about `most` spread over it.
fn sampled<T>(list: Vec<T>, cases: Level, most: usize) -> impl Iterator<Item = T> {
    let stride = match cases {
        Level::Quick => list.len().div_ceil(most).max(1),
        Level::Full => 1,
    };
    list.into_iter().step_by(stride)
}

fn listed(types: &[TensorType]) -> String {
    let text: Vec<String> = types.iter().map(ToString::to_string).collect();
    text.join(", ")
}

/// The units of a candidate, ready to run, and to be saved where code is linked.
fn lower(
    context: &Context,
    candidate: Candidate,
    stage: String,
    link: bool,
) -> Result<Vec<Variant>, VerifyError> {
    let failed = |reason: String| VerifyError::Shape {
        stage: stage.clone(),
        reason,
    };
    let mut module = candidate.module;
    rebuild::lower(context, &mut module).map_err(&failed)?;
    rebuild::simplify(context, &mut module).map_err(&failed)?;
    let mut lowered = serialize::package(module.as_operation(), &serialize::Options::default())
        .map_err(|error| failed(error.to_string()))?;
    if link {
        lowered.link().map_err(|error| failed(error.to_string()))?;
    }
    let mut variants = Vec::new();
    for unit in &lowered.units {
        let mut runnable = Runnable::unit(&lowered.package, unit)?;
        runnable.stage.clone_from(&stage);
        runnable.native = lowered.functions();
        variants.push(Variant {
            unit: runnable,
            of: Vec::new(),
        });
    }
    Ok(variants)
}
