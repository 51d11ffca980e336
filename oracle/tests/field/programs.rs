//! Ops of elements and reductions over the fields, beside their f64 values.

use kforge_oracle::*;

use crate::agrees;
use crate::common::*;

const A: ValueId = ValueId(0);
const B: ValueId = ValueId(1);
const C: ValueId = ValueId(2);

pub fn exact(dtype: DType, shape: &[usize], value: &[f64]) -> Array {
    Array::exact(ty(dtype, shape), value.to_vec())
}

#[track_caller]
pub fn op(inputs: &[Array], op: Op, dtype: DType, shape: &[usize]) {
    let named: Vec<(&str, TensorType)> = inputs.iter().map(|a| ("x", a.ty.clone())).collect();
    agrees(&program(&named, op, ty(dtype, shape)), inputs);
}

const FLOATS: [f64; 6] = [0.5, -1.75, 2.25, 0.125, -3.5, 1.0];
const OTHERS: [f64; 6] = [1.5, -1.75, 0.25, -2.0, 3.0, 4.5];
const WHOLE: [f64; 6] = [5.0, -7.0, 0.0, 65537.0, -2147483648.0, 1.0];
const ODD: [f64; 6] = [3.0, -7.0, 2.0, 65537.0, 1.0, -1.0];

#[test]
fn functions_of_one_element() {
    use UnaryKind::*;
    let floats = exact(DType::F32, &[2, 3], &FLOATS);
    let positive = exact(DType::F32, &[2, 3], &FLOATS.map(f64::abs));
    for kind in [Neg, Abs, Exp, Exp2, Tanh, Erf, Sin, Cos, Floor, Ceil] {
        op(
            std::slice::from_ref(&floats),
            Op::Unary { x: A, kind },
            DType::F32,
            &[2, 3],
        );
    }
    for kind in [Log, Log2, Sqrt, Rsqrt] {
        op(
            std::slice::from_ref(&positive),
            Op::Unary { x: A, kind },
            DType::F32,
            &[2, 3],
        );
    }
    for dtype in [DType::I32, DType::I64] {
        let x = [exact(
            dtype,
            &[6],
            &[5.0, -7.0, 0.0, 9.0, -2147483648.0, 2.0],
        )];
        for kind in [Neg, Abs] {
            op(&x, Op::Unary { x: A, kind }, dtype, &[6]);
        }
    }
    use ActivationKind::{Gelu, GeluTanh, Relu, Silu};
    for kind in [Relu, Gelu, GeluTanh, Silu, ActivationKind::Tanh] {
        op(
            std::slice::from_ref(&floats),
            Op::Activation { x: A, kind },
            DType::F32,
            &[2, 3],
        );
    }
}

#[test]
fn functions_of_two_and_three_elements() {
    use BinaryKind::*;
    let floats = [
        exact(DType::F32, &[6], &FLOATS),
        exact(DType::F32, &[6], &OTHERS),
    ];
    for kind in [Add, Sub, Mul, Div, Maximum, Minimum, Maxnum, Minnum] {
        op(&floats, Op::Binary { a: A, b: B, kind }, DType::F32, &[6]);
    }
    let base = [
        exact(DType::F32, &[6], &FLOATS.map(f64::abs)),
        floats[1].clone(),
    ];
    op(
        &base,
        Op::Binary {
            a: A,
            b: B,
            kind: Pow,
        },
        DType::F32,
        &[6],
    );
    let narrow = [
        exact(DType::I32, &[6], &WHOLE),
        exact(DType::I32, &[6], &ODD),
    ];
    let wide = [
        exact(DType::I64, &[6], &WHOLE),
        exact(DType::I64, &[6], &ODD),
    ];
    for kind in [Add, Sub, Mul, Maximum, Minimum] {
        op(&narrow, Op::Binary { a: A, b: B, kind }, DType::I32, &[6]);
        op(&wide, Op::Binary { a: A, b: B, kind }, DType::I64, &[6]);
    }
    let bools = [
        exact(DType::Bool, &[4], &[0.0, 0.0, 1.0, 1.0]),
        exact(DType::Bool, &[4], &[0.0, 1.0, 0.0, 1.0]),
    ];
    for kind in [And, Or, Xor] {
        op(&bools, Op::Binary { a: A, b: B, kind }, DType::Bool, &[4]);
    }
    let three = [
        floats[0].clone(),
        floats[1].clone(),
        exact(DType::F32, &[6], &WHOLE.map(|x| x % 8.0)),
    ];
    op(&three, Op::Fma { a: A, b: B, c: C }, DType::F32, &[6]);
}

