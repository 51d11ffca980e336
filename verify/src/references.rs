//! Inputs and references that were made before.
//!
//! Many plans of one problem are held against the same programs on the same inputs; each is
//! generated and evaluated once. The key of inputs is what they are a function of: program,
//! kind of values and seed. That of a reference is a hash of the program and of every input
//! value, so that what is found was made of exactly these. Keeps at most 256 MiB of each;
//! what does not fit is made again.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use kforge_oracle::{Array, EvalOptions, Program, Values, evaluate, generate};

use crate::{large, refusal::Refusal};

/// Bytes of references, and of inputs, that are kept.
const MOST_BYTES: usize = 256 << 20;

/// Kept references; clones share them.
#[derive(Clone, Default)]
pub struct References(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    inputs: Arrays<(blake3::Hash, Values, u64)>,
    outputs: Arrays<(blake3::Hash, u64)>,
}

struct Arrays<K> {
    found: HashMap<K, Arc<[Array]>>,
    bytes: usize,
}

impl<K> Default for Arrays<K> {
    fn default() -> Self {
        Self {
            found: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<K: Eq + Hash> Arrays<K> {
    fn keep(&mut self, key: K, arrays: &Arc<[Array]>) {
        let bytes = arrays.iter().map(bytes).sum::<usize>();
        if self.bytes.saturating_add(bytes) <= MOST_BYTES {
            self.bytes += bytes;
            self.found.insert(key, Arc::clone(arrays));
        }
    }
}

impl References {
    /// Inputs of a kind for `program`.
    pub(crate) fn generate(
        &self,
        program: &Program,
        values: Values,
        seed: u64,
    ) -> Result<Arc<[Array]>, Refusal> {
        let key = (key(program, &[]).map_err(Refusal::failed)?, values, seed);
        if let Some(found) = self.kept(|kept| kept.inputs.found.get(&key).cloned()) {
            return Ok(found);
        }
        let inputs = generate(program, values, seed).map_err(Refusal::failed)?;
        let inputs: Arc<[Array]> = inputs.into();
        self.kept(|kept| kept.inputs.keep(key, &inputs));
        Ok(inputs)
    }

    /// The outputs of `program` on `inputs`, for a device whose sine and cosine are off by
    /// `sin_cos`.
    pub(crate) fn evaluate(
        &self,
        program: &Program,
        inputs: &[Array],
        sin_cos: f64,
    ) -> Result<Arc<[Array]>, Refusal> {
        let key = (
            key(program, inputs).map_err(Refusal::failed)?,
            sin_cos.to_bits(),
        );
        if let Some(found) = self.kept(|kept| kept.outputs.found.get(&key).cloned()) {
            return Ok(found);
        }
        let limits = EvalOptions {
            sin_cos,
            ..EvalOptions::default()
        };
        let evaluation = evaluate(program, inputs, &limits).map_err(Refusal::failed)?;
        let outputs: Arc<[Array]> = evaluation.outputs().into_iter().cloned().collect();
        self.kept(|kept| kept.outputs.keep(key, &outputs));
        Ok(outputs)
    }

    fn kept<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        // A map whose holder panicked is whole: entries are inserted at once.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) = self.kept(|kept| (kept.outputs.found.len(), kept.outputs.bytes));
        write!(f, "References({count}, {bytes} bytes)")
    }
}

fn key(program: &Program, inputs: &[Array]) -> Result<blake3::Hash, serde_json::Error> {
    let mut hasher = blake3::Hasher::new();
    serde_json::to_writer(&mut hasher, program)?;
    // JSON has no infinities and no NaN.
    for bits in large::constant_bits(program) {
        hasher.update(&bits.to_le_bytes());
    }
    let mut chunk = Vec::new();
    for input in inputs {
        for values in [&input.value, &input.bound] {
            hasher.update(&values.len().to_le_bytes());
            for part in values.chunks(4096) {
                chunk.clear();
                chunk.extend(part.iter().flat_map(|value| value.to_bits().to_le_bytes()));
                hasher.update(&chunk);
            }
        }
    }
    Ok(hasher.finalize())
}

fn bytes(array: &Array) -> usize {
    let typical = array.typical.as_ref().map_or(0, Vec::len);
    size_of::<f64>() * (array.value.len() + array.bound.len() + typical)
}

#[cfg(test)]
mod tests {
    use kforge_oracle::{BinaryKind, DType, Input, Op, TensorType, ValueId};

    use super::*;

    const SIN: f64 = 1e-6;

    fn program(kind: BinaryKind) -> Program {
        let ty = TensorType::new(DType::F32, &[4]);
        let [a, b] = ["a", "b"].map(|name| Input {
            name: name.into(),
            ty: ty.clone(),
        });
        let mut program = Program {
            name: "f".into(),
            inputs: vec![a, b],
            nodes: Vec::new(),
            outputs: vec![ValueId(2)],
        };
        let [a, b] = [ValueId(0), ValueId(1)];
        program.push("f", Op::Binary { kind, a, b }, ty);
        program
    }

    #[test]
    fn the_same_inputs_are_evaluated_once_and_others_anew() {
        let references = References::default();
        let program = program(BinaryKind::Add);
        let inputs = |seed| references.generate(&program, Values::Normal, seed).unwrap();
        assert!(Arc::ptr_eq(&inputs(0), &inputs(0)));
        assert_ne!(inputs(0)[0].value, inputs(1)[0].value);
        let first = references.evaluate(&program, &inputs(0), SIN).unwrap();
        let again = references.evaluate(&program, &inputs(0), SIN).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = references.evaluate(&program, &inputs(1), SIN).unwrap();
        assert_ne!(first[0].value, other[0].value);
        let product = self::program(BinaryKind::Mul);
        let product = references.evaluate(&product, &inputs(0), SIN).unwrap();
        assert_ne!(first[0].value, product[0].value);
        let worse = references.evaluate(&program, &inputs(0), 1e-3).unwrap();
        assert!(!Arc::ptr_eq(&first, &worse));
    }

    #[test]
    fn what_is_kept_is_counted_and_limited() {
        let references = References::default();
        let program = program(BinaryKind::Add);
        let inputs = references.generate(&program, Values::Normal, 0).unwrap();
        let outputs = references.evaluate(&program, &inputs, SIN).unwrap();
        let typical = outputs[0].typical.as_ref().map_or(0, Vec::len);
        // Values and bounds of four elements.
        let all = 8 * (4 + 4 + typical);
        assert_eq!(
            format!("{references:?}"),
            format!("References(1, {all} bytes)")
        );
        let other = references.generate(&program, Values::Normal, 1).unwrap();
        references.evaluate(&program, &other, SIN).unwrap();
        assert_eq!(
            format!("{references:?}"),
            format!("References(2, {} bytes)", 2 * all)
        );
        let mut arrays = Arrays {
            bytes: MOST_BYTES - all,
            ..Arrays::default()
        };
        arrays.keep(0, &outputs);
        assert_eq!((arrays.found.len(), arrays.bytes), (1, MOST_BYTES));
        arrays.keep(1, &outputs);
        assert_eq!((arrays.found.len(), arrays.bytes), (1, MOST_BYTES));
    }
}
