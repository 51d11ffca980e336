//! References that were evaluated before.
//!
//! Many plans of one problem are held against the same programs on the same inputs; each is
//! evaluated once. The key is a hash of the program and of every input value, so that what
//! is found was made of exactly these. Keeps at most 256 MiB; what does not fit is evaluated
//! again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use kforge_oracle::{Array, EvalOptions, Program, evaluate};

use crate::{large, refusal::Refusal};

/// Bytes of references that are kept.
const MOST_BYTES: usize = 256 << 20;

/// Kept references; clones share them.
#[derive(Clone, Default)]
pub struct References(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    outputs: HashMap<blake3::Hash, Arc<[Array]>>,
    bytes: usize,
}

impl References {
    /// The outputs of `program` on `inputs`.
    pub(crate) fn evaluate(
        &self,
        program: &Program,
        inputs: &[Array],
    ) -> Result<Arc<[Array]>, Refusal> {
        let key = key(program, inputs).map_err(Refusal::failed)?;
        if let Some(found) = self.kept(|kept| kept.outputs.get(&key).cloned()) {
            return Ok(found);
        }
        let evaluation =
            evaluate(program, inputs, &EvalOptions::default()).map_err(Refusal::failed)?;
        let outputs: Arc<[Array]> = evaluation.outputs().into_iter().cloned().collect();
        let bytes = outputs.iter().map(bytes).sum::<usize>();
        self.kept(|kept| {
            if kept.bytes.saturating_add(bytes) <= MOST_BYTES {
                kept.bytes += bytes;
                kept.outputs.insert(key, Arc::clone(&outputs));
            }
        });
        Ok(outputs)
    }

    fn kept<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        // A map whose holder panicked is whole: entries are inserted at once.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) = self.kept(|kept| (kept.outputs.len(), kept.bytes));
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
    use kforge_oracle::{BinaryKind, DType, Input, Op, TensorType, ValueId, Values, generate};

    use super::*;

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
        let inputs = |seed| generate(&program, Values::Normal, seed).unwrap();
        let first = references.evaluate(&program, &inputs(0)).unwrap();
        let again = references.evaluate(&program, &inputs(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = references.evaluate(&program, &inputs(1)).unwrap();
        assert_ne!(first[0].value, other[0].value);
        let product = self::program(BinaryKind::Mul);
        let product = references.evaluate(&product, &inputs(0)).unwrap();
        assert_ne!(first[0].value, product[0].value);
    }
}
