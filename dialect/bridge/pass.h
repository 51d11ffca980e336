// What the tools tell the bridged passes.
#ifndef BRIDGE_PASS_H
#define BRIDGE_PASS_H

#include "mlir/Pass/PassManager.h"

namespace bridge {
// Tells each bridged pass of `manager` which passes run before it.
void tellPipeline(mlir::OpPassManager &manager);
} // namespace bridge
#endif
