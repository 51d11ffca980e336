// REQUIRES: gpu
// Level 3: kernels and programs as exact algebra, after what agreed on the device.

// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline,kforge-verify{level=3})' -o %t.mlir 2>&1 | FileCheck %s --check-prefix=EXACT
// EXACT: remark: 'f' verified L0+L1+L2+L3 on {{.*}}; exact at {{[0-9]+}} shapes modulo p = 0x3ffffffffffa01ff, q = 0x1ffffffffffd00ff, 2 draws, degree up to {{[0-9]+}}: a wrong element passes with at most 2^-{{[0-9]+}}

// By default level 2 must hold, and quick cases try no more.
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline,kforge-verify)' -o /dev/null 2>&1 | FileCheck %s --check-prefix=TWO
// TWO: remark: 'f' verified L0+L1+L2 on
// TWO-NOT: exact

// Native code is not interpreted: with all cases that is said, and level 3 cannot hold.
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline{target=cpu},kforge-verify{cases=full})' -o /dev/null 2>&1 | FileCheck %s --check-prefix=NATIVE
// NATIVE: remark: 'f' verified L0+L2 on {{.*}}; no L3 for 'norm', because native code is not interpreted
// NATIVE: remark: stage 'norm' of 'f': no L3, because native code is not interpreted
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline{target=cpu},kforge-verify{level=3})' -o /dev/null 2>&1 | FileCheck %s --check-prefix=REFUSED
// REFUSED: error: verification refused stage 'norm' of 'f' (Undecided): level 3 must hold and is not shown, because native code is not interpreted

func.func @f(%x: tensor<6x20xf32>, %g: tensor<20xf32>) -> tensor<6x20xf32> {
  %y = kforge.rms_norm %x gamma %g {kforge.name = "norm"} : (tensor<6x20xf32>, tensor<20xf32>) -> tensor<6x20xf32>
  return %y : tensor<6x20xf32>
}
