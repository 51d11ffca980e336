//! Kernels of stock MLIR pipelines: do they come through the same door?

use crate::common::{check, context, translate_module};
use kforge_lowering::translate::{Access, TranslateOptions, collect_launches};
use melior::{
    ir::Module,
    pass::PassManager,
    utility::{parse_pass_pipeline, register_all_passes},
};
use std::sync::Once;

static PASSES: Once = Once::new();

const LINALG: &str = r#"
#map = affine_map<(d0, d1) -> (d0, d1)>
func.func @f(%a: memref<17x32xf32>, %b: memref<32x23xf32>, %c: memref<17x23xf32>) {
  linalg.matmul ins(%a, %b : memref<17x32xf32>, memref<32x23xf32>) outs(%c : memref<17x23xf32>)
  linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%c : memref<17x23xf32>) outs(%c : memref<17x23xf32>) {
  ^bb0(%x: f32, %y: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %x, %z : f32
    %t = math.tanh %m : f32
    linalg.yield %t : f32
  }
  return
}"#;

fn run(source: &str, pipeline: &str, check: impl FnOnce(&Module<'_>)) {
    PASSES.call_once(register_all_passes);
    let context = context();
    let mut module = Module::parse(&context, source).expect("test input parses");
    let manager = PassManager::new(&context);
    parse_pass_pipeline(manager.as_operation_pass_manager(), pipeline).expect("pipeline parses");
    manager.run(&mut module).expect("pipeline runs");
    check(&module);
}

const PIPELINE: &str = "builtin.module(func.func(convert-linalg-to-parallel-loops,gpu-map-parallel-loops,convert-parallel-loops-to-gpu),lower-affine,gpu-kernel-outlining,canonicalize,cse)";

#[test]
fn linalg_through_stock_passes() {
    run(LINALG, PIPELINE, |module| {
        let kernels = translate_module(module.as_operation(), &TranslateOptions::default())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(kernels.len(), 2);
        for kernel in &kernels {
            // Bounds and steps are constants at the launch: nothing is left to pass.
            assert!(kernel.immediates().is_empty(), "{:?}", kernel.immediates());
            check(kernel);
        }
        let access: Vec<_> = kernels[0].bindings().iter().map(|b| b.access).collect();
        assert_eq!(access, [Access::Read, Access::Read, Access::ReadWrite]);
    });
}

#[test]
fn launches_agree_or_do_not_count() {
    let source = r#"
module attributes {gpu.container_module} {
  func.func @host(%m: memref<64xf32>, %n: index) {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c64 = arith.constant 64 : index
    %half = arith.constant 0.5 : f32
    %inf = arith.constant 0x7F800000 : f32
    gpu.launch_func @k::@f blocks in (%c1, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%m : memref<64xf32>, %c1 : index, %half : f32, %inf : f32)
    gpu.launch_func @k::@f blocks in (%c1, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%m : memref<64xf32>, %c2 : index, %half : f32, %inf : f32)
    gpu.launch_func @k::@g blocks in (%c1, %c1, %c1) threads in (%n, %c1, %c1)
    return
  }
  gpu.module @k {
    gpu.func @f(%m: memref<64xf32>, %i: index, %x: f32, %y: f32) kernel {
      %s = arith.addf %x, %y : f32
      memref.store %s, %m[%i] : memref<64xf32>
      gpu.return
    }
    gpu.func @g() kernel { gpu.return }
  }
}"#;
    run(source, "builtin.module()", |module| {
        let launches = collect_launches(module.as_operation()).expect("launches");
        let f = &launches[&("k".to_owned(), "f".to_owned())];
        assert_eq!(f.block, Some([64, 1, 1]));
        // Only the value that is finite and the same everywhere is folded.
        assert_eq!(f.constants.keys().collect::<Vec<_>>(), [&2]);
        let g = &launches[&("k".to_owned(), "g".to_owned())];
        assert_eq!(g.block, None);
        let message = translate_module(module.as_operation(), &TranslateOptions::default())
            .expect_err("g has no workgroup size")
            .to_string();
        assert!(message.contains("known_block_size"), "{message}");
    });
}
