//! What a kernel is given beside its buffers: fields of a uniform or of the immediates, and
//! values of `override` constants.

use std::collections::BTreeMap;

use kforge_runtime::manifest::{Expr, Immediate, Place, ScalarType};
use naga::{AddressSpace, ScalarKind};

use super::Builder;
use crate::foreign::{
    Cause, ForeignError,
    interface::{Formula, Number, Sizes, Source},
    shader::{Scalars, scalar_name},
};

/// What a launch is given.
#[derive(Default)]
pub(super) struct Passed {
    pub types: Vec<ScalarType>,
    pub values: Vec<Immediate>,
    /// Where it is a uniform.
    pub uniform: Option<Place>,
}

/// The value of a [`Number`].
enum Value {
    Integer(i64),
    Float(f32),
}

impl Builder<'_> {
    /// What an `override` constant, or all, are set to.
    pub(super) fn constants(&self) -> Result<BTreeMap<String, Immediate>, ForeignError> {
        let stated = self.interface.sizes.as_ref();
        let stated = stated.map(|sizes| &sizes.constants);
        let mut values = BTreeMap::new();
        for (name, number) in stated.into_iter().flatten() {
            let mut overrides = self.shader.module.overrides.iter();
            let known = overrides.any(|(_, it)| match it.id {
                Some(id) => *name == id.to_string(),
                None => it.name.as_ref() == Some(name),
            });
            if !known {
                let problem = format!(
                    "sizes.constants.{}: there is no such override constant (one with an @id is \
                     called by its number); the WGSL has {}",
                    name.escape_default(),
                    self.shader.describe()
                );
                return Err(self.error(Cause::Interface, problem));
            }
            let value = match self.number(name, number)? {
                Value::Integer(value) => Immediate::Integer(Expr::Constant(value)),
                Value::Float(value) => value.into(),
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }

    fn number(&self, place: &str, number: &Number) -> Result<Value, ForeignError> {
        match number {
            Number::Float(value) => Ok(Value::Float(*value as f32)),
            Number::Formula(Formula(Expr::Symbol(name)))
                if self.problem.floats.contains_key(name) =>
            {
                Ok(Value::Float(self.problem.floats[name]))
            }
            Number::Formula(formula) => Ok(Value::Integer(self.value(place, &formula.0)?)),
        }
    }

    /// The scalars of the uniform or of the immediates, with zeros in the gaps of the struct.
    pub(super) fn scalars(&self, entry: usize) -> Result<Passed, ForeignError> {
        let uniform = self.shader.scalars(entry, AddressSpace::Uniform)?;
        let immediate = self.shader.scalars(entry, AddressSpace::Immediate)?;
        let source = self.interface.sizes.as_ref().map(|sizes| sizes.from);
        let undeclared = |word: &str| {
            self.error(
                Cause::Interface,
                format!(
                    "has a var<{word}>, and the interface does not say what is in it: give \
                     [sizes] with from = \"{}\" and values; the WGSL has {}",
                    if word == "uniform" {
                        word
                    } else {
                        "immediates"
                    },
                    self.shader.describe()
                ),
            )
        };
        let (scalars, sizes) = match (uniform, immediate, source) {
            (Some(_), Some(_), _) => {
                let problem = "has a var<uniform> and a var<immediate>; use one of them";
                return Err(self.error(Cause::Unsupported, problem));
            }
            (Some(scalars), None, Some(Source::Uniform))
            | (None, Some(scalars), Some(Source::Immediates)) => {
                (scalars, self.interface.sizes.as_ref())
            }
            (Some(_), None, _) => return Err(undeclared("uniform")),
            (None, Some(_), _) => return Err(undeclared("immediate")),
            // Of several dispatches, one may need no sizes.
            (None, None, _) => return Ok(Passed::default()),
        };
        let Some(sizes) = sizes else {
            return Ok(Passed::default());
        };
        let (types, values) = self.fields(&scalars, sizes)?;
        Ok(Passed {
            types,
            values,
            uniform: scalars.place,
        })
    }

    fn fields(
        &self,
        scalars: &Scalars,
        sizes: &Sizes,
    ) -> Result<(Vec<ScalarType>, Vec<Immediate>), ForeignError> {
        let wrong = |problem: String| self.error(Cause::Interface, problem);
        if scalars.fields.len() != sizes.values.len() {
            return Err(wrong(format!(
                "sizes.values has {} values, the WGSL has {} fields",
                sizes.values.len(),
                scalars.fields.len()
            )));
        }
        let (mut types, mut values) = (Vec::new(), Vec::new());
        for (index, ((offset, scalar), number)) in
            scalars.fields.iter().zip(&sizes.values).enumerate()
        {
            while 4 * (types.len() as u32) < *offset {
                types.push(ScalarType::U32);
                values.push(Immediate::Integer(Expr::Constant(0)));
            }
            let name = scalar_name(*scalar);
            if let Some(stated) = sizes.types.get(index).filter(|stated| **stated != name) {
                return Err(wrong(format!(
                    "sizes.types[{index}] is {}, the field is {name} in the WGSL",
                    stated.escape_default()
                )));
            }
            let place = format!("sizes.values[{index}]");
            let value = self.number(&place, number)?;
            let (ty, value) = match (scalar.kind, value) {
                (ScalarKind::Sint, Value::Integer(value)) => (ScalarType::I32, integer(value)),
                (ScalarKind::Uint, Value::Integer(value)) => (ScalarType::U32, integer(value)),
                (ScalarKind::Float, Value::Float(value)) => (ScalarType::F32, value.into()),
                (ScalarKind::Float, Value::Integer(value)) => {
                    (ScalarType::F32, (value as f32).into())
                }
                (_, Value::Float(value)) => {
                    return Err(wrong(format!(
                        "{place} is the float {value}, the field is {name}"
                    )));
                }
                (_, Value::Integer(_)) => {
                    return Err(wrong(format!(
                        "{place}: the field is {name}, which is not passed"
                    )));
                }
            };
            types.push(ty);
            values.push(value);
        }
        Ok((types, values))
    }
}

fn integer(value: i64) -> Immediate {
    Immediate::Integer(Expr::Constant(value))
}
