//! Level L3: a unit's kernels and its program are equal as exact algebra.
//!
//! The WGSL of every launch is interpreted over the fields of the oracle (`oracle/src/field`)
//! on drawn inputs, and each element of each output must have the residue that the program
//! gives: no tolerance. What the rules do not decide is never a refusal: no L3 then, with the
//! reason. Two draws per shape; further ones, at most six in all, where roots or ties leave
//! elements open.
//!
//! Kernels of the compiler's own also must not ask a sine or cosine for more than WGSL promises.
//!
//! Does nothing for native code. Limits: [`QUICK_OPERATIONS`] and [`FULL_OPERATIONS`] of the
//! interpreter per unit and shape.

mod compare;
mod memory;

use kforge_oracle::{
    Field, FieldTensor, Level, error_bound, evaluate_in_field, field_inputs, field_work,
};
use kforge_runtime::manifest::{Access, Entry, Kernel, Step, Symbols};

use crate::{
    interpret::{Launch, Seen, Stop, launch},
    subject::Runnable,
};
use compare::{Compared, compare};
use memory::Memory;

/// Operations of the interpreter per unit and shape with quick cases.
pub const QUICK_OPERATIONS: u64 = 1 << 24;
/// The same with all cases.
pub const FULL_OPERATIONS: u64 = 1 << 26;
/// Operations that a multiply-add or an element takes at least.
const LEAST_OPERATIONS: u64 = 4;
/// Draws in which every element is to agree.
const DRAWS: usize = 2;
/// Draws after which elements that none has decided stay open.
const MOST_DRAWS: usize = 6;

/// What exact algebra says of a unit at one shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Algebra {
    /// Every element agreed in every draw.
    Equal(Agreement),
    /// It is wrong, and where.
    Refused(String),
    /// Nothing is said, because.
    Open(String),
    /// Nothing is said, because its kernels at this shape take too long.
    TooLarge(String),
}

/// The evidence of equality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Draws.
    pub draws: usize,
    /// Degree bound of the difference of any element.
    pub degree: u64,
    /// Operations of the interpreter.
    pub operations: u64,
    /// Logarithm to base two of the probability that a wrong element agrees.
    pub log2_error: f64,
}

/// Operations allowed per unit and shape.
pub fn operations(cases: Level) -> u64 {
    match cases {
        Level::Quick => QUICK_OPERATIONS,
        Level::Full => FULL_OPERATIONS,
    }
}

/// Compares a unit's kernels with its program.
pub fn check(unit: &Runnable, seed: u64, limit: u64) -> Algebra {
    let manifest = &unit.package.manifest;
    let Some(entry) = manifest.entries.get(&unit.entry) else {
        return Algebra::Open(format!("there is no entry '{}'", unit.entry));
    };
    let kernels = entry
        .steps
        .iter()
        .map(|Step::Dispatch(dispatch)| &dispatch.kernel);
    let native = |name: &String| manifest.kernels.get(name).is_some_and(Kernel::is_native);
    if kernels.clone().any(native) {
        return Algebra::Open("native code is not interpreted".into());
    }
    // Every product and every element costs a kernel some loads and index arithmetic.
    let least = field_work(&unit.program).saturating_mul(LEAST_OPERATIONS);
    if least > limit {
        return too_much(least, limit);
    }
    let symbols = match manifest.bind_symbols(&Symbols::new()) {
        Ok(symbols) => symbols,
        Err(error) => return Algebra::Open(error.to_string()),
    };
    let mut all = Agreement {
        draws: 0,
        degree: 0,
        operations: 0,
        log2_error: 0.0,
    };
    let (mut agreed, mut doubled) = (Compared::default(), None);
    for draw in 0..MOST_DRAWS {
        match one_draw(unit, entry, &symbols, seed.wrapping_add(draw as u64), limit) {
            Ok((seen, compared)) => {
                all.operations += seen.operations;
                doubled = doubled.or(seen.doubled);
                all.draws += usize::from(!compared.tied);
                agreed.join(&compared);
            }
            Err(stopped) => return stopped,
        }
        if all.draws >= DRAWS && agreed.open.is_empty() {
            all.degree = agreed.degree;
            all.log2_error = error_bound(agreed.degree, DRAWS);
            return doubled.map_or(Algebra::Equal(all), Algebra::Open);
        }
    }
    Algebra::Open(match agreed.open.first() {
        None => "comparisons of floats were too close to call in every draw".into(),
        Some(element) => format!(
            "output {}: element {:?} differs only where a root does not exist or exp was taken of exp",
            element.0, element.1
        ),
    })
}

