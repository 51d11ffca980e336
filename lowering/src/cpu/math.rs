//! `exp`, `erf` and `tanh` as arithmetic on whole vectors.
//!
//! LLVM would call libm lane by lane. These are computed in f32, f16 values too,
//! by `math.fma` and bit tricks that every vector unit has; a scalar and a lane of
//! a vector give the same bits. Also here: `math.clampf` as minimum and maximum,
//! and the permission to reorder a `vector.reduction`.
//!
//! Accuracy, found by the sweeps of the tests: exp within 1.1 ulp, subnormal
//! results included; erf and tanh within the bounds in `shaders/`, whose
//! polynomials these are. Other functions, and f64, stay with libm.
//!
//! Does nothing to other ops.

use kforge_dialect::ir;
use melior::{
    Context, IrRewriter,
    ir::{
        Attribute, Block, BlockLike, OperationRef, Region, RegionLike, Type, Value, ValueLike,
        attribute::{DenseElementsAttribute, IntegerAttribute},
        operation::OperationLike,
        r#type::IntegerType,
    },
};

use super::element::Element;
use crate::{
    LoweringError,
    emit::{Emit, Emitted},
};

/// erf(x)/x - 1 on |x| < 1, in x², highest power first; see `shaders/erf.wgsl`.
const ERF_CORE: [f64; 7] = [
    7.88911493e-5,
    -8.02083989e-4,
    5.18953521e-3,
    -2.68544443e-2,
    1.12836003e-1,
    -3.7612626e-1,
    1.28379166e-1,
];
/// -log(1 - erf(t)) on [1, 4], in t.
const ERF_TAIL: [f64; 7] = [
    -3.56005417e-4,
    4.39435337e-3,
    -2.68887412e-2,
    1.1236117e-1,
    6.2874496e-1,
    1.1321137,
    -7.63967633e-4,
];
/// (tanh(x) - x)/x³ on |x| < 0.625, in x²; see `shaders/tanh.wgsl`.
const TANH_CORE: [f64; 5] = [
    -5.71702607e-3,
    2.06505693e-2,
    -5.37434928e-2,
    1.33314908e-1,
    -3.33332837e-1,
];
/// Taylor's polynomial of exp; on |r| <= ln(2)/2 its error is 6e-9.
const EXP: [f64; 8] = [
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// Adding this to a float below 2^22 rounds it to an integer, which then is in the
/// low bits: 1.5 · 2^23.
const ROUNDER: f64 = 12_582_912.0;

/// Replaces `op` if it is one of them.
pub(super) fn expand<'c>(context: &'c Context, op: OperationRef<'c, '_>) -> Emitted<()> {
    let function = match ir::name(op) {
        "math.exp" => Function::Exp,
        "math.erf" => Function::Erf,
        "math.tanh" => Function::Tanh,
        "math.clampf" => {
            return replace(context, op, |lanes, values| {
                let low = lanes.emit.same("arith.maximumf", &[values[0], values[1]])?;
                lanes.emit.same("arith.minimumf", &[low, values[2]])
            });
        }
        "vector.reduction" => {
            if let Some(reorder) = Attribute::parse(context, "#arith.fastmath<reassoc>") {
                ir::set_attribute(op, "fastmath", reorder);
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    let ty = Value::from(op.result(0)?).r#type();
    match Element::read(ty).map(|element| element.scalar).as_deref() {
        Some("f32") => replace(context, op, |lanes, values| {
            lanes.apply(function, values[0])
        }),
        Some("f16") => replace(context, op, |lanes, values| {
            let wide = lanes.emit.value("arith.extf", values, lanes.f32, &[])?;
            let result = lanes.apply(function, wide)?;
            lanes.emit.value("arith.truncf", &[result], ty, &[])
        }),
        _ => Ok(()),
    }
}

/// A function of one f32.
#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Erf,
    Tanh,
}

/// Puts what `body` emits in the place of `op`.
fn replace<'c>(
    context: &'c Context,
    op: OperationRef<'c, '_>,
    body: impl for<'a> FnOnce(&Lanes<'c, 'a>, &[Value<'c, 'a>]) -> Emitted<Value<'c, 'a>>,
) -> Emitted<()> {
    let operands: Vec<Value> = op.operands().collect();
    let arguments: Vec<_> = operands
        .iter()
        .map(|value| (value.r#type(), op.location()))
        .collect();
    let region = Region::new();
    let block = region.append_block(Block::new(&arguments));
    let emit = Emit {
        context,
        location: op.location(),
        block,
    };
    let values = (0..operands.len())
        .map(|index| Ok(block.argument(index)?.into()))
        .collect::<Emitted<Vec<Value>>>()?;
    let ty = Value::from(op.result(0)?).r#type();
    let element = Element::read(ty)
        .ok_or_else(|| LoweringError::at(op, format!("has type {ty}; use a fixed size")))?;
    let f32 = element.with_scalar(Type::float32(context));
    let result = body(&Lanes { emit, element, f32 }, &values)?;
    let rewriter = IrRewriter::from_op(op);
    rewriter
        .as_rewriter_base()
        .inline_block_before(block, op, &operands);
    rewriter
        .as_rewriter_base()
        .replace_op_with_values(op, &[result]);
    Ok(())
}

/// Emission of f32 arithmetic in one vector shape.
struct Lanes<'c, 'a> {
    emit: Emit<'c, 'a>,
    element: Element,
    f32: Type<'c>,
}

impl<'c, 'a> Lanes<'c, 'a> {
    fn apply(&self, function: Function, x: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        match function {
            Function::Exp => self.exp(x),
            Function::Erf => self.erf(x),
            Function::Tanh => self.tanh(x),
        }
    }

    fn exp(&self, x: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let e = &self.emit;
        // Outside this range the result is 0 or infinity.
        let low = e.same("arith.maxnumf", &[x, self.number(-104.0)?])?;
        let bounded = e.same("arith.minnumf", &[low, self.number(89.0)?])?;
        // x = n·ln(2) + r
        let rounder = self.number(ROUNDER)?;
        let shifted = self.fma(bounded, self.number(std::f64::consts::LOG2_E)?, rounder)?;
        let n = e.same("arith.subf", &[shifted, rounder])?;
        let high = f64::from(std::f32::consts::LN_2);
        let r = self.fma(n, self.number(-high)?, bounded)?;
        let r = self.fma(n, self.number(high - std::f64::consts::LN_2)?, r)?;
        let p = self.polynomial(r, &EXP)?;
        // exp(x) = p·2^n, in two steps because 2^n alone may be no normal float.
        let bits = self.bits(shifted)?;
        let exponent = e.same("arith.subi", &[bits, self.bits(rounder)?])?;
        let half = e.same("arith.shrsi", &[exponent, self.integer(1)?])?;
        let rest = e.same("arith.subi", &[exponent, half])?;
        let scaled = e.same("arith.mulf", &[p, self.power_of_two(half)?])?;
        let result = e.same("arith.mulf", &[scaled, self.power_of_two(rest)?])?;
        let nan = self.compare(UNO, x, x)?;
        self.select(nan, x, result)
    }

    fn erf(&self, x: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let e = &self.emit;
        let p = self.polynomial(e.same("arith.mulf", &[x, x])?, &ERF_CORE)?;
        let core = self.fma(x, p, x)?;
        let size = e.same("math.absf", &[x])?;
        // minimumf keeps NaN, which then reaches the result.
        let t = e.same("arith.minimumf", &[size, self.number(4.0)?])?;
        let q = e.same("arith.negf", &[self.polynomial(t, &ERF_TAIL)?])?;
        let tail = e.same("arith.subf", &[self.number(1.0)?, self.exp(q)?])?;
        let small = self.compare(OLT, size, self.number(1.0)?)?;
        e.same("math.copysign", &[self.select(small, core, tail)?, x])
    }

    fn tanh(&self, x: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let e = &self.emit;
        let square = e.same("arith.mulf", &[x, x])?;
        let p = self.polynomial(square, &TANH_CORE)?;
        let core = self.fma(x, e.same("arith.mulf", &[p, square])?, x)?;
        let size = e.same("math.absf", &[x])?;
        let t = e.same("arith.minimumf", &[size, self.number(10.0)?])?;
        let grown = self.exp(e.same("arith.addf", &[t, t])?)?;
        let divisor = e.same("arith.addf", &[grown, self.number(1.0)?])?;
        let share = e.same("arith.divf", &[self.number(2.0)?, divisor])?;
        let tail = e.same("arith.subf", &[self.number(1.0)?, share])?;
        let small = self.compare(OLT, size, self.number(0.625)?)?;
        // Of the core too: at -0 it gives 0.
        e.same("math.copysign", &[self.select(small, core, tail)?, x])
    }

    /// Horner's rule; highest power first.
    fn polynomial(&self, x: Value<'c, 'a>, coefficients: &[f64]) -> Emitted<Value<'c, 'a>> {
        let mut sum = self.number(coefficients[0])?;
        for coefficient in &coefficients[1..] {
            sum = self.fma(sum, x, self.number(*coefficient)?)?;
        }
        Ok(sum)
    }

    fn number(&self, value: f64) -> Emitted<Value<'c, 'a>> {
        self.emit
            .float(Type::float32(self.emit.context), self.f32, value)
    }

    fn integers(&self) -> Type<'c> {
        self.element
            .with_scalar(IntegerType::new(self.emit.context, 32).into())
    }

    fn integer(&self, value: i64) -> Emitted<Value<'c, 'a>> {
        let scalar: Type = IntegerType::new(self.emit.context, 32).into();
        let value: Attribute = IntegerAttribute::new(scalar, value).into();
        let ty = self.integers();
        let value = if ty == scalar {
            value
        } else {
            DenseElementsAttribute::splat(ty, value).into()
        };
        self.emit
            .value("arith.constant", &[], ty, &[("value", value)])
    }

    fn bits(&self, x: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        self.emit.value("arith.bitcast", &[x], self.integers(), &[])
    }

    /// 2^n for the exponents of normal floats.
    fn power_of_two(&self, n: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        let biased = self.emit.same("arith.addi", &[n, self.integer(127)?])?;
        let bits = self.emit.same("arith.shli", &[biased, self.integer(23)?])?;
        self.emit.value("arith.bitcast", &[bits], self.f32, &[])
    }

    fn fma(&self, a: Value<'c, 'a>, b: Value<'c, 'a>, c: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        self.emit.same("math.fma", &[a, b, c])
    }

    fn compare(
        &self,
        predicate: i64,
        a: Value<'c, 'a>,
        b: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let context = self.emit.context;
        let truth = self
            .element
            .with_scalar(IntegerType::new(context, 1).into());
        let predicate = IntegerAttribute::new(IntegerType::new(context, 64).into(), predicate);
        self.emit.value(
            "arith.cmpf",
            &[a, b],
            truth,
            &[("predicate", predicate.into())],
        )
    }

    fn select(
        &self,
        condition: Value<'c, 'a>,
        yes: Value<'c, 'a>,
        no: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        self.emit
            .value("arith.select", &[condition, yes, no], self.f32, &[])
    }
}

/// Ordered and less than; a `CmpFPredicate`.
const OLT: i64 = 4;
/// Unordered: one of both is NaN.
const UNO: i64 = 14;

#[cfg(test)]
mod tests {
    use super::{ERF_CORE, ERF_TAIL, TANH_CORE};

    /// The fitted coefficients of a shader: its literals with eight digits or an exponent.
    fn fitted(shader: &str) -> Vec<f64> {
        shader
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| line.split([' ', ',', '(', ')', ';']))
            .filter(|word| word.len() > 7)
            .filter_map(|word| word.parse().ok())
            .collect()
    }

    #[test]
    fn polynomials_are_those_of_the_shaders() {
        let erf = fitted(include_str!("../../../shaders/erf.wgsl"));
        assert_eq!(erf, [ERF_CORE, ERF_TAIL].concat());
        assert_eq!(
            fitted(include_str!("../../../shaders/tanh.wgsl")),
            TANH_CORE
        );
    }
}
