// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-mlp-block{op=b})' | FileCheck %s --check-prefix=NAMED
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=a2},kforge-fuse-mlp-block)' 2>&1 | FileCheck %s --check-prefix=TILED
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-mlp-block{op=x})' 2>&1 | FileCheck %s --check-prefix=NAME

// The name is that of the first matmul.
// NAMED: kforge.matmul {{.*}}kforge.name = "a"
// NAMED: kforge.matmul {{.*}}kforge.name = "a2"
// NAMED: kforge.mlp {{.*}}kforge.name = "b"

// TILED: remark: 'kforge.matmul' op is not fused into an mlp: one of its ops has a schedule; fuse before tiling
// TILED: kforge.matmul {{.*}}kforge.name = "a"
// TILED: kforge.matmul {{.*}}kforge.name = "a2"
// TILED: kforge.mlp {{.*}}kforge.name = "b"

// NAME: error: kforge-fuse-mlp-block: op 'x' names no kforge.matmul; named are: a, a2, b, b2
func.func @f(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = kforge.matmul %x, %x {activation = "gelu", kforge.name = "a"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = kforge.matmul %0, %x {kforge.name = "a2"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %2 = kforge.matmul %1, %x {activation = "gelu", kforge.name = "b"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %3 = kforge.matmul %2, %x {kforge.name = "b2"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %3 : tensor<8x8xf32>
}
