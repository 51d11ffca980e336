//! `kforge-fuse-attention`: turns scores, softmax and weighted sum into one op.
//!
//! Before:
//! ```mlir
//! %s = kforge.matmul %q, %k {transpose_b, kforge.name = "scores"} : ...
//! %c = arith.mulf %s, %scale : ...
//! %m = arith.addf %c, %mask : ...
//! %p = kforge.softmax %m : ...
//! %o = kforge.matmul %p, %v : ...
//! ```
//! After:
//! ```mlir
//! %o = kforge.attention %q, %k, %v mask %mask {scale = ..., kforge.name = "scores"} : ...
//! ```
//! Requires: nothing. Scale (`arith.mulf` or `arith.divf` by a splat) and mask may
//! each be missing; the mask may also be the bias or residual of the scores.
//! Ensures: the attention keeps the name of the first matmul. A constant mask that
//! hides exactly the later keys becomes `causal`, one of zeros goes away.
//! Does nothing when: an intermediate has another reader, operands are not 4-D of
//! static shape, a matmul has a part or a schedule, or a row of the mask may see no
//! key: softmax then gives the mean of the values, attention gives 0. For a mask
//! that is no constant `assume-visible-rows` says that this never happens (remarks).
//! Limits: a divisor becomes its reciprocal in f32, an error of 2^-24.

use kforge_dialect::{
    ActivationKind, AttentionArgs, Matmul, Softmax, ir,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context,
    ir::{Operation, OperationRef, Value, operation::OperationLike},
};

use super::fuse_matmul_activation::OP;
use crate::{
    mask::{self, Mask},
    rewrite, select,
};

pub const PASS: PassDef = PassDef {
    argument: "kforge-fuse-attention",
    name: "FuseAttention",
    summary: "fuse scores, scale, mask, softmax and weighted sum into kforge.attention",
    options: &[
        OP,
        OptionDef {
            name: "assume-visible-rows",
            description: "every row of a mask that is no constant lets at least one key through",
            kind: OptionKind::Bool(false),
        },
    ],
    statistics: &[
        StatisticDef {
            name: "fused",
            description: "attentions fused",
        },
        StatisticDef {
            name: "causal",
            description: "constant masks that became 'causal'",
        },
    ],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let wanted = select::selected(module, &[Matmul::NAME], &pass.text("op"), pass.argument())?;
    // Found before the first rewrite: an attention takes no matmul of another one,
    // and the weighted sum, which finds it, comes last.
    let matmuls: Vec<_> = select::functions(module)
        .into_iter()
        .flat_map(select::kforge_ops)
        .filter_map(Matmul::cast)
        .collect();
    let found: Vec<_> = matmuls
        .into_iter()
        .filter_map(Attention::ending_in)
        .filter(|attention| wanted.contains(&attention.scores.operation()))
        .collect();
    for attention in found {
        let fused = attention
            .obstacle()
            .map_or(Ok(()), Err)
            .and_then(|()| attention.masking(pass.flag("assume-visible-rows")))
            .and_then(|masking| {
                attention.fuse(context, masking)?;
                Ok(masking)
            });
        match fused {
            Ok(masking) => {
                pass.count("fused", 1);
                pass.count("causal", u64::from(matches!(masking, Masking::Causal)));
            }
            Err(reason) => rewrite::remark(
                attention.scores.operation(),
                &format!("is not fused into an attention: {reason}"),
            ),
        }
    }
    Ok(())
}

/// What becomes of the mask.
#[derive(Clone, Copy)]
enum Masking<'c, 'a> {
    None,
    Causal,
    Operand(Value<'c, 'a>),
}

/// The ops of one attention.
struct Attention<'c, 'a> {
    scores: Matmul<'c, 'a>,
    scale: f64,
    /// Every addend of the scores: of an `arith.addf`, a residual, a bias.
    masks: Vec<Value<'c, 'a>>,
    softmax: Softmax<'c, 'a>,
    sum: Matmul<'c, 'a>,
    /// Scale and mask ops, in program order.
    between: Vec<OperationRef<'c, 'a>>,
    /// Whether the mask is added before the scale, which is another function.
    mask_first: bool,
}

