//! Mutants of the gate: with each fault in, a known wrong package must pass, or a known
//! right one must be refused. Then the check that the fault switches off is needed, and
//! whoever breaks it is told by these packages.

mod counter;
mod packages;

use kforge_oracle::{Level, generate, standard_cases};
use kforge_runtime::{
    Device, ExecOptions, Package,
    execute::Repeats,
    manifest::{Access, Step},
};
use kforge_verify::{Fault, Faults, Options, Runnable, Subject, Timer, Variant, verify};

use crate::{
    kind::{Kind, Place},
    outcome::{Fate, Judged, Kill},
};
use packages::{SUM, TWICE, norm, package, two_wrongs};

/// A fault, and what shows it.
pub struct Sentinel {
    /// What it is called.
    pub kind: Kind,
    fault: Fault,
    /// Whether the gate accepts it.
    accepts: fn(&Device, &Options) -> Result<bool, String>,
    /// What the gate must do without the fault.
    right: bool,
}

const fn wrong(
    name: &'static str,
    what: &'static str,
    fault: Fault,
    accepts: fn(&Device, &Options) -> Result<bool, String>,
) -> Sentinel {
    Sentinel {
        kind: Kind::mutant(Place::Verifier, name, what),
        fault,
        accepts,
        right: false,
    }
}

/// Every fault of the gate.
pub static SENTINELS: &[Sentinel] = &[
    wrong(
        "nan_passes",
        "NaN compares as equal",
        Fault::NanPasses,
        |device, options| {
            let nan = "(b[i] - b[i]) / (a[i] - a[i])";
            sum(
                device,
                options,
                "a[i] + b[i]",
                &format!("a[i] + b[i] + select(0.0, {nan}, i == 3u)"),
            )
        },
    ),
    wrong(
        "last_row_skipped",
        "the last row is not compared",
        Fault::LastRowSkipped,
        |device, options| twice(device, options, "s[i] + s[i]", "s[i] + s[i] + 1.0"),
    ),
    wrong(
        "norm_only",
        "outputs are compared by one norm",
        Fault::NormOnly,
        |device, options| {
            let one = "s[i] + s[i] + select(0.0, 0.001 * s[i], i == 3u)";
            twice(device, options, "s[i] + s[i]", one)
        },
    ),
    wrong(
        "bound_times_1000",
        "bounds are a thousand times as large",
        Fault::BoundTimes1000,
        |device, options| {
            accepted(
                device,
                options,
                &norm("* scale;", "* scale * 1.0001;", 1e-5),
            )
        },
    ),
    Sentinel {
        right: true,
        ..wrong(
            "bound_by_a_million",
            "bounds are too small by far",
            Fault::BoundByAMillion,
            |device, options| accepted(device, options, &package(SUM, TWICE)),
        )
    },
    // Indices that data decides, out of the reach of the static proof.
    wrong(
        "poison_off",
        "what lies behind the inputs is the same in both runs",
        Fault::PoisonOff,
        |device, options| {
            let padding = "a[i] + b[i] + select(0.0, 1.0, a[i + 100u + u32(a[0] * 0.0)] > 1e29)";
            sum(device, options, "a[i] + b[i]", padding)
        },
    ),
    wrong(
        "guards_ignored",
        "changed guards are ignored",
        Fault::GuardsIgnored,
        |device, options| {
            sum(
                device,
                options,
                "s[i] = a[i] + b[i]",
                "s[i] = a[i] + b[i]; s[108u + u32(a[0] * 0.0)] = 1.0",
            )
        },
    ),
    wrong(
        "differences_ignored",
        "two runs need not agree",
        Fault::DifferencesIgnored,
        |device, options| {
            let padding = "a[i] + b[i] + select(0.0, 1.0, a[i + 100u + u32(a[0] * 0.0)] > 1e29)";
            sum(device, options, "a[i] + b[i]", padding)
        },
    ),
    wrong(
        "one_kind_of_values",
        "only the first kind of values is tried",
        Fault::OneKindOfValues,
        |device, options| {
            let low = "a[i] + b[i] + select(0.0, 1e3, a[i] < -5e3)";
            sum(device, options, "a[i] + b[i]", low)
        },
    ),
    wrong(
        "seed_fixed",
        "the seed does not reach the inputs",
        Fault::SeedFixed,
        special_case,
    ),
    wrong(
        "programs_ignored",
        "the reference is not compared with the kernels' programs",
        Fault::ProgramsIgnored,
        |device, options| accepted(device, options, &norm("", "", 1.01e-5)),
    ),
    wrong(
        "units_ignored",
        "stages are not run alone",
        Fault::UnitsIgnored,
        |device, options| accepted(device, options, &two_wrongs()),
    ),
    wrong(
        "one_shape",
        "other shapes are not tried",
        Fault::OneShape,
        |device, options| {
            let right = package(SUM, TWICE);
            let mut subject = Subject::of_package(&right, "main").map_err(|it| it.to_string())?;
            let other = package(&SUM.replace("a[i] + b[i]", "a[i] - b[i]"), TWICE);
            let other = Subject::of_package(&other, "main").map_err(|it| it.to_string())?;
            subject.variants = other
                .units
                .into_iter()
                .take(1)
                .map(at_other_shape)
                .collect();
            Ok(verify(&subject, device, &ExecOptions::default(), options).passed)
        },
    ),
    wrong(
        "overwrites_ignored",
        "arguments may be overwritten",
        Fault::OverwritesIgnored,
        |device, options| {
            let writes = SUM.replace("<storage, read> a", "<storage, read_write> a");
            let mut package = package(&writes, TWICE);
            if let Some(kernel) = package.manifest.kernels.get_mut("sum") {
                kernel.bindings[0].access = Access::ReadWrite;
            }
            let mut subject = Subject::of_package(&package, "main").map_err(|it| it.to_string())?;
            subject.units.clear();
            Ok(verify(&subject, device, &ExecOptions::default(), options).passed)
        },
    ),
    wrong(
        "launch_failure_ignored",
        "a launch that fails is a success",
        Fault::LaunchFailureIgnored,
        |device, options| accepted(device, options, &package("fn broken(", TWICE)),
    ),
    wrong(
        "repeats_skipped",
        "the first inputs do not come back",
        Fault::RepeatsSkipped,
        |device, options| {
            // Right once for every case: only the first one's inputs, again, show it.
            let cases = standard_cases(Level::Quick).len();
            let subject = counter::subject(cases as u32)?;
            Ok(verify(&subject, device, &ExecOptions::default(), options).passed)
        },
    ),
    wrong(
        "timed_runs_unchecked",
        "outputs of timed runs are not compared",
        Fault::TimedRunsUnchecked,
        |device, options| {
            let (exec, subject) = (ExecOptions::default(), counter::subject(12)?);
            let healthy = Options {
                faults: Faults::default(),
                ..options.clone()
            };
            let verdict = verify(&subject, device, &exec, &healthy);
            let timer = Timer::new(&subject, &verdict, device, &exec, options);
            let mut timer = timer.map_err(|it| it.detail)?;
            Ok(timer.time(Repeats::exactly(40)).is_ok())
        },
    ),
    wrong(
        "verdict_reused",
        "a verdict of another driver is enough",
        Fault::VerdictReused,
        |device, options| {
            let (exec, right) = (ExecOptions::default(), package(SUM, TWICE));
            let subject = Subject::of_package(&right, "main").map_err(|it| it.to_string())?;
            let healthy = Options {
                faults: Faults::default(),
                ..options.clone()
            };
            let mut verdict = verify(&subject, device, &exec, &healthy);
            verdict.driver.push_str(" of another machine");
            Ok(Timer::new(&subject, &verdict, device, &exec, options).is_ok())
        },
    ),
];

