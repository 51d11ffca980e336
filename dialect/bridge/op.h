// Registration of ops whose behaviour lives behind BridgeCallbacks.
#ifndef BRIDGE_OP_H
#define BRIDGE_OP_H

#include "bridge.h"
#include "mlir/IR/Dialect.h"

namespace bridge {
// Adds op number `index` to `dialect`, with its interfaces.
void registerOp(mlir::MLIRContext *context, mlir::Dialect *dialect,
                intptr_t index, const BridgeOp &op,
                const BridgeCallbacks &callbacks);
// Attaches the result type inference model of `slot`, to call op `index`.
void attachInference(mlir::RegisteredOperationName name, intptr_t index,
                     intptr_t slot, const BridgeCallbacks &callbacks);
} // namespace bridge
#endif
