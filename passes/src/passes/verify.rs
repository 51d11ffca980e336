//! `kforge-verify`: runs the lowered module on its device against the oracle.
//!
//! Before:
//! ```mlir
//! module attributes {kforge.reference = "..."} { gpu.module @kernels {...} func.func @f {...} }
//! ```
//! After:
//! ```mlir
//! module attributes {kforge.reference = "...", kforge.verified = {levels = "L0+L1+L2", device = "...", ...}} {...}
//! ```
//! Requires: `kforge.reference` (kforge-keep-reference at the start of the
//! pipeline), a lowered module, and the device it was compiled for.
//! Ensures: `kforge.verified` stands only on a module whose kernels, each and
//! together, agreed with the reference within the derived bounds. Anything else
//! fails the pass at the op the wrong stage came from.
//! Does nothing when: never.
//! Limits: levels 2 and 3, which is also tried with cases=full; a timeout refuses.

use kforge_dialect::{
    attributes,
    device::Device as Target,
    diagnostics, ir,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun, StatisticDef},
};
use kforge_lowering::serialize;
use kforge_runtime::DeviceChoice;
use kforge_verify::{Failure, Options, Verdict};
use melior::{
    Context,
    ir::{
        Attribute, Identifier, Location, OperationRef,
        attribute::{DictionaryAttribute, IntegerAttribute, StringAttribute},
        operation::OperationLike,
        r#type::IntegerType,
    },
};

use crate::{report, select, verify};

pub const PASS: PassDef = PassDef {
    argument: "kforge-verify",
    name: "Verify",
    summary: "run the kernels on the device against the oracle; fail when they are wrong",
    options: &[
        OptionDef {
            name: "cases",
            description: "how many kinds of input values are tried",
            kind: OptionKind::Choice(&["quick", "full"]),
        },
        OptionDef {
            name: "level",
            description: "the level that must hold: 2, numeric on the device; 3, also exact as algebra",
            kind: OptionKind::Integer(2),
        },
        OptionDef {
            name: "seed",
            description: "changes the random inputs",
            kind: OptionKind::Integer(0),
        },
        OptionDef {
            name: "timeout-ms",
            description: "deadline of one submission",
            kind: OptionKind::Integer(60_000),
        },
        OptionDef {
            name: "device",
            description: "adapter to run on: auto, vulkan, metal, dx12 or gl",
            kind: OptionKind::Text("auto"),
        },
        OptionDef {
            name: "atol",
            description: "absolute tolerance; it only tightens the derived bound",
            kind: OptionKind::Text(""),
        },
        OptionDef {
            name: "rtol",
            description: "relative tolerance; it only tightens the derived bound",
            kind: OptionKind::Text(""),
        },
        OptionDef {
            name: "report",
            description: "file for the verdict as JSON; empty: none is written",
            kind: OptionKind::Text(""),
        },
    ],
    statistics: &[StatisticDef {
        name: "comparisons",
        description: "comparisons that agreed",
    }],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let location = module.location();
    let fail = |message: String| {
        diagnostics::error(location, &format!("{}: {message}", pass.argument()));
        Failed
    };
    ir::remove_attribute(module, attributes::VERIFIED);
    if !module.has_attribute(attributes::REFERENCE) {
        return Err(fail(format!(
            "the module has no '{}'; begin the pipeline with kforge-keep-reference",
            attributes::REFERENCE
        )));
    }
    let options = options(pass).map_err(&fail)?;
    let choice: DeviceChoice = pass
        .text("device")
        .parse()
        .map_err(|error| fail(format!("{error}")))?;
    let serialized =
        serialize::package(module, &serialize::Options::default()).map_err(|error| {
            error.emit(context, location);
            Failed
        })?;
    let device = verify::open_device(module, choice).map_err(|error| fail(error.to_string()))?;
    let verdicts = verify::verify(&Target::of(module), &serialized, &device, &options)
        .map_err(|error| fail(error.to_string()))?;
    let path = pass.text("report");
    if !path.is_empty() {
        report::write_json(path.as_ref(), &verdicts)
            .map_err(|error| fail(format!("cannot write report '{path}': {error}")))?;
    }
    for (entry, verdict) in &verdicts {
        for failure in &verdict.failures {
            refuse(module, location, entry, failure);
        }
        if !verdict.passed {
            return Err(Failed);
        }
        diagnostics::remark(location, &format!("'{entry}' {}", verdict.summary()));
        for unit in &verdict.own_shape_only {
            let (stage, because) = (&unit.stage, &unit.because);
            let message =
                format!("stage '{stage}' of '{entry}': shape: own only, because {because}");
            diagnostics::remark(kernel_location(module, stage, location), &message);
        }
        for line in verdict.l2_only() {
            diagnostics::remark(location, &format!("'{entry}' {line}"));
        }
        for open in &verdict.not_exact {
            let (stage, because) = (&open.stage, &open.because);
            let message = format!("stage '{stage}' of '{entry}': no L3, because {because}");
            diagnostics::remark(kernel_location(module, stage, location), &message);
        }
        pass.count("comparisons", verdict.checks.len() as u64);
    }
    if let Some(evidence) = evidence(context, &verdicts) {
        ir::set_attribute(module, attributes::VERIFIED, evidence);
    }
    Ok(())
}

