//! What a kernel's author says of it: which binding is what, where the sizes come from, how
//! many workgroups are launched. Read from TOML; unknown keys are refused with their place.
//!
//! Limits: 64 KiB of TOML, 16 dispatches, 64 bindings, 16 scratch buffers.

use std::{collections::BTreeMap, fmt, str::FromStr};

use kforge_runtime::manifest::Expr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Cause, ForeignError};

/// Bytes of a TOML file; one has 500.
pub const MAX_INTERFACE_BYTES: usize = 64 << 10;
const MAX_DISPATCHES: usize = 16;
const MAX_NAMES: usize = 64;

/// How to bind and launch a kernel. The default is the ABI of kforge's own kernels: operands
/// in order, then results, sizes compiled in; only the workgroups are missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interface {
    /// The entry point; needed where the file has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Invocations of a workgroup, checked against the WGSL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup: Option<[u32; 3]>,
    /// What each storage buffer is, in order of group and binding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Bound>,
    /// Workgroups in x, y and z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroups: Option<[Formula; 3]>,
    /// Stated by kernels that use `arrayLength`: their bindings end where the data ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// Where the kernel gets its sizes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// The sizes that the mandatory shapes are chosen around.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tile: BTreeMap<String, u32>,
    /// Which sizes the kernel takes; every size without a rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Rule>,
    /// Buffers between several dispatches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scratch: BTreeMap<String, Scratch>,
    /// Several launches, in order, in place of `entry` and `workgroups`.
    #[serde(default, rename = "dispatch", skip_serializing_if = "Vec::is_empty")]
    pub dispatches: Vec<Launch>,
}

/// What a storage buffer of the kernel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// The name of an operand, result or scratch buffer.
    Name(String),
    /// The same with its place or element type, which are checked against the WGSL.
    At(BoundAt),
}

/// A [`Bound`] in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundAt {
    /// Operand, result or scratch buffer.
    pub name: String,
    /// Its `@group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Its `@binding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<u32>,
    /// Its element type in WGSL, such as `vec4<f32>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
}

impl Bound {
    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::At(at) => &at.name,
        }
    }
}

/// How a kernel learns how long its buffers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// By WGSL's `arrayLength`.
    #[serde(rename = "arrayLength")]
    ArrayLength,
}

/// Where sizes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// One `var<uniform>`.
    Uniform,
    /// One `var<immediate>`.
    Immediates,
    /// `override` constants.
    Override,
    /// Nowhere: the kernel is for one shape.
    None,
}

/// The sizes a kernel is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Where they come from.
    pub from: Source,
    /// Fields of the uniform or the immediates, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Number>,
    /// Their types, checked against the WGSL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Values of `override` constants, by name or by the number of their `@id`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Number>,
}

/// Sizes of a dimension that a kernel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only multiples of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple: Option<u32>,
    /// At most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
    /// At least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<u32>,
    /// Only this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exactly: Option<u32>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("a multiple of", self.multiple),
            ("at least", self.least),
            ("at most", self.most),
            ("exactly", self.exactly),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(words, limit)| Some((words, limit?)));
        for (index, (words, limit)) in parts.enumerate() {
            let and = if index == 0 { "" } else { " and " };
            write!(f, "{and}{words} {limit}")?;
        }
        Ok(())
    }
}

/// A buffer that is neither operand nor result. It holds NaN before the first dispatch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratch {
    /// `f32`, `f16`, `i32` or `u32`.
    pub element: String,
    /// How many elements.
    pub size: Formula,
}

/// One of several launches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Launch {
    /// The entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Invocations of a workgroup, checked against the WGSL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup: Option<[u32; 3]>,
    /// What each storage buffer that this entry point uses is; else as for the whole file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Bound>,
    /// Workgroups in x, y and z.
    pub workgroups: [Formula; 3],
}

/// An integer expression over the op's dimension names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula(pub Expr);

impl FromStr for Formula {
    type Err = <Expr as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Formula(formula) => Ok(formula),
            Number::Float(value) => Err(de::Error::custom(format!(
                "expected an integer or a formula, found the float {value}"
            ))),
        }
    }
}

