//! Random tensors: the same for a seed on every machine.
//!
//! Floats are standard normal, weights a fiftieth of that so that deep models stay
//! in range; integers are 0 to 7, small enough for any index.

use kforge_oracle::{DType, Input, Program, TensorType, ValueId, Values, generate};
use kforge_runtime::{Dtype, HostTensor};

use super::Failure;

/// Scale of random weights: the initialisation of GPT-2 and BERT.
const WEIGHT_SCALE: f64 = 0.02;

/// What the numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    Input,
    Weight,
}

/// A random tensor.
pub(super) fn tensor(
    name: &str,
    dtype: Dtype,
    shape: &[usize],
    spread: Spread,
    seed: u64,
) -> Result<HostTensor, Failure> {
    let element = match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::Bf16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::Bool => DType::Bool,
        Dtype::I8 | Dtype::U8 => {
            let message =
                format!("'{name}' is {dtype}, for which there are no random values; give a file");
            return Err(Failure::Input(message));
        }
    };
    // The case generator works on programs; one that only returns its input will do.
    let program = Program {
        name: name.to_owned(),
        inputs: vec![Input {
            name: name.to_owned(),
            ty: TensorType::new(element, shape),
        }],
        nodes: Vec::new(),
        outputs: vec![ValueId(0)],
    };
    let arrays = generate(&program, Values::Normal, seed)
        .map_err(|error| Failure::Input(format!("'{name}': {error}")))?;
    let mut values = arrays
        .into_iter()
        .next()
        .map_or_else(Vec::new, |array| array.value);
    if spread == Spread::Weight && dtype.is_float() {
        values.iter_mut().for_each(|value| *value *= WEIGHT_SCALE);
    }
    HostTensor::from_f64(dtype, shape, &values).map_err(|source| Failure::Tensor {
        path: name.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_repeat_and_differ_and_weights_are_small() {
        let make = |spread, seed| tensor("x", Dtype::F32, &[64], spread, seed).unwrap();
        assert_eq!(make(Spread::Input, 1), make(Spread::Input, 1));
        assert_ne!(make(Spread::Input, 1), make(Spread::Input, 2));
        let largest = make(Spread::Weight, 1)
            .to_f64_vec()
            .into_iter()
            .fold(0.0, f64::max);
        assert!(largest > 0.0 && largest < 0.2, "{largest}");
    }

    #[test]
    fn integers_index_small_tables() {
        let values = tensor("i", Dtype::I32, &[100], Spread::Input, 3)
            .unwrap()
            .to_f64_vec();
        assert!(values.iter().all(|value| (0.0..8.0).contains(value)));
    }
}