fn options(pass: &PassRun) -> Result<Options, String> {
    let level = pass.integer("level");
    if !(2..=3).contains(&level) {
        return Err(format!(
            "level {level} is not available; levels 2 and 3 are"
        ));
    }
    let tolerance = |name: &str| -> Result<Option<f64>, String> {
        let text = pass.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() && *value >= 0.0);
        value
            .map(Some)
            .ok_or_else(|| format!("{name} is '{text}', expected a number of at least 0"))
    };
    let timeout = pass.integer("timeout-ms");
    Ok(Options {
        cases: match pass.choice("cases") {
            "full" => kforge_oracle::Level::Full,
            _ => kforge_oracle::Level::Quick,
        },
        level: level as u8,
        seed: pass.integer("seed") as u64,
        timeout_ms: u64::try_from(timeout)
            .ok()
            .filter(|timeout| *timeout > 0)
            .ok_or_else(|| format!("timeout-ms is {timeout}, expected at least 1"))?,
        atol: tolerance("atol")?,
        rtol: tolerance("rtol")?,
        ..Options::default()
    })
}

/// Where the op of a stage's kernel stands.
fn kernel_location<'c>(
    module: OperationRef<'c, '_>,
    stage: &str,
    fallback: Location<'c>,
) -> Location<'c> {
    select::kernels(module)
        .into_iter()
        .find(|kernel| select::name_of(*kernel) == Some(stage))
        .map_or(fallback, |kernel| kernel.location())
}

/// One error per refused stage, at the op the stage came from.
fn refuse(module: OperationRef, fallback: Location, entry: &str, failure: &Failure) {
    let location = kernel_location(module, &failure.stage, fallback);
    let knobs = if failure.knobs.is_empty() {
        String::new()
    } else {
        format!(" [knobs: {}]", failure.knobs)
    };
    let values = failure
        .values
        .as_deref()
        .map_or_else(String::new, |values| format!(", {values} values"));
    let message = format!(
        "verification refused stage '{}' of '{entry}' ({:?}{values}): {}{knobs}",
        failure.stage, failure.reason, failure.detail
    );
    diagnostics::error(location, &message);
}

fn evidence<'c>(context: &'c Context, verdicts: &[(String, Verdict)]) -> Option<Attribute<'c>> {
    let (_, first) = verdicts.first()?;
    let text = |text: &str| Attribute::from(StringAttribute::new(context, text));
    let integer = |value: u64| {
        Attribute::from(IntegerAttribute::new(
            IntegerType::new(context, 64).into(),
            value as i64,
        ))
    };
    let checks: usize = verdicts
        .iter()
        .map(|(_, verdict)| verdict.checks.len())
        .sum();
    let worst = verdicts
        .iter()
        .map(|(_, verdict)| verdict.worst_ratio)
        .fold(0.0, f64::max);
    let entries = [
        ("levels", text(&first.levels.join("+"))),
        ("device", text(&first.device)),
        ("driver", text(&first.driver)),
        ("comparisons", integer(checks as u64)),
        ("seed", integer(first.seed)),
        ("worst-error-per-bound", text(&format!("{worst:.4}"))),
    ];
    let entries: Vec<(Identifier, Attribute)> = entries
        .into_iter()
        .map(|(key, value)| (Identifier::new(context, key), value))
        .collect();
    Some(DictionaryAttribute::new(context, &entries).into())
}
