//! Programs over finite fields: the algebra by its laws, programs beside their f64 values.

#[path = "../common/mod.rs"]
mod common;
mod decisions;
mod functions;
mod inputs;
mod layers;
mod literals;
mod moves;
mod numbers;
mod programs;

use common::*;
use kforge_oracle::*;

/// A field for a program of one op on floats.
fn plain_field(seed: u64) -> Field {
    Field::new(
        &activation_program(DType::F32, 2, ActivationKind::Relu),
        seed,
    )
}

/// Numbers drawn at random, with these real values.
fn drawn(field: &Field, stream: u64, reals: &[f64]) -> Vec<Number> {
    let draw = |(at, real): (usize, &f64)| field.random(stream << 8, at as u64, *real);
    reals.iter().enumerate().map(draw).collect()
}

/// The inputs of a program over a field: their f64 values, with residues drawn for them.
fn lifted(field: &Field, inputs: &[Array]) -> Vec<FieldTensor> {
    let lift = |(index, array): (usize, &Array)| match array.ty.dtype.is_float() {
        true => FieldTensor::Float(drawn(field, index as u64 + 1, &array.value)),
        false => FieldTensor::Integer(array.value.iter().map(|x| *x as i64).collect()),
    };
    inputs.iter().enumerate().map(lift).collect()
}

/// A program's real numbers over a field are its f64 values, up to the rounding of literals.
#[track_caller]
fn agrees(program: &Program, inputs: &[Array]) {
    let field = Field::new(program, 5);
    let results = evaluate_in_field(program, &field, &lifted(&field, inputs)).expect("evaluates");
    let evaluation = evaluate(program, inputs, &EvalOptions::default()).expect("evaluates");
    let outputs = evaluation.outputs();
    assert_eq!(results.len(), outputs.len());
    for ((result, want), id) in results.iter().zip(outputs).zip(&program.outputs) {
        assert_eq!(Some(&want.ty), program.type_of(*id));
        let got: Vec<f64> = match result {
            FieldTensor::Float(values) => values.iter().map(|x| x.real).collect(),
            FieldTensor::Integer(values) => values.iter().map(|x| *x as f64).collect(),
        };
        assert_eq!(
            (got.len(), result.len()),
            (want.value.len(), want.value.len())
        );
        assert_eq!(
            matches!(result, FieldTensor::Float(_)),
            want.ty.dtype.is_float()
        );
        for (at, (x, y)) in got.iter().zip(&want.value).enumerate() {
            let near = (x - y).abs() <= 1e-6 * (1.0 + y.abs()) || x == y;
            assert!(near, "{:?} {at}: {x} {y}", program.nodes[0].op);
        }
    }
}
