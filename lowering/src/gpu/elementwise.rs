//! Elementwise ops on scalars and vectors: upstream `arith` and `math` on
//! tensors, and `kforge.activation`.
//!
//! f16 is computed in f32; an explicit `arith.truncf` still rounds. Splat
//! constants are literals where they are finite: naga refuses others.

use kforge_dialect::{Activation, Element, TensorType, ir};
use melior::ir::{
    OperationRef, Type, Value, ValueLike, attribute::DenseElementsAttribute,
    operation::OperationLike,
};

use super::{activation::activation, turn};
use crate::emit::{Emit, Emitted};

/// Ops that compute every element from those at the same place.
const COMPUTED: &[&str] = &[
    "arith.addf",
    "arith.addi",
    "arith.andi",
    "arith.cmpf",
    "arith.cmpi",
    "arith.divf",
    "arith.extf",
    "arith.extsi",
    "arith.extui",
    "arith.fptosi",
    "arith.maximumf",
    "arith.maxnumf",
    "arith.maxsi",
    "arith.minimumf",
    "arith.minnumf",
    "arith.minsi",
    "arith.mulf",
    "arith.muli",
    "arith.negf",
    "arith.ori",
    "arith.select",
    "arith.sitofp",
    "arith.subf",
    "arith.subi",
    "arith.truncf",
    "arith.trunci",
    "arith.uitofp",
    "arith.xori",
    "kforge.activation",
    "math.absf",
    "math.absi",
    "math.ceil",
    "math.cos",
    "math.erf",
    "math.exp",
    "math.exp2",
    "math.floor",
    "math.fma",
    "math.log",
    "math.log2",
    "math.powf",
    "math.rsqrt",
    "math.sin",
    "math.sqrt",
    "math.tanh",
];

/// Whether `op` is one of them, on tensors of one static shape.
pub fn is_elementwise(op: OperationRef) -> bool {
    if !COMPUTED.contains(&ir::name(op)) || op.result_count() != 1 {
        return false;
    }
    let Some(sizes) = op.result(0).ok().and_then(|result| sizes(result.into())) else {
        return false;
    };
    op.operands()
        .all(|value| self::sizes(value).as_ref() == Some(&sizes))
}

/// The static shape of a tensor of a known element type.
pub fn sizes(value: Value) -> Option<Vec<i64>> {
    let sizes = ir::tensor_type(value)?.sizes()?;
    Some(sizes.into_iter().map(|size| size as i64).collect())
}

/// The type that elements of `element` are computed in.
pub fn computed(element: Element) -> Element {
    match element {
        Element::F16 => Element::F32,
        other => other,
    }
}

/// A constant that is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Literal {
    element: Element,
    value: f64,
}

impl Literal {
    /// The value of a scalar or splat `arith.constant`; none if it is not finite
    /// or has more bits than an f64.
    pub fn of(value: Value) -> Option<Self> {
        let op = ir::defining(value).filter(|op| ir::name(*op) == "arith.constant")?;
        let element = match TensorType::of(value.r#type()) {
            Some(ty) => ty.element,
            None => Element::of(value.r#type())?,
        };
        let attribute = op.attribute("value").ok()?;
        let number = match DenseElementsAttribute::try_from(attribute) {
            Ok(dense) if dense.is_splat() => ir::splat_f64(&dense)?,
            Ok(_) => return None,
            Err(_) => ir::scalar_f64(attribute)?,
        };
        let exact = number.is_finite() && (is_float(element) || number.abs() < 2f64.powi(53));
        exact.then_some(Self {
            element,
            value: number,
        })
    }

    /// The literal, as `element`, in every lane.
    pub fn emit<'c, 'a>(
        self,
        emit: &Emit<'c, 'a>,
        element: Element,
        width: i64,
    ) -> Emitted<Value<'c, 'a>> {
        let ty = computed(element).to_mlir(emit.context);
        if is_float(element) {
            // A value of f32 that fills a tensor of f16 is rounded to it.
            let value = match element {
                Element::F16 => half::f16::from_f64(self.value).to_f64(),
                _ => self.value,
            };
            return emit.float(ty, emit.vector_type(ty, width), value);
        }
        let value = match self.element {
            // A true i1 is -1 as a signed integer.
            Element::I1 => i64::from(self.value != 0.0),
            _ => self.value as i64,
        };
        emit.broadcast(emit.integer(ty, value)?, ty, width)
    }
}

fn is_float(element: Element) -> bool {
    matches!(element, Element::F32 | Element::F16)
}

/// One op on elements: `operands` are scalars or vectors of `width`.
pub fn compute<'c, 'a>(
    emit: &Emit<'c, 'a>,
    op: OperationRef<'c, 'a>,
    operands: &[Value<'c, 'a>],
    width: i64,
) -> Emitted<Value<'c, 'a>> {
    if let Some(op) = Activation::cast(op) {
        return activation(emit, op.kind(), operands[0]);
    }
    let result = Value::from(op.result(0)?);
    let element = ir::tensor_type(result).map_or(Element::F32, |ty| ty.element);
    let f32 = Type::float32(emit.context);
    match (ir::name(op), element) {
        ("arith.extf", _) => Ok(operands[0]),
        (name @ ("math.sin" | "math.cos"), _) => {
            let angle = turn::reduced(emit, operands[0])?;
            emit.same(name, &[angle])
        }
        ("arith.truncf", Element::F16) => {
            let f16 = Element::F16.to_mlir(emit.context);
            let rounded = emit.from_f32(operands[0], f16, width)?;
            emit.value("arith.extf", &[rounded], emit.vector_type(f32, width), &[])
        }
        (name, _) => {
            let ty = emit.vector_type(computed(element).to_mlir(emit.context), width);
            let predicate = op.attribute("predicate").ok();
            let attributes: Vec<_> = predicate
                .map(|value| ("predicate", value))
                .into_iter()
                .collect();
            emit.value(name, operands, ty, &attributes)
        }
    }
}
