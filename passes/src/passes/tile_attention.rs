//! `kforge-tile-attention`: gives attentions their schedule.
//!
//! Before:
//! ```mlir
//! %o = kforge.attention %q, %k, %v {kforge.name = "attn"} : ...
//! ```
//! After `kforge-tile-attention{op=attn block-q=16}`:
//! ```mlir
//! %o = kforge.attention %q, %k, %v {kforge.name = "attn", kforge.schedule = {"block-q" = 16, ...}} : ...
//! ```
//! Requires: static shapes.
//! Ensures: each selected `kforge.attention` has a schedule that fits the attached
//! device: its invocations and its workgroup memory. Blocks need not divide the
//! sequences.
//! Does nothing when: `op` is empty and every attention has a schedule.
//! Limits: those of the device; `block-kv` up to 1024, head sizes up to 256. `split-head` and
//! the matrix unit need subgroups of a fixed size; of `split-head`, `slice-kv` and `matrix-unit`
//! the last goes with none of the others; `prefetch` needs it.

use kforge_dialect::{
    Attention, attributes,
    device::Device,
    diagnostics, ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
    schedule::AttentionSchedule,
};
use melior::{Context, ir::OperationRef};

use crate::select;

pub const PASS: PassDef = PassDef {
    argument: "kforge-tile-attention",
    name: "TileAttention",
    summary: "choose the blocks of attention kernels",
    options: AttentionSchedule::OPTIONS,
    statistics: &[StatisticDef {
        name: "scheduled",
        description: "attentions that got a schedule",
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
    let names = [Attention::NAME];
    let ops = select::selected(module, &names, &pass.text("op"), pass.argument())?;
    let schedule = AttentionSchedule::read(|knob| Some(pass.integer(knob))).ok_or(Failed)?;
    for op in ops {
        let signature = Attention::cast(op).and_then(Attention::signature);
        let sizes = signature.and_then(|signature| {
            let (q, v) = (signature.q.sizes()?, signature.v.sizes()?);
            Some((q[3], v[3], signature.q.element))
        });
        let Some((head, value_head, element)) = sizes else {
            diagnostics::op_error(op, "has a dynamic dimension, which no schedule covers yet");
            return Err(Failed);
        };
        select::report_unfit(op, schedule.check(head, value_head, element, &device))?;
        ir::set_attribute(op, attributes::SCHEDULE, schedule.to_attribute(context));
        pass.count("scheduled", 1);
    }
    Ok(())
}
