//! State of the translation of one `gpu.func`: values, types, features.

use super::{
    arguments::{library, workgroup_size},
    builder::Builder,
    error::TranslateError,
    kernel::{Binding, Features, Immediate, ImmediateSource, Kernel},
    ops,
    options::{Launch, Scalar, TranslateOptions},
    read,
    types::{MatrixType, ScalarType, ValueType},
    view::View,
};
use melior::ir::{BlockRef, OperationRef, Value, ValueLike, operation::OperationLike};
use naga::{Expression, GlobalVariable, Handle, Literal, Type};
use std::collections::HashMap;

/// What an MLIR value became.
#[derive(Debug, Clone)]
pub(super) enum Lowered {
    Value(Handle<Expression>),
    View(View),
    /// A scalar argument: member of the immediates, and the type it has in MLIR.
    Immediate(u32, ScalarType),
    /// A matrix of one constant: usable as zero, or as a factor.
    ConstantMatrix {
        value: Handle<Expression>,
        ty: Handle<Type>,
    },
}

/// State of one translation.
pub(super) struct Translator<'o> {
    pub(super) b: Builder,
    pub(super) options: &'o TranslateOptions,
    pub(super) workgroup_size: [u32; 3],
    pub(super) features: Features,
    pub(super) subgroup_size: Option<u32>,
    pub(super) values: HashMap<usize, Lowered>,
    pub(super) arguments: Vec<Argument>,
    pub(super) immediates: Vec<Immediate>,
    pub(super) memory: u64,
}

/// A memref argument of the kernel and how it turned out to be used.
pub(super) struct Argument {
    pub(super) binding: Binding,
    pub(super) variable: Handle<GlobalVariable>,
    pub(super) loaded: bool,
    pub(super) stored: bool,
}

/// Translates `func`, whose control flow has been found uniform where it must be.
pub(super) fn translate(
    func: OperationRef<'_, '_>,
    launch: &Launch,
    options: &TranslateOptions,
) -> Result<Kernel, TranslateError> {
    if read::name(func) != "gpu.func" || !func.has_attribute("gpu.kernel") {
        return Err(read::fail(func, "is not a gpu.func with gpu.kernel"));
    }
    let Some(body) = read::block(func, 0)? else {
        return Err(read::fail(func, "has no body to translate"));
    };
    let mut t = Translator {
        b: Builder::new(library(func)?),
        options,
        workgroup_size: workgroup_size(func, launch, options)?,
        features: Features::default(),
        subgroup_size: None,
        values: HashMap::new(),
        arguments: Vec::new(),
        immediates: Vec::new(),
        memory: 0,
    };
    t.declare_arguments(func, body, launch)?;
    t.block(body)?;
    t.finish(func)
}