fn too_much(operations: u64, limit: u64) -> Algebra {
    Algebra::TooLarge(format!(
        "its kernels at this shape take more than {operations} operations, limit {limit}"
    ))
}

/// One draw: what the interpreter saw and what was compared; `Err` ends the check.
fn one_draw(
    unit: &Runnable,
    entry: &Entry,
    symbols: &Symbols,
    seed: u64,
    limit: u64,
) -> Result<(Seen, Compared), Algebra> {
    let open = |error: &dyn std::fmt::Display| Algebra::Open(error.to_string());
    let field = Field::new(&unit.program, seed);
    let inputs = field_inputs(&unit.program, &field, seed).map_err(|error| open(&error))?;
    let expected: Vec<FieldTensor> =
        evaluate_in_field(&unit.program, &field, &inputs).map_err(|error| open(&error))?;
    field.listen();
    let mut memory = Memory::new(unit, symbols, &field, &inputs).map_err(Algebra::Open)?;
    let seen = run(unit, entry, symbols, &field, &mut memory, limit)?;
    if let Some(angle) = field.turned_too_far()
        && !unit.foreign
    {
        return Err(Algebra::Refused(format!(
            "a kernel takes the sine or cosine of {angle:.2}, and WGSL promises nothing outside [-π, π]"
        )));
    }
    let compared = compare(entry, &field, &memory, &expected, seen.beyond.as_deref())?;
    Ok((seen, compared))
}

/// Runs the launches in order.
fn run(
    unit: &Runnable,
    entry: &Entry,
    symbols: &Symbols,
    field: &Field,
    memory: &mut Memory,
    limit: u64,
) -> Result<Seen, Algebra> {
    let manifest = &unit.package.manifest;
    let open = |what: String| Algebra::Open(what);
    let mut all = Seen::default();
    for Step::Dispatch(dispatch) in &entry.steps {
        let name = &dispatch.kernel;
        let kernel = manifest.kernels.get(name);
        let (Some(kernel), Some(wgsl)) = (kernel, unit.package.wgsl(name)) else {
            return Err(open(format!(
                "kernel '{}' has no WGSL",
                name.escape_default()
            )));
        };
        let mut workgroups = [0; 3];
        for (count, expression) in workgroups.iter_mut().zip(&dispatch.workgroups) {
            let value = expression
                .evaluate(symbols)
                .map_err(|error| open(error.to_string()))?;
            *count = u32::try_from(value).map_err(|_| open(format!("{value} workgroups")))?;
        }
        let mut bindings = Vec::new();
        let places = (0..kernel.bindings.len()).map(|index| kernel.abi.place(index));
        for (argument, binding) in dispatch.args.iter().zip(&kernel.bindings) {
            let offset = argument
                .byte_offset
                .evaluate(symbols)
                .map_err(|error| open(error.to_string()))?;
            bindings.push((
                argument.buffer.0 as usize,
                offset,
                binding.access != Access::Read,
            ));
        }
        let subgroup = kernel.requires.limits.subgroup_size;
        let launched = Launch {
            wgsl,
            entry_point: &kernel.entry_point,
            workgroups,
            bindings,
            places: places.collect(),
            uniform: kernel.abi.uniform,
            immediates: memory::immediates(dispatch, symbols, field).map_err(open)?,
            subgroup: (subgroup > 0).then_some(subgroup),
        };
        let left = limit.saturating_sub(all.operations);
        match launch(field, &launched, &mut memory.buffers, left) {
            Ok(seen) => {
                all.operations += seen.operations;
                all.beyond = all.beyond.or(seen.beyond);
                all.doubled = all.doubled.or(seen.doubled);
            }
            Err(Stop::TooMuch) => return Err(too_much(limit, limit)),
            Err(Stop::Unsupported(what)) => return Err(open(what)),
            // A branch on the real values that was too close to call decides nothing.
            Err(Stop::Refused(what)) if field.is_tied() => return Err(open(what)),
            Err(Stop::Refused(what)) => {
                return Err(Algebra::Refused(format!(
                    "kernel '{}': {what}",
                    kernel.entry_point
                )));
            }
        }
    }
    Ok(all)
}
