//! A program over the fields: each op straight from its definition.
//!
//! Nothing of the f64 evaluation or of a kernel is shared, no order of summation matters.

use thiserror::Error;

use crate::{
    cases::CaseError,
    op::{BinaryKind, ConstantData, Op, Predicate, ReduceKind, UnaryKind},
    program::{Node, Program, TensorType, ValueId},
    validate::ProgramError,
    work::multiply_adds,
};

use super::{Field, FieldTensor, Function, Number, layers, moves};

/// Multiply-adds and elements of a program: some seconds.
const LIMIT: u64 = 1 << 26;

/// Why a program has no value over the fields.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FieldError {
    /// The program breaks a rule.
    #[error("invalid program: {0}")]
    Program(#[from] ProgramError),
    /// No inputs could be made.
    #[error(transparent)]
    Inputs(#[from] CaseError),
    /// More work than allowed.
    #[error("the program has {work} multiply-adds and elements, limit {limit}")]
    TooMuch {
        /// Sum over all values and products.
        work: u64,
        /// Most that is evaluated.
        limit: u64,
    },
    /// An integer that is none.
    #[error("stage '{stage}' converts a value that is no integer of 53 bits")]
    Integer {
        /// Stage name.
        stage: String,
    },
}

/// Multiply-adds and elements of a program.
pub fn field_work(program: &Program) -> u64 {
    let inputs = program
        .inputs
        .iter()
        .map(|input| input.ty.elements() as u64);
    let nodes = program
        .nodes
        .iter()
        .map(|node| multiply_adds(program, node).saturating_add(node.ty.elements() as u64));
    inputs.chain(nodes).fold(0, u64::saturating_add)
}

/// The results of a program on inputs that fit it.
pub fn evaluate_in_field(
    program: &Program,
    field: &Field,
    inputs: &[FieldTensor],
) -> Result<Vec<FieldTensor>, FieldError> {
    program.validate()?;
    let work = field_work(program);
    if work > LIMIT {
        return Err(FieldError::TooMuch { work, limit: LIMIT });
    }
    let mut values = inputs.to_vec();
    for node in &program.nodes {
        let value = evaluate_node(program, field, node, &values)?;
        values.push(value);
    }
    Ok(program
        .outputs
        .iter()
        .map(|id| values[id.0 as usize].clone())
        .collect())
}

/// What an op sees of its operands.
pub(super) struct Operands<'a> {
    program: &'a Program,
    pub field: &'a Field,
    values: &'a [FieldTensor],
}

impl<'a> Operands<'a> {
    pub fn shape(&self, id: ValueId) -> &'a [usize] {
        self.program.type_of(id).map_or(&[], |ty| &ty.shape)
    }

    pub fn ty(&self, id: ValueId) -> Option<&'a TensorType> {
        self.program.type_of(id)
    }

    pub fn floats(&self, id: ValueId) -> &'a [Number] {
        self.values[id.0 as usize].floats()
    }

    pub fn integers(&self, id: ValueId) -> &'a [i64] {
        self.values[id.0 as usize].integers()
    }

    pub fn tensor(&self, id: ValueId) -> &'a FieldTensor {
        &self.values[id.0 as usize]
    }
}

fn evaluate_node(
    program: &Program,
    field: &Field,
    node: &Node,
    values: &[FieldTensor],
) -> Result<FieldTensor, FieldError> {
    let on = Operands {
        program,
        field,
        values,
    };
    if let Some(moved) = moves::evaluate(&on, &node.op, &node.ty) {
        return Ok(moved);
    }
    if let Some(layer) = layers::evaluate(&on, &node.op, &node.ty) {
        return Ok(FieldTensor::Float(layer));
    }
    let float = |values: Vec<Number>| Ok(FieldTensor::Float(values));
    match &node.op {
        Op::Constant { data } => Ok(constant(field, data, &node.ty)),
        Op::Activation { x, kind } => {
            let of = |value: &Number| layers::activation(field, *kind, *value);
            float(on.floats(*x).iter().map(of).collect())
        }
        Op::Unary { x, kind } => Ok(unary(&on, *x, *kind)),
        Op::Binary { a, b, kind } => Ok(binary(&on, *a, *b, *kind)),
        Op::Fma { a, b, c } => {
            let factors = on.floats(*a).iter().zip(on.floats(*b));
            let sums = factors.zip(on.floats(*c)).map(|((a, b), c)| *a * *b + *c);
            float(sums.collect())
        }
        Op::Compare {
            a,
            b,
            predicate,
            nan,
        } => Ok(compare(&on, *a, *b, *predicate, *nan)),
        Op::Select {
            condition,
            on_true,
            on_false,
        } => Ok(select(&on, *condition, *on_true, *on_false)),
        Op::Cast { x } => cast(&on, *x, node),
        Op::Reduce {
            x,
            init,
            kind,
            axes,
        } => Ok(reduce(&on, *x, *init, *kind, axes, &node.ty)),
        // The others are layers and moves, evaluated above.
        _ => float(Vec::new()),
    }
}

