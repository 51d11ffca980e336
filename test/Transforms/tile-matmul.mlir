// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=q tile-m=32 stages=2})' | FileCheck %s --check-prefix=ONE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=q tile-m=32},kforge-tile-matmul{tile-m=16})' | FileCheck %s --check-prefix=REST
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=q+k})' | FileCheck %s --check-prefix=BOTH
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=nope})' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{tile-m=0})' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{tile-n=-64})' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{vector-width=3})' 2>&1 | FileCheck %s --check-prefix=VECTOR
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{thread-m=6})' 2>&1 | FileCheck %s --check-prefix=DIVIDES
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{tile-m=128 tile-n=128})' 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{invocations=1024 workgroup-memory=49152},kforge-tile-matmul{tile-m=128 tile-n=128})' | FileCheck %s --check-prefix=LARGE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{subgroups=2})' 2>&1 | FileCheck %s --check-prefix=SUBGROUPS
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{tile-q=2})' 2>&1 | FileCheck %s --check-prefix=OPTION

// ONE: kforge.matmul {{.*}}kforge.name = "q", kforge.schedule = {{{.*}}stages = 2{{.*}}"tile-m" = 32
// ONE-NOT: kforge.schedule
// REST: kforge.name = "q", kforge.schedule = {{{.*}}"tile-m" = 32
// REST: kforge.name = "k", kforge.schedule = {{{.*}}"tile-m" = 16
// BOTH-COUNT-2: "tile-m" = 64
// NAME: error: kforge-tile-matmul: op 'nope' names no kforge.matmul; named are: q, k
// ZERO: error: 'kforge.matmul' op tile-m is 0, expected 1 to
// NEGATIVE: error: 'kforge.matmul' op tile-n is -64, expected 1 to
// VECTOR: error: 'kforge.matmul' op vector-width is 3, expected a power of two up to 4
// DIVIDES: error: 'kforge.matmul' op thread-m 6 does not divide tile-m 64
// DEVICE: error: 'kforge.matmul' op {{.*}}1024 invocations, the device 'webgpu' has 256
// LARGE-COUNT-2: "tile-m" = 128
// SUBGROUPS: subgroups is 2, but the device 'webgpu' has no fixed subgroup size
// OPTION: no such option tile-q
func.func @f(%x: tensor<100x72xf32>, %w: tensor<72x52xf32>) -> (tensor<100x52xf32>, tensor<100x52xf32>) {
  %0 = kforge.matmul %x, %w {kforge.name = "q"} : (tensor<100x72xf32>, tensor<72x52xf32>) -> tensor<100x52xf32>
  %1 = kforge.matmul %x, %w {kforge.name = "k"} : (tensor<100x72xf32>, tensor<72x52xf32>) -> tensor<100x52xf32>
  return %0, %1 : tensor<100x52xf32>, tensor<100x52xf32>
}
