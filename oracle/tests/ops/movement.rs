//! Moved elements keep their bounds; reductions.

use kforge_oracle::*;

use crate::{X, eval, f32t, tensor};

#[test]
fn data_movement_carries_bounds_along() {
    let mut x = f32t(&[2, 3], &[0., 1., 2., 3., 4., 5.]);
    x.bound = (0..6).map(|i| 0.5 + i as f64).collect();
    let t = eval(
        &[x.clone()],
        Op::Transpose {
            x: X,
            permutation: vec![1, 0],
        },
        DType::F32,
        &[3, 2],
    );
    assert_eq!(t.value, [0., 3., 1., 4., 2., 5.]);
    assert_eq!(t.bound, [0.5, 3.5, 1.5, 4.5, 2.5, 5.5]);
    let b = eval(
        &[x.clone()],
        Op::Broadcast {
            x: X,
            dimensions: vec![1],
        },
        DType::F32,
        &[2, 2, 3],
    );
    assert_eq!(b.value, [0., 1., 2., 0., 1., 2., 3., 4., 5., 3., 4., 5.]);
    let slice = Op::Slice {
        x: X,
        offsets: vec![0, 0],
        sizes: vec![2, 2],
        strides: vec![1, 2],
    };
    assert_eq!(
        eval(&[x.clone()], slice, DType::F32, &[2, 2]).value,
        [0., 2., 3., 5.]
    );
    let insert = Op::InsertSlice {
        source: ValueId(1),
        destination: X,
        offsets: vec![1, 0],
        sizes: vec![1, 2],
        strides: vec![1, 2],
    };
    let y = eval(
        &[x.clone(), f32t(&[1, 2], &[8., 9.])],
        insert,
        DType::F32,
        &[2, 3],
    );
    assert_eq!(y.value, [0., 1., 2., 8., 4., 9.]);
    assert_eq!(y.bound, [0.5, 1.5, 2.5, 0.0, 4.5, 0.0]);
    let concat = Op::Concat {
        inputs: vec![X, ValueId(1)],
        axis: 1,
    };
    let y = eval(&[x, f32t(&[2, 1], &[8., 9.])], concat, DType::F32, &[2, 4]);
    assert_eq!(y.value, [0., 1., 2., 8., 3., 4., 5., 9.]);
    assert_eq!(y.bound, [0.5, 1.5, 2.5, 0., 3.5, 4.5, 5.5, 0.]);
}

#[test]
fn slices_step_along_every_axis() {
    let mut x = f32t(&[5, 2, 3], &(0..30).map(f64::from).collect::<Vec<_>>());
    x.bound = (0..30).map(|i| 0.5 + f64::from(i)).collect();
    let slice = Op::Slice {
        x: X,
        offsets: vec![1, 0, 1],
        sizes: vec![2, 2, 2],
        strides: vec![3, 1, 1],
    };
    let y = eval(&[x], slice, DType::F32, &[2, 2, 2]);
    let want = [7., 8., 10., 11., 25., 26., 28., 29.];
    assert_eq!(y.value, want);
    assert_eq!(y.bound, want.map(|x| x + 0.5));
}

#[test]
fn reductions_over_inner_and_outer_axes() {
    let x = f32t(&[2, 3], &[0., -1., 2., 3., 4., 5.]);
    let reduce = |kind, axes: &[usize], shape: &[usize]| {
        let op = Op::Reduce {
            x: X,
            init: None,
            kind,
            axes: axes.to_vec(),
        };
        eval(std::slice::from_ref(&x), op, DType::F32, shape).value
    };
    assert_eq!(reduce(ReduceKind::Add, &[0], &[3]), [3., 3., 7.]);
    assert_eq!(reduce(ReduceKind::Max, &[1], &[2]), [2., 5.]);
    assert_eq!(reduce(ReduceKind::Min, &[0, 1], &[]), [-1.]);
    assert_eq!(reduce(ReduceKind::Mul, &[1], &[2]), [0., 60.]);
    let init = Op::Reduce {
        x: X,
        init: Some(ValueId(1)),
        kind: ReduceKind::Add,
        axes: vec![1],
    };
    let i = tensor(DType::I32, &[1, 2], &[2147483647., 1.]);
    let y = eval(
        &[i, tensor(DType::I32, &[1], &[2.])],
        init,
        DType::I32,
        &[1],
    );
    assert_eq!(y.value, [-2147483646.]);
}
