//! `kforge-fold-constants`: does at compile time what constants allow.
//!
//! Before:
//! ```mlir
//! %t = linalg.transpose ins(%weights : ...) outs(%empty : ...) permutation = [1, 0]
//! %0 = kforge.matmul %x, %t bias %bias : ...
//! %1 = arith.mulf %0, %eighth : ...
//! ```
//! After:
//! ```mlir
//! %1 = kforge.matmul %x, %transposed_weights_by_8 bias %bias_by_8 : ...
//! ```
//! Requires: nothing.
//! Ensures: a transpose of a constant is a constant; a number that multiplies a
//! matmul (before activation and residual) is in its constant `b` and bias; a
//! number that multiplies q or k of an attention is in its `scale`. NaN and
//! infinities stay. Every product is exact, unless `inexact-scales` allows one
//! rounding to the element type, never out of its normal range. Results then differ
//! only where an intermediate of the matmul leaves the range of its type.
//! Does nothing when: the product has another reader, an operand is no constant,
//! or a product is not exact (remarks).
//! Limits: constants of up to `max-elements` (default 2^20) elements; factors are
//! finite and not 0.

use kforge_dialect::{
    ActivationKind, Attention, AttentionArgs, Matmul, MatmulArgs, diagnostics, ir,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context, IrRewriter,
    dialect::arith,
    ir::{Operation, OperationRef, Value, operation::OperationLike},
};

use crate::{constant::Constant, rewrite, select};

pub const PASS: PassDef = PassDef {
    argument: "kforge-fold-constants",
    name: "FoldConstants",
    summary: "fold scales and transposes into constants and attributes",
    options: &[
        OptionDef {
            name: "max-elements",
            description: "elements of a constant above which it stays as it is",
            kind: OptionKind::Integer(1 << 20),
        },
        OptionDef {
            name: "inexact-scales",
            description: "also fold scales whose products round",
            kind: OptionKind::Bool(false),
        },
    ],
    statistics: &[
        StatisticDef {
            name: "transposes",
            description: "transposes of constants folded",
        },
        StatisticDef {
            name: "scales",
            description: "scales folded",
        },
    ],
    dialects: &["arith"],
    run,
};

/// The options.
#[derive(Clone, Copy)]
struct Limits {
    elements: u64,
    inexact: bool,
}

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let max_elements = pass.integer("max-elements");
    let Ok(elements) = u64::try_from(max_elements) else {
        let message = format!(
            "{}: max-elements is {max_elements}, expected at least 0",
            pass.argument()
        );
        diagnostics::error(module.location(), &message);
        return Err(Failed);
    };
    let limits = Limits {
        elements,
        inexact: pass.flag("inexact-scales"),
    };
    // Transposes first: a transposed weight is then a constant to the scales.
    for op in ops_called(module, "linalg.transpose") {
        let folded = transpose(context, op, limits);
        report(op, folded, "transposes", pass);
    }
    for op in ops_called(module, Matmul::NAME) {
        let folded = scale_of_matmul(context, op, limits);
        report(op, folded, "scales", pass);
    }
    for op in ops_called(module, Attention::NAME) {
        let folded = scale_of_attention(context, op, limits);
        report(op, folded, "scales", pass);
    }
    Ok(())
}

fn ops_called<'c, 'a>(module: OperationRef<'c, 'a>, name: &str) -> Vec<OperationRef<'c, 'a>> {
    select::functions(module)
        .into_iter()
        .flat_map(rewrite::nested_ops)
        .filter(|op| ir::name(*op) == name)
        .collect()
}

/// What folding an op came to; a reason only where a pattern nearly matched, and
/// then the op is still there.
enum Outcome {
    NoMatch,
    Folded,
    Refused(String),
}

fn report(op: OperationRef, outcome: Outcome, statistic: &str, pass: &PassRun) {
    match outcome {
        Outcome::NoMatch => {}
        Outcome::Folded => pass.count(statistic, 1),
        Outcome::Refused(reason) => rewrite::remark(op, &reason),
    }
}

