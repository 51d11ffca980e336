//! The rules of every op, each on both sides: what is refused, and its nearest neighbour that is
//! not.

use kforge_oracle::*;

use crate::common::*;

const F: DType = DType::F32;
const I: DType = DType::I32;
const A: ValueId = ValueId(0);
const B: ValueId = ValueId(1);
const C: ValueId = ValueId(2);

type Ty<'a> = (DType, &'a [usize]);

fn valid(operands: &[Ty], op: Op, result: Ty) -> bool {
    let operands: Vec<(&str, TensorType)> =
        operands.iter().map(|it| ("x", ty(it.0, it.1))).collect();
    program(&operands, op, ty(result.0, result.1))
        .validate()
        .is_ok()
}

#[test]
fn elementwise_types() {
    let unary = |kind, dtype| valid(&[(dtype, &[2])], Op::Unary { x: A, kind }, (dtype, &[2]));
    for kind in [UnaryKind::Neg, UnaryKind::Abs] {
        assert!(unary(kind, F) && unary(kind, I) && unary(kind, DType::I64));
        assert!(!unary(kind, DType::Bool));
    }
    assert!(unary(UnaryKind::Exp, F) && !unary(UnaryKind::Exp, I));
    let relu = |dtype| {
        let kind = ActivationKind::Relu;
        valid(
            &[(dtype, &[2])],
            Op::Activation { x: A, kind },
            (dtype, &[2]),
        )
    };
    assert!(relu(DType::Bf16) && !relu(I) && !relu(DType::Bool));
    let binary = |kind, dtype| {
        let op = Op::Binary { a: A, b: B, kind };
        valid(&[(dtype, &[2]), (dtype, &[2])], op, (dtype, &[2]))
    };
    use BinaryKind::*;
    for kind in [Div, Pow, Maxnum, Minnum] {
        assert!(
            binary(kind, F) && !binary(kind, I) && !binary(kind, DType::Bool),
            "{kind:?}"
        );
    }
    for kind in [Add, Sub, Mul, Maximum, Minimum] {
        assert!(
            binary(kind, F) && binary(kind, I) && !binary(kind, DType::Bool),
            "{kind:?}"
        );
    }
    for kind in [And, Or, Xor] {
        assert!(
            !binary(kind, F) && !binary(kind, I) && binary(kind, DType::Bool),
            "{kind:?}"
        );
    }
}

#[test]
fn reshape_keeps_the_number_of_elements() {
    let reshape = |to: &[usize]| valid(&[(F, &[2, 6])], Op::Reshape { x: A }, (F, to));
    assert!(reshape(&[3, 4]) && reshape(&[12]) && !reshape(&[3, 5]) && !reshape(&[11]));
}

#[test]
fn norms_have_weights_of_their_axis_and_an_epsilon() {
    let norm = |epsilon: f32, weight: Ty| {
        let op = Op::RmsNorm {
            x: A,
            gamma: Some(B),
            axis: -1,
            epsilon,
        };
        valid(&[(F, &[2, 6]), weight], op, (F, &[2, 6]))
    };
    assert!(norm(0.0, (F, &[6])) && norm(1.0, (F, &[6])));
    assert!(
        !norm(-1e-9, (F, &[6])) && !norm(f32::INFINITY, (F, &[6])) && !norm(f32::NAN, (F, &[6]))
    );
    assert!(!norm(1.0, (F, &[5])) && !norm(1.0, (F, &[1, 6])) && !norm(1.0, (I, &[6])));
}

#[test]
fn products_are_stored_in_a_type_of_their_operands_or_in_f32() {
    let (f16, bf16) = (DType::F16, DType::Bf16);
    let product = |a, b, to| valid(&[(a, &[2, 3]), (b, &[3, 4])], matmul_op(), (to, &[2, 4]));
    for to in [f16, bf16, F] {
        assert!(product(f16, bf16, to));
    }
    assert!(product(f16, f16, F) && !product(f16, f16, bf16) && !product(F, F, f16));
    for to in [I, DType::I64, DType::Bool] {
        assert!(!product(f16, bf16, to) && !product(F, F, to));
    }
    let with = |bias: Ty, residual: Ty| {
        let mut op = matmul_op();
        if let Op::Matmul { bias, residual, .. } = &mut op {
            (*bias, *residual) = (Some(C), Some(ValueId(3)));
        }
        valid(
            &[(F, &[2, 3]), (F, &[3, 4]), bias, residual],
            op,
            (F, &[2, 4]),
        )
    };
    let (bias, residual): (Ty, Ty) = ((F, &[4]), (F, &[2, 4]));
    assert!(with(bias, residual));
    assert!(!with((F, &[2]), residual) && !with((I, &[4]), residual));
    assert!(!with(bias, (F, &[4])) && !with(bias, (I, &[2, 4])));
}

#[test]
fn attention_operands_fit_each_other() {
    let attention = |q: &[usize], k: &[usize], v: &[usize]| {
        let op = Op::Attention {
            q: A,
            k: B,
            v: C,
            mask: None,
            causal: false,
            scale: None,
        };
        let width = v[3];
        valid(
            &[(F, q), (F, k), (F, v)],
            op,
            (F, &[q[0], q[1], q[2], width]),
        )
    };
    let (q, k, v) = ([2, 4, 3, 8], [2, 2, 5, 8], [2, 2, 5, 6]);
    assert!(attention(&q, &k, &v));
    for (at, operand) in [(0, 1), (3, 1), (0, 2), (1, 2), (2, 2)] {
        let (mut k, mut v) = (k, v);
        [&mut k, &mut v][operand - 1][at] += 1;
        assert!(!attention(&q, &k, &v), "{operand} {at}");
    }
    // Query heads are a multiple of the others, of which there is one at least.
    assert!(!attention(&q, &[2, 3, 5, 8], &[2, 3, 5, 6]));
    assert!(attention(&q, &[2, 1, 5, 8], &[2, 1, 5, 6]));
    assert!(!attention(&q, &[2, 0, 5, 8], &[2, 0, 5, 6]));
}

