// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{op=ln workgroup-size=64})' | FileCheck %s --check-prefix=ONE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{op=ln vector-width=2},kforge-vectorize-layernorm)' | FileCheck %s --check-prefix=REST
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{op=mm})' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{workgroup-size=0})' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{workgroup-size=96})' 2>&1 | FileCheck %s --check-prefix=POWER
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{workgroup-size=512})' 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{vector-width=3})' 2>&1 | FileCheck %s --check-prefix=VECTOR
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{block-size=-1})' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{workgroup-size=1 block-size=1024})' 2>&1 | FileCheck %s --check-prefix=ACCESSES
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{rows=3})' 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{rows=256})' 2>&1 | FileCheck %s --check-prefix=SIDE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{rows=64})' 2>&1 | FileCheck %s --check-prefix=SHARE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-vectorize-layernorm{shuffle=1})' 2>&1 | FileCheck %s --check-prefix=SUBGROUP
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{features=subgroup},kforge-vectorize-layernorm{shuffle=1})' 2>&1 | FileCheck %s --check-prefix=SIZE

// ONE: kforge.layer_norm {{.*}}kforge.name = "ln", kforge.schedule = {"block-size" = 1024 : i64, rows = 1 : i64, shuffle = 0 : i64, "vector-width" = 4 : i64, "workgroup-size" = 64 : i64}
// ONE-NOT: kforge.schedule
// REST: kforge.matmul
// REST-NOT: kforge.schedule
// REST: kforge.layer_norm {{.*}}"vector-width" = 2
// REST: kforge.rms_norm {{.*}}"vector-width" = 4
// REST: kforge.softmax {{.*}}"vector-width" = 4
// NAME: error: kforge-vectorize-layernorm: op 'mm' names no kforge.layer_norm or kforge.rms_norm or kforge.softmax; named are: ln, rms, sm
// ZERO: error: 'kforge.layer_norm' op workgroup-size 0 is no power of two
// POWER: error: 'kforge.layer_norm' op workgroup-size 96 is no power of two
// DEVICE: error: 'kforge.layer_norm' op workgroup-size 512 is over the 256 invocations of the device 'webgpu'
// VECTOR: error: 'kforge.layer_norm' op vector-width is 3, expected a power of two up to 4
// NEGATIVE: error: 'kforge.layer_norm' op block-size is -1, expected 1 to 65536
// ACCESSES: error: 'kforge.layer_norm' op block-size 1024 is 256 accesses of 1 invocations x vector-width 4, the limit is 32
// ROWS: error: 'kforge.layer_norm' op rows is 3, expected a power of two
// SIDE: error: 'kforge.layer_norm' op rows 256 does not divide workgroup-size 128
// SHARE: error: 'kforge.layer_norm' op block-size 1024 is 128 accesses of 2 invocations x vector-width 4, the limit is 32
// SUBGROUP: error: 'kforge.layer_norm' op shuffle 1 needs feature 'subgroup', which the device 'webgpu' lacks
// SIZE: error: 'kforge.layer_norm' op shuffle is 1, but the device 'webgpu' has no fixed subgroup size
func.func @f(%x: tensor<?x31xf32>, %w: tensor<31x31xf32>) -> tensor<?x31xf32> {
  %0 = kforge.matmul %x, %w {kforge.name = "mm"} : (tensor<?x31xf32>, tensor<31x31xf32>) -> tensor<?x31xf32>
  %1 = kforge.layer_norm %0 {kforge.name = "ln"} : (tensor<?x31xf32>) -> tensor<?x31xf32>
  %2 = kforge.rms_norm %1 {kforge.name = "rms"} : (tensor<?x31xf32>) -> tensor<?x31xf32>
  %3 = kforge.softmax %2 {kforge.name = "sm"} : (tensor<?x31xf32>) -> tensor<?x31xf32>
  return %3 : tensor<?x31xf32>
}
