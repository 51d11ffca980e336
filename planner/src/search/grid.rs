//! A part of the space that a person names: values for some knobs, the others as the
//! heuristic chooses them.
//!
//! A matmul's space has about a million plans; a grid is how all of a part of it are tried.

use std::{collections::BTreeMap, str::FromStr};

use crate::space;

/// Values by knob, smallest first. They need not be among those that a search draws from;
/// what does not fit an op or the device is left out like anywhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    values: BTreeMap<String, Vec<i64>>,
}

/// Why a text is no part of a grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// Not of the form.
    #[error("'{0}' is not KNOB=VALUE,... such as tile-m=32,64")]
    Form(String),
    /// Not a number.
    #[error("knob '{knob}': '{value}' is no integer")]
    Value {
        /// The knob.
        knob: String,
        /// The text.
        value: String,
    },
    /// No schedule has such a knob.
    #[error("no schedule has a knob '{knob}'; there are: {known}")]
    Knob {
        /// The text.
        knob: String,
        /// The knobs that searches choose.
        known: String,
    },
    /// Said twice.
    #[error("knob '{0}' is given twice; name all its values at once")]
    Twice(String),
}

impl Grid {
    /// The values of a knob; `None` where it is the heuristic's.
    pub(super) fn values(&self, knob: &str) -> Option<&[i64]> {
        self.values.get(knob).map(Vec::as_slice)
    }

    /// A grid of texts such as `tile-m=32,64`, one per knob.
    ///
    /// # Errors
    /// Another form, a knob that no schedule has, and one that is named twice.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, GridError> {
        let mut grid = Self::default();
        for text in texts {
            for (knob, values) in text.parse::<Self>()?.values {
                if grid.values.insert(knob.clone(), values).is_some() {
                    return Err(GridError::Twice(knob));
                }
            }
        }
        Ok(grid)
    }
}

impl FromStr for Grid {
    type Err = GridError;

    fn from_str(text: &str) -> Result<Self, GridError> {
        let form = || GridError::Form(text.escape_debug().to_string());
        let (knob, values) = text.split_once('=').ok_or_else(form)?;
        let known = space::knobs();
        if !known.contains(&knob) {
            return Err(GridError::Knob {
                knob: knob.escape_debug().to_string(),
                known: known.join(", "),
            });
        }
        let number = |value: &str| {
            value.parse().map_err(|_| GridError::Value {
                knob: knob.to_owned(),
                value: value.escape_debug().to_string(),
            })
        };
        let mut values: Vec<i64> = values.split(',').map(number).collect::<Result<_, _>>()?;
        values.sort_unstable();
        values.dedup();
        Ok(Self {
            values: BTreeMap::from([(knob.to_owned(), values)]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_once_and_in_order() {
        let grid = Grid::of(["tile-m=64,32,64", "stages=1"]).unwrap();
        assert_eq!(grid.values("tile-m"), Some(&[32, 64][..]));
        assert_eq!(grid.values("stages"), Some(&[1][..]));
        assert_eq!(grid.values("tile-n"), None);
    }

    #[test]
    fn what_is_no_grid_is_said() {
        for (texts, words) in [
            (&["tile-m"][..], "'tile-m' is not KNOB=VALUE,..."),
            (&["tile-m="], "'' is no integer"),
            (&["tile-m=1,wide"], "'wide' is no integer"),
            (
                &["tile-q=1"],
                "no schedule has a knob 'tile-q'; there are: block-",
            ),
            (&["stages=1", "stages=2"], "'stages' is given twice"),
        ] {
            let error = Grid::of(texts.iter().copied()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
