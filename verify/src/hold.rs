//! A device's outputs against what their program gives on the same inputs.

use std::{cell::OnceCell, sync::Arc};

use kforge_oracle::{
    Array, Comparison, EvalError, EvalOptions, Outcome, Plain, PlainComparison, Program, compare,
    compare_plain, is_smooth_half, is_vacuous, plain,
};
use kforge_runtime::HostTensor;

use crate::{
    Options, faulty,
    large::Large,
    refusal::Refusal,
    verdict::{self, Reason},
};

/// Multiply-adds up to which a plain half-precision kernel is emulated: a few seconds.
const PLAIN_MULTIPLY_ADDS: u64 = 1 << 28;

/// What one set of inputs must lead to.
pub(crate) struct Expected<'p> {
    program: &'p Program,
    seed: u64,
    reference: Reference,
    /// The plain kernel's results, made when a bound is vacuous.
    plain: OnceCell<Option<Plain>>,
}

enum Reference {
    Full(Arc<[Array]>),
    Sampled(Large),
}

/// One output, compared.
#[derive(Debug)]
pub(crate) struct Held {
    pub comparison: Comparison,
    /// Where a half-precision bound says nothing.
    pub plain: Option<PlainComparison>,
}

impl<'p> Expected<'p> {
    /// Evaluates the program, unless it is one large product.
    pub fn new(
        program: &'p Program,
        inputs: &[Array],
        seed: u64,
        options: &Options,
    ) -> Result<Self, Refusal> {
        let reference = match Large::of(program, options.full_multiply_adds) {
            Some(product) => Reference::Sampled(product),
            None => Reference::Full(options.references.evaluate(
                program,
                inputs,
                options.sin_cos,
            )?),
        };
        Ok(Self {
            program,
            seed,
            reference,
            plain: OnceCell::new(),
        })
    }

    /// Compares every output; `inputs` gives the inputs once more where they are needed.
    pub fn hold(
        &self,
        outputs: &[HostTensor],
        inputs: &dyn Fn() -> Result<Arc<[Array]>, Refusal>,
        options: &Options,
    ) -> Result<Vec<Held>, Refusal> {
        let faults = options.faults;
        if outputs.len() != self.program.outputs.len() {
            return Err(Refusal::failed(format!(
                "the package has {} outputs, the program {}",
                outputs.len(),
                self.program.outputs.len()
            )));
        }
        let references = match &self.reference {
            Reference::Sampled(product) => {
                let got = outputs[0].to_f64_vec();
                let comparison = product.check(&inputs()?, &got, self.seed, options)?;
                return Ok(vec![Held {
                    comparison,
                    plain: None,
                }]);
            }
            Reference::Full(references) => references,
        };
        let smooth = is_smooth_half(self.program);
        let mut held = Vec::new();
        for (index, (output, reference)) in outputs.iter().zip(references.iter()).enumerate() {
            let got = faulty::outputs(output.to_f64_vec(), reference, faults);
            let reference = &*faulty::reference(reference, faults);
            let comparison =
                compare(&got, reference, &options.tolerance()).map_err(Refusal::failed)?;
            let comparison = faulty::comparison(comparison, reference, faults);
            let plain = match smooth && is_vacuous(reference) {
                true => self
                    .yardstick(inputs)?
                    .and_then(|plain| compare_plain(&got, reference, plain, index)),
                false => None,
            };
            held.push(Held { comparison, plain });
        }
        Ok(held)
    }

    /// The program as a plain kernel computes it; `None` where that takes too long.
    fn yardstick(
        &self,
        inputs: &dyn Fn() -> Result<Arc<[Array]>, Refusal>,
    ) -> Result<Option<&Plain>, Refusal> {
        if self.plain.get().is_none() {
            let limits = EvalOptions {
                max_multiply_adds: PLAIN_MULTIPLY_ADDS,
                ..EvalOptions::default()
            };
            let computed = match plain(self.program, &inputs()?, &limits) {
                Ok(plain) => Some(plain),
                Err(EvalError::TooMuch { .. }) => None,
                Err(error) => return Err(Refusal::failed(error)),
            };
            // Nobody else has set it meanwhile: the cell is not shared.
            let _ = self.plain.set(computed);
        }
        Ok(self.plain.get().and_then(Option::as_ref))
    }
}

impl Held {
    /// Elements about which neither the bound nor the plain kernel says anything.
    pub fn undecided(&self) -> usize {
        let decided = self.plain.map_or(0, |plain| plain.decided);
        self.comparison.undecided.saturating_sub(decided)
    }

    /// Whether output `index` decides anything; `Err` refuses it.
    pub fn judge(&self, index: usize) -> Result<bool, Refusal> {
        let result = &self.comparison;
        let text = || format!("output {index}: {}", verdict::describe(result));
        match result.outcome {
            Outcome::Passed | Outcome::Undecided => {}
            Outcome::OnlyWithinUser => {
                return Err(Refusal::new(Reason::OnlyWithinTolerance, text()));
            }
            Outcome::Outside | Outcome::OutsideUser => {
                let error = result.max_abs_error;
                return Err(Refusal {
                    max_abs_error: error.is_finite().then_some(error),
                    ..Refusal::new(Reason::NumericMismatch, text())
                });
            }
        }
        if let Some(plain) = self.plain.filter(|plain| !plain.passed) {
            return Err(Refusal::new(
                Reason::NumericMismatch,
                format!(
                    "output {index}: where no bound says anything, its errors against f64 are \
                     more than 3 times those of a plain half-precision kernel: largest {:e} of \
                     {:e} allowed, root mean square {:e} of {:e} ({} elements, {} NaN or infinite)",
                    plain.max.0,
                    plain.max.1,
                    plain.rms.0,
                    plain.rms.1,
                    plain.elements,
                    plain.nan_or_inf
                ),
            ));
        }
        Ok(self.undecided() < result.elements || result.elements == 0)
    }
}
