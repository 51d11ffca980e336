//! The real gate on an edited module.

use std::sync::OnceLock;

use kforge_dialect::device::{Device as Target, Target as Kind};
use kforge_lowering::serialize::{self, Options};
use kforge_passes::verify;
use kforge_runtime::{Device, DeviceChoice};
use kforge_verify::{
    Failure, Reason, Scope, Subject,
    algebra::{self, Algebra},
};
use melior::ir::{Module, operation::OperationLike};

use crate::ir::{Ir, context};

/// What became of a module.
#[derive(Debug)]
pub enum Outcome {
    /// It may be used.
    Passed,
    /// The gate ran it, or compared its programs, and refused.
    Refused(Failure),
    /// No package or no programs: refused before the device.
    Before(String),
}

/// The device a module is for, opened once.
fn device(target: &Target) -> &'static Device {
    static GPU: OnceLock<Device> = OnceLock::new();
    static CPU: OnceLock<Device> = OnceLock::new();
    match target.target {
        Kind::Gpu => GPU.get_or_init(|| {
            Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
        }),
        Kind::Cpu => CPU.get_or_init(|| Device::open(DeviceChoice::Cpu).expect("a CPU")),
    }
}

/// What exact algebra says of the units at their own shape, the first that is not equal;
/// `None` where there is no package of WGSL kernels.
pub fn algebra(text: &str) -> Option<Algebra> {
    let context = context();
    let module = Module::parse(&context, text)?;
    let module = module.as_operation();
    let serialized = serialize::package(module, &Options::default()).ok()?;
    let package = &serialized.package;
    let mut last = None;
    for entry in package.manifest.entries.keys() {
        let subject = Subject::of_package(package, entry).ok()?;
        for unit in &subject.units {
            let found = algebra::check(unit, 7, algebra::FULL_OPERATIONS);
            if !matches!(found, Algebra::Equal(_)) {
                return Some(found);
            }
            last = Some(found);
        }
    }
    last
}

/// Runs the gate on a module's text.
pub fn judge(text: &str) -> Outcome {
    let context = context();
    let module = Module::parse(&context, text).expect("the mutant parses");
    let module = module.as_operation();
    assert!(module.verify(), "the mutant is valid IR");
    let serialized = match serialize::package(module, &Options::default()) {
        Ok(serialized) => serialized,
        Err(error) => return Outcome::Before(error.to_string()),
    };
    let target = Target::of(module);
    let verdicts = verify::verify(
        &target,
        &serialized,
        device(&target),
        &kforge_verify::Options::default(),
    );
    match verdicts {
        Err(error) => Outcome::Before(error.to_string()),
        Ok(verdicts) => {
            assert!(!verdicts.is_empty());
            // What passes has been tried at other shapes too, or is said not to be.
            for (_, verdict) in verdicts.iter().filter(|(_, verdict)| verdict.passed) {
                let mut checks = verdict.checks.iter();
                assert!(
                    checks.any(|check| check.scope == Scope::Shape)
                        || !verdict.own_shape_only.is_empty()
                );
            }
            let failure = verdicts.into_iter().find_map(|(_, verdict)| {
                assert_eq!(
                    verdict.passed,
                    verdict.failures.is_empty(),
                    "{}",
                    verdict.summary()
                );
                verdict.failures.into_iter().next()
            });
            failure.map_or(Outcome::Passed, Outcome::Refused)
        }
    }
}

/// Refused before anything runs: out of bounds, a race, a barrier of some.
pub const STATIC: &[Reason] = &[Reason::Static];

/// Wrong kernels that algebra alone accepts or leaves open, and why.
const BEYOND_ALGEBRA: &[(&str, &str)] = &[
    // Equal as functions of real numbers; rounding alone tells.
    (
        "the maximum starts at 0",
        "any shift gives the same softmax",
    ),
    ("no maximum subtracted", "any shift gives the same softmax"),
    ("the maximum of a part", "any shift gives the same softmax"),
    (
        "the mean of squares less the square of the mean",
        "the same variance",
    ),
    // A branch that no draw takes.
    ("clamp at 1e4", "no result is that large"),
    // Left open, never accepted as level 3.
    ("to 11 bits", "bits of floats are not interpreted"),
    ("has 11 bits", "bits of floats are not interpreted"),
    (
        "positions per head for those per batch",
        "integers from beyond the end",
    ),
    (
        "what is not rotated is scaled",
        "1.0001 may be a product of constants",
    ),
    // What is read beyond the end is never used.
    ("no clamp, masks kept", "the function is the same"),
    // The unit is right, the function uses it wrongly.
    (
        "output is the residual",
        "what is returned is no kernel's business",
    ),
    (
        "the result overwrites an argument",
        "what is an argument is no kernel's business",
    ),
];

/// Level 3 by itself must refuse what the gate refuses in one unit's kernels, and nothing
/// that passes.
fn complaint_of_algebra(name: &str, outcome: &Outcome, alone: Option<&Algebra>) -> Option<String> {
    let beyond = BEYOND_ALGEBRA.iter().find(|(part, _)| name.contains(part));
    let refused = matches!(alone, Some(Algebra::Refused(_)));
    let native = matches!(alone, Some(Algebra::Open(why)) if why.contains("native"));
    match outcome {
        Outcome::Passed if refused => Some(format!("{name} passes, but {alone:?}")),
        Outcome::Refused(failure)
            if failure.reason != Reason::Program && !refused && !native && beyond.is_none() =>
        {
            Some(format!("{name} is refused, but by algebra alone {alone:?}"))
        }
        _ => None,
    }
}

/// What a mutant must come to.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// A control.
    Pass,
    /// Refused by the gate for one of these reasons.
    Refuse(&'static [Reason]),
    /// Refused before the device, in a sentence with these words.
    Before(&'static str),
}

/// Judges an edit of `lowered`; the complaint, if it is not as expected.
pub fn check(
    name: &str,
    lowered: &str,
    edit: impl FnOnce(&mut Ir),
    expected: Expected,
) -> Option<String> {
    println!("{name}:");
    let mut ir = Ir::new(lowered);
    edit(&mut ir);
    let text = ir.text();
    assert_ne!(text.trim(), lowered.trim(), "{name} is not applied");
    let outcome = judge(&text);
    let alone = algebra(&text);
    println!("    by algebra alone: {alone:?}");
    let as_expected = match (&outcome, expected) {
        (Outcome::Passed, Expected::Pass) => true,
        (Outcome::Refused(failure), Expected::Refuse(reasons)) => reasons.contains(&failure.reason),
        (Outcome::Before(error), Expected::Before(words)) => error.contains(words),
        _ => false,
    };
    println!("    {outcome:?}");
    if let Some(complaint) = complaint_of_algebra(name, &outcome, alone.as_ref()) {
        return Some(complaint);
    }
    (!as_expected).then(|| format!("{name}: {outcome:?}, expected {expected:?}"))
}

/// Judges every edit of `lowered`; fails unless each is refused for its reasons.
pub fn all_refused(what: &str, lowered: &str, mutants: &[(&str, &'static [Reason], Edit)]) {
    let complaints = mutants.iter().filter_map(|(name, reasons, edit)| {
        let name = format!("{what}: {name}");
        check(&name, lowered, edit, Expected::Refuse(reasons))
    });
    report(complaints.collect());
}

/// Changes one thing.
pub type Edit = fn(&mut Ir);

/// Fails with every complaint.
pub fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
