//! The sizes of chains, one by one: what is next to what, and that nothing is listed twice.

use kforge_oracle::*;

#[test]
fn chains_of_every_rank() {
    // A workgroup of 8: 9, 11 and 37 are what is above it, and 36 and 32 are four of them.
    let pairs = [
        [1, 1],
        [2, 2],
        [3, 9],
        [1, 8],
        [2, 32],
        [9, 1],
        [5, 7],
        [4, 3],
        [11, 4],
        [3, 36],
        [1, 37],
        [7, 11],
    ];
    assert_eq!(chain_shapes(2, 8), pairs.map(|it| it.to_vec()));
    let lasts = [1, 2, 9, 8, 32, 7, 3, 4, 36, 37, 11];
    assert_eq!(chain_shapes(1, 8), lasts.map(|it| vec![it]));
    // Further out 1, 2 and 3 in turns, so that neighbours differ.
    let turns = [2, 3, 1];
    let outer = |number: usize, dim: usize| {
        if number == 0 {
            1
        } else {
            turns[(number + dim) % 3]
        }
    };
    for count in [3, 4, 5] {
        let shapes = chain_shapes(count, 8);
        assert_eq!(shapes.len(), pairs.len());
        for (number, (shape, pair)) in shapes.iter().zip(pairs).enumerate() {
            let wanted: Vec<usize> = (0..count - 2)
                .map(|dim| outer(number, dim))
                .chain(pair)
                .collect();
            assert_eq!(*shape, wanted);
        }
    }
    // A prime has another one above it.
    let sizes: Vec<usize> = chain_shapes(2, 7).iter().map(|it| it[0]).collect();
    assert!(sizes.contains(&11) && matmul_shapes((7, 13, 2)).contains(&(11, 17, 3)));
}
