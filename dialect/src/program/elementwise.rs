//! Elementwise `arith` and `math`, on tensors and, inside linalg bodies, on the
//! elements of lifted tensors. Unsigned integer ops are refused: the oracle's
//! integers are signed.

use kforge_oracle::{BinaryKind, DType, Op, Predicate, TensorType, UnaryKind, ValueId};
use melior::ir::{OperationRef, ValueLike, attribute::IntegerAttribute, operation::OperationLike};

use super::{
    ProgramError,
    import::{Importer, Rule, Table, refuse, tensor_type},
};

macro_rules! table {
    ($($name:literal => $import:ident $(($kind:expr))?),* $(,)?) => {
        pub(super) const TABLE: Table = &[$(($name, table!(@rule $import $($kind)?))),*];
    };
    (@rule $import:ident $kind:expr) => {
        |importer, operation| $import(importer, operation, $kind)
    };
    (@rule $import:ident) => { $import };
}

table! {
    "arith.addf" => binary(BinaryKind::Add),
    "arith.addi" => binary(BinaryKind::Add),
    "arith.subf" => binary(BinaryKind::Sub),
    "arith.subi" => binary(BinaryKind::Sub),
    "arith.mulf" => binary(BinaryKind::Mul),
    "arith.muli" => binary(BinaryKind::Mul),
    "arith.divf" => binary(BinaryKind::Div),
    "arith.maximumf" => binary(BinaryKind::Maximum),
    "arith.maxsi" => binary(BinaryKind::Maximum),
    "arith.minimumf" => binary(BinaryKind::Minimum),
    "arith.minsi" => binary(BinaryKind::Minimum),
    "arith.maxnumf" => binary(BinaryKind::Maxnum),
    "arith.minnumf" => binary(BinaryKind::Minnum),
    "arith.andi" => binary(BinaryKind::And),
    "arith.ori" => binary(BinaryKind::Or),
    "arith.xori" => binary(BinaryKind::Xor),
    "arith.negf" => unary(UnaryKind::Neg),
    "arith.cmpf" => compare_floats,
    "arith.cmpi" => compare_integers,
    "arith.select" => select,
    "arith.extf" => cast,
    "arith.truncf" => cast,
    "arith.sitofp" => signed_cast,
    "arith.extsi" => signed_cast,
    "arith.extui" => boolean_cast,
    "arith.uitofp" => boolean_cast,
    "arith.trunci" => cast,
    "arith.fptosi" => cast,
    "math.absf" => unary(UnaryKind::Abs),
    "math.absi" => unary(UnaryKind::Abs),
    "math.exp" => unary(UnaryKind::Exp),
    "math.exp2" => unary(UnaryKind::Exp2),
    "math.log" => unary(UnaryKind::Log),
    "math.log2" => unary(UnaryKind::Log2),
    "math.sqrt" => unary(UnaryKind::Sqrt),
    "math.rsqrt" => unary(UnaryKind::Rsqrt),
    "math.tanh" => unary(UnaryKind::Tanh),
    "math.erf" => unary(UnaryKind::Erf),
    "math.sin" => unary(UnaryKind::Sin),
    "math.cos" => unary(UnaryKind::Cos),
    "math.floor" => unary(UnaryKind::Floor),
    "math.ceil" => unary(UnaryKind::Ceil),
    "math.powf" => binary(BinaryKind::Pow),
    "math.fma" => fma,
}

/// The rule of an elementwise op, for the bodies of linalg ops.
pub(super) fn find(name: &str) -> Option<Rule> {
    TABLE
        .iter()
        .find_map(|(known, rule)| (*known == name).then_some(*rule))
}

/// The operands, with scalars spread over the shape of the others, and the
/// result's type. In a linalg body the MLIR types are those of one element; the
/// shape is that of the lifted operands.
fn operands<'c, 'a, const N: usize>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<([ValueId; N], TensorType), ProgramError> {
    let mut ids = [ValueId(0); N];
    let mut shape = Vec::new();
    for (index, id) in ids.iter_mut().enumerate() {
        *id = importer.operand(operation, index)?;
        let operand = importer.type_of(*id).shape;
        if operand.len() > shape.len() {
            shape = operand;
        }
    }
    for id in &mut ids {
        *id = spread(importer, operation, *id, &shape);
    }
    let result = operation
        .result(0)
        .map_err(|_| refuse(operation, "has no result".into()))?;
    let dtype = tensor_type(result.r#type())
        .map_err(|message| refuse(operation, format!("result {message}")))?
        .dtype;
    Ok((ids, TensorType { dtype, shape }))
}

/// A scalar as a tensor of `shape`; anything else as it is.
pub(super) fn spread(
    importer: &mut Importer,
    operation: OperationRef,
    x: ValueId,
    shape: &[usize],
) -> ValueId {
    let ty = importer.type_of(x);
    if !ty.shape.is_empty() || shape.is_empty() {
        return x;
    }
    let node = Op::Broadcast {
        x,
        dimensions: (0..shape.len()).collect(),
    };
    importer.append(operation, node, TensorType::new(ty.dtype, shape))
}

fn append<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
    op: Op,
    ty: TensorType,
) -> Result<(), ProgramError> {
    let id = importer.append(operation, op, ty);
    importer.define(operation, id)
}

