//! `kforge-fuse-matmul-activation`: moves what follows a matmul into it.
//!
//! Before:
//! ```mlir
//! %0 = kforge.matmul %x, %w {kforge.name = "up"} : ...
//! %1 = arith.addf %0, %broadcast_bias : ...
//! %2 = kforge.activation %1 {kind = "gelu"} : ...
//! %3 = arith.addf %2, %skip : ...
//! ```
//! After:
//! ```mlir
//! %3 = kforge.matmul %x, %w bias %bias residual %skip {activation = "gelu", kforge.name = "up"} : ...
//! ```
//! Requires: nothing. A formula in `arith` and `math` counts as its activation
//! (relu, tanh, gelu, gelu_tanh, silu; see `activations.rs`).
//! Ensures: y = activation(a·b + bias) + residual in this order; attributes of
//! the matmul stay. An added splat becomes a bias, any other tensor the residual.
//! Does nothing when: something else reads the intermediate, the reader is in
//! another block, or the matmul has that part, or a later one, already (remarks).
//! Limits: f16 loses the roundings between the fused ops.

use kforge_dialect::{
    ActivationKind, Matmul, MatmulArgs, TensorType, diagnostics, ir,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context, IrRewriter,
    dialect::arith,
    ir::{OperationRef, Value, operation::OperationLike},
};

use crate::{activations, rewrite, select};

/// Which matmuls a fusing pass is about.
pub const OP: OptionDef = OptionDef {
    name: "op",
    description: "names of the matmuls to fuse into, joined by +; empty: every one without a schedule",
    kind: OptionKind::Text(""),
};

