// An op whose hooks call back into Rust: one uniform assembly form, attributes
// in the dictionary (no properties), verify, fold and patterns from callbacks.
#include "op.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/CAPI/Rewrite.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/Mutex.h"

using namespace mlir;

namespace {
constexpr llvm::StringLiteral kSegments = "operandSegmentSizes";

struct PureModel
    : public MemoryEffectOpInterface::ExternalModel<PureModel, Operation> {
  void getEffects(
      Operation *,
      SmallVectorImpl<MemoryEffects::EffectInstance> &) const {}
};

struct SpeculatableModel
    : public ConditionallySpeculatable::ExternalModel<SpeculatableModel,
                                                      Operation> {
  Speculation::Speculatability getSpeculatability(Operation *) const {
    return Speculation::Speculatable;
  }
};

class BridgedOp : public OperationName::Impl {
public:
  BridgedOp(Dialect *dialect, TypeID id, intptr_t index, const BridgeOp &op,
            const BridgeCallbacks &callbacks)
      : Impl(unwrap(op.name), dialect, id, detail::InterfaceMap()),
        index(index), op(op), callbacks(callbacks) {}

  LogicalResult foldHook(Operation *operation, ArrayRef<Attribute> operands,
                         SmallVectorImpl<OpFoldResult> &results) override {
    SmallVector<MlirAttribute> constants;
    for (Attribute constant : operands)
      constants.push_back(wrap(constant));
    MlirAttribute attribute = {nullptr};
    MlirValue value = {nullptr};
    switch (callbacks.fold(index, wrap(operation), constants.size(),
                           constants.data(), &attribute, &value)) {
    case BridgeFoldNone:
      return failure();
    case BridgeFoldAttribute:
      results.push_back(unwrap(attribute));
      return success();
    case BridgeFoldValue:
      results.push_back(unwrap(value));
      return success();
    }
    return failure();
  }

  void getCanonicalizationPatterns(RewritePatternSet &set,
                                   MLIRContext *context) override {
    callbacks.patterns(index, wrap(context), wrap(&set));
  }

  bool hasTrait(TypeID) override { return false; }

  OperationName::ParseAssemblyFn getParseAssemblyFn() override {
    return [this](OpAsmParser &parser, OperationState &state) {
      return parse(parser, state);
    };
  }

  void printAssembly(Operation *operation, OpAsmPrinter &printer,
                     StringRef) override;

  LogicalResult verifyInvariants(Operation *operation) override {
    return success(callbacks.verify(index, wrap(operation)));
  }
  LogicalResult verifyRegionInvariants(Operation *) override {
    return success();
  }

  // Attributes live in the dictionary: the op has no properties.
  void populateDefaultAttrs(const OperationName &, NamedAttrList &) override {}
  std::optional<Attribute> getInherentAttr(Operation *, StringRef) override {
    return std::nullopt;
  }
  void setInherentAttr(Operation *, StringAttr, Attribute) override {}
  void populateInherentAttrs(Operation *, NamedAttrList &) override {}
  LogicalResult
  verifyInherentAttrs(OperationName, NamedAttrList &,
                      function_ref<InFlightDiagnostic()>) override {
    return success();
  }
  int getOpPropertyByteSize() override { return 0; }
  void initProperties(OperationName, OpaqueProperties,
                      OpaqueProperties) override {}
  void deleteProperties(OpaqueProperties) override {}
  void populateDefaultProperties(OperationName, OpaqueProperties) override {}
  LogicalResult
  setPropertiesFromAttr(OperationName, OpaqueProperties, Attribute,
                        function_ref<InFlightDiagnostic()> emitError) override {
    emitError() << "'" << unwrap(op.name)
                << "' has no properties; write its attributes in {...}";
    return failure();
  }
  Attribute getPropertiesAsAttr(Operation *) override { return {}; }
  void copyProperties(OpaqueProperties, OpaqueProperties) override {}
  bool compareProperties(OpaqueProperties, OpaqueProperties) override {
    return true; // none on either side; CSE compares the dictionaries
  }
  llvm::hash_code hashProperties(OpaqueProperties) override { return {}; }

private:
  ParseResult parse(OpAsmParser &parser, OperationState &state);
  bool hasOptional() const {
    return op.numOperands && op.operands[op.numOperands - 1].optional;
  }