fn constant(field: &Field, data: &ConstantData, ty: &TensorType) -> FieldTensor {
    let values = match data {
        ConstantData::Splat(value) => vec![*value; ty.elements()],
        ConstantData::Dense(values) => values.clone(),
    };
    match ty.dtype.is_float() {
        true => FieldTensor::Float(values.iter().map(|value| field.literal(*value)).collect()),
        false => FieldTensor::Integer(values.iter().map(|value| *value as i64).collect()),
    }
}

fn unary(on: &Operands, x: ValueId, kind: UnaryKind) -> FieldTensor {
    if let FieldTensor::Integer(values) = on.tensor(x) {
        let narrow = on.ty(x).is_some_and(|ty| ty.dtype == crate::DType::I32);
        let of = |value: &i64| {
            let value = match kind {
                UnaryKind::Neg => value.wrapping_neg(),
                _ => value.wrapping_abs(),
            };
            // The least i32 is its own negative.
            if narrow {
                i64::from(value as i32)
            } else {
                value
            }
        };
        return FieldTensor::Integer(values.iter().map(of).collect());
    }
    let function = match kind {
        UnaryKind::Neg => None,
        UnaryKind::Abs => Some(Function::Abs),
        UnaryKind::Exp => Some(Function::Exp),
        UnaryKind::Exp2 => Some(Function::Exp2),
        UnaryKind::Log => Some(Function::Log),
        UnaryKind::Log2 => Some(Function::Log2),
        UnaryKind::Sqrt => Some(Function::Sqrt),
        UnaryKind::Rsqrt => Some(Function::Rsqrt),
        UnaryKind::Tanh => Some(Function::Tanh),
        UnaryKind::Erf => Some(Function::Erf),
        UnaryKind::Sin => Some(Function::Sin),
        UnaryKind::Cos => Some(Function::Cos),
        UnaryKind::Floor => Some(Function::Floor),
        UnaryKind::Ceil => Some(Function::Ceil),
    };
    let of = |value: &Number| match function {
        None => -*value,
        Some(function) => on.field.apply(function, *value),
    };
    FieldTensor::Float(on.floats(x).iter().map(of).collect())
}

fn binary(on: &Operands, a: ValueId, b: ValueId, kind: BinaryKind) -> FieldTensor {
    if let (FieldTensor::Integer(left), FieldTensor::Integer(right)) = (on.tensor(a), on.tensor(b))
    {
        let narrow = on.ty(a).is_some_and(|ty| ty.dtype == crate::DType::I32);
        let of = |(a, b): (&i64, &i64)| {
            let value = match kind {
                BinaryKind::Add => a.wrapping_add(*b),
                BinaryKind::Sub => a.wrapping_sub(*b),
                BinaryKind::Mul => a.wrapping_mul(*b),
                BinaryKind::Maximum | BinaryKind::Maxnum => *a.max(b),
                BinaryKind::Minimum | BinaryKind::Minnum => *a.min(b),
                BinaryKind::And => a & b,
                BinaryKind::Or => a | b,
                BinaryKind::Xor => a ^ b,
                // Floats only.
                BinaryKind::Div | BinaryKind::Pow => 0,
            };
            if narrow {
                i64::from(value as i32)
            } else {
                value
            }
        };
        return FieldTensor::Integer(left.iter().zip(right).map(of).collect());
    }
    let field = on.field;
    let of = |(a, b): (&Number, &Number)| match kind {
        BinaryKind::Add => *a + *b,
        BinaryKind::Sub => *a - *b,
        BinaryKind::Mul => *a * *b,
        BinaryKind::Div => *a / *b,
        BinaryKind::Maximum | BinaryKind::Maxnum => field.max(*a, *b),
        BinaryKind::Minimum | BinaryKind::Minnum => field.min(*a, *b),
        BinaryKind::Pow => field.power(*a, *b),
        // Booleans only.
        BinaryKind::And | BinaryKind::Or | BinaryKind::Xor => Number::ZERO,
    };
    FieldTensor::Float(on.floats(a).iter().zip(on.floats(b)).map(of).collect())
}

fn compare(on: &Operands, a: ValueId, b: ValueId, predicate: Predicate, nan: bool) -> FieldTensor {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let holds = |order: Option<std::cmp::Ordering>| match (order, predicate) {
        (None, _) => nan,
        (Some(_), Predicate::Always) => true,
        (Some(order), Predicate::Eq) => order == Equal,
        (Some(order), Predicate::Ne) => order != Equal,
        (Some(order), Predicate::Lt) => order == Less,
        (Some(order), Predicate::Le) => order != Greater,
        (Some(order), Predicate::Gt) => order == Greater,
        (Some(order), Predicate::Ge) => order != Less,
    };
    let results = match (on.tensor(a), on.tensor(b)) {
        (FieldTensor::Integer(a), FieldTensor::Integer(b)) => {
            let pairs = a.iter().zip(b);
            pairs
                .map(|(a, b)| i64::from(holds(Some(a.cmp(b)))))
                .collect()
        }
        _ => {
            let pairs = on.floats(a).iter().zip(on.floats(b));
            pairs
                .map(|(a, b)| i64::from(holds(on.field.compare(a, b))))
                .collect()
        }
    };
    FieldTensor::Integer(results)
}

