//! Evidence and warnings in words.

use std::fmt;

use super::{Exact, Warning};

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage,
            values,
            elements,
            typical_ratio,
            ..
        } = self;
        write!(
            f,
            "stage '{stage}' ({values} values): {elements} errors are beyond their typical size, \
             up to {typical_ratio:.2} of it"
        )
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shapes,
            p,
            q,
            draws,
            degree,
            log2_error,
            ..
        } = self;
        let noun = if *shapes == 1 { "shape" } else { "shapes" };
        write!(
            f,
            "exact at {shapes} {noun} modulo p = {p}, q = {q}, {draws} draws, degree up to \
             {degree}: a wrong element passes with at most 2^{log2_error:.0}"
        )
    }
}
