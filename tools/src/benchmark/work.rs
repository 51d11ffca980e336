//! What a function must do at least: the numerators of GFLOP/s and GB/s.

use kforge_oracle::{Program, TensorType, multiply_adds};
use kforge_verify::convert;

/// Work of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Two per multiply-add of the matrix products; those of an attention are counted for
    /// every key. What rows and single elements need is not counted.
    pub flops: u64,
    /// Bytes of all arguments, read once, and all results, written once.
    pub bytes: u64,
}

impl Work {
    /// That of a program.
    pub fn of(program: &Program) -> Self {
        let products = program
            .nodes
            .iter()
            .map(|node| multiply_adds(program, node));
        let arguments = program.inputs.iter().map(|input| bytes(&input.ty));
        let results = program.outputs.iter().filter_map(|it| program.type_of(*it));
        let sum = |sum: u64, part: u64| sum.saturating_add(part);
        Self {
            flops: products.fold(0, sum).saturating_mul(2),
            bytes: arguments.chain(results.map(bytes)).fold(0, sum),
        }
    }

    /// Floating point operations per byte.
    pub fn intensity(self) -> f64 {
        self.flops as f64 / self.bytes.max(1) as f64
    }
}

fn bytes(ty: &TensorType) -> u64 {
    (ty.elements() as u64).saturating_mul(convert::dtype(ty.dtype).bytes() as u64)
}

#[cfg(test)]
mod tests {
    use kforge_dialect::program;

    use super::*;

    #[test]
    fn arguments_and_results_count_once() {
        let text = "func.func @f(%a: tensor<30x20xf32>, %b: tensor<20x10xf16>, %c: tensor<20x10xf32>) \
                    -> tensor<30x10xf32> {\n  %0 = kforge.matmul %a, %c : (tensor<30x20xf32>, \
                    tensor<20x10xf32>) -> tensor<30x10xf32>\n  return %0 : tensor<30x10xf32>\n}";
        let work = Work::of(&program::of_text(text).unwrap());
        assert_eq!(work.flops, 2 * 30 * 20 * 10);
        assert_eq!(work.bytes, 4 * (600 + 200 + 300) + 2 * 200);
        assert!((work.intensity() - 12_000.0 / 4_800.0).abs() < 1e-12);
    }
}
