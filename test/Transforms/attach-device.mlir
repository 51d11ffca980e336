// RUN: kforge-opt %s --kforge-attach-device | FileCheck %s --check-prefix=BASE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{target=cpu name=epyc simd-bits=512 cores=64 features=avx2+fma})' | FileCheck %s --check-prefix=CPU
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{target=cpu},kforge-attach-device{invocations=1024})' | FileCheck %s --check-prefix=AGAIN
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{invocations=0})' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{workgroup-memory=-1})' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{target=tpu})' 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{warps=4})' 2>&1 | FileCheck %s --check-prefix=OPTION

// BASE: module attributes {kforge.device = {
// BASE-SAME: invocations = 256
// BASE-SAME: "storage-buffers" = 8
// BASE-SAME: target = "gpu"
// BASE-SAME: "workgroup-memory" = 16384

// CPU: cores = 64
// CPU-SAME: features = "avx2+fma"
// CPU-SAME: name = "epyc"
// CPU-SAME: "simd-bits" = 512
// CPU-SAME: target = "cpu"

// A device replaces the one that was attached, whole.
// AGAIN: invocations = 1024
// AGAIN-SAME: target = "gpu"

// ZERO: error: kforge-attach-device: invocations is 0, expected at least 1
// NEGATIVE: error: kforge-attach-device: workgroup-memory is -1, expected at least 1
// TARGET: 'tpu'
// OPTION: no such option warps
module {}