impl From<Result<(), String>> for Outcome {
    fn from(folded: Result<(), String>) -> Self {
        folded.map_or_else(Outcome::Refused, |()| Outcome::Folded)
    }
}

fn constant(value: Value) -> Option<Constant> {
    rewrite::constant(value).and_then(Constant::of)
}

impl Limits {
    fn size(&self, constant: &Constant) -> Result<(), String> {
        let elements = constant.elements();
        if elements <= self.elements {
            return Ok(());
        }
        Err(format!(
            "is not folded: its constant has {elements} elements, max-elements is {}",
            self.elements
        ))
    }

    fn factor(&self, factor: f64) -> Result<(), String> {
        let reason = if factor == 0.0 || !factor.is_finite() {
            format!("the scale {factor} is 0 or not finite")
        } else if !self.inexact && !rewrite::is_power_of_two(factor) {
            format!("the scale {factor} is no power of two; inexact-scales=true rounds")
        } else {
            return Ok(());
        };
        Err(format!("takes no scale: {reason}"))
    }

    fn scaled(&self, what: &str, constant: &Constant, factor: f64) -> Result<Constant, String> {
        self.size(constant)?;
        let scaled = constant
            .scaled(factor)
            .ok_or_else(|| format!("takes no scale: {what} holds no floats"))?;
        if !scaled.in_range {
            return Err(format!(
                "takes no scale: {what} times {factor} leaves the range of {}",
                constant.ty.element
            ));
        }
        // A power of two in range is exact, so `factor` has spoken already.
        debug_assert!(scaled.exact || self.inexact);
        Ok(scaled.constant)
    }
}

fn transpose<'c>(context: &'c Context, op: OperationRef<'c, '_>, limits: Limits) -> Outcome {
    let Some((source, permutation)) = op
        .operand(0)
        .ok()
        .and_then(constant)
        .zip(ir::transpose_permutation(op))
    else {
        return Outcome::NoMatch;
    };
    let folded = limits.size(&source).and_then(|()| {
        let transposed = source
            .transposed(&permutation)
            .ok_or("is not folded: its permutation does not fit the constant")?;
        let constant = arith::constant(context, transposed.to_attribute(context), op.location());
        rewrite::replace_group(context, constant, op, &[])
    });
    folded.into()
}

/// matmul(x, w, bias) * c ==> matmul(x, w * c, bias * c), for any number of scales.
fn scale_of_matmul<'c>(context: &'c Context, op: OperationRef<'c, '_>, limits: Limits) -> Outcome {
    let parts = Matmul::cast(op).and_then(|matmul| {
        let weights = matmul.b().ok().and_then(constant)?;
        Some((matmul, weights))
    });
    let Some((matmul, weights)) = parts else {
        return Outcome::NoMatch;
    };
    let (mut factor, mut ops) = (1.0, vec![op]);
    let mut end = op;
    while let Some((next, by)) = rewrite::result(end).and_then(scale_by_one_user) {
        factor *= by;
        ops.push(next);
        end = next;
    }
    if ops.len() == 1 {
        return Outcome::NoMatch;
    }
    let folded = || -> Result<(), String> {
        let refuse = |reason: &str| Err(format!("takes no scale: {reason}"));
        if ops.iter().any(|other| other.block() != op.block()) {
            return refuse("it is in another block");
        }
        if ops[..ops.len() - 1]
            .iter()
            .any(|op| !rewrite::used_once(*op))
        {
            return refuse("the result has another reader");
        }
        if matmul.activation() != ActivationKind::None || matmul.residual().is_some() {
            return refuse("it follows an activation or a residual");
        }
        limits.factor(factor)?;
        let scaled_weights = limits.scaled("b", &weights, factor)?;
        let scaled_bias = match matmul.bias() {
            None => None,
            Some(bias) => {
                let bias = constant(bias).ok_or("takes no scale: its bias is no constant")?;
                Some(limits.scaled("the bias", &bias, factor)?)
            }
        };
        let Some((last, others)) = ops.split_last() else {
            return Ok(());
        };
        let rewriter = IrRewriter::new(context);
        let rewriter = rewriter.as_rewriter_base();
        rewriter.set_insertion_point_before(*last);
        let insert = |constant: &Constant| {
            let attribute = constant.to_attribute(context);
            rewrite::result(rewriter.insert(arith::constant(context, attribute, op.location())))
        };
        let weights =
            insert(&scaled_weights).ok_or("takes no scale: the constant has no result")?;
        let new = || -> Result<Operation<'c>, kforge_dialect::Error> {
            let args = MatmulArgs {
                bias: scaled_bias.as_ref().and_then(insert),
                transpose_a: matmul.transpose_a(),
                transpose_b: matmul.transpose_b(),
                ..MatmulArgs::new(matmul.a()?, weights)
            };
            let mut new = args.build(context, op.location())?;
            ir::copy_discardable(op, &mut new);
            Ok(new)
        };
        let new = new().map_err(|error| format!("takes no scale: {error}"))?;
        rewrite::replace_group(context, new, *last, others)
    };
    folded().into()
}