/// Every fault in turn; the gate without it must get the sentinel right.
pub fn judge_all(device: &Device, options: &Options) -> Vec<(String, Judged)> {
    SENTINELS
        .iter()
        .map(|sentinel| {
            let start = std::time::Instant::now();
            let fate = judge(sentinel, device, options);
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let judged = Judged {
                fate,
                stages: Default::default(),
                ms,
            };
            (sentinel.kind.name.to_owned(), judged)
        })
        .collect()
}

fn judge(sentinel: &Sentinel, device: &Device, options: &Options) -> Fate {
    // Another seed than a planner could have been told.
    let options = Options {
        seed: options.seed.wrapping_add(77),
        ..options.clone()
    };
    let faulty = Options {
        faults: Faults::one(sentinel.fault),
        ..options.clone()
    };
    let not_built = |because: String| Fate::NotBuilt { because };
    let healthy = match (sentinel.accepts)(device, &options) {
        Ok(healthy) => healthy,
        Err(why) => return not_built(why),
    };
    if healthy != sentinel.right {
        let done = if healthy { "accepts" } else { "refuses" };
        return not_built(format!("the gate without the fault {done} the sentinel"));
    }
    match (sentinel.accepts)(device, &faulty) {
        Ok(accepted) if accepted != healthy => {
            let detail = match sentinel.right {
                true => "a right package is refused",
                false => "a wrong package is accepted",
            };
            Fate::Refused(Kill::plain("Sentinel", detail))
        }
        Ok(_) => Fate::ACCEPTED,
        Err(why) => not_built(why),
    }
}

fn accepted(device: &Device, options: &Options, package: &Package) -> Result<bool, String> {
    let subject = Subject::of_package(package, "main").map_err(|error| error.to_string())?;
    Ok(verify(&subject, device, &ExecOptions::default(), options).passed)
}

fn sum(device: &Device, options: &Options, from: &str, to: &str) -> Result<bool, String> {
    accepted(device, options, &package(&SUM.replace(from, to), TWICE))
}

/// A change of the second stage's last row; a vector is one row.
fn twice(device: &Device, options: &Options, from: &str, to: &str) -> Result<bool, String> {
    accepted(device, options, &package(SUM, &TWICE.replace(from, to)))
}

fn at_other_shape(unit: Runnable) -> Variant {
    let stage = format!("{} at another shape", unit.stage);
    Variant {
        unit: Runnable { stage, ..unit },
        of: Vec::new(),
    }
}

/// A kernel that is right for the inputs of seed 0 alone.
fn special_case(device: &Device, options: &Options) -> Result<bool, String> {
    let right = package(SUM, TWICE);
    let subject = Subject::of_package(&right, "main").map_err(|error| error.to_string())?;
    let mut known = Vec::new();
    for runnable in [&subject.units[0], &subject.function] {
        for (values, salt) in kforge_oracle::standard_cases(options.cases) {
            let inputs = generate(&runnable.program, values, salt).map_err(|it| it.to_string())?;
            known.push(inputs[0].value[1]);
        }
    }
    let tests: Vec<String> = known
        .iter()
        .map(|value| format!("bitcast<u32>(a[1]) == {}u", (*value as f32).to_bits()))
        .collect();
    let other = format!("a[i] + b[i] + select(1.0, 0.0, {})", tests.join(" || "));
    sum(device, options, "a[i] + b[i]", &other)
}

/// The launches of the one entry.
fn steps(package: &mut Package) -> Option<&mut Vec<Step>> {
    let entry = package.manifest.entries.get_mut("main");
    entry.map(|entry| &mut entry.steps)
}
