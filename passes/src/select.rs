//! Which ops a pass is about: functions, their kforge ops, and those that the
//! option `op` names.

use kforge_dialect::{attributes, diagnostics, ir, pass::Failed, schedule::Unfit};
use melior::ir::{BlockLike, OperationRef, RegionLike, operation::OperationLike};

/// The functions of a module that have a body.
pub fn functions<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    ops_of(module)
        .into_iter()
        .filter(|op| ir::name(*op) == "func.func" && !ops_of(*op).is_empty())
        .collect()
}

/// The operations in the first block of an op's first region.
pub fn ops_of<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let first = op.region(0).ok().and_then(|region| region.first_block());
    std::iter::successors(first.and_then(|block| block.first_operation()), |op| {
        op.next_in_block()
    })
    .collect()
}

/// The kforge ops of a function, nested ones included, in program order.
pub fn kforge_ops<'c, 'a>(function: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut found = Vec::new();
    collect(function, &mut found);
    found
}

fn collect<'c, 'a>(op: OperationRef<'c, 'a>, found: &mut Vec<OperationRef<'c, 'a>>) {
    for region in op.regions() {
        let mut block = region.first_block();
        while let Some(current) = block {
            let mut next = current.first_operation();
            while let Some(op) = next {
                if ir::name(op).starts_with("kforge.") {
                    found.push(op);
                }
                collect(op, found);
                next = op.next_in_block();
            }
            block = current.next_in_region();
        }
    }
}

/// The `kforge.name` of an op.
pub fn name_of<'c>(op: OperationRef<'c, '_>) -> Option<&'c str> {
    op.attribute(attributes::NAME)
        .ok()
        .and_then(attributes::text)
}

/// The ops called `op_name` that the option `op` selects: those it names, joined
/// by `+`, or every op without a schedule when it is empty. A name that matches
/// no such op is an error that lists the names.
pub fn selected<'c, 'a>(
    module: OperationRef<'c, 'a>,
    op_names: &[&str],
    option: &str,
    pass: &str,
) -> Result<Vec<OperationRef<'c, 'a>>, Failed> {
    let candidates: Vec<_> = functions(module)
        .into_iter()
        .flat_map(kforge_ops)
        .filter(|op| op_names.contains(&ir::name(*op)))
        .collect();
    if option.is_empty() {
        return Ok(candidates
            .into_iter()
            .filter(|op| !op.has_attribute(attributes::SCHEDULE))
            .collect());
    }
    for wanted in option.split('+') {
        if !candidates.iter().any(|op| name_of(*op) == Some(wanted)) {
            let names: Vec<&str> = candidates.iter().filter_map(|op| name_of(*op)).collect();
            let known = if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            };
            diagnostics::error(
                module.location(),
                &format!(
                    "{pass}: op '{wanted}' names no {}; named are: {known}",
                    op_names.join(" or ")
                ),
            );
            return Err(Failed);
        }
    }
    let wanted: Vec<&str> = option.split('+').collect();
    Ok(candidates
        .into_iter()
        .filter(|op| name_of(*op).is_some_and(|name| wanted.contains(&name)))
        .collect())
}

/// Reports every relation a schedule breaks as one error at the op.
pub fn report_unfit(op: OperationRef, fit: Result<(), Vec<Unfit>>) -> Result<(), Failed> {
    fit.map_err(|unfit| {
        let reasons: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        diagnostics::op_error(op, &reasons.join("; "));
        Failed
    })
}

/// The kernels of a lowered module.
pub fn kernels<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    ops_of(module)
        .into_iter()
        .filter(|op| ir::name(*op) == "gpu.module")
        .flat_map(ops_of)
        .filter(|op| ir::name(*op) == "gpu.func")
        .collect()
}
