// The C ABI between MLIR and the Rust that defines a dialect and its passes.
//
// Generic on purpose: nothing here knows an op, an attribute or a pass of
// kforge. Names, operands, options and callbacks all arrive as data, once, at
// registration, and must stay alive for the rest of the process.
#ifndef BRIDGE_H
#define BRIDGE_H

#include "mlir-c/IR.h"
#include "mlir-c/Rewrite.h"

#ifdef __cplusplus
extern "C" {
#endif

// --- Dialect and ops -------------------------------------------------------

typedef struct {
  MlirStringRef name; // the keyword before an optional operand
  bool optional;
} BridgeOperand;

typedef struct {
  MlirStringRef name; // with the dialect prefix
  intptr_t numOperands;
  const BridgeOperand *operands; // required ones first
  intptr_t numAttributes;
  const MlirStringRef *attributes;
  bool pure;
  // Slot of the result type inference model, or -1. Static interface methods
  // carry no op name, so each op that infers types owns one template instance.
  intptr_t inferSlot;
} BridgeOp;

typedef enum { BridgeFoldNone, BridgeFoldAttribute, BridgeFoldValue } BridgeFold;

typedef struct {
  bool (*verify)(intptr_t op, MlirOperation operation);
  BridgeFold (*fold)(intptr_t op, MlirOperation operation, intptr_t numOperands,
                     const MlirAttribute *operands, MlirAttribute *attribute,
                     MlirValue *value);
  void (*patterns)(intptr_t op, MlirContext context, MlirRewritePatternSet set);
  bool (*infer)(intptr_t op, MlirLocation location, intptr_t numOperands,
                const MlirValue *operands, MlirAttribute attributes,
                MlirType *result);
  bool (*verifyAttribute)(MlirOperation operation, MlirNamedAttribute attribute);
  bool (*verifyArgAttribute)(MlirOperation operation, unsigned argument,
                             MlirNamedAttribute attribute);
} BridgeCallbacks;

// Defines the one dialect of this process. Called once, before any insertion.
void bridgeDefineDialect(MlirStringRef prefix, intptr_t numOps,
                         const BridgeOp *ops, BridgeCallbacks callbacks);
// Makes the dialect loadable from `registry`.
void bridgeInsertDialect(MlirDialectRegistry registry);
// How many ops may infer their result types.
intptr_t bridgeInferSlots(void);

// --- Diagnostics -----------------------------------------------------------

typedef enum { BridgeError, BridgeWarning, BridgeRemark } BridgeSeverity;

void bridgeEmit(BridgeSeverity severity, MlirLocation location,
                MlirStringRef message);

// From here on a crash of the process is one line and exit code 70.
void bridgeReportCrashes(void);

// --- Parsing ---------------------------------------------------------------

// Parses a module; `file` is what locations call the text. Null on failure.
MlirModule bridgeParseModule(MlirContext context, MlirStringRef text,
                             MlirStringRef file);

// --- Passes and pipelines --------------------------------------------------

typedef enum {
  BridgeOptionInteger,
  BridgeOptionBool,
  BridgeOptionString
} BridgeOptionKind;

typedef struct {
  MlirStringRef name, description;
  BridgeOptionKind kind;
  int64_t integer;    // the default; for a bool 0 or 1
  MlirStringRef text; // the default of a string
} BridgeOption;

typedef struct {
  MlirStringRef name, description;
} BridgeStatistic;

typedef struct {
  MlirStringRef argument, name, description;
  MlirStringRef anchor; // the op the pass runs on
  intptr_t numOptions;
  const BridgeOption *options;
  intptr_t numStatistics;
  const BridgeStatistic *statistics;
  intptr_t numDialects;
  const MlirStringRef *dialects; // loaded before the pass runs
} BridgePass;

typedef struct {
  void *pass;
} BridgePassHandle;

// Runs pass number `pass` on `operation`; false fails the pass.
typedef bool (*BridgeRun)(intptr_t pass, MlirOperation operation,
                          BridgePassHandle handle);

void bridgeRegisterPass(intptr_t index, const BridgePass *pass, BridgeRun run);

int64_t bridgePassInteger(BridgePassHandle handle, intptr_t option);
MlirStringRef bridgePassText(BridgePassHandle handle, intptr_t option);
void bridgePassCount(BridgePassHandle handle, intptr_t statistic, uint64_t by);
// The passes that run before this one on the same op, as pipeline text; empty
// where the tool has not told (bridgeOptMain does).
MlirStringRef bridgePassPrevious(BridgePassHandle handle);
// Runs a textual pipeline on `operation`, which must be nested in the op the
// pass runs on or be that op.
bool bridgePassRunPipeline(BridgePassHandle handle, MlirOperation operation,
                           MlirStringRef pipeline);

typedef struct {
  MlirStringRef argument, description;
  intptr_t numOptions;
  const BridgeOption *options;
} BridgePipeline;

// Writes the textual pipeline for the option values (integers, and texts where
// the option is a string) through `sink`.
typedef void (*BridgeBuild)(intptr_t pipeline, const int64_t *integers,
                            const MlirStringRef *texts, MlirStringCallback sink,
                            void *sinkData);

void bridgeRegisterPipeline(intptr_t index, const BridgePipeline *pipeline,
                            BridgeBuild build);

// --- Tools -----------------------------------------------------------------

// Everything upstream has: dialects, extensions and translations to LLVM IR.
void bridgeInsertUpstreamDialects(MlirDialectRegistry registry);
// Every pass of upstream's.
void bridgeRegisterUpstreamPasses(void);
// The dialects that tensor programs and kernels are written in, from arith and
// func to gpu and llvm, with what inlining them needs.
void bridgeInsertCoreDialects(MlirDialectRegistry registry);
// canonicalize, cse and inline.
void bridgeRegisterCorePasses(void);

// Looks at a whole input text before MLIR parses it; writes the reason for a
// refusal through `sink` and returns false.
typedef bool (*BridgeScan)(MlirStringRef file, MlirStringRef text,
                           int64_t maxInputMib, MlirStringCallback sink,
                           void *sinkData);

int bridgeOptMain(int argc, char **argv, MlirStringRef name,
                  MlirDialectRegistry registry, BridgeScan scan);
int bridgeLspServerMain(int argc, char **argv, MlirDialectRegistry registry);
int bridgeReduceMain(int argc, char **argv, MlirDialectRegistry registry);

typedef bool (*BridgeTranslate)(intptr_t translation, MlirOperation module,
                                MlirStringCallback sink, void *sinkData);
void bridgeRegisterTranslation(intptr_t index, MlirStringRef name,
                               MlirStringRef description,
                               MlirDialectRegistry registry,
                               BridgeTranslate translate);
int bridgeTranslateMain(int argc, char **argv, MlirStringRef name);

#ifdef __cplusplus
}
#endif
#endif
