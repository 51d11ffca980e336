// An optimizer driver written in C++ that has kforge by loading its plugin, and
// a pass over kforge ops by name and interface.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

struct FindPure : mlir::PassWrapper<FindPure, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FindPure)
  llvm::StringRef getArgument() const override { return "find-pure"; }
  void runOnOperation() override {
    getOperation().walk([](mlir::Operation *op) {
      if (op->getName().getStringRef() == "kforge.matmul" && mlir::isPure(op))
        op->emitRemark() << "a pure matmul with " << op->getNumOperands() << " operands";
    });
  }
};

int main(int argc, char **argv) {
  llvm::ExitOnError exitOnError("cxx-opt: ");
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect>();
  exitOnError(mlir::DialectPlugin::load(KFORGE_PLUGIN)).registerDialectRegistryCallbacks(registry);
  exitOnError(mlir::PassPlugin::load(KFORGE_PLUGIN)).registerPassRegistryCallbacks();
  mlir::PassRegistration<FindPure>();
  mlir::registerCSEPass();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "cxx-opt\n", registry));
}
