//! `kforge-fuse-mlp-block`: turns the matmuls of a feed-forward block into one op.
//!
//! Before:
//! ```mlir
//! %g = kforge.matmul %x, %gate {activation = "silu", kforge.name = "gate"} : ...
//! %u = kforge.matmul %x, %up : ...
//! %h = arith.mulf %g, %u : ...
//! %y = kforge.matmul %h, %down bias %b : ...
//! ```
//! After:
//! ```mlir
//! %y = kforge.mlp %x, %up, %down gate %gate down_bias %b {activation = "silu", kforge.name = "gate"} : ...
//! ```
//! Requires: `kforge-fuse-matmul-activation` before: biases and activations are
//! read from the matmuls.
//! Ensures: the mlp keeps the name of its first matmul; a residual of the last
//! matmul becomes an `arith.addf` behind the mlp. Without `%gate` the hidden layer
//! is the one matmul that has an activation.
//! Does nothing when: a hidden value has another reader, storage orders of the
//! weights differ, a part has no place in an mlp, or a matmul has a schedule
//! (remarks). Two matmuls without an activation between them are no mlp.
//! Limits: in f16 a residual stays fused, since moving it out adds a rounding.

use kforge_dialect::{
    ActivationKind, Element, Matmul, MlpArgs, ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context, IrRewriter,
    dialect::arith,
    ir::{Operation, OperationRef, Value, operation::OperationLike},
};

use super::fuse_matmul_activation::OP;
use crate::{rewrite, select};

pub const PASS: PassDef = PassDef {
    argument: "kforge-fuse-mlp-block",
    name: "FuseMlpBlock",
    summary: "fuse the matmuls of a feed-forward block into kforge.mlp",
    options: &[OP],
    statistics: &[
        StatisticDef {
            name: "fused",
            description: "blocks without a gate that were fused",
        },
        StatisticDef {
            name: "fused-gated",
            description: "blocks with a gate that were fused",
        },
    ],
    dialects: &["arith"],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let wanted = select::selected(module, &[Matmul::NAME], &pass.text("op"), pass.argument())?;
    // Found before the first rewrite; a block never takes a matmul of a later one.
    let matmuls: Vec<_> = select::functions(module)
        .into_iter()
        .flat_map(select::kforge_ops)
        .filter_map(Matmul::cast)
        .collect();
    let mut gone: Vec<OperationRef> = Vec::new();
    for down in matmuls {
        if gone.contains(&down.operation()) {
            continue;
        }
        let Some(block) = Block::ending_in(down).filter(|block| wanted.contains(&block.first()))
        else {
            continue;
        };
        if let Some(reason) = block.obstacle() {
            rewrite::remark(block.first(), &reason);
            continue;
        }
        let ops = block.ops();
        match block.fuse(context) {
            Ok(()) => {
                gone.extend(ops);
                let gated = block.gate.is_some();
                pass.count(if gated { "fused-gated" } else { "fused" }, 1);
            }
            Err(reason) => {
                let reason = format!("is not fused into an mlp: {reason}");
                rewrite::remark(block.first(), &reason);
            }
        }
    }
    Ok(())
}

/// The ops of one feed-forward block.
struct Block<'c, 'a> {
    up: Matmul<'c, 'a>,
    /// The gate and the op that multiplies it with `up`.
    gate: Option<(Matmul<'c, 'a>, OperationRef<'c, 'a>)>,
    down: Matmul<'c, 'a>,
}

fn matmul_of<'c, 'a>(value: Value<'c, 'a>) -> Option<Matmul<'c, 'a>> {
    ir::defining(value).and_then(Matmul::cast)
}

