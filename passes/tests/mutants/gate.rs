//! The real gate on an edited module.

use std::sync::OnceLock;

use kforge_dialect::device::{Device as Target, Target as Kind};
use kforge_lowering::serialize::{self, Options};
use kforge_passes::verify;
use kforge_runtime::{Device, DeviceChoice};
use kforge_verify::{Failure, Reason, Scope};
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
    let as_expected = match (&outcome, expected) {
        (Outcome::Passed, Expected::Pass) => true,
        (Outcome::Refused(failure), Expected::Refuse(reasons)) => reasons.contains(&failure.reason),
        (Outcome::Before(error), Expected::Before(words)) => error.contains(words),
        _ => false,
    };
    println!("    {outcome:?}");
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