pub const PASS: PassDef = PassDef {
    argument: "kforge-fuse-matmul-activation",
    name: "FuseMatmulActivation",
    summary: "fuse bias, activation and residual into matmuls",
    options: &[OP],
    statistics: &[
        StatisticDef {
            name: "biases",
            description: "biases fused",
        },
        StatisticDef {
            name: "activations",
            description: "activations fused",
        },
        StatisticDef {
            name: "residuals",
            description: "residuals fused",
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
    for op in select::selected(module, &[Matmul::NAME], &pass.text("op"), pass.argument())? {
        let Some(mut epilogue) = Matmul::cast(op).and_then(Epilogue::of) else {
            continue;
        };
        while let Some(part) = epilogue.next() {
            pass.count(part, 1);
        }
        epilogue.fuse(context)?;
    }
    Ok(())
}

/// A bias as it was found.
#[derive(Clone, Copy)]
enum Bias<'c, 'a> {
    Value(Value<'c, 'a>),
    Splat(f64),
}

/// A matmul with what has been taken in so far.
struct Epilogue<'c, 'a> {
    matmul: Matmul<'c, 'a>,
    ty: TensorType,
    bias: Option<Bias<'c, 'a>>,
    activation: ActivationKind,
    residual: Option<Value<'c, 'a>>,
    /// Result of the last op that was taken in.
    result: Value<'c, 'a>,
    /// The ops to replace, in program order, the matmul first.
    ops: Vec<OperationRef<'c, 'a>>,
}

impl<'c: 'a, 'a> Epilogue<'c, 'a> {
    fn of(matmul: Matmul<'c, 'a>) -> Option<Self> {
        let result = matmul.result().ok()?;
        Some(Self {
            matmul,
            ty: ir::tensor_type(result)?,
            bias: matmul.bias().map(Bias::Value),
            activation: matmul.activation(),
            residual: matmul.residual(),
            result,
            ops: vec![matmul.operation()],
        })
    }

    /// Takes in the op that follows; its kind as a statistic, or `None` at the end.
    fn next(&mut self) -> Option<&'static str> {
        let home = self.matmul.operation();
        let users = ir::users(self.result);
        if let Some(spelled) = activations::of_value(self.result, self.ty.element, home) {
            return self.take_activation(spelled);
        }
        let adds = |op: &&OperationRef| ir::name(**op) == "arith.addf";
        let Some(add) = users.iter().find(adds) else {
            self.explain_unknown(&users);
            return None;
        };
        if users.len() > 1 {
            self.refuse(&format!(
                "'arith.addf' is not fused: its result is read {} times",
                users.len()
            ));
            return None;
        }
        if add.block() != home.block() {
            self.refuse("'arith.addf' is not fused: it is in another block");
            return None;
        }
        let (left, right) = (add.operand(0).ok()?, add.operand(1).ok()?);
        self.take_addend(*add, if left == self.result { right } else { left })
    }

    fn take_activation(&mut self, spelled: activations::Spelled<'c, 'a>) -> Option<&'static str> {
        let kind = spelled.kind.as_str();
        let inner = spelled.ops.split_last()?.1;
        let strangers = std::iter::once(self.result)
            .chain(inner.iter().filter_map(|op| rewrite::result(*op)))
            .flat_map(ir::users)
            .filter(|user| !spelled.ops.contains(user))
            .count();
        let obstacle = if strangers > 0 {
            format!("{strangers} other ops read its result or a part of the formula")
        } else if self.residual.is_some() {
            "it follows the residual".into()
        } else if self.activation != ActivationKind::None {
            format!("the matmul has {} already", self.activation.as_str())
        } else {
            self.activation = spelled.kind;
            self.result = rewrite::result(*spelled.ops.last()?)?;
            self.ops.extend(spelled.ops);
            return Some("activations");
        };
        self.refuse(&format!("activation {kind} is not fused: {obstacle}"));
        None
    }

    fn take_addend(
        &mut self,
        add: OperationRef<'c, 'a>,
        addend: Value<'c, 'a>,
    ) -> Option<&'static str> {
        let columns = self.ty.dims.last()?;
        let vector = rewrite::leading_broadcast(addend)
            .filter(|value| ir::tensor_type(*value).is_some_and(|ty| ty.dims == [*columns]));
        // A splat bias needs a constant of known size.
        let number = rewrite::splat(addend).filter(|_| columns.is_some());
        let bias = vector.map(Bias::Value).or(number.map(Bias::Splat));
        let part = match bias {
            _ if self.residual.is_some() => {
                self.refuse("'arith.addf' is not fused: it follows the residual");
                return None;
            }
            Some(bias) => {
                if self.activation != ActivationKind::None {
                    self.refuse("the bias is not fused: it follows the activation");
                    return None;
                }
                if self.bias.is_some() {
                    self.refuse("the bias is not fused: the matmul has one already");
                    return None;
                }
                self.bias = Some(bias);
                "biases"
            }
            None => {
                self.residual = Some(addend);
                "residuals"
            }
        };
        self.ops.push(add);
        self.result = rewrite::result(add)?;
        Some(part)
    }

    /// erf of a multiple of the result is gelu with an unusual constant or order.
    fn explain_unknown(&self, users: &[OperationRef<'c, 'a>]) {
        let feeds_erf = users
            .iter()
            .filter_map(|user| rewrite::result(*user))
            .flat_map(ir::users)
            .chain(users.iter().copied())
            .any(|user| ir::name(user) == "math.erf");
        if feeds_erf {
            self.refuse(
                "'math.erf' is not fused: the ops are not x * 0.5 * (1 + erf(x / sqrt(2)))",
            );
        }
    }

    fn refuse(&self, reason: &str) {
        rewrite::remark(self.matmul.operation(), reason);
    }

    fn fuse(self, context: &'c Context) -> Result<(), Failed> {
        let op = self.matmul.operation();
        let Some((last, others)) = self.ops.split_last().filter(|(_, rest)| !rest.is_empty())
        else {
            return Ok(());
        };
        let build = |bias: Option<Value<'c, '_>>| -> Result<_, kforge_dialect::Error> {
            let args = MatmulArgs {
                a: self.matmul.a()?,
                b: self.matmul.b()?,
                bias,
                residual: self.residual,
                transpose_a: self.matmul.transpose_a(),
                transpose_b: self.matmul.transpose_b(),
                activation: self.activation,
            };
            let mut fused = args.build(context, op.location())?;
            ir::copy_discardable(op, &mut fused);
            Ok(fused)
        };
        let rewriter = IrRewriter::new(context);
        let rewriter = rewriter.as_rewriter_base();
        let fused = match self.bias {
            None => build(None),
            Some(Bias::Value(value)) => build(Some(value)),
            Some(Bias::Splat(number)) => {
                let vector = TensorType {
                    dims: self.ty.dims[self.ty.rank() - 1..].to_vec(),
                    element: self.ty.element,
                };
                let splat = ir::splat_attribute(context, &vector, number);
                rewriter.set_insertion_point_before(*last);
                let constant = rewriter.insert(arith::constant(context, splat, op.location()));
                build(rewrite::result(constant))
            }
        };
        fused
            .map_err(|error| error.to_string())
            .and_then(|fused| rewrite::replace_group(context, fused, *last, others))
            .map_err(|error| {
                diagnostics::op_error(op, &format!("cannot take in what follows it: {error}"));
                Failed
            })
    }
}
