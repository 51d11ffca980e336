//===- KForgeOps.td - the kforge dialect, its one definition --------------===//
//
// build.rs reads this file and generates the registration table and the typed
// wrappers. ODS predicates are C++ snippets that Rust cannot run, so constraints
// are mapped by their def names; an unknown one fails the build. Rules labelled
// C1..Cn are enforced in dialect/src/ops/<op>.rs under the same labels.
//
//===----------------------------------------------------------------------===//

#ifndef KFORGE_OPS
#define KFORGE_OPS

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def KForge_Dialect : Dialect {
  let name = "kforge";
  let cppNamespace = "::kforge";
  let summary = "Transformer kernels as ops on tensors";
  let description = [{
    The ops state *what* a transformer computes on ranked tensors of f32 or f16.
    They carry no schedule: tile passes add one as the checked attribute
    `kforge.schedule`, and `convert-kforge-to-gpu` or `convert-kforge-to-cpu`
    generates the kernel from it. Elementwise work, reshapes and transposes are
    upstream's `arith`, `math`, `tensor` and `linalg` on tensors.

    Arithmetic on f16 tensors is done in f32 with one rounding of each op's
    result; fusing ops may drop such a rounding.

    All ops share one assembly form:

    ```
    kforge.op %required, ... (optional_name %v)* attr-dict : functional-type
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

def KForge_FloatTensor : RankedTensorOf<[F32, F16]>;
def KForge_F32Tensor : RankedTensorOf<[F32]>;
def KForge_PositionTensor : RankedTensorOf<[I32]>;

// A string of a closed set.
class KForge_Choice<list<string> values, string text>
    : Attr<CPred<"::llvm::isa<::mlir::StringAttr>($_self)">, text> {
  let storageType = "::mlir::StringAttr";
  let returnType = "::llvm::StringRef";
  let constBuilderCall = "$_builder.getStringAttr($0)";
  list<string> choices = values;
}

def KForge_ActivationKind : KForge_Choice<
    ["none", "relu", "gelu", "gelu_tanh", "silu", "tanh"],
    "none, relu, gelu (exact, erf), gelu_tanh, silu or tanh">;

def KForge_NoActivation : DefaultValuedAttr<KForge_ActivationKind, "none">;
def KForge_GeluActivation : DefaultValuedAttr<KForge_ActivationKind, "gelu">;
def KForge_LastAxis : DefaultValuedAttr<I64Attr, "-1">;
def KForge_Epsilon : DefaultValuedAttr<F32Attr, "1.0e-5">;
def KForge_RopeTheta : DefaultValuedAttr<F32Attr, "10000.0">;
def KForge_OptionalScale : OptionalAttr<F32Attr>;

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

class KForge_Op<string mnemonic, list<Trait> traits = []>
    : Op<KForge_Dialect, mnemonic,
         !listconcat([Pure, InferTypeOpAdaptor], traits)> {
  let results = (outs KForge_FloatTensor:$result);
}

def KForge_MatmulOp : KForge_Op<"matmul", [AttrSizedOperandSegments]> {
  let summary = "y = activation(a·b + bias) + residual";
  let description = [{
    `a` is [..., M, K] ([..., K, M] with `transpose_a`), `b` is [..., K, N]
    ([..., N, K] with `transpose_b`). Batch dimensions broadcast as in NumPy;
    `bias` is [N]; `residual` has the result's shape.

    Rules:
    - C1: `a` and `b` have rank 2 or more.
    - C2: all operands have one element type.
    - C3: the contracted dimensions of `a` and `b` are equal.
    - C4: the batch dimensions broadcast.
    - C5: `bias` has shape [N].
    - C6: `residual` has the result's shape.

    Example:

    ```mlir
    %y = kforge.matmul %x, %w bias %b {transpose_b, activation = "gelu"} : (tensor<128x256xf32>, tensor<512x256xf32>, tensor<512xf32>) -> tensor<128x512xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$a, KForge_FloatTensor:$b,
    Optional<KForge_FloatTensor>:$bias, Optional<KForge_FloatTensor>:$residual,
    UnitAttr:$transpose_a, UnitAttr:$transpose_b,
    KForge_NoActivation:$activation);
}

def KForge_AttentionOp : KForge_Op<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax(scale·q·kᵀ + mask)·v";
  let description = [{
    `q` is [B, H, Sq, D], `k` is [B, Hkv, Sk, D], `v` is [B, Hkv, Sk, Dv]; query
    head h reads key and value head floor(h·Hkv/H). `mask` is additive and
    broadcasts to [B, H, Sq, Sk]; a value of -1e9 or less (f16: -6e4 or less)
    and -inf mean absent. With `causal`, query i sees the keys
    j <= i + Sk - Sq. A row without any visible key gives 0. `scale` defaults
    to 1/sqrt(D).

    Rules:
    - C1: `q`, `k` and `v` have rank 4.
    - C2: all operands have one element type.
    - C3: the batch sizes of `q`, `k` and `v` are equal.
    - C4: `k` and `v` have the same number of heads, which divides that of `q`.
    - C5: `q` and `k` have the same head size.
    - C6: `k` and `v` have the same sequence length.
    - C7: `mask` broadcasts to [B, H, Sq, Sk].
    - C8: `scale` is finite.

    Example:

    ```mlir
    %o = kforge.attention %q, %k, %v {causal} : (tensor<1x12x128x32xf32>, tensor<1x4x128x32xf32>, tensor<1x4x128x32xf32>) -> tensor<1x12x128x32xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$q, KForge_FloatTensor:$k, KForge_FloatTensor:$v,
    Optional<KForge_FloatTensor>:$mask,
    UnitAttr:$causal, KForge_OptionalScale:$scale);
}

def KForge_SoftmaxOp : KForge_Op<"softmax"> {
  let summary = "exp(x - max(x)) / Σ exp(x - max(x)) along one axis";
  let description = [{
    Rules:
    - C1: `axis` is in [-rank, rank).
    - C2: the axis has at least one element.

    Example:

    ```mlir
    %y = kforge.softmax %x {axis = -1 : i64} : (tensor<8x128xf32>) -> tensor<8x128xf32>
    ```
  }];
  let arguments = (ins KForge_FloatTensor:$x, KForge_LastAxis:$axis);
}

def KForge_LayerNormOp : KForge_Op<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "(x - mean) / sqrt(variance + epsilon) · gamma + beta";
  let description = [{
    Mean and (biased) variance are taken along `axis`; `gamma` and `beta` have
    the shape of that axis and default to 1 and 0.

    Rules:
    - C1: `axis` is in [-rank, rank).
    - C2: the axis has at least one element.
    - C3: all operands have one element type.
    - C4: `gamma` and `beta` have shape [n], n the size of the axis.
    - C5: `epsilon` is finite and not negative.

    Example:

    ```mlir
    %y = kforge.layer_norm %x gamma %g beta %b {epsilon = 1.0e-12 : f32} : (tensor<128x384xf32>, tensor<384xf32>, tensor<384xf32>) -> tensor<128x384xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$x,
    Optional<KForge_FloatTensor>:$gamma, Optional<KForge_FloatTensor>:$beta,
    KForge_LastAxis:$axis, KForge_Epsilon:$epsilon);
}

def KForge_RmsNormOp : KForge_Op<"rms_norm", [AttrSizedOperandSegments]> {
  let summary = "x / sqrt(mean(x²) + epsilon) · gamma";
  let description = [{
    Rules:
    - C1: `axis` is in [-rank, rank).
    - C2: the axis has at least one element.
    - C3: all operands have one element type.
    - C4: `gamma` has shape [n], n the size of the axis.
    - C5: `epsilon` is finite and not negative.

    Example:

    ```mlir
    %y = kforge.rms_norm %x gamma %g : (tensor<4x64xf32>, tensor<64xf32>) -> tensor<4x64xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$x, Optional<KForge_FloatTensor>:$gamma,
    KForge_LastAxis:$axis, KForge_Epsilon:$epsilon);
}

def KForge_MlpOp : KForge_Op<"mlp", [AttrSizedOperandSegments]> {
  let summary = "down(activation(x·up + up_bias)), or gated";
  let description = [{
    Without `gate`: activation(x·up + up_bias)·down + down_bias. With `gate`:
    (activation(x·gate + gate_bias) ⊙ (x·up + up_bias))·down + down_bias. `x` is
    [..., D]; `up` and `gate` are [D, F] and `down` is [F, D'] ([F, D] and
    [D', F] with `transpose_weights`).

    Rules:
    - C1: `x` has rank 2 or more; `up`, `down` and `gate` have rank 2.
    - C2: all operands have one element type.
    - C3: the input size of `up` is the last dimension of `x`.
    - C4: the input size of `down` is the output size of `up`.
    - C5: `gate` has the shape of `up`.
    - C6: each bias has the output size of its weight.
    - C7: `gate_bias` needs `gate`.

    Example:

    ```mlir
    %y = kforge.mlp %x, %up, %down up_bias %bu down_bias %bd {activation = "gelu"} : (tensor<128x384xf32>, tensor<384x1536xf32>, tensor<1536x384xf32>, tensor<1536xf32>, tensor<384xf32>) -> tensor<128x384xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$x, KForge_FloatTensor:$up, KForge_FloatTensor:$down,
    Optional<KForge_FloatTensor>:$gate,
    Optional<KForge_FloatTensor>:$up_bias,
    Optional<KForge_FloatTensor>:$down_bias,
    Optional<KForge_FloatTensor>:$gate_bias,
    KForge_GeluActivation:$activation, UnitAttr:$transpose_weights);
}

def KForge_RopeOp : KForge_Op<"rope", [AttrSizedOperandSegments]> {
  let summary = "rotary position embedding";
  let description = [{
    Rotates pairs of the last dimension of `x` [B, H, S, D] by the angle
    position · inv_freq[p]. `positions` is [S] or [B, S]. `inv_freq` [R/2], R <= D,
    overrides theta^(-2p/D) and leaves the dimensions from R on unchanged. Pairs
    are (p, p + R/2), or (2p, 2p + 1) with `interleaved`.

    Rules:
    - C1: `x` has rank 4.
    - C2: D is even.
    - C3: `positions` has shape [S] or [B, S].
    - C4: `inv_freq` has shape [R/2] with 2 <= R <= D.
    - C5: `theta` is finite and positive.

    Example:

    ```mlir
    %y = kforge.rope %x, %positions : (tensor<1x8x16x64xf32>, tensor<16xi32>) -> tensor<1x8x16x64xf32>
    ```
  }];
  let arguments = (ins
    KForge_FloatTensor:$x, KForge_PositionTensor:$positions,
    Optional<KForge_F32Tensor>:$inv_freq,
    KForge_RopeTheta:$theta, UnitAttr:$interleaved);
}

def KForge_ActivationOp : KForge_Op<"activation"> {
  let summary = "one of the activation functions, elementwise";
  let description = [{
    relu max(x, 0); gelu x·(1 + erf(x/√2))/2; gelu_tanh
    x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2; silu x/(1 + exp(-x)); tanh.

    Example:

    ```mlir
    %y = kforge.activation %x {kind = "silu"} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    ```
  }];
  let arguments = (ins KForge_FloatTensor:$x, KForge_GeluActivation:$kind);
}

#endif // KFORGE_OPS
