//! Outputs of a draw against what the program gives.

use kforge_oracle::{Field, FieldTensor, Number};
use kforge_runtime::manifest::Entry;

use super::{Algebra, Memory};
use crate::interpret::Cell;

/// What one draw, or several, decided.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Reals were too close to be ordered: the draw counts for nothing.
    pub tied: bool,
    /// Output and element that no draw has decided.
    pub open: Vec<(usize, usize)>,
    pub degree: u64,
    drawn: bool,
}

impl Compared {
    /// Takes a further draw into account.
    pub fn join(&mut self, other: &Compared) {
        if other.tied {
            return;
        }
        self.degree = self.degree.max(other.degree);
        match self.drawn {
            true => self.open.retain(|element| other.open.contains(element)),
            false => self.open.clone_from(&other.open),
        }
        self.drawn = true;
    }
}

pub(super) fn compare(
    entry: &Entry,
    field: &Field,
    memory: &Memory,
    expected: &[FieldTensor],
    beyond: Option<&str>,
) -> Result<Compared, Algebra> {
    let mut compared = Compared {
        tied: field.is_tied(),
        ..Compared::default()
    };
    if entry.outputs.len() != expected.len() {
        let (kernels, program) = (entry.outputs.len(), expected.len());
        let what = format!("the kernels have {kernels} outputs, the program {program}");
        return Err(Algebra::Refused(what));
    }
    for (output, (port, expected)) in entry.outputs.iter().zip(expected).enumerate() {
        let shape = &memory.extents[port.buffer.0 as usize].shape;
        let got = memory.elements(port.buffer.0 as usize);
        if got.len() != expected.len() {
            let what = format!(
                "output {output} has {} elements, the program gives {}",
                got.len(),
                expected.len()
            );
            return Err(Algebra::Refused(what));
        }
        for (index, got) in got.iter().enumerate() {
            let wrong = match (got, expected) {
                (Cell::Unwritten, _) => Some("was never written".to_owned()),
                (Cell::Integer(got), FieldTensor::Integer(expected)) => (*got != expected[index])
                    .then(|| format!("is {got}, the program gives {}", expected[index])),
                (Cell::Float(got), FieldTensor::Float(expected)) => {
                    float(got, &expected[index], output, index, &mut compared, beyond)
                }
                _ => return Err(Algebra::Open("an output of another type".into())),
            };
            let Some(wrong) = wrong else {
                continue;
            };
            if compared.tied {
                return Ok(compared);
            }
            if let Some(literal) = field.foreign_literal() {
                return Err(Algebra::Open(format!(
                    "element {:?} of output {output} differs, and the kernel's literal {literal} may be \
                     a product of constants that is not recognised",
                    coordinates(index, shape)
                )));
            }
            let at = coordinates(index, shape);
            return Err(Algebra::Refused(format!(
                "output {output}: element {at:?} {wrong}"
            )));
        }
    }
    Ok(compared)
}

/// What is wrong with a float, if anything is for certain.
fn float(
    got: &Number,
    expected: &Number,
    output: usize,
    index: usize,
    compared: &mut Compared,
    beyond: Option<&str>,
) -> Option<String> {
    if got.is_unwritten() {
        let what = beyond.map_or_else(String::new, |beyond| format!(": {beyond}"));
        return Some(format!("depends on memory that nothing has written{what}"));
    }
    let degree = got.degree().saturating_add(expected.degree());
    compared.degree = compared.degree.max(degree);
    if got.equals(expected) {
        return None;
    }
    if got.is_undefined() || expected.is_undefined() {
        let who = if got.is_undefined() {
            "the kernels divide"
        } else {
            "the program divides"
        };
        return Some(format!("differs: {who} by zero"));
    }
    if got.is_certain() && expected.is_certain() {
        return Some(format!(
            "is {:#018x} modulo p, the program gives {:#018x}",
            got.residue(),
            expected.residue()
        ));
    }
    compared.open.push((output, index));
    None
}

fn coordinates(mut index: usize, shape: &[u64]) -> Vec<usize> {
    let mut at: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let place = index % *size as usize;
            index /= *size as usize;
            place
        })
        .collect();
    at.reverse();
    at
}