  intptr_t index;
  BridgeOp op;
  BridgeCallbacks callbacks;
};

// kforge.op %required, ... (optional_name %v)* attr-dict : functional-type
ParseResult BridgedOp::parse(OpAsmParser &parser, OperationState &state) {
  using Operand = OpAsmParser::UnresolvedOperand;
  SMLoc start = parser.getCurrentLocation();
  SmallVector<std::pair<intptr_t, Operand>> written; // (slot, operand)
  SmallVector<Operand> required;
  if (parser.parseOperandList(required))
    return failure();
  intptr_t numRequired = 0;
  SmallVector<StringRef> keywords;
  for (intptr_t i = 0; i < op.numOperands; ++i) {
    if (op.operands[i].optional)
      keywords.push_back(unwrap(op.operands[i].name));
    else
      ++numRequired;
  }
  if ((intptr_t)required.size() != numRequired)
    return parser.emitError(start)
           << "expected " << numRequired << " operands before "
           << (keywords.empty() ? "the attributes" : "the optional ones")
           << ", found " << required.size();
  for (auto [slot, operand] : llvm::enumerate(required))
    written.push_back({slot, operand});

  StringRef keyword;
  SMLoc keywordLoc = parser.getCurrentLocation();
  while (!keywords.empty() &&
         succeeded(parser.parseOptionalKeyword(&keyword, keywords))) {
    intptr_t slot = numRequired + (llvm::find(keywords, keyword) - keywords.begin());
    for (auto &entry : written)
      if (entry.first == slot)
        return parser.emitError(keywordLoc)
               << "operand '" << keyword << "' is given twice";
    Operand operand;
    if (parser.parseOperand(operand))
      return failure();
    written.push_back({slot, operand});
    keywordLoc = parser.getCurrentLocation();
  }

  FunctionType type;
  SMLoc attributesLoc = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDict(state.attributes))
    return failure();
  if (state.attributes.get(kSegments))
    return parser.emitError(attributesLoc)
           << "'" << kSegments
           << "' follows from the operands and cannot be written";
  SMLoc typeLoc = parser.getCurrentLocation();
  if (parser.parseColonType(type))
    return failure();
  if (type.getNumInputs() != written.size())
    return parser.emitError(typeLoc)
           << "expected " << written.size() << " operand types, found "
           << type.getNumInputs();
  SmallVector<std::pair<intptr_t, Value>> resolved;
  for (auto [entry, operandType] : llvm::zip(written, type.getInputs())) {
    SmallVector<Value, 1> value;
    if (parser.resolveOperand(entry.second, operandType, value))
      return failure();
    resolved.push_back({entry.first, value.front()});
  }
  llvm::sort(resolved, [](auto &a, auto &b) { return a.first < b.first; });
  SmallVector<int32_t> segments(op.numOperands, 0);
  for (auto &[slot, value] : resolved) {
    segments[slot] = 1;
    state.operands.push_back(value);
  }
  if (hasOptional())
    state.addAttribute(kSegments,
                       parser.getBuilder().getDenseI32ArrayAttr(segments));
  state.addTypes(type.getResults());
  return success();
}

void BridgedOp::printAssembly(Operation *operation, OpAsmPrinter &printer,
                              StringRef) {
  // MLIR leaves the op name to the printer of the op.
  printer.getStream() << operation->getName().getStringRef() << ' ';
  auto segments = operation->getAttrOfType<DenseI32ArrayAttr>(kSegments);
  unsigned next = 0;
  for (intptr_t i = 0; i < op.numOperands; ++i) {
    bool present = !segments || i >= (intptr_t)segments.size() || segments[i];
    if (!present || next >= operation->getNumOperands())
      continue;
    if (op.operands[i].optional)
      printer << ' ' << unwrap(op.operands[i].name) << ' ';
    else if (i)
      printer << ", ";
    printer << operation->getOperand(next++);
  }
  printer.printOptionalAttrDict(operation->getAttrs(), {kSegments});
  printer << " : ";
  printer.printFunctionalType(operation);
}
} // namespace

void bridge::registerOp(MLIRContext *context, Dialect *dialect, intptr_t index,
                        const BridgeOp &op, const BridgeCallbacks &callbacks) {
  // One id per op and process: contexts come and go, ids must not.
  static TypeIDAllocator allocator;
  static llvm::StringMap<TypeID> ids;
  static llvm::sys::Mutex mutex;
  TypeID id;
  {
    llvm::sys::ScopedLock lock(mutex);
    auto [entry, fresh] = ids.try_emplace(unwrap(op.name));
    if (fresh)
      entry->second = allocator.allocate();
    id = entry->second;
  }
  SmallVector<StringRef> attributes;
  for (intptr_t i = 0; i < op.numAttributes; ++i)
    attributes.push_back(unwrap(op.attributes[i]));
  if (op.numOperands && op.operands[op.numOperands - 1].optional)
    attributes.push_back(kSegments);
  RegisteredOperationName::insert(
      std::make_unique<BridgedOp>(dialect, id, index, op, callbacks),
      attributes);
  RegisteredOperationName name =
      *RegisteredOperationName::lookup(unwrap(op.name), context);
  if (op.pure)
    name.attachInterface<PureModel, SpeculatableModel>();
  if (op.inferSlot >= 0)
    attachInference(name, index, op.inferSlot, callbacks);
}