fn select(on: &Operands, condition: ValueId, on_true: ValueId, on_false: ValueId) -> FieldTensor {
    fn pick<T: Copy>(conditions: &[i64], yes: &[T], no: &[T]) -> Vec<T> {
        let choices = yes.iter().zip(no);
        let choose = |(condition, (yes, no)): (&i64, (&T, &T))| match condition {
            0 => *no,
            _ => *yes,
        };
        conditions.iter().zip(choices).map(choose).collect()
    }
    let conditions = on.integers(condition);
    match (on.tensor(on_true), on.tensor(on_false)) {
        (FieldTensor::Integer(yes), FieldTensor::Integer(no)) => {
            FieldTensor::Integer(pick(conditions, yes, no))
        }
        _ => FieldTensor::Float(pick(conditions, on.floats(on_true), on.floats(on_false))),
    }
}

fn cast(on: &Operands, x: ValueId, node: &Node) -> Result<FieldTensor, FieldError> {
    use crate::DType;
    let to = node.ty.dtype;
    Ok(match on.tensor(x) {
        FieldTensor::Float(values) if to.is_float() => FieldTensor::Float(values.clone()),
        FieldTensor::Integer(values) if to.is_float() => {
            FieldTensor::Float(values.iter().map(|value| Number::integer(*value)).collect())
        }
        FieldTensor::Integer(values) => {
            let of = |value: &i64| match to {
                DType::I32 => i64::from(*value as i32),
                // A truncation, as of any integer: the lowest bit.
                DType::Bool => *value & 1,
                _ => *value,
            };
            FieldTensor::Integer(values.iter().map(of).collect())
        }
        FieldTensor::Float(values) => {
            let of = |value: &Number| {
                on.field
                    .to_integer(value)
                    .ok_or_else(|| FieldError::Integer {
                        stage: node.stage.clone(),
                    })
            };
            FieldTensor::Integer(values.iter().map(of).collect::<Result<_, _>>()?)
        }
    })
}

fn reduce(
    on: &Operands,
    x: ValueId,
    init: Option<ValueId>,
    kind: ReduceKind,
    axes: &[usize],
    ty: &TensorType,
) -> FieldTensor {
    let shape = on.shape(x);
    let kept: Vec<usize> = (0..shape.len())
        .filter(|axis| !axes.contains(axis))
        .collect();
    // The result's element of each element of x.
    let place = |index: usize| {
        let at = moves::coordinates(index, shape);
        kept.iter()
            .fold(0, |place, axis| place * shape[*axis] + at[*axis])
    };
    fn fold<T: Copy>(
        values: &[T],
        start: Option<&[T]>,
        (place, elements, neutral): (&dyn Fn(usize) -> usize, usize, T),
        join: &dyn Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut result: Vec<Option<T>> = match start {
            Some(start) => start.iter().map(|value| Some(*value)).collect(),
            None => vec![None; elements],
        };
        for (index, value) in values.iter().enumerate() {
            let slot = &mut result[place(index)];
            *slot = Some(slot.map_or(*value, |sum| join(sum, *value)));
        }
        result
            .into_iter()
            .map(|value| value.unwrap_or(neutral))
            .collect()
    }
    let elements = ty.elements();
    match on.tensor(x) {
        FieldTensor::Integer(values) => {
            let narrow = ty.dtype == crate::DType::I32;
            let wrap = |value: i64| {
                if narrow {
                    i64::from(value as i32)
                } else {
                    value
                }
            };
            let join = |a: i64, b: i64| match kind {
                ReduceKind::Add => wrap(a.wrapping_add(b)),
                ReduceKind::Mul => wrap(a.wrapping_mul(b)),
                ReduceKind::Max => a.max(b),
                ReduceKind::Min => a.min(b),
            };
            let start = init.map(|init| on.integers(init));
            let (least, most) = if narrow {
                (i32::MIN.into(), i32::MAX.into())
            } else {
                (i64::MIN, i64::MAX)
            };
            let neutral = match kind {
                ReduceKind::Add => 0,
                ReduceKind::Mul => 1,
                ReduceKind::Max => least,
                ReduceKind::Min => most,
            };
            FieldTensor::Integer(fold(values, start, (&place, elements, neutral), &join))
        }
        FieldTensor::Float(values) => {
            let join = |a: Number, b: Number| match kind {
                ReduceKind::Add => a + b,
                ReduceKind::Mul => a * b,
                ReduceKind::Max => on.field.max(a, b),
                ReduceKind::Min => on.field.min(a, b),
            };
            let start = init.map(|init| on.floats(init));
            let neutral = match kind {
                ReduceKind::Add => Number::ZERO,
                ReduceKind::Mul => Number::integer(1),
                ReduceKind::Max => on.field.literal(f64::NEG_INFINITY),
                ReduceKind::Min => on.field.literal(f64::INFINITY),
            };
            FieldTensor::Float(fold(values, start, (&place, elements, neutral), &join))
        }
    }
}
