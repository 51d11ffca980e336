// Passes and named pipelines whose options, statistics and bodies are data.
#include "pass.h"
#include "bridge.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace {
template <typename T> using OptionOf = detail::PassOptions::Option<T>;

// The options of a pass or pipeline, constructed in declaration order. `Make`
// builds an option on its parent, which differs between the two.
struct Options {
  struct Slot {
    BridgeOptionKind kind;
    std::unique_ptr<OptionOf<int64_t>> integer;
    std::unique_ptr<OptionOf<bool>> flag;
    std::unique_ptr<OptionOf<std::string>> text;
  };
  std::vector<Slot> slots;

  template <template <typename> class Option, typename Parent>
  void declare(Parent &parent, ArrayRef<BridgeOption> options) {
    for (const BridgeOption &option : options) {
      StringRef name = unwrap(option.name);
      llvm::cl::desc description(unwrap(option.description));
      Slot slot = {option.kind, {}, {}, {}};
      switch (option.kind) {
      case BridgeOptionInteger:
        slot.integer = std::make_unique<Option<int64_t>>(
            parent, name, description, llvm::cl::init(option.integer));
        break;
      case BridgeOptionBool:
        slot.flag = std::make_unique<Option<bool>>(
            parent, name, description, llvm::cl::init(option.integer != 0));
        break;
      case BridgeOptionString:
        slot.text = std::make_unique<Option<std::string>>(
            parent, name, description,
            llvm::cl::init(unwrap(option.text).str()));
        break;
      }
      slots.push_back(std::move(slot));
    }
  }

  int64_t integer(intptr_t i) const {
    const Slot &slot = slots[i];
    switch (slot.kind) {
    case BridgeOptionInteger:
      return slot.integer->getValue();
    case BridgeOptionBool:
      return slot.flag->getValue();
    case BridgeOptionString:
      return 0;
    }
    return 0;
  }

  MlirStringRef text(intptr_t i) const {
    static const std::string empty;
    const std::string &value =
        slots[i].text ? slots[i].text->getValue() : empty;
    return {value.data(), value.size()};
  }
};

template <typename T> using PassOption = Pass::Option<T>;

class BridgedPass : public Pass {
public:
  BridgedPass(intptr_t index, const BridgePass &spec, BridgeRun run, TypeID id)
      : Pass(id, anchorOf(spec)), index(index), spec(spec), run(run) {
    declare();
  }
  // The options register themselves with their pass, so a copy declares its
  // own and then takes over the values.
  BridgedPass(const BridgedPass &other)
      : Pass(other), previous(other.previous), index(other.index),
        spec(other.spec), run(other.run) {
    declare();
    copyOptionValuesFrom(&other);
  }

  StringRef getName() const override { return unwrap(spec.name); }
  StringRef getArgument() const override { return unwrap(spec.argument); }
  StringRef getDescription() const override { return unwrap(spec.description); }
  bool canScheduleOn(RegisteredOperationName name) const override {
    return !anchorOf(spec) || name.getStringRef() == *anchorOf(spec);
  }
  std::unique_ptr<Pass> clonePass() const override {
    return std::make_unique<BridgedPass>(*this);
  }

  LogicalResult initialize(MLIRContext *context) override {
    for (intptr_t i = 0; i < spec.numDialects; ++i) {
      StringRef name = unwrap(spec.dialects[i]);
      if (!context->getOrLoadDialect(name))
        return emitError(UnknownLoc::get(context))
               << getArgument() << " needs the dialect '" << name
               << "', which this tool has not registered";
    }
    return success();
  }

  void runOnOperation() override {
    if (!run(index, wrap(getOperation()), {this}))
      signalPassFailure();
  }

  LogicalResult runText(Operation *operation, StringRef pipeline) {
    OpPassManager manager(operation->getName().getStringRef());
    if (failed(parsePassPipeline(pipeline, manager)))
      return failure();
    return runPipeline(manager, operation);
  }