#[test]
fn comparisons_choices_and_casts() {
    use Predicate::*;
    let pairs = [
        [
            exact(DType::F32, &[6], &FLOATS),
            exact(DType::F32, &[6], &OTHERS),
        ],
        [
            exact(DType::I32, &[6], &WHOLE),
            exact(DType::I32, &[6], &ODD),
        ],
    ];
    for predicate in [Eq, Ne, Lt, Le, Gt, Ge, Always] {
        for pair in &pairs {
            let compare = Op::Compare {
                a: A,
                b: B,
                predicate,
                nan: false,
            };
            op(pair, compare, DType::Bool, &[6]);
        }
        for nan in [false, true] {
            let compare = Op::Compare {
                a: A,
                b: B,
                predicate,
                nan,
            };
            let none = [
                exact(DType::F32, &[1], &[f64::NAN]),
                exact(DType::F32, &[1], &[1.0]),
            ];
            op(&none, compare, DType::Bool, &[1]);
        }
    }
    let condition = exact(DType::Bool, &[6], &[0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    for pair in pairs {
        let dtype = pair[0].ty.dtype;
        let [t, f] = pair;
        let select = Op::Select {
            condition: A,
            on_true: B,
            on_false: C,
        };
        op(&[condition.clone(), t, f], select, dtype, &[6]);
    }
    let cast = |from: DType, x: &[f64], to| {
        op(
            &[exact(from, &[x.len()], x)],
            Op::Cast { x: A },
            to,
            &[x.len()],
        );
    };
    cast(DType::F32, &FLOATS, DType::F16);
    cast(DType::F32, &FLOATS, DType::I32);
    cast(DType::F32, &FLOATS, DType::I64);
    cast(DType::I32, &ODD, DType::F32);
    cast(DType::I32, &ODD, DType::Bool);
    cast(DType::Bool, &[0.0, 1.0], DType::F32);
    cast(DType::Bool, &[0.0, 1.0], DType::I32);
    cast(DType::I64, &[4294967297.0, -1.0, 2147483648.0], DType::I32);
    cast(DType::I32, &ODD, DType::I64);
    // What is no integer of 53 bits has none.
    let program = program(
        &[("x", ty(DType::F32, &[1]))],
        Op::Cast { x: A },
        ty(DType::I64, &[1]),
    );
    let field = Field::new(&program, 1);
    let x = [FieldTensor::Float(vec![field.random(1, 1, 1e17)])];
    let refused = evaluate_in_field(&program, &field, &x);
    assert!(matches!(refused, Err(FieldError::Integer { .. })));
}

#[test]
fn constants_and_reductions() {
    for dtype in [DType::F32, DType::I32] {
        for data in [
            ConstantData::Splat(3.0),
            ConstantData::Dense(vec![1.0, -2.0, 5.0]),
        ] {
            op(
                &[exact(dtype, &[3], &[0.0; 3])],
                Op::Constant { data },
                dtype,
                &[3],
            );
        }
    }
    use ReduceKind::*;
    for dtype in [DType::F32, DType::I32, DType::I64] {
        let value: Vec<f64> = (0..24).map(|i| f64::from((i * 7 + 3) % 11 - 5)).collect();
        let x = exact(dtype, &[2, 3, 4], &value);
        for (axes, shape) in [
            (vec![1], vec![2, 4]),
            (vec![0, 2], vec![3]),
            (vec![0, 1, 2], vec![]),
        ] {
            let start: Vec<f64> = (0..shape.iter().product::<usize>())
                .map(|i| i as f64 - 2.0)
                .collect();
            for kind in [Add, Mul, Max, Min] {
                for init in [None, Some(B)] {
                    let mut inputs = vec![x.clone()];
                    inputs.extend(init.map(|_| exact(dtype, &shape, &start)));
                    let reduce = Op::Reduce {
                        x: A,
                        init,
                        kind,
                        axes: axes.clone(),
                    };
                    op(&inputs, reduce, dtype, &shape);
                }
            }
        }
    }
    let along = |kind| Op::Reduce {
        x: A,
        init: None,
        kind,
        axes: vec![0],
    };
    // Narrow integers wrap on the way, wide ones do not.
    let large = [65537.0, 65537.0, 2147418112.0];
    for kind in [Add, Mul, Max] {
        op(
            &[exact(DType::I32, &[3], &large)],
            along(kind),
            DType::I32,
            &[],
        );
        op(
            &[exact(DType::I64, &[2], &large[1..])],
            along(kind),
            DType::I64,
            &[],
        );
    }
    // Nothing gives what changes nothing.
    for kind in [Add, Mul, Max, Min] {
        op(
            &[exact(DType::F32, &[0, 2], &[])],
            along(kind),
            DType::F32,
            &[2],
        );
        op(
            &[exact(DType::I32, &[0, 2], &[])],
            along(kind),
            DType::I32,
            &[2],
        );
    }
}