impl Translator<'_> {
    /// Translates all ops of a block and returns its terminator.
    pub(super) fn block<'c, 'a>(
        &mut self,
        block: BlockRef<'c, 'a>,
    ) -> Result<Option<OperationRef<'c, 'a>>, TranslateError> {
        let mut last = None;
        for op in read::operations(block) {
            last = Some(op);
            ops::lower(self, op)?;
        }
        Ok(last)
    }

    /// The expression of a value that is no memref.
    pub(super) fn value(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<Handle<Expression>, TranslateError> {
        match self.values.get(&read::key(&value)).cloned() {
            Some(Lowered::Value(handle)) => Ok(handle),
            Some(Lowered::Immediate(member, scalar)) => {
                let loaded = self.b.immediate(member);
                Ok(match scalar {
                    ScalarType::Bool => {
                        let zero = self.b.i32(0);
                        self.b.binary(naga::BinaryOperator::NotEqual, loaded, zero)
                    }
                    ScalarType::F16 => self.b.convert(loaded, naga::Scalar::F16),
                    _ => loaded,
                })
            }
            Some(Lowered::ConstantMatrix { value, ty }) if self.is_zero(value) => {
                Ok(self.b.place(Expression::ZeroValue(ty)))
            }
            Some(Lowered::ConstantMatrix { .. }) => Err(read::fail(
                op,
                "uses a constant matrix that is not zero; it can only be a factor of mulf",
            )),
            Some(Lowered::View(_)) => Err(read::fail(
                op,
                "uses a memref as a value; only loads, stores and view ops take memrefs",
            )),
            None => Err(read::fail(op, "uses a value from outside the kernel")),
        }
    }

    pub(super) fn operand(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<Handle<Expression>, TranslateError> {
        let value = read::operand(op, index)?;
        self.value(op, value)
    }

    pub(super) fn lowered(&self, value: Value<'_, '_>) -> Option<&Lowered> {
        self.values.get(&read::key(&value))
    }

    pub(super) fn view(
        &self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<View, TranslateError> {
        match self.lowered(read::operand(op, index)?) {
            Some(Lowered::View(view)) => Ok(view.clone()),
            _ => Err(read::fail(
                op,
                format!("has operand {index} that is no memref of the kernel"),
            )),
        }
    }

    pub(super) fn set(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
        lowered: Lowered,
    ) -> Result<(), TranslateError> {
        let value = read::result(op, index)?;
        self.bind(value, lowered);
        Ok(())
    }

    pub(super) fn set_value(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Handle<Expression>,
    ) -> Result<(), TranslateError> {
        self.set(op, 0, Lowered::Value(value))
    }

    pub(super) fn bind(&mut self, value: Value<'_, '_>, lowered: Lowered) {
        self.values.insert(read::key(&value), lowered);
    }

    /// Scalar or vector type of a value, with its features noted.
    pub(super) fn value_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<ValueType, TranslateError> {
        let ty = ValueType::parse(&value.r#type().to_string()).map_err(|m| read::fail(op, m))?;
        self.require_scalar(op, ty.scalar)?;
        Ok(ty)
    }

    pub(super) fn result_type(
        &mut self,
        op: OperationRef<'_, '_>,
    ) -> Result<ValueType, TranslateError> {
        let value = read::result(op, 0)?;
        self.value_type(op, value)
    }

    pub(super) fn operand_type(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<ValueType, TranslateError> {
        let value = read::operand(op, index)?;
        self.value_type(op, value)
    }

    pub(super) fn matrix_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<(MatrixType, Handle<Type>), TranslateError> {
        self.require(op, "cooperative matrices", |f| &mut f.cooperative_matrix)?;
        let matrix =
            MatrixType::parse(&value.r#type().to_string()).map_err(|m| read::fail(op, m))?;
        self.require_scalar(op, matrix.scalar)?;
        match matrix.inner() {
            Some(inner) => Ok((matrix, self.b.ty(inner))),
            None => Err(read::fail(
                op,
                "has a matrix that is not 8 or 16 wide and high",
            )),
        }
    }

    /// Type of a variable that can hold `value`.
    pub(super) fn variable_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<Handle<Type>, TranslateError> {
        if MatrixType::is_matrix(&value.r#type().to_string()) {
            return Ok(self.matrix_type(op, value)?.1);
        }
        let inner = self.value_type(op, value)?.inner();
        Ok(self.b.ty(inner))
    }

    pub(super) fn require_scalar(
        &mut self,
        op: OperationRef<'_, '_>,
        scalar: ScalarType,
    ) -> Result<(), TranslateError> {
        match scalar {
            ScalarType::F16 => self.require(op, "f16", |f| &mut f.f16),
            ScalarType::I64 => self.require(op, "i64", |f| &mut f.int64),
            _ => Ok(()),
        }
    }

    /// Notes that the kernel needs a feature, if it may.
    pub(super) fn require(
        &mut self,
        op: OperationRef<'_, '_>,
        name: &str,
        feature: fn(&mut Features) -> &mut bool,
    ) -> Result<(), TranslateError> {
        let mut allowed = self.options.allowed;
        if !*feature(&mut allowed) {
            return Err(read::fail(
                op,
                format!("needs {name}, which the device does not have"),
            ));
        }
        *feature(&mut self.features) = true;
        Ok(())
    }

    pub(super) fn note_load(&mut self, view: &View) {
        if let Some(argument) = view.argument {
            self.arguments[argument].loaded = true;
        }
    }

    pub(super) fn note_store(&mut self, view: &View) {
        if let Some(argument) = view.argument {
            self.arguments[argument].stored = true;
        }
    }

    /// A scalar constant. Non-finite floats become immediates.
    pub(super) fn constant(&mut self, scalar: ScalarType, value: Scalar) -> Handle<Expression> {
        let literal = match (scalar, value) {
            (ScalarType::Bool, Scalar::Int(value)) => Literal::Bool(value != 0),
            (ScalarType::I32, Scalar::Int(value)) => Literal::I32(value as i32),
            (ScalarType::I64, Scalar::Int(value)) => Literal::I64(value),
            (ScalarType::F16 | ScalarType::F32, Scalar::Float(value)) if !value.is_finite() => {
                let source = value as f32;
                let known = self.immediates.iter().position(|immediate| {
                    matches!(immediate.source, ImmediateSource::Constant(other) if other.to_bits() == source.to_bits())
                });
                let member = known.map_or_else(
                    || self.member(ImmediateSource::Constant(source), ScalarType::F32),
                    |index| index as u32,
                );
                let loaded = self.b.immediate(member);
                return match scalar {
                    ScalarType::F16 => self.b.convert(loaded, naga::Scalar::F16),
                    _ => loaded,
                };
            }
            (ScalarType::F16, Scalar::Float(value)) => Literal::F16(half::f16::from_f64(value)),
            (ScalarType::F32, Scalar::Float(value)) => Literal::F32(value as f32),
            (scalar, Scalar::Float(value)) => {
                return self.constant(scalar, Scalar::Int(value as i64));
            }
            (scalar, Scalar::Int(value)) => {
                return self.constant(scalar, Scalar::Float(value as f64));
            }
        };
        self.b.literal(literal)
    }

    pub(super) fn is_zero(&self, value: Handle<Expression>) -> bool {
        match self.b.function.expressions[value] {
            Expression::Literal(Literal::F32(value)) => value == 0.0,
            Expression::Literal(Literal::F16(value)) => value.to_f32() == 0.0,
            _ => false,
        }
    }
}
