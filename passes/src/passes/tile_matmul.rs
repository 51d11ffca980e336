//! `kforge-tile-matmul`: gives matmuls their schedule.
//!
//! Before:
//! ```mlir
//! %y = kforge.matmul %a, %b {kforge.name = "q"} : ...
//! ```
//! After `kforge-tile-matmul{op=q tile-m=32}`:
//! ```mlir
//! %y = kforge.matmul %a, %b {kforge.name = "q", kforge.schedule = {"tile-m" = 32, ...}} : ...
//! ```
//! Requires: static shapes.
//! Ensures: each selected `kforge.matmul` has a schedule that fits the attached
//! device: all knobs, checked against each other, the workgroup memory, the
//! invocations and the registers. Tiles need not divide the problem.
//! Does nothing when: `op` is empty and every matmul has a schedule.
//! Limits: those of the device; 256 accumulators per invocation; 5 stages.

use kforge_dialect::{
    Matmul, attributes,
    device::Device,
    diagnostics, ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
    schedule::{MatmulProblem, MatmulSchedule},
};
use melior::{Context, ir::OperationRef};

use crate::select;

pub const PASS: PassDef = PassDef {
    argument: "kforge-tile-matmul",
    name: "TileMatmul",
    summary: "choose tiles, vectors and stages of matmul kernels",
    options: MatmulSchedule::OPTIONS,
    statistics: &[StatisticDef {
        name: "scheduled",
        description: "matmuls that got a schedule",
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
    let ops = select::selected(module, &[Matmul::NAME], &pass.text("op"), pass.argument())?;
    let schedule = MatmulSchedule::read(|knob| Some(pass.integer(knob))).ok_or(Failed)?;
    for op in ops {
        let problem = Matmul::cast(op)
            .and_then(|op| op.signature())
            .and_then(|signature| MatmulProblem::of(&signature))
            .ok_or_else(|| {
                diagnostics::op_error(op, "has a dynamic dimension, which no schedule covers yet");
                Failed
            })?;
        select::report_unfit(op, schedule.check(&problem, &device))?;
        ir::set_attribute(op, attributes::SCHEDULE, schedule.to_attribute(context));
        pass.count("scheduled", 1);
    }
    Ok(())
}