#[test]
fn an_mlp_has_no_gate_bias_without_a_gate() {
    let mlp = |gate: Option<Ty>, gate_bias: bool| {
        let op = Op::Mlp {
            x: A,
            up: B,
            down: C,
            gate: gate.map(|_| ValueId(4)),
            up_bias: None,
            down_bias: None,
            gate_bias: gate_bias.then_some(ValueId(3)),
            activation: ActivationKind::Silu,
            transpose_weights: false,
        };
        let mut operands: Vec<Ty> = vec![(F, &[2, 3]), (F, &[3, 5]), (F, &[5, 4]), (F, &[5])];
        operands.extend(gate);
        valid(&operands, op, (F, &[2, 4]))
    };
    assert!(mlp(None, false) && mlp(Some((F, &[3, 5])), false) && mlp(Some((F, &[3, 5])), true));
    assert!(!mlp(None, true) && !mlp(Some((F, &[3, 6])), false) && !mlp(Some((F, &[5, 3])), true));
}

#[test]
fn rope_turns_an_even_number_of_dimensions() {
    let rope = |theta: f32, rotary_dim, positions: Ty| {
        let op = Op::Rope {
            x: A,
            positions: B,
            inv_freq: None,
            theta,
            interleaved: false,
            rotary_dim,
        };
        valid(&[(F, &[2, 3, 4, 6]), positions], op, (F, &[2, 3, 4, 6]))
    };
    let all: Ty = (I, &[4]);
    assert!(rope(1e4, None, all) && rope(1e-3, Some(4), all) && rope(1.0, Some(6), all));
    for theta in [0.0, -1.0, f32::INFINITY, f32::NAN] {
        assert!(!rope(theta, None, all), "{theta}");
    }
    assert!(!rope(1e4, Some(5), all) && !rope(1e4, Some(8), all));
    assert!(rope(1e4, None, (DType::I64, &[2, 4])) && !rope(1e4, None, (F, &[4])));
    assert!(!rope(1e4, None, (I, &[3])) && !rope(1e4, None, (I, &[3, 4])));
}

#[test]
fn moved_elements_stay_inside() {
    let turned = |permutation: &[usize]| {
        let op = Op::Transpose {
            x: A,
            permutation: permutation.to_vec(),
        };
        valid(&[(F, &[3, 3])], op, (F, &[3, 3]))
    };
    assert!(turned(&[1, 0]) && turned(&[0, 1]));
    assert!(!turned(&[0, 0]) && !turned(&[1, 1]) && !turned(&[0]) && !turned(&[0, 2]));
    let slice = |offsets: &[usize], sizes: &[usize], strides: &[usize]| {
        let op = Op::Slice {
            x: A,
            offsets: offsets.to_vec(),
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
        };
        valid(&[(F, &[4, 7])], op, (F, sizes))
    };
    assert!(slice(&[1, 0], &[3, 3], &[1, 3]) && slice(&[0, 1], &[4, 3], &[1, 2]));
    assert!(!slice(&[1, 1], &[3, 3], &[1, 3]) && !slice(&[2, 0], &[3, 3], &[1, 3]));
    assert!(!slice(&[1, 0], &[3, 3], &[0, 3]));
    // An empty one may begin at the end, not behind it.
    assert!(slice(&[4, 0], &[0, 7], &[1, 1]) && !slice(&[5, 0], &[0, 7], &[1, 1]));
    assert!(!slice(&[0], &[4, 7], &[1, 1]) && !slice(&[0, 0], &[4, 7], &[1]));
    assert!(!slice(&[0, 0], &[4], &[1, 1]) && !slice(&[0, 0, 0], &[4, 7], &[1, 1]));
}

#[test]
fn joined_and_reduced_types_agree() {
    let joined = |second: Ty, to: &[usize]| {
        let op = Op::Concat {
            inputs: vec![A, B],
            axis: 1,
        };
        valid(&[(F, &[2, 3]), second], op, (F, to))
    };
    assert!(joined((F, &[2, 4]), &[2, 7]));
    assert!(!joined((I, &[2, 4]), &[2, 7]) && !joined((F, &[3, 4]), &[2, 7]));
    assert!(!joined((F, &[2, 4, 1]), &[2, 7]) && !joined((F, &[2]), &[2, 3]));
    let reduced = |axes: &[usize], to: &[usize]| {
        let op = Op::Reduce {
            x: A,
            init: None,
            kind: ReduceKind::Add,
            axes: axes.to_vec(),
        };
        valid(&[(F, &[2, 3])], op, (F, to))
    };
    assert!(reduced(&[0, 1], &[]) && reduced(&[1], &[2]) && reduced(&[], &[2, 3]));
    assert!(!reduced(&[0, 0], &[3]) && !reduced(&[1, 0], &[]) && !reduced(&[2], &[2, 3]));
    assert!(!reduced(&[0, 2], &[3]));
}