fn unary<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
    kind: UnaryKind,
) -> Result<(), ProgramError> {
    let ([x], ty) = operands(importer, operation)?;
    append(importer, operation, Op::Unary { x, kind }, ty)
}

fn binary<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
    kind: BinaryKind,
) -> Result<(), ProgramError> {
    let ([a, b], ty) = operands(importer, operation)?;
    append(importer, operation, Op::Binary { a, b, kind }, ty)
}

fn fma<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ([a, b, c], ty) = operands(importer, operation)?;
    append(importer, operation, Op::Fma { a, b, c }, ty)
}

fn select<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ([condition, on_true, on_false], ty) = operands(importer, operation)?;
    let node = Op::Select {
        condition,
        on_true,
        on_false,
    };
    append(importer, operation, node, ty)
}

fn cast<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ([x], ty) = operands(importer, operation)?;
    if ty.dtype == DType::Bool {
        let message = "gives i1; compare with 0 instead";
        return Err(refuse(operation, message.into()));
    }
    append(importer, operation, Op::Cast { x }, ty)
}

/// A true i1 is -1 as a signed integer, but 1 to the oracle.
fn signed_cast<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    if operand_dtype(importer, operation)? == DType::Bool {
        let message = "takes i1 as a signed integer; use the unsigned conversion";
        return Err(refuse(operation, message.into()));
    }
    cast(importer, operation)
}

fn boolean_cast<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let dtype = operand_dtype(importer, operation)?;
    if dtype != DType::Bool {
        let message = format!(
            "takes {} as an unsigned integer; only i1 is supported",
            dtype.name()
        );
        return Err(refuse(operation, message));
    }
    cast(importer, operation)
}

fn operand_dtype<'c, 'a>(
    importer: &Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<DType, ProgramError> {
    let x = importer.operand(operation, 0)?;
    Ok(importer.type_of(x).dtype)
}

/// arith.cmpf by the number of its predicate: predicate, and the result when an
/// operand is NaN. `false` and `uno` have no counterpart.
const FLOAT_PREDICATES: [Option<(Predicate, bool)>; 16] = [
    None,
    Some((Predicate::Eq, false)),
    Some((Predicate::Gt, false)),
    Some((Predicate::Ge, false)),
    Some((Predicate::Lt, false)),
    Some((Predicate::Le, false)),
    Some((Predicate::Ne, false)),
    Some((Predicate::Always, false)),
    Some((Predicate::Eq, true)),
    Some((Predicate::Gt, true)),
    Some((Predicate::Ge, true)),
    Some((Predicate::Lt, true)),
    Some((Predicate::Le, true)),
    Some((Predicate::Ne, true)),
    None,
    Some((Predicate::Always, true)),
];

/// arith.cmpi by the number of its predicate, the unsigned ones left out.
const INTEGER_PREDICATES: [Predicate; 6] = [
    Predicate::Eq,
    Predicate::Ne,
    Predicate::Lt,
    Predicate::Le,
    Predicate::Gt,
    Predicate::Ge,
];

fn predicate(operation: OperationRef) -> Result<usize, ProgramError> {
    operation
        .attribute("predicate")
        .ok()
        .and_then(|value| IntegerAttribute::try_from(value).ok())
        .and_then(|value| usize::try_from(value.value()).ok())
        .ok_or_else(|| refuse(operation, "has no predicate".into()))
}

fn compare_floats<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let number = predicate(operation)?;
    let (predicate, nan) = FLOAT_PREDICATES
        .get(number)
        .copied()
        .flatten()
        .ok_or_else(|| {
            let message = "has predicate 'false' or 'uno', which programs do not have";
            refuse(operation, message.into())
        })?;
    compare(importer, operation, predicate, nan)
}

fn compare_integers<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let predicate = *INTEGER_PREDICATES
        .get(predicate(operation)?)
        .ok_or_else(|| {
            let message = "compares unsigned integers; programs have signed ones";
            refuse(operation, message.into())
        })?;
    let ordered = !matches!(predicate, Predicate::Eq | Predicate::Ne);
    if ordered && operand_dtype(importer, operation)? == DType::Bool {
        let message = "orders i1, of which true is -1; compare with eq or ne";
        return Err(refuse(operation, message.into()));
    }
    compare(importer, operation, predicate, false)
}

fn compare<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
    predicate: Predicate,
    nan: bool,
) -> Result<(), ProgramError> {
    let ([a, b], ty) = operands(importer, operation)?;
    let node = Op::Compare {
        a,
        b,
        predicate,
        nan,
    };
    append(importer, operation, node, ty)
}
