//! What an input is for: decides which values make sense in it.
//!
//! Roles are found by following each input through data movement and casts to the op that
//! uses it. An input used in several roles gets the first of mask, positions, inverse
//! frequency, gamma, query or key; everything else is plain.

use crate::dtype::DType;
use crate::infer::axis_index;
use crate::op::{BinaryKind, Op};
use crate::program::{Program, ValueId};

/// Use of one input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// Additive attention mask.
    Mask,
    /// rope positions; sequence length of the rotated tensor.
    Positions { sequence: usize },
    /// rope inverse frequencies.
    InvFreq { theta: f64 },
    /// Scale of a normalisation.
    Gamma,
    /// Queries of attention, whose products are scaled.
    Query { scale: f64 },
    /// Keys of attention.
    Key,
    /// Anything else; `axis` is the one its rows run along.
    Plain { axis: usize },
}

/// One role per input.
pub(crate) fn roles(program: &Program) -> Vec<Role> {
    let origin = origins(program);
    let mut roles: Vec<Role> = program
        .inputs
        .iter()
        .map(|i| Role::Plain {
            axis: i.ty.shape.len().saturating_sub(1),
        })
        .collect();
    let rank = |role: &Role| match role {
        Role::Mask => 5,
        Role::Positions { .. } => 4,
        Role::InvFreq { .. } => 3,
        Role::Gamma => 2,
        Role::Query { .. } | Role::Key => 1,
        Role::Plain { .. } => 0,
    };
    let mut assign = |id: ValueId, role: Role| {
        if let Some(slot) = origin[id.0 as usize].and_then(|input| roles.get_mut(input))
            && rank(&role) >= rank(slot)
        {
            *slot = role;
        }
    };
    for node in &program.nodes {
        match &node.op {
            Op::Attention {
                q, k, mask, scale, ..
            } => {
                let size = program.type_of(*q).and_then(|ty| ty.shape.last().copied());
                let usual = 1.0 / (size.unwrap_or(1).max(1) as f64).sqrt();
                let scale = scale.map_or(usual, |it| f64::from(it).abs().max(1e-6));
                assign(*q, Role::Query { scale });
                assign(*k, Role::Key);
                mask.iter().for_each(|&mask| assign(mask, Role::Mask));
            }
            Op::Rope {
                x,
                positions,
                inv_freq,
                theta,
                ..
            } => {
                let sequence = program.type_of(*x).and_then(|ty| ty.shape.get(2).copied());
                assign(
                    *positions,
                    Role::Positions {
                        sequence: sequence.unwrap_or(1),
                    },
                );
                if let Some(inv_freq) = inv_freq {
                    assign(
                        *inv_freq,
                        Role::InvFreq {
                            theta: f64::from(*theta),
                        },
                    );
                }
            }
            Op::LayerNorm { x, gamma, axis, .. } | Op::RmsNorm { x, gamma, axis, .. } => {
                row_axis(program, *x, *axis, &mut assign);
                gamma.iter().for_each(|&g| assign(g, Role::Gamma));
            }
            Op::Softmax { x, axis } => row_axis(program, *x, *axis, &mut assign),
            _ => {}
        }
    }
    roles
}

/// Rows of an input that is normalised directly run along the normalised axis.
fn row_axis(program: &Program, x: ValueId, axis: i64, assign: &mut impl FnMut(ValueId, Role)) {
    if (x.0 as usize) < program.inputs.len()
        && let Some(Ok(axis)) = program.type_of(x).map(|ty| axis_index(axis, ty))
    {
        assign(x, Role::Plain { axis });
    }
}

/// The input each value is a rearrangement of, if it is one.
fn origins(program: &Program) -> Vec<Option<usize>> {
    let mut origin: Vec<Option<usize>> = (0..program.inputs.len()).map(Some).collect();
    for node in &program.nodes {
        let from = match &node.op {
            Op::Cast { x }
            | Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Broadcast { x, .. }
            | Op::Slice { x, .. } => Some(*x),
            Op::InsertSlice { source, .. } => Some(*source),
            Op::Concat { inputs, .. } => inputs.first().copied(),
            _ => None,
        };
        origin.push(from.and_then(|id| origin[id.0 as usize]));
    }
    origin
}

/// Size of the largest sum of products, 1 without any.
pub(crate) fn largest_contraction(program: &Program) -> usize {
    let size = |id: &ValueId, from_end: usize| {
        let shape = program.type_of(*id).map_or(&[][..], |ty| &ty.shape);
        shape
            .len()
            .checked_sub(from_end)
            .and_then(|d| shape.get(d))
            .copied()
            .unwrap_or(1)
    };
    let of = |op: &Op| match op {
        Op::Matmul { a, transpose_a, .. } => size(a, if *transpose_a { 2 } else { 1 }),
        Op::Attention { q, .. } => size(q, 1),
        Op::Mlp { up, .. } => size(up, 1).max(size(up, 2)),
        _ => 1,
    };
    program
        .nodes
        .iter()
        .map(|n| of(&n.op))
        .max()
        .unwrap_or(1)
        .max(1)
}

