// The mains of upstream's tools, over a registry that Rust filled.
#include "bridge.h"
#include "pass.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <unistd.h>

using namespace mlir;

namespace {
void append(MlirStringRef part, void *data) {
  static_cast<std::string *>(data)->append(part.data, part.length);
}

// Ends a crashed tool with one line. Upstream's handlers would print the stack
// of a stripped library, which tells a user nothing. Only calls that are allowed
// in a signal handler.
void reportCrash(void *message) {
  auto *text = static_cast<const char *>(message);
  [[maybe_unused]] ssize_t written =
      ::write(STDERR_FILENO, text, std::strlen(text));
  ::_exit(70); // EX_SOFTWARE
}

// Before any handler of upstream's: they run in the order of registration.
void handleCrashes(const char *message =
                       "error: crash inside MLIR; reduce the input with "
                       "kforge-reduce, or keep what led here with "
                       "--mlir-pass-pipeline-crash-reproducer=FILE\n") {
  llvm::sys::AddSignalHandler(reportCrash, const_cast<char *>(message));
}

StringRef nameOf(StringRef output) {
  return output == "-" ? "standard output" : output;
}
} // namespace

void bridgeReportCrashes() {
  handleCrashes("error: crash inside MLIR, a driver or a native kernel; "
                "kforge-opt FILE shows whether the input is to blame\n");
}

MlirModule bridgeParseModule(MlirContext context, MlirStringRef text,
                             MlirStringRef file) {
  return wrap(parseSourceString<ModuleOp>(unwrap(text), unwrap(context),
                                          unwrap(file))
                  .release());
}

void bridgeInsertUpstreamDialects(MlirDialectRegistry registry) {
  registerAllDialects(*unwrap(registry));
  registerAllExtensions(*unwrap(registry));
  registerAllToLLVMIRTranslations(*unwrap(registry));
}

void bridgeRegisterUpstreamPasses() { registerAllPasses(); }

int bridgeOptMain(int argc, char **argv, MlirStringRef name,
                  MlirDialectRegistry registry, BridgeScan scan) {
  handleCrashes();
  llvm::InitLLVM init(argc, argv, /*InstallPipeSignalExitHandler=*/false);
  llvm::setBugReportMsg("");
  llvm::cl::opt<unsigned> maxInputMib(
      "max-input-mib",
      llvm::cl::desc("refuse an input file larger than this many MiB"),
      llvm::cl::init(512));
  DialectRegistry &dialects = *unwrap(registry);
  auto [input, output] =
      registerAndParseCLIOptions(argc, argv, unwrap(name), dialects);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects() || config.shouldListPasses())
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, dialects));
  MlirOptMainConfig parsed = config;
  config.setPassPipelineSetupFn([parsed](PassManager &manager) {
    if (failed(parsed.setupPassPipeline(manager)))
      return failure();
    bridge::tellPipeline(manager);
    return success();
  });

  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(input, &message);
  if (!buffer) {
    llvm::errs() << "error: " << message << "\n";
    return 1;
  }
  std::string reason;
  if (!scan(mlirStringRefCreate(input.data(), input.size()),
            mlirStringRefCreate(buffer->getBufferStart(), buffer->getBufferSize()),
            maxInputMib,
            append, &reason)) {
    llvm::errs() << reason << "\n";
    return 1;
  }
  std::unique_ptr<llvm::ToolOutputFile> file = openOutputFile(output, &message);
  if (!file) {
    llvm::errs() << "error: " << message << "\n";
    return 1;
  }
  if (failed(MlirOptMain(file->os(), std::move(buffer), dialects, config)))
    return 1;
  file->os().flush();
  if (file->os().has_error()) {
    llvm::errs() << "error: cannot write '" << nameOf(output)
                 << "': " << file->os().error().message() << "\n";
    file->os().clear_error();
    return 1;
  }
  file->keep();
  return 0;
}

int bridgeLspServerMain(int argc, char **argv, MlirDialectRegistry registry) {
  handleCrashes();
  return asMainReturnCode(MlirLspServerMain(argc, argv, *unwrap(registry)));
}

int bridgeReduceMain(int argc, char **argv, MlirDialectRegistry registry) {
  handleCrashes();
  MLIRContext context(*unwrap(registry));
  return asMainReturnCode(mlirReduceMain(argc, argv, context));
}

void bridgeRegisterTranslation(intptr_t index, MlirStringRef name,
                               MlirStringRef description,
                               MlirDialectRegistry registry,
                               BridgeTranslate translate) {
  DialectRegistry *dialects = unwrap(registry);
  // The registration object only fills a global table; it needs no owner.
  [[maybe_unused]] TranslateFromMLIRRegistration registration(
      unwrap(name), unwrap(description),
      [=](Operation *operation, llvm::raw_ostream &os) -> LogicalResult {
        std::string text;
        if (!translate(index, wrap(operation), append, &text))
          return failure();
        os << text;
        return success();
      },
      [=](DialectRegistry &destination) { dialects->appendTo(destination); });
}

int bridgeTranslateMain(int argc, char **argv, MlirStringRef name) {
  handleCrashes();
  return asMainReturnCode(mlirTranslateMain(argc, argv, unwrap(name)));
}
