// A wrong command line: one message that names what is wrong, exit code 1, no trace.

// DEFINE: %{clean} = --implicit-check-not=panicked --implicit-check-not='Stack dump' --implicit-check-not='LLVM ERROR' --implicit-check-not='crash inside'

// RUN: not kforge-opt %s --frobnicate 2>&1 | FileCheck %s %{clean} --check-prefix=OPTION
// OPTION: Unknown command line argument '--frobnicate'

// RUN: not kforge-opt %s --kforge-tile-matmul=tile-q=1 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=NAME
// NAME: error: {{.*}}no such option tile-q

// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{tile-m=abc})' 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=TEXT
// TEXT: for the --tile-m option: 'abc' value invalid

// RUN: not kforge-opt %s --kforge-tile-matmul=tile-m=99999999999999999999 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=WIDE
// WIDE: for the --tile-m option: '99999999999999999999' value invalid

// RUN: not kforge-opt %s --kforge-tile-matmul=tile-m=-1 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=RANGE
// RANGE: opt-command-line.mlir:[[#@LINE+31]]:8: error: 'kforge.matmul' op tile-m is -1, expected 1 to 1024

// The largest integers: no overflow in a product of tiles.
// RUN: not kforge-opt %s 2>&1 \
// RUN:   --kforge-tile-matmul='tile-m=9223372036854775807 tile-n=9223372036854775807 tile-k=9223372036854775807' \
// RUN:   | FileCheck %s %{clean} --check-prefix=LARGE
// LARGE: error: 'kforge.matmul' op tile-m is 9223372036854775807, expected 1 to 1024

// RUN: not kforge-opt %s --kforge-tile-matmul=op=nobody 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=NOBODY
// NOBODY: error: {{.*}}'nobody'

// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-nonsense)' 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=PASS
// PASS: error: 'kforge-nonsense' does not refer to a registered pass

// RUN: not kforge-opt %s --pass-pipeline='builtin.module(func.func(kforge-tile-matmul))' 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=ANCHOR
// ANCHOR: error: Can't add pass 'TileMatmul' restricted to 'builtin.module'

// RUN: not kforge-opt %s --pass-pipeline='builtin.module(' 2>&1 \
// RUN:   | FileCheck %s %{clean} --check-prefix=PIPELINE
// PIPELINE: error: expected pass pipeline to be wrapped

// RUN: not kforge-opt %s %s 2>&1 | FileCheck %s %{clean} --check-prefix=TWO
// TWO: Too many positional arguments

// RUN: not kforge-opt %s --max-input-mib=-1 2>&1 | FileCheck %s %{clean} --check-prefix=SIZE
// SIZE: for the --max-input-mib option: '-1' value invalid

func.func @f(%a: tensor<64x32xf32>, %b: tensor<32x64xf32>) -> tensor<64x64xf32> {
  %0 = kforge.matmul %a, %b : (tensor<64x32xf32>, tensor<32x64xf32>) -> tensor<64x64xf32>
  return %0 : tensor<64x64xf32>
}