impl<'c: 'a, 'a> Attention<'c, 'a> {
    /// Walks back from the weighted sum to the scores.
    fn ending_in(sum: Matmul<'c, 'a>) -> Option<Self> {
        let softmax = ir::defining(sum.a().ok()?).and_then(Softmax::cast)?;
        let mut value = softmax.x().ok()?;
        let mut between = Vec::new();
        let (mut scale, mut mask, mut mask_first) = (None, None, false);
        let scores = loop {
            if let Some(scores) = ir::defining(value).and_then(Matmul::cast) {
                break scores;
            }
            if let Some((op, scaled, factor)) = rewrite::scaled(value).filter(|_| scale.is_none()) {
                between.push(op);
                scale = Some(factor);
                value = scaled;
                continue;
            }
            let (op, left, right) =
                rewrite::binary(value, "arith.addf").filter(|_| mask.is_none())?;
            mask_first = scale.is_some();
            between.push(op);
            // The scores come from a matmul, at most one scale away.
            let is_scores = |value: Value<'c, 'a>| {
                let source = rewrite::scaled(value).map_or(value, |(_, scaled, _)| scaled);
                ir::defining(source).is_some_and(|op| ir::name(op) == Matmul::NAME)
            };
            let (scores, added) = if is_scores(left) {
                (left, right)
            } else {
                (right, left)
            };
            mask = Some(added);
            value = scores;
        };
        between.reverse();
        let inherent: Vec<_> = [scores.residual(), scores.bias()]
            .into_iter()
            .flatten()
            .collect();
        let masks = mask.into_iter().chain(inherent.iter().copied()).collect();
        Some(Self {
            scores,
            scale: scale.unwrap_or(1.0),
            masks,
            softmax,
            sum,
            between,
            mask_first: mask_first || (scale.is_some() && !inherent.is_empty()),
        })
    }

    /// Every op but the last, in program order.
    fn others(&self) -> Vec<OperationRef<'c, 'a>> {
        let mut ops = vec![self.scores.operation()];
        ops.extend(&self.between);
        ops.push(self.softmax.operation());
        ops
    }

    /// Why this is no attention, masks apart.
    fn obstacle(&self) -> Option<String> {
        let (scores, sum) = (self.scores, self.sum);
        let others = self.others();
        let home = sum.operation().block();
        let reason = if others.iter().any(|op| op.block() != home) {
            "its ops are in several blocks"
        } else if others.iter().any(|op| !rewrite::used_once(*op)) {
            "scores or probabilities have another reader"
        } else if self.mask_first {
            "the mask is added before the scale"
        } else if self.masks.len() > 1 {
            "two masks are added to the scores"
        } else if scores.activation() != ActivationKind::None {
            "the scores have an activation"
        } else if scores.transpose_a() || !scores.transpose_b() {
            "the scores are not q·kᵀ (transpose_b)"
        } else if sum.transpose_a() || sum.transpose_b() {
            "the weighted sum transposes an operand"
        } else if sum.bias().is_some()
            || sum.residual().is_some()
            || sum.activation() != ActivationKind::None
        {
            "the weighted sum has a bias, residual or activation"
        } else if ![-1, 3].contains(&self.softmax.axis()) {
            "the softmax is not over the keys"
        } else if !(self.scale as f32).is_finite() {
            "the scale is not finite"
        } else {
            let static_4d = |value: Result<Value, kforge_dialect::Error>| {
                let ty = value.ok().and_then(ir::tensor_type)?;
                ty.sizes().filter(|sizes| sizes.len() == 4)
            };
            let operands = [scores.a(), scores.b(), sum.b()];
            if operands.into_iter().all(|value| static_4d(value).is_some()) {
                let mut ops = others;
                ops.push(sum.operation());
                return rewrite::scheduled(&ops);
            }
            "q, k and v must be 4-D of static shape"
        };
        Some(reason.into())
    }

    /// What the mask becomes, or why it cannot be taken in.
    fn masking(&self, assume_visible_rows: bool) -> Result<Masking<'c, 'a>, String> {
        let Some(mask) = self.masks.first().copied() else {
            return Ok(Masking::None);
        };
        let mask = rewrite::leading_broadcast(mask).unwrap_or(mask);
        let queries = self.scores.signature().and_then(|op| op.a.dims[2]);
        match mask::read(mask, queries.unwrap_or(0)) {
            Mask::Nothing => Ok(Masking::None),
            Mask::Causal => Ok(Masking::Causal),
            Mask::Additive => Ok(Masking::Operand(mask)),
            Mask::Unknown if assume_visible_rows => Ok(Masking::Operand(mask)),
            Mask::Unknown => Err("the mask is no constant, so a row of it may hide every key, where softmax and attention differ; assume-visible-rows=true says that none does".into()),
            Mask::HidesRow(row) => Err(format!("row {row} of the mask hides every key, where softmax gives a mean and attention 0")),
            Mask::NotFinite => Err("the mask holds NaN or +infinity".into()),
        }
    }

    fn build(
        &self,
        context: &'c Context,
        masking: Masking<'c, 'a>,
    ) -> Result<Operation<'c>, kforge_dialect::Error> {
        let first = self.scores.operation();
        let args = AttentionArgs {
            mask: match masking {
                Masking::Operand(mask) => Some(mask),
                Masking::None | Masking::Causal => None,
            },
            causal: matches!(masking, Masking::Causal),
            scale: Some(self.scale as f32),
            ..AttentionArgs::new(self.scores.a()?, self.scores.b()?, self.sum.b()?)
        };
        let mut attention = args.build(context, first.location())?;
        ir::copy_discardable(first, &mut attention);
        Ok(attention)
    }

    fn fuse(&self, context: &'c Context, masking: Masking<'c, 'a>) -> Result<(), String> {
        let attention = self
            .build(context, masking)
            .map_err(|error| error.to_string())?;
        rewrite::replace_group(context, attention, self.sum.operation(), &self.others())
    }
}