  Options options;
  std::vector<std::unique_ptr<Statistic>> statistics;
  std::string previous; // the passes before this one, as pipeline text

private:
  static std::optional<StringRef> anchorOf(const BridgePass &spec) {
    if (spec.anchor.length == 0)
      return std::nullopt;
    return unwrap(spec.anchor);
  }
  void declare() {
    options.declare<PassOption>(*this, ArrayRef(spec.options, spec.numOptions));
    for (intptr_t i = 0; i < spec.numStatistics; ++i)
      statistics.push_back(std::make_unique<Statistic>(
          this, spec.statistics[i].name.data,
          spec.statistics[i].description.data));
  }

  intptr_t index;
  BridgePass spec;
  BridgeRun run;
};

// Without RTTI this is how a bridged pass is told from upstream's.
llvm::DenseSet<TypeID> &bridgedIds() {
  static llvm::DenseSet<TypeID> ids;
  return ids;
}

BridgedPass *passOf(BridgePassHandle handle) {
  return static_cast<BridgedPass *>(handle.pass);
}

struct PipelineOptions : public detail::PassOptions {
  explicit PipelineOptions(ArrayRef<BridgeOption> declared) {
    options.declare<OptionOf>(static_cast<detail::PassOptions &>(*this),
                              declared);
  }
  Options options;
};
} // namespace

void bridgeRegisterPass(intptr_t index, const BridgePass *pass, BridgeRun run) {
  BridgePass spec = *pass;
  static TypeIDAllocator allocator;
  TypeID id = allocator.allocate();
  bridgedIds().insert(id);
  registerPass([=] { return std::make_unique<BridgedPass>(index, spec, run, id); });
}

int64_t bridgePassInteger(BridgePassHandle handle, intptr_t option) {
  return passOf(handle)->options.integer(option);
}

MlirStringRef bridgePassText(BridgePassHandle handle, intptr_t option) {
  return passOf(handle)->options.text(option);
}

void bridge::tellPipeline(OpPassManager &manager) {
  std::string passes;
  llvm::raw_string_ostream text(passes);
  for (Pass &pass : manager.getPasses()) {
    if (bridgedIds().contains(pass.getTypeID()) && !passes.empty())
      static_cast<BridgedPass &>(pass).previous =
          (manager.getOpAnchorName() + "(" + passes + ")").str();
    if (!passes.empty())
      text << ",";
    pass.printAsTextualPipeline(text);
  }
}

MlirStringRef bridgePassPrevious(BridgePassHandle handle) {
  const std::string &text = passOf(handle)->previous;
  return {text.data(), text.size()};
}

void bridgePassCount(BridgePassHandle handle, intptr_t statistic, uint64_t by) {
  *passOf(handle)->statistics[statistic] += by;
}

bool bridgePassRunPipeline(BridgePassHandle handle, MlirOperation operation,
                           MlirStringRef pipeline) {
  return succeeded(passOf(handle)->runText(unwrap(operation), unwrap(pipeline)));
}

void bridgeRegisterPipeline(intptr_t index, const BridgePipeline *pipeline,
                            BridgeBuild build) {
  ArrayRef<BridgeOption> declared(pipeline->options, pipeline->numOptions);
  registerPassPipeline(
      unwrap(pipeline->argument), unwrap(pipeline->description),
      [=](OpPassManager &manager, StringRef text,
          function_ref<LogicalResult(const Twine &)>) {
        PipelineOptions values(declared);
        if (failed(values.parseFromString(text)))
          return failure();
        SmallVector<int64_t> integers;
        SmallVector<MlirStringRef> texts;
        for (size_t i = 0; i < declared.size(); ++i) {
          integers.push_back(values.options.integer(i));
          texts.push_back(values.options.text(i));
        }
        std::string passes;
        build(
            index, integers.data(), texts.data(),
            [](MlirStringRef part, void *data) {
              static_cast<std::string *>(data)->append(part.data, part.length);
            },
            &passes);
        return parsePassPipeline(passes, manager);
      },
      [=](function_ref<void(const detail::PassOptions &)> handler) {
        handler(PipelineOptions(declared));
      });
}