impl<'c: 'a, 'a> Block<'c, 'a> {
    /// What could be a block, by the ops and the activation alone.
    fn ending_in(down: Matmul<'c, 'a>) -> Option<Self> {
        let active = |matmul: Matmul| matmul.activation() != ActivationKind::None;
        let hidden = down.a().ok()?;
        if let Some(up) = matmul_of(hidden) {
            return active(up).then_some(Self {
                up,
                gate: None,
                down,
            });
        }
        let (product, left, right) = rewrite::binary(hidden, "arith.mulf")?;
        let (left, right) = (matmul_of(left)?, matmul_of(right)?);
        let (gate, up) = if active(left) {
            (left, right)
        } else {
            (right, left)
        };
        active(gate).then_some(Self {
            up,
            gate: Some((gate, product)),
            down,
        })
    }

    /// The matmuls and the product, in program order.
    fn ops(&self) -> Vec<OperationRef<'c, 'a>> {
        let mut ops = vec![self.up.operation()];
        if let Some((gate, product)) = self.gate {
            let gate = gate.operation();
            let before = gate.block() == ops[0].block() && gate.is_before_in_block(ops[0]);
            ops.insert(usize::from(!before), gate);
            ops.push(product);
        }
        ops.push(self.down.operation());
        ops
    }

    fn first(&self) -> OperationRef<'c, 'a> {
        self.ops()[0]
    }

    /// Why the block cannot be one op, if it cannot.
    fn obstacle(&self) -> Option<String> {
        let ops = self.ops();
        let say = |reason: &str| Some(format!("is not fused into an mlp: {reason}"));
        let home = self.down.operation().block();
        if ops.iter().any(|op| op.block() != home) {
            return say("the matmuls are in several blocks");
        }
        if ops[..ops.len() - 1]
            .iter()
            .any(|op| !rewrite::used_once(*op))
        {
            return say("a hidden value has another reader");
        }
        let mut layers = vec![("up", self.up)];
        layers.extend(self.gate.map(|(gate, _)| ("gate", gate)));
        for (name, layer) in &layers {
            if layer.residual().is_some() {
                return say(&format!("the {name} matmul has a residual"));
            }
        }
        if let Some((gate, _)) = self.gate {
            if gate.a().ok() != self.up.a().ok() {
                return say("gate and up read different inputs");
            }
            if self.up.activation() != ActivationKind::None {
                return say("both gate and up have an activation");
            }
        }
        if self.down.activation() != ActivationKind::None {
            return say("the down matmul has an activation");
        }
        layers.push(("down", self.down));
        for (name, layer) in &layers {
            if layer.transpose_a() {
                return say(&format!("the {name} matmul transposes its input"));
            }
            if layer.transpose_b() != self.down.transpose_b() {
                return say(&format!(
                    "the weights of {name} and down differ in storage order (transpose_b)"
                ));
            }
        }
        let element = self.down.signature()?.a.element;
        if self.down.residual().is_some() && element == Element::F16 {
            return say("moving the residual out of the down matmul would round once more in f16");
        }
        rewrite::scheduled(&ops).and_then(|reason| say(&reason))
    }

    /// The block as one op. A broken rule of it, about shapes, is the error.
    fn build(&self, context: &'c Context) -> Result<Operation<'c>, kforge_dialect::Error> {
        let gate = self.gate.map(|(gate, _)| gate);
        let args = MlpArgs {
            gate: gate.map(Matmul::b).transpose()?,
            gate_bias: gate.and_then(Matmul::bias),
            up_bias: self.up.bias(),
            down_bias: self.down.bias(),
            activation: gate.unwrap_or(self.up).activation(),
            transpose_weights: self.down.transpose_b(),
            ..MlpArgs::new(self.up.a()?, self.up.b()?, self.down.b()?)
        };
        let mut mlp = args.build(context, self.first().location())?;
        ir::copy_discardable(self.first(), &mut mlp);
        Ok(mlp)
    }

    fn fuse(&self, context: &'c Context) -> Result<(), String> {
        let mlp = self.build(context).map_err(|error| error.to_string())?;
        let ops = self.ops();
        let (last, others) = ops.split_last().ok_or("the block is empty")?;
        let Some(residual) = self.down.residual() else {
            return rewrite::replace_group(context, mlp, *last, others);
        };
        let rewriter = IrRewriter::new(context);
        let rewriter = rewriter.as_rewriter_base();
        rewriter.set_insertion_point_before(*last);
        let mlp = rewriter.insert(mlp);
        let result = rewrite::result(mlp).ok_or("the mlp has no result")?;
        let sum = arith::addf(result, residual, last.location());
        rewrite::replace_group(context, sum, *last, others)
    }
}
