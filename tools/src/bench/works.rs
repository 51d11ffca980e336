//! Which works a suite has, and their goals.

use super::{Against, Element, Op, Peer, SuiteName};

/// A work before it is compiled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planned {
    pub op: Op,
    pub element: Element,
    pub peers: Vec<Against>,
}

/// M x N x K of products that are thin beside their weights, as layers of transformers are,
/// and two odd ones.
const THIN: [[u64; 3]; 14] = [
    [128, 768, 768],
    [128, 3072, 768],
    [128, 4096, 4096],
    [128, 11008, 4096],
    [512, 3072, 768],
    [512, 768, 3072],
    [512, 4096, 4096],
    [512, 4096, 11008],
    [2048, 768, 768],
    [2048, 768, 3072],
    [2048, 4096, 4096],
    [2048, 11008, 4096],
    [1000, 1000, 1000],
    [127, 3071, 767],
];

/// Rows x columns; the first is the largest.
const ROWS: [[u64; 2]; 3] = [[8192, 8192], [4096, 1024], [65536, 256]];

/// n of the products of the curve, odd ones among them.
const GROWTH: [u64; 14] = [
    256, 257, 384, 512, 768, 1000, 1024, 2047, 2048, 4095, 4096, 8192, 8193, 16384,
];

/// The works of a suite, in order.
pub(super) fn of(suite: SuiteName) -> Vec<Planned> {
    match suite {
        SuiteName::Gpu => gpu(),
        SuiteName::Smoke => smoke(),
        SuiteName::Growth => GROWTH
            .map(|n| planned(square(n), Element::F32, [against(Peer::Torch, None)]))
            .into(),
    }
}

fn gpu() -> Vec<Planned> {
    use Element::{F16, F32};
    let mut works = Vec::new();
    let of_torch = |goal| [against(Peer::Torch, Some(goal))];
    let burn = || against(Peer::Burn, Some(1.3));
    let both = |peer, goal| [against(peer, Some(goal)), burn()];
    works.extend([4096, 8192].map(|n| planned(square(n), F32, both(Peer::Torch, 0.90))));
    works.extend(THIN.map(|[m, n, k]| {
        let mean = Against {
            group: Some("thin f32 matmul".into()),
            ..against(Peer::Torch, Some(0.80))
        };
        planned(Op::Matmul { m, n, k }, F32, [mean, burn()])
    }));
    works.extend([4096, 8192].map(|n| planned(square(n), F16, both(Peer::Torch, 0.55))));
    for op in [softmax, layer_norm, rms_norm] {
        for sizes in ROWS {
            // What is near the launch's own time says nothing about memory.
            let copy = (sizes == ROWS[0]).then_some(0.85);
            let peers = [
                against(Peer::Torch, Some(1.5)),
                burn(),
                against(Peer::Copy, copy),
            ];
            works.push(planned(op(sizes), F32, peers));
        }
    }
    let shape = |positions, causal| attention([1, 16, positions, 64], causal);
    for causal in [false, true] {
        works.push(planned(shape(2048, causal), F32, both(Peer::Sdpa, 1.0)));
    }
    for positions in [512, 2048, 8192] {
        for causal in [false, true] {
            works.push(planned(
                shape(positions, causal),
                F16,
                both(Peer::Sdpa, 0.35),
            ));
        }
    }
    for element in [F32, F16] {
        for n in [4096, 11008] {
            let peers = [
                against(Peer::Torch, Some(1.0)),
                burn(),
                against(Peer::Copy, Some(0.80)),
            ];
            works.push(planned(vector(n, 4096), element, peers));
        }
    }
    let block = block([512, 768, 12]);
    works.push(planned(block, F32, of_torch(1.0)));
    let compiled = against(Peer::Compile, Some(0.6));
    works.push(planned(block, F16, [compiled, against(Peer::Torch, None)]));
    works
}

fn smoke() -> Vec<Planned> {
    use Element::{F16, F32};
    let torch = || [against(Peer::Torch, None)];
    let rows = || [against(Peer::Torch, None), against(Peer::Copy, None)];
    let sdpa = || [against(Peer::Sdpa, None)];
    let shape = |causal| attention([1, 2, 16, 8], causal);
    vec![
        planned(
            square(32),
            F32,
            [against(Peer::Torch, None), against(Peer::Burn, None)],
        ),
        planned(matmul([17, 19, 23]), F32, torch()),
        planned(square(32), F16, torch()),
        planned(softmax([8, 64]), F32, rows()),
        planned(layer_norm([8, 64]), F32, rows()),
        planned(rms_norm([8, 64]), F32, rows()),
        planned(shape(false), F32, sdpa()),
        planned(shape(true), F32, sdpa()),
        planned(shape(false), F16, sdpa()),
        planned(vector(48, 64), F32, rows()),
        planned(vector(48, 64), F16, rows()),
        planned(block([8, 16, 2]), F32, torch()),
        planned(block([8, 16, 2]), F16, [against(Peer::Compile, None)]),
    ]
}

fn planned<const N: usize>(op: Op, element: Element, peers: [Against; N]) -> Planned {
    let peers = peers.into();
    Planned { op, element, peers }
}

const fn against(peer: Peer, goal: Option<f64>) -> Against {
    let group = None;
    Against { peer, goal, group }
}

const fn matmul([m, n, k]: [u64; 3]) -> Op {
    Op::Matmul { m, n, k }
}

const fn square(n: u64) -> Op {
    matmul([n, n, n])
}

const fn vector(n: u64, k: u64) -> Op {
    matmul([1, n, k])
}

const fn softmax([rows, columns]: [u64; 2]) -> Op {
    Op::Softmax { rows, columns }
}

const fn layer_norm([rows, columns]: [u64; 2]) -> Op {
    Op::LayerNorm { rows, columns }
}

const fn rms_norm([rows, columns]: [u64; 2]) -> Op {
    Op::RmsNorm { rows, columns }
}

const fn attention([batch, heads, positions, head]: [u64; 4], causal: bool) -> Op {
    Op::Attention {
        batch,
        heads,
        positions,
        head,
        causal,
    }
}

/// Four times as wide between its last two layers.
const fn block([positions, features, heads]: [u64; 3]) -> Op {
    Op::Block {
        positions,
        features,
        heads,
        hidden: 4 * features,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn works_have_names_of_their_own_and_possible_goals() {
        for suite in SuiteName::ALL {
            let works = of(suite);
            let names: BTreeSet<String> = works.iter().map(|it| it.op.name(it.element)).collect();
            assert_eq!(names.len(), works.len(), "{suite}");
            for work in works {
                assert!(!work.peers.is_empty());
                let goals = work.peers.iter().filter_map(|it| it.goal);
                goals.for_each(|goal| assert!((0.1..10.0).contains(&goal)));
            }
        }
    }
}
