// Result type inference. Its interface method is static and is told no op name,
// so every op that infers its type owns one instance of the model below.
#include "op.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

using namespace mlir;

namespace {
constexpr intptr_t kSlots = 32;

struct Target {
  intptr_t op = 0;
  decltype(BridgeCallbacks::infer) infer = nullptr;
};
Target targets[kSlots];

template <intptr_t Slot>
struct InferModel
    : public InferTypeOpInterface::ExternalModel<InferModel<Slot>, Operation> {
  static LogicalResult
  inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                   ValueRange operands, DictionaryAttr attributes,
                   OpaqueProperties, RegionRange,
                   SmallVectorImpl<Type> &results) {
    SmallVector<MlirValue> values;
    for (Value operand : operands)
      values.push_back(wrap(operand));
    MlirType type = {nullptr};
    Location where = location.value_or(UnknownLoc::get(context));
    if (!targets[Slot].infer(
            targets[Slot].op, wrap(where), values.size(), values.data(),
            wrap(attributes ? Attribute(attributes)
                            : Attribute(DictionaryAttr::get(context))),
            &type))
      return failure();
    results.push_back(unwrap(type));
    return success();
  }

  static LogicalResult
  refineReturnTypes(MLIRContext *context, std::optional<Location> location,
                    ValueRange operands, DictionaryAttr attributes,
                    OpaqueProperties properties, RegionRange regions,
                    SmallVectorImpl<Type> &results) {
    SmallVector<Type> inferred;
    if (failed(inferReturnTypes(context, location, operands, attributes,
                                properties, regions, inferred)))
      return failure();
    results.assign(inferred);
    return success();
  }

  static bool isCompatibleReturnTypes(TypeRange inferred, TypeRange actual) {
    return inferred.size() == actual.size() &&
           llvm::all_of(llvm::zip(inferred, actual), [](auto pair) {
             return succeeded(verifyCompatibleShape(std::get<0>(pair),
                                                    std::get<1>(pair)));
           });
  }
};

template <intptr_t... Slots>
void attach(RegisteredOperationName name, intptr_t slot,
            std::integer_sequence<intptr_t, Slots...>) {
  ((Slots == slot ? name.attachInterface<InferModel<Slots>>() : void()), ...);
}
} // namespace

void bridge::attachInference(RegisteredOperationName name, intptr_t index,
                             intptr_t slot, const BridgeCallbacks &callbacks) {
  targets[slot] = {index, callbacks.infer};
  attach(name, slot, std::make_integer_sequence<intptr_t, kSlots>());
}

intptr_t bridgeInferSlots() { return kSlots; }
