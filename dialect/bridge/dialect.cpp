// The one dialect of the process: a real mlir::Dialect subclass, because
// upstream's DynamicDialect cannot materialise constants, verify attributes or
// allow inlining.
#include "op.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/InliningUtils.h"

using namespace mlir;

namespace {
struct Definition {
  StringRef prefix;
  ArrayRef<BridgeOp> ops;
  BridgeCallbacks callbacks;
};
Definition definition;

struct Inliner : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const override {
    return true; // ops without regions or effects may move anywhere
  }
};

class BridgedDialect : public Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BridgedDialect)
  static StringRef getDialectNamespace() { return definition.prefix; }

  explicit BridgedDialect(MLIRContext *context)
      : Dialect(definition.prefix, context, TypeID::get<BridgedDialect>()) {
    // Folds end as arith.constant; canonicalisations build tensor and linalg ops.
    context->getOrLoadDialect<arith::ArithDialect>();
    context->getOrLoadDialect<tensor::TensorDialect>();
    context->getOrLoadDialect<linalg::LinalgDialect>();
    addInterfaces<Inliner>();
    for (auto [index, op] : llvm::enumerate(definition.ops))
      bridge::registerOp(context, this, index, op, definition.callbacks);
  }

  Operation *materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                 Location location) override {
    auto typed = llvm::dyn_cast<TypedAttr>(value);
    if (!typed || typed.getType() != type)
      return nullptr;
    return arith::ConstantOp::create(builder, location, type, typed);
  }

  LogicalResult verifyOperationAttribute(Operation *operation,
                                         NamedAttribute attribute) override {
    return success(definition.callbacks.verifyAttribute(wrap(operation),
                                                        named(attribute)));
  }

  LogicalResult verifyRegionArgAttribute(Operation *operation, unsigned,
                                         unsigned argument,
                                         NamedAttribute attribute) override {
    return success(definition.callbacks.verifyArgAttribute(
        wrap(operation), argument, named(attribute)));
  }

private:
  static MlirNamedAttribute named(NamedAttribute attribute) {
    return {wrap(attribute.getName()), wrap(attribute.getValue())};
  }
};
} // namespace

void bridgeDefineDialect(MlirStringRef prefix, intptr_t numOps,
                         const BridgeOp *ops, BridgeCallbacks callbacks) {
  definition = {unwrap(prefix), ArrayRef(ops, numOps), callbacks};
}

void bridgeInsertDialect(MlirDialectRegistry registry) {
  unwrap(registry)->insert<BridgedDialect>();
}

void bridgeEmit(BridgeSeverity severity, MlirLocation location,
                MlirStringRef message) {
  Location where = unwrap(location);
  StringRef text = unwrap(message);
  switch (severity) {
  case BridgeError:
    emitError(where) << text;
    return;
  case BridgeWarning:
    emitWarning(where) << text;
    return;
  case BridgeRemark:
    emitRemark(where) << text;
    return;
  }
}