/// A formula, or a float for `f32` fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// An integer expression; alone, the name of a float attribute of the op, such as `epsilon`.
    Formula(Formula),
    /// A literal.
    Float(f64),
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Formula(formula) => formula.serialize(serializer),
            Self::Float(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl de::Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a formula such as \"ceildiv(n, 64)\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number::Formula(Formula(Expr::Constant(value))))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                let value = i64::try_from(value).map_err(|_| E::custom("exceeds 2^63 - 1"))?;
                self.visit_i64(value)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number::Float(value))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number::Formula).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl Interface {
    /// Reads TOML; `name` is the file in messages.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ForeignError> {
        let wrong = |problem: String| ForeignError::new(Cause::Input, name, problem);
        if text.len() > MAX_INTERFACE_BYTES {
            let bytes = text.len();
            return Err(wrong(format!(
                "{bytes} bytes exceed the limit of {MAX_INTERFACE_BYTES}"
            )));
        }
        let interface: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(String::new, |span| {
                let before = &text[..span.start.min(text.len())];
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                format!("line {line}, column {column}: ")
            });
            wrong(format!(
                "{place}{}",
                error.message().trim().replace('\n', "; ")
            ))
        })?;
        interface.check().map_err(wrong)?;
        Ok(interface)
    }

    /// As TOML that reads back as the same.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Relations between its parts.
    pub(super) fn check(&self) -> Result<(), String> {
        let counts = [
            ("dispatches", self.dispatches.len(), MAX_DISPATCHES),
            ("bindings", self.bindings.len(), MAX_NAMES),
            ("scratch buffers", self.scratch.len(), MAX_DISPATCHES),
        ];
        if let Some((what, count, limit)) = counts.iter().find(|(_, count, limit)| count > limit) {
            return Err(format!("{count} {what} exceed the limit of {limit}"));
        }
        if !self.dispatches.is_empty() && (self.workgroups.is_some() || self.entry.is_some()) {
            return Err("has [[dispatch]] as well as 'entry' or 'workgroups'; \
                        move them into a [[dispatch]]"
                .into());
        }
        for (name, rule) in &self.shapes {
            let zero = |it: Option<u32>| it == Some(0);
            if zero(rule.multiple) || zero(rule.most) || zero(rule.exactly) {
                return Err(format!("shapes.{name}: sizes are at least 1, a rule has 0"));
            }
            if *rule == Rule::default() {
                return Err(format!(
                    "shapes.{name}: is empty; give 'multiple', 'most', 'least' or 'exactly'"
                ));
            }
        }
        let Some(sizes) = &self.sizes else {
            return Ok(());
        };
        if !sizes.types.is_empty() && sizes.types.len() != sizes.values.len() {
            return Err(format!(
                "sizes.types has {} types for {} values",
                sizes.types.len(),
                sizes.values.len()
            ));
        }
        let takes_values = matches!(sizes.from, Source::Uniform | Source::Immediates);
        match (takes_values, sizes.values.is_empty()) {
            (true, true) => Err("sizes.values is missing: list the fields in order".into()),
            (false, false) => Err(format!(
                "sizes.values is for from = \"uniform\" and \"immediates\", not \"{}\"",
                sizes.from.name()
            )),
            _ if sizes.from == Source::Override && sizes.constants.is_empty() => {
                Err("sizes.constants is missing: give each override constant a value".into())
            }
            _ => Ok(()),
        }
    }
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Immediates => "immediates",
            Self::Override => "override",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATMUL: &str = r#"
        workgroup = [16, 16, 1]
        bindings = ["a", { name = "b", element = "vec4<f32>" }, "out"]
        workgroups = ["ceildiv(n, 64)", "m", 1]
        [sizes]
        from = "uniform"
        values = ["m", "n", "k", 0.5]
        [shapes]
        n = { multiple = 4 }
    "#;

    #[test]
    fn what_is_read_survives_json() {
        let interface = Interface::from_toml("x.toml", MATMUL).unwrap();
        let json = serde_json::to_string(&interface).unwrap();
        assert_eq!(serde_json::from_str::<Interface>(&json).unwrap(), interface);
        let toml = interface.to_toml().unwrap();
        assert_eq!(Interface::from_toml("x.toml", &toml).unwrap(), interface);
        assert_eq!(interface.shapes["n"].multiple, Some(4));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, words) in [
            (
                "tile = { m = 1 }\nworkgruop = 3",
                "x.toml: line 2, column 1: unknown field",
            ),
            ("workgroups = [\"n / 2\", 1, 1]", "line 1, column"),
            ("workgroups = [1.5, 1, 1]", "found the float 1.5"),
            ("[sizes]\nfrom = \"uniform\"", "sizes.values is missing"),
            ("[sizes]\nfrom = \"override\"", "sizes.constants is missing"),
            ("[sizes]\nfrom = \"none\"\nvalues = [\"m\"]", "not \"none\""),
            ("[shapes]\nn = {}", "shapes.n: is empty"),
            ("[shapes]\nn = { multiple = 0 }", "has 0"),
            (
                "entry = \"f\"\n[[dispatch]]\nworkgroups = [1, 1, 1]",
                "as well as",
            ),
            ("length = \"array\"", "line 1, column 10"),
        ] {
            let error = Interface::from_toml("x.toml", text).unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
        let long = "#".repeat(MAX_INTERFACE_BYTES + 1);
        assert!(Interface::from_toml("x.toml", &long).is_err());
    }
}
