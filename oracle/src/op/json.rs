//! Floats of constants in JSON: the non-finite ones are the strings "inf", "-inf" and "nan".

use serde::{Deserialize, Serialize};

/// JSON has no infinities, and masks are made of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum JsonFloat {
    Number(f64),
    Name(NonFinite),
}

#[derive(Serialize, Deserialize)]
enum NonFinite {
    #[serde(rename = "inf")]
    Inf,
    #[serde(rename = "-inf")]
    NegInf,
    #[serde(rename = "nan")]
    Nan,
}

impl From<f64> for JsonFloat {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            JsonFloat::Name(NonFinite::Nan)
        } else if value == f64::INFINITY {
            JsonFloat::Name(NonFinite::Inf)
        } else if value == f64::NEG_INFINITY {
            JsonFloat::Name(NonFinite::NegInf)
        } else {
            JsonFloat::Number(value)
        }
    }
}

impl From<JsonFloat> for f64 {
    fn from(value: JsonFloat) -> Self {
        match value {
            JsonFloat::Number(x) => x,
            JsonFloat::Name(NonFinite::Inf) => f64::INFINITY,
            JsonFloat::Name(NonFinite::NegInf) => f64::NEG_INFINITY,
            JsonFloat::Name(NonFinite::Nan) => f64::NAN,
        }
    }
}

/// One float.
pub(super) mod scalar {
    use super::JsonFloat;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        JsonFloat::from(*value).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        JsonFloat::deserialize(d).map(f64::from)
    }
}

/// A list of floats.
pub(super) mod list {
    use super::JsonFloat;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|&x| JsonFloat::from(x)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let list = Vec::<JsonFloat>::deserialize(d)?;
        Ok(list.into_iter().map(f64::from).collect())
    }
}
