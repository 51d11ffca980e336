// What upstream's drivers offer works with kforge ops and passes.

// Text, bytecode, text: nothing changes.
// RUN: kforge-opt %s -o %t.text
// RUN: kforge-opt %s --emit-bytecode -o %t.bytecode
// RUN: kforge-opt %t.bytecode | diff %t.text -
// RUN: kforge-opt %s --verify-roundtrip -o /dev/null

// Cut short or damaged, bytecode is an error.
// RUN: head -c 200 %t.bytecode > %t.short
// RUN: not kforge-opt %t.short 2>&1 | FileCheck %s --check-prefix=SHORT
// SHORT: error: {{.+}}

// A reproducer replays pipeline and failure.
// RUN: not kforge-opt %s --kforge-name-ops --kforge-tile-matmul=tile-m=3 \
// RUN:   --mlir-pass-pipeline-crash-reproducer=%t.reproducer 2>&1 | FileCheck %s --check-prefix=FAIL
// RUN: FileCheck %s --check-prefix=REPRODUCER --input-file=%t.reproducer
// RUN: not kforge-opt %t.reproducer --run-reproducer 2>&1 | FileCheck %s --check-prefix=FAIL
// FAIL: error: 'kforge.matmul' op thread-m 4 does not divide tile-m 3
// REPRODUCER: mlir_reproducer
// REPRODUCER: pipeline: "builtin.module(kforge-name-ops, kforge-tile-matmul{group-m={{.*}} tile-m=3 {{.*}}vector-width={{[0-9]+}}})"

// One replays without a failure, too, and every option is in it.
// RUN: kforge-opt %s --kforge-tile-matmul=tile-m=32 --mlir-pass-pipeline-crash-reproducer=%t.none -o %t.tiled
// RUN: not test -e %t.none
// RUN: kforge-opt %s --kforge-tile-matmul=tile-m=32 --dump-pass-pipeline -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=DUMP
// DUMP: builtin.module(
// DUMP: kforge-tile-matmul{group-m={{.*}} tile-m=32 {{.*}}vector-width={{[0-9]+}}}

// RUN: kforge-opt %s --kforge-tile-matmul --mlir-timing -o /dev/null 2>&1 | FileCheck %s --check-prefix=TIMING
// TIMING: TileMatmul

// The packaged LLVM counts no statistics: only that asking for them works.
// RUN: kforge-opt %s --kforge-tile-matmul --mlir-pass-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS
// STATISTICS: Pass statistics report

// RUN: kforge-opt %s --mlir-print-ir-after=kforge-tile-matmul --kforge-tile-matmul -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=PRINT
// PRINT: IR Dump After TileMatmul (kforge-tile-matmul{{.*}})
// PRINT: kforge.schedule

// RUN: kforge-opt --list-passes | FileCheck %s --check-prefix=LIST
// LIST: kforge-tile-matmul
// RUN: kforge-opt --show-dialects | FileCheck %s --check-prefix=DIALECTS
// DIALECTS: kforge
// RUN: kforge-opt --help | FileCheck %s --check-prefix=HELP
// HELP: --kforge-tile-matmul
// HELP: --tile-m=
// HELP: --max-input-mib=

func.func @f(%a: tensor<64x32xf32>, %b: tensor<32x64xf32>, %bias: tensor<64xf32>) -> tensor<64x64xf32> {
  %0 = kforge.matmul %a, %b bias %bias {activation = "gelu"} : (tensor<64x32xf32>, tensor<32x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>
  %1 = kforge.softmax %0 {axis = -1 : i64} : (tensor<64x64xf32>) -> tensor<64x64xf32>
  return %1 : tensor<64x64xf32>
}
