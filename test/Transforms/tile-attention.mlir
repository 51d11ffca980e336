// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{op=a block-q=16})' | FileCheck %s --check-prefix=ONE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{op=a block-q=16},kforge-tile-attention{block-kv=4})' | FileCheck %s --check-prefix=REST
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{op=c})' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{block-q=0})' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{block-kv=-8})' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{block-q=512})' 2>&1 | FileCheck %s --check-prefix=INVOCATIONS
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{block-kv=64})' 2>&1 | FileCheck %s --check-prefix=MEMORY
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{workgroup-memory=65536},kforge-tile-attention{block-kv=64})' | FileCheck %s --check-prefix=LARGE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{slice-kv=3})' 2>&1 | FileCheck %s --check-prefix=SLICES
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{slice-kv=16})' 2>&1 | FileCheck %s --check-prefix=SHARE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{slice-kv=8 block-q=64})' 2>&1 | FileCheck %s --check-prefix=SLICED
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{split-kv=300})' 2>&1 | FileCheck %s --check-prefix=PARTS
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{prefetch=1})' 2>&1 | FileCheck %s --check-prefix=PREFETCH
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{matrix-unit=8})' 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-attention{matrix-unit=4})' 2>&1 | FileCheck %s --check-prefix=EDGE

// ONE: kforge.attention {{.*}}kforge.name = "a", kforge.schedule = {"block-kv" = 8 : i64, "block-q" = 16 : i64, "matrix-unit" = 0 : i64, prefetch = 0 : i64, "slice-kv" = 1 : i64, "split-head" = 1 : i64, "split-kv" = 1 : i64}
// ONE-NOT: kforge.schedule
// REST: kforge.name = "a", kforge.schedule = {"block-kv" = 8 : i64, "block-q" = 16 : i64, "matrix-unit" = 0 : i64, prefetch = 0 : i64, "slice-kv" = 1 : i64, "split-head" = 1 : i64, "split-kv" = 1 : i64}
// REST: kforge.name = "b", kforge.schedule = {"block-kv" = 4 : i64, "block-q" = 32 : i64, "matrix-unit" = 0 : i64, prefetch = 0 : i64, "slice-kv" = 1 : i64, "split-head" = 1 : i64, "split-kv" = 1 : i64}
// NAME: error: kforge-tile-attention: op 'c' names no kforge.attention; named are: a, b
// ZERO: error: 'kforge.attention' op block-q is 0, expected 1 to 256
// NEGATIVE: error: 'kforge.attention' op block-kv is -8, expected 1 to 1024
// INVOCATIONS: error: 'kforge.attention' op block-q is 512, expected 1 to 256
// MEMORY: error: 'kforge.attention' op block-kv 64 of head sizes 64 and 64 in f32 takes 32768 bytes of workgroup memory, the device 'webgpu' has 16384
// LARGE-COUNT-2: "block-kv" = 64
// SLICES: slice-kv is 3, expected a power of two
// SHARE: slice-kv 16 does not divide block-kv 8
// SLICED: block-q 64*slice-kv 8 = 512 invocations, the device 'webgpu' has 256
// PARTS: split-kv is 300, expected 1 to 256
// PREFETCH: prefetch 1 needs the matrix unit: other invocations read keys in turns
// SHAPE: matrix-unit 8 needs products 8x8x8:f32:f32, the device 'webgpu' has none
// EDGE: matrix-unit is 4, expected 0, 8 or 16
func.func @f(%x: tensor<1x2x50x64xf32>) -> (tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>) {
  %0 = kforge.attention %x, %x, %x {kforge.name = "a"} : (tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>) -> tensor<1x2x50x64xf32>
  %1 = kforge.attention %x, %x, %x {causal, kforge.name = "b"} : (tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>) -> tensor<1x2x50x64xf32>
  return %0, %1 : tensor<1x2x50x64xf32>, tensor<1x2x50x64xf32>
}
