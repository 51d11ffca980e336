//! Kernels that `convert-kforge-to-gpu` generates for a CPU.

use kforge_dialect::device::{Device, Target};
use kforge_lowering::{cpu, gpu};
use melior::{
    ir::{Module, operation::OperationMutLike},
    pass::{PassManager, transform},
};

use crate::common::{Compiled, execute, load, package, values};

/// A 512-bit CPU.
fn device() -> Device {
    Device {
        target: Target::Cpu,
        simd_bits: 512,
        l1: 32 << 10,
        l2: 512 << 10,
        ..Device::default()
    }
}

/// Generates and compiles the kernels of a module.
fn generate(text: &str) -> Compiled {
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, text).expect("test input parses");
    let attribute = device().to_attribute(&context);
    module
        .as_operation_mut()
        .set_attribute("kforge.device", attribute);
    gpu::convert(&context, module.as_operation()).unwrap_or_else(|(_, error)| panic!("{error}"));
    let manager = PassManager::new(&context);
    manager.add_pass(transform::create_canonicalizer());
    manager.run(&mut module).unwrap();
    let lowered = cpu::lower(&context, module.as_operation()).unwrap();
    let target = cpu::CpuTarget::host().unwrap();
    Compiled {
        object: cpu::emit_object(&context, &lowered, &target).unwrap(),
        assembly: cpu::emit_assembly(&context, &lowered, &target).unwrap(),
        kernels: lowered.kernels,
    }
}

#[test]
fn matmuls_of_ragged_shapes() {
    // Tiles of 8 x 32 x 64; none of the sizes is a multiple of them.
    for (m, n, k) in [(27, 80, 100), (9, 33, 5), (1, 16, 64)] {
        let compiled = generate(&format!(
            "func.func @f(%a: tensor<{m}x{k}xf32>, %b: tensor<{k}x{n}xf32>) -> tensor<{m}x{n}xf32> {{
  %c = kforge.matmul %a, %b {{activation = \"gelu\", kforge.schedule = {{
    \"tile-m\" = 8, \"thread-m\" = 8, \"tile-n\" = 32, \"thread-n\" = 32, \"tile-k\" = 64,
    \"vector-width\" = 16, unroll = 16}}}} : (tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>) -> tensor<{m}x{n}xf32>
  return %c : tensor<{m}x{n}xf32>
}}"
        ));
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let mut expected = vec![0.0; m * n];
        for (i, j, l) in (0..m * n * k).map(|i| (i / (n * k), i / k % n, i % k)) {
            expected[i * n + j] += a[i * k + l] * b[l * n + j];
        }
        let buffers = [a, b, vec![0.0; m * n]];
        let tiles = (m.div_ceil(8) * n.div_ceil(32)) as i64;
        let package = package(&compiled.kernels[0], None, [tiles, 1, 1], &buffers, &[]);
        let found = execute(&package, load(&compiled), &buffers).remove(0);
        for (found, sum) in found.iter().zip(&expected) {
            let exact = sum / 2.0 * (1.0 + crate::math::exact_erf(sum / 2.0_f64.sqrt()));
            assert!(
                (found - exact).abs() < 1e-5 * (1.0 + sum.abs()),
                "{found}, not {exact}"
            );
        }
    }
}
