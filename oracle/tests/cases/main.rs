//! The generator of inputs: deterministic, and each family is what it says.

#[path = "../common/mod.rs"]
mod common;
mod pinned;
mod programs;
mod shapes;

use common::*;
use kforge_oracle::*;

#[test]
fn generation_is_deterministic_and_role_aware() {
    let shape = AttentionShape {
        batch: 2,
        heads: 2,
        kv_heads: 1,
        queries: 5,
        keys: 9,
        depth: 4,
    };
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        let p = attention_program(dtype, &shape, false, true);
        for (values, salt) in standard_cases(Level::Full) {
            let a = generate(&p, values, salt).expect("generates");
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .expect("pool");
            assert_eq!(
                a,
                pool.install(|| generate(&p, values, salt))
                    .expect("generates")
            );
            assert!(
                a.iter()
                    .all(|x| x.value.iter().all(|&v| x.ty.dtype.holds(v)))
            );
            let absent = if dtype == DType::F16 { -6e4 } else { -1e9 };
            let rows = a[3].value.chunks(9).map(|r| r.iter().all(|&m| m <= absent));
            let full: Vec<usize> = rows.enumerate().filter(|r| r.1).map(|r| r.0).collect();
            assert_eq!(
                full,
                if values == Values::ConstantRows {
                    vec![0, 9]
                } else {
                    vec![]
                }
            );
            assert!(a[3].value.iter().any(|&m| m <= absent) && a[3].value.contains(&0.0));
        }
        let normal = |seed| generate(&p, Values::Normal, seed).expect("generates");
        assert_ne!(normal(1)[0], normal(2)[0]);
    }
    let p = rope_program(DType::F32, [1, 1, 6, 4], false);
    let positions = generate(&p, Values::Normal, 0).expect("generates")[1]
        .value
        .clone();
    assert_eq!(positions, [0., 1., 2., 3., 4., 5.]);
    let p = layer_norm_program(DType::F32, (3, 50));
    for (values, salt) in standard_cases(Level::Full) {
        let gamma = &generate(&p, values, salt).expect("generates")[1];
        let range = match values {
            Values::Beyond1e4 => 2e4..=1e5,
            _ => 0.3..=2.0,
        };
        assert!(
            gamma.value.iter().all(|g| range.contains(&g.abs())),
            "{values:?}"
        );
    }
    // Every position of K is hit by a one in some row or column.
    let p = matmul_program(DType::F32, (40, 8, 40));
    let a = &generate(&p, Values::OneHot, 0).expect("generates")[0];
    assert!((0..40).all(|k| (0..40).any(|i| a.value[i * 40 + k] == 1.0)));
}

#[test]
fn scores_are_beyond_a_clamp_and_within_what_rounding_leaves() {
    let shape = AttentionShape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        queries: 9,
        keys: 9,
        depth: 64,
    };
    let p = attention_program(DType::F32, &shape, false, false);
    let inputs = generate(&p, Values::Beyond1e4, 0).expect("generates");
    let (q, k) = (&inputs[0].value, &inputs[1].value);
    let score = |i: usize, j: usize| -> f64 {
        let products = (0..64).map(|d| q[i * 64 + d] * k[j * 64 + d]);
        products.sum::<f64>() / 8.0
    };
    for i in 0..9 {
        let beyond = (0..9).filter(|&j| score(i, j).abs() > 1e4).count();
        assert!(beyond >= 2, "row {i}");
        assert!((0..9).all(|j| score(i, j).abs() <= 1e5), "row {i}");
    }
}

#[test]
fn the_largest_of_a_row_is_at_every_place_once() {
    let softmax = |shape: &[usize]| {
        let x = ty(DType::F32, shape);
        let op = Op::Softmax {
            x: ValueId(0),
            axis: -1,
        };
        program(&[("x", x.clone())], op, x)
    };
    for (shape, more) in [([5, 37], 7), ([1, 6], 5), ([4, 8], 1), ([8, 8], 0)] {
        let p = softmax(&shape);
        let cases = cases_of(&p, Level::Full);
        assert_eq!(cases.len(), standard_cases(Level::Full).len() + more);
        let mut places = std::collections::BTreeSet::new();
        for (values, salt) in cases {
            if values != Values::Beyond1e4 {
                continue;
            }
            let x = generate(&p, values, salt).expect("generates").remove(0);
            for row in x.value.chunks(shape[1]) {
                let peak = row.iter().cloned().fold(f64::MIN, f64::max);
                places.extend(row.iter().position(|it| *it == peak));
            }
        }
        assert_eq!(places.len(), shape[1], "{shape:?}: {places:?}");
    }
    let few = cases_of(&softmax(&[5, 37]), Level::Quick);
    assert_eq!(few, standard_cases(Level::Quick));
}

#[test]
fn scores_that_are_computed_stay_below_a_mask() {
    let (x, square) = (ty(DType::F32, &[8, 8]), ty(DType::F32, &[8, 8]));
    let product = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        transpose_a: false,
        transpose_b: false,
        bias: None,
        residual: None,
        activation: None,
    };
    let mut p = program(&[("x", x.clone()), ("w", square)], product, x.clone());
    p.nodes.push(Node {
        stage: "rows".into(),
        op: Op::Softmax {
            x: ValueId(2),
            axis: -1,
        },
        ty: x,
    });
    p.outputs = vec![ValueId(3)];
    let inputs = generate(&p, Values::Beyond1e4, 0).expect("generates");
    assert!(
        inputs
            .iter()
            .all(|it| it.value.iter().all(|v| v.abs() < 10.0))
    );
}