/// The op that multiplies `value` by a number, when it is the first reader found.
fn scale_by_one_user<'c, 'a>(value: Value<'c, 'a>) -> Option<(OperationRef<'c, 'a>, f64)> {
    ir::users(value).into_iter().find_map(|user| {
        let (op, scaled, factor) = rewrite::scaled(rewrite::result(user)?)?;
        (scaled == value).then_some((op, factor))
    })
}

/// attention(q * c, k * d, v) ==> attention(q, k, v) {scale = scale * c * d}.
fn scale_of_attention<'c>(
    context: &'c Context,
    op: OperationRef<'c, '_>,
    limits: Limits,
) -> Outcome {
    let parts = Attention::cast(op).and_then(|attention| {
        let (q, k) = (attention.q().ok()?, attention.k().ok()?);
        Some((attention, q, k, attention.signature()?.q.dims[3]))
    });
    let Some((attention, mut q, mut k, Some(head))) = parts else {
        return Outcome::NoMatch;
    };
    let mut scales = Vec::new();
    for operand in [&mut q, &mut k] {
        while let Some((scale, scaled, factor)) = rewrite::scaled(*operand) {
            scales.push((scale, factor));
            *operand = scaled;
        }
    }
    if scales.is_empty() {
        return Outcome::NoMatch;
    }
    let folded = || -> Result<(), String> {
        if scales
            .iter()
            .any(|(op, _)| !rewrite::used_once(*op) || op.block() != attention.operation().block())
        {
            return Err(
                "takes no scale: the scaled q or k has another reader or is in another block"
                    .into(),
            );
        }
        let factor = scales.iter().map(|(_, factor)| factor).product();
        limits.factor(factor)?;
        let old = attention
            .scale()
            .map_or((head as f64).sqrt().recip(), f64::from);
        let scale = (old * factor) as f32;
        if !scale.is_finite() || scale == 0.0 {
            return Err(format!(
                "takes no scale: {old} times {factor} leaves the range of f32"
            ));
        }
        let args = AttentionArgs {
            q,
            k,
            v: attention.v().map_err(|error| error.to_string())?,
            mask: attention.mask(),
            causal: attention.causal(),
            scale: Some(scale),
        };
        let mut new = args
            .build(context, op.location())
            .map_err(|error| error.to_string())?;
        ir::copy_discardable(op, &mut new);
        let mut others: Vec<_> = scales.iter().map(|(op, _)| *op).collect();
        others.reverse();
        rewrite::replace_group(context, new, op, &others)
    };
    folded().into()
}
