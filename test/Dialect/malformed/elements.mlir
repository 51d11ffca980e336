// A type that claims more than 2^40 elements is refused before it is parsed.

// RUN: not kforge-opt %s 2>&1 | FileCheck %s
// CHECK: elements.mlir:[[@LINE+1]]:1: error: a shape has more elements than the limit of 1099511627776
func.func private @f(tensor<9200000000000000000x9200000000000000000xf32>)