/// Number of contractions whose results may feed each other; attention only averages.
pub(crate) fn contractions(program: &Program) -> usize {
    let count = |op: &Op| match op {
        Op::Matmul { .. } => 1,
        Op::Mlp { .. } => 2,
        _ => 0,
    };
    program.nodes.iter().map(|n| count(&n.op)).sum()
}

/// Whether a softmax is of something computed, as in attention that no pass has fused yet.
/// Scores there may have a mask added, by convention of -1e9, which must be beyond them all.
pub(crate) fn computes_scores(program: &Program) -> bool {
    let origin = origins(program);
    let computed = |x: &ValueId| origin[x.0 as usize].is_none();
    let mut nodes = program.nodes.iter();
    nodes.any(|node| matches!(&node.op, Op::Softmax { x, .. } if computed(x)))
}

/// Cases until the largest element of a row has walked through the rows of every softmax of an
/// input, at most [`super::PEAK_CASES`]; 1 where rows are enough, or none is asked for.
pub(crate) fn peak_cases(program: &Program) -> u64 {
    let inputs = program.inputs.len();
    let softmaxes = program.nodes.iter().filter_map(|node| match &node.op {
        Op::Softmax { x, axis } if (x.0 as usize) < inputs => Some((*x, *axis)),
        _ => None,
    });
    let cases = softmaxes.filter_map(|(x, axis)| {
        let ty = program.type_of(x)?;
        let n = ty.shape[axis_index(axis, ty).ok()?].max(1);
        Some(n.div_ceil((ty.elements() / n).max(1)) as u64)
    });
    cases.max().unwrap_or(1).clamp(1, super::PEAK_CASES)
}

/// The magnitude A that all inputs may have without overflow anywhere in the program.
///
/// Each value is bounded by c·A^g: a product of two such adds the exponents g, a sum of K
/// terms multiplies c by K, normalisations reset both. A = min (limit/c)^(1/g), with limit
/// 30000 when some value is f16, else 1e36.
pub(crate) fn amplitude(program: &Program) -> f64 {
    let types = program
        .inputs
        .iter()
        .map(|i| &i.ty)
        .chain(program.nodes.iter().map(|n| &n.ty));
    let half = types.into_iter().any(|ty| ty.dtype == DType::F16);
    let limit = if half { 30000.0f64 } else { 1e36 };
    let mut growth: Vec<(f64, f64)> = vec![(0.0, 1.0); program.inputs.len()];
    let mut amplitude = limit;
    for node in &program.nodes {
        let of = |id: &ValueId| growth[id.0 as usize];
        let size = |id: &ValueId, d: usize| {
            let shape = program.type_of(*id).map_or(&[][..], |ty| &ty.shape);
            (shape.get(d).copied().unwrap_or(1).max(1) as f64).ln()
        };
        let times = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
        let widest = |list: &[(f64, f64)]| {
            list.iter()
                .fold((0.0f64, 0.0f64), |m, g| (m.0.max(g.0), m.1.max(g.1)))
        };
        let operands = node.op.operands();
        let all = || widest(&operands.iter().map(|(_, id)| of(id)).collect::<Vec<_>>());
        let result = match &node.op {
            Op::Matmul {
                a, b, transpose_a, ..
            } => {
                let rank = program.type_of(*a).map_or(2, |ty| ty.shape.len());
                let k = size(a, if *transpose_a { rank - 2 } else { rank - 1 });
                let y = times(of(a), of(b));
                widest(&[(y.0 + k, y.1), all()])
            }
            Op::Mlp {
                x, up, down, gate, ..
            } => {
                let weight = |id: &ValueId| of(id);
                let hidden = times(of(x), weight(up));
                let hidden = (hidden.0 + size(up, 0).max(size(up, 1)), hidden.1);
                let hidden = if gate.is_some() {
                    times(hidden, hidden)
                } else {
                    hidden
                };
                let y = times(hidden, weight(down));
                (y.0 + size(up, 0).max(size(up, 1)), y.1)
            }
            Op::Attention { v, .. } => of(v),
            Op::Softmax { .. } => (0.0, 0.0),
            Op::LayerNorm { x, gamma, beta, .. } => {
                let weight = |w: &Option<ValueId>| w.as_ref().map_or((0.0, 0.0), of);
                let (g, b) = (weight(gamma), weight(beta));
                let n = program.type_of(*x).map_or(1, |ty| ty.elements().max(1));
                widest(&[(0.5 * (n as f64).ln() + g.0, g.1), b])
            }
            Op::RmsNorm { x, gamma, .. } => {
                let g = gamma.as_ref().map_or((0.0, 0.0), of);
                let n = program.type_of(*x).map_or(1, |ty| ty.elements().max(1));
                (0.5 * (n as f64).ln() + g.0, g.1)
            }
            Op::Binary {
                a,
                b,
                kind: BinaryKind::Mul,
            } => times(of(a), of(b)),
            Op::Fma { a, b, c } => widest(&[times(of(a), of(b)), of(c)]),
            _ => all(),
        };
        if result.1 > 0.0 {
            amplitude = amplitude.min(((limit.ln() - result.0) / result.1).exp());
        }
        growth.push(result);
    }
    amplitude
}
