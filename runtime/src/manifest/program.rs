//! Programs of a package: entries, their ports, and dispatches.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{BufferId, Dtype, Expr};

/// One callable program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What a caller passes, in order.
    pub inputs: Vec<Port>,
    /// What a caller gets, in order.
    pub outputs: Vec<Port>,
    /// What runs, in order.
    pub steps: Vec<Step>,
}

/// An input or output of an entry: a buffer seen with a dtype and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The user's name for it.
    pub name: String,
    /// The buffer.
    pub buffer: BufferId,
    /// Element type, equal to the buffer's.
    pub dtype: Dtype,
    /// Shape the caller sees. Differs from the buffer's only if the buffer is
    /// dense and has as many elements.
    pub shape: Vec<Expr>,
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Launch a kernel.
    Dispatch(Dispatch),
}

/// One kernel launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// Name of the kernel.
    pub kernel: String,
    /// Workgroups in x, y, z; zero in any = nothing runs.
    pub workgroups: [Expr; 3],
    /// Memory arguments, one per binding of the kernel.
    pub args: Vec<KernelArgument>,
    /// Scalar arguments, one per immediate of the kernel.
    #[serde(default)]
    pub immediates: Vec<Immediate>,
    /// Problem size as users know it (M, N, K of a matmul), for messages only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<Expr>,
}

/// A memory argument: a buffer from some byte on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelArgument {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte; a multiple of the device's offset alignment (256 at most).
    #[serde(default = "zero")]
    pub byte_offset: Expr,
}

impl From<BufferId> for KernelArgument {
    fn from(buffer: BufferId) -> Self {
        Self {
            buffer,
            byte_offset: zero(),
        }
    }
}

const fn zero() -> Expr {
    Expr::Constant(0)
}

/// A scalar argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Immediate {
    /// An integer, for `i32` and `u32`.
    Integer(Expr),
    /// A float, for `f32`; `"inf"`, `"-inf"` and `"nan"` are written as text.
    F32(Float),
}

impl From<f32> for Immediate {
    fn from(value: f32) -> Self {
        Self::F32(Float(value))
    }
}

impl From<Expr> for Immediate {
    fn from(value: Expr) -> Self {
        Self::Integer(value)
    }
}

/// An f32 that survives JSON, infinities included.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f32);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || (self.0.is_nan() && other.0.is_nan())
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            // As f64, because its decimal text reads back to the same bits.
            serializer.serialize_f64(f64::from(self.0))
        } else {
            let text = match (self.0.is_nan(), self.0 > 0.0) {
                (true, _) => "nan",
                (false, true) => "inf",
                (false, false) => "-inf",
            };
            serializer.serialize_str(text)
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Repr {
            Number(f64),
            Text(String),
        }
        let value = match Repr::deserialize(deserializer)? {
            Repr::Number(value) if (value as f32).is_finite() => value as f32,
            Repr::Number(value) => {
                return Err(de::Error::custom(format!(
                    "{value} exceeds the range of f32"
                )));
            }
            Repr::Text(text) => match text.as_str() {
                "inf" => f32::INFINITY,
                "-inf" => f32::NEG_INFINITY,
                "nan" => f32::NAN,
                _ => return Err(de::Error::custom("expected a number, inf, -inf or nan")),
            },
        };
        Ok(Self(value))
    }
}

impl JsonSchema for Float {
    fn schema_name() -> Cow<'static, str> {
        "Float".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "an f32",
            "anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}],
        })
    }
}
