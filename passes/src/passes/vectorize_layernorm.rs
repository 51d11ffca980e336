//! `kforge-vectorize-layernorm`: gives softmax and the norms their schedule.
//!
//! Before:
//! ```mlir
//! %y = kforge.layer_norm %x gamma %g beta %b {kforge.name = "ln"} : ...
//! ```
//! After `kforge-vectorize-layernorm{op=ln workgroup-size=64}`:
//! ```mlir
//! %y = kforge.layer_norm %x gamma %g beta %b {kforge.name = "ln", kforge.schedule = {"workgroup-size" = 64, ...}} : ...
//! ```
//! Requires: nothing.
//! Ensures: each selected `kforge.layer_norm`, `kforge.rms_norm` and
//! `kforge.softmax` has a schedule that fits the attached device. Blocks and
//! vectors need not divide the rows.
//! Does nothing when: `op` is empty and every such op has a schedule.
//! Limits: `workgroup-size` a power of two within the device's invocations, `rows` one that
//! divides it; `shuffle` needs subgroups of a fixed size; `vector-width` 1, 2 or 4;
//! `block-size` up to 65536 and 32 accesses per invocation.

use kforge_dialect::{
    LayerNorm, RmsNorm, Softmax, attributes,
    device::Device,
    ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
    schedule::RowSchedule,
};
use melior::{Context, ir::OperationRef};

use crate::select;

pub const PASS: PassDef = PassDef {
    argument: "kforge-vectorize-layernorm",
    name: "VectorizeLayernorm",
    summary: "choose workgroups and vectors of softmax and norm kernels",
    options: RowSchedule::OPTIONS,
    statistics: &[StatisticDef {
        name: "scheduled",
        description: "softmaxes and norms that got a schedule",
    }],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let device = Device::of(module);
    let names = [LayerNorm::NAME, RmsNorm::NAME, Softmax::NAME];
    let ops = select::selected(module, &names, &pass.text("op"), pass.argument())?;
    let schedule = RowSchedule::read(|knob| Some(pass.integer(knob))).ok_or(Failed)?;
    for op in ops {
        select::report_unfit(op, schedule.check(&device))?;
        ir::set_attribute(op, attributes::SCHEDULE, schedule.to_attribute(context));
        pass.count("scheduled", 1);
    }
    Ok(())
}
