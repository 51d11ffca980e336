//! Ops that move elements over the fields, beside their f64 values.

use kforge_oracle::*;

use crate::programs::{exact, op};

const A: ValueId = ValueId(0);
const B: ValueId = ValueId(1);

#[test]
fn moves_of_floats_and_integers() {
    for dtype in [DType::F32, DType::I32] {
        let value: Vec<f64> = (0..24).map(f64::from).collect();
        let x = exact(dtype, &[2, 3, 4], &value);
        let moved = |with: &[Array], it: Op, shape: &[usize]| op(with, it, dtype, shape);
        moved(std::slice::from_ref(&x), Op::Reshape { x: A }, &[6, 4]);
        for permutation in [[1, 2, 0], [2, 0, 1], [0, 2, 1]] {
            let shape = permutation.map(|p| x.ty.shape[p]);
            let turn = Op::Transpose {
                x: A,
                permutation: permutation.to_vec(),
            };
            moved(std::slice::from_ref(&x), turn, &shape);
        }
        let spread = Op::Broadcast {
            x: A,
            dimensions: vec![1, 3],
        };
        moved(std::slice::from_ref(&x), spread, &[2, 5, 3, 2, 4]);
        let slice = Op::Slice {
            x: A,
            offsets: vec![1, 0, 1],
            sizes: vec![1, 2, 2],
            strides: vec![1, 2, 2],
        };
        moved(std::slice::from_ref(&x), slice, &[1, 2, 2]);
        let insert = Op::InsertSlice {
            source: B,
            destination: A,
            offsets: vec![0, 1, 1],
            sizes: vec![2, 1, 2],
            strides: vec![1, 1, 2],
        };
        let source = exact(dtype, &[2, 1, 2], &[100.0, 101.0, 102.0, 103.0]);
        moved(&[x.clone(), source], insert, &[2, 3, 4]);
        for axis in 0..3 {
            let mut shape = [2, 3, 4];
            shape[axis] = 2;
            let elements: usize = shape.iter().product();
            let other: Vec<f64> = (0..elements).map(|i| 200.0 + i as f64).collect();
            let other = exact(dtype, &shape, &other);
            let join = Op::Concat {
                inputs: vec![A, B, A],
                axis,
            };
            let mut joined = [2, 3, 4];
            joined[axis] = 2 * joined[axis] + 2;
            moved(&[x.clone(), other], join, &joined);
        }
    }
}
