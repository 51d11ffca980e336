// REQUIRES: vulkan
// Without its first barrier a tile is read while others still write it. On lavapipe that
// never shows; it is refused before anything runs.
// RUN: awk '!/gpu.barrier/ || n++' %S/../Inputs/tiled-matmul.mlir > %t.mlir
// RUN: not kforge-opt %t.mlir --kforge-verify=report=%t.json > %t.out 2> %t.err
// RUN: FileCheck %s --input-file=%t.err
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json

// CHECK: static.mlir.tmp.mlir:5:5: error: verification refused stage 'matmul_0' of 'matmul' (Static): kernel 'matmul': a data race: invocation {{.*}} reads byte {{[0-9]+}} of 'workgroup_memory' at line {{[0-9]+}}, invocation {{.*}} writes it at line {{[0-9]+}}, and no barrier that orders it is between them; line {{[0-9]+}}: {{.+}}
// REPORT: "passed": false
// REPORT: "checks"
// REPORT: "reason": "Static"
