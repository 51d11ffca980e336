//! What is drawn for a program: floats with usual real values, integers, masks; and what it costs.

use kforge_oracle::*;

use crate::common::*;

fn drawn(program: &Program, seed: u64) -> Vec<FieldTensor> {
    field_inputs(program, &Field::new(program, seed), seed).expect("generates")
}

fn floats(tensor: &FieldTensor) -> &[Number] {
    match tensor {
        FieldTensor::Float(values) => values,
        FieldTensor::Integer(_) => unreachable!("floats expected"),
    }
}

#[test]
fn floats_have_usual_values_and_residues_of_their_own() {
    let program = matmul_program(DType::F32, (3, 3, 3));
    let inputs = drawn(&program, 4);
    let usual = generate(&program, Values::Normal, 4).expect("generates");
    assert_eq!(inputs.len(), 2);
    let mut seen = std::collections::HashSet::new();
    for (tensor, array) in inputs.iter().zip(&usual) {
        assert!(tensor.len() == 9 && !tensor.is_empty());
        for (number, value) in floats(tensor).iter().zip(&array.value) {
            assert!(number.real == *value && seen.insert(number.residue()));
        }
    }
    assert!(FieldTensor::Integer(Vec::new()).is_empty());
    assert_eq!(FieldTensor::Integer(vec![1, 2]).len(), 2);
    assert!(!FieldTensor::Integer(vec![1]).is_empty());
}

#[test]
fn masks_take_turns_and_positions_are_scattered() {
    let shape = attention_shapes(4, 4)[0];
    let program = attention_program(DType::F32, &shape, false, true);
    for (seed, values) in [(2, Values::Outliers), (3, Values::ConstantRows)] {
        let inputs = drawn(&program, seed);
        let mask = &generate(&program, values, seed).expect("generates")[3];
        let reals: Vec<f64> = floats(&inputs[3]).iter().map(|it| it.real).collect();
        assert_eq!(reals, mask.value, "{seed}");
        let query = &generate(&program, Values::Normal, seed).expect("generates")[0];
        let reals: Vec<f64> = floats(&inputs[0]).iter().map(|it| it.real).collect();
        assert_eq!(reals, query.value, "{seed}");
    }
    let program = rope_program(DType::F32, [1, 2, 9, 4], false);
    let inputs = drawn(&program, 3);
    let scattered = &generate(&program, Values::Outliers, 3).expect("generates")[1];
    let FieldTensor::Integer(positions) = &inputs[1] else {
        unreachable!("integers expected");
    };
    let wanted: Vec<i64> = scattered.value.iter().map(|x| *x as i64).collect();
    assert_eq!(*positions, wanted);
}

#[test]
fn work_is_elements_and_multiply_adds() {
    let program = matmul_program(DType::F32, (2, 3, 5));
    assert_eq!(field_work(&program), 2 * 5 + 5 * 3 + 2 * 3 + 2 * 3 * 5);
    // Refused before any input is looked at.
    let large = matmul_program(DType::F32, (1024, 1024, 1024));
    let field = Field::new(&large, 1);
    let refused = evaluate_in_field(&large, &field, &[]);
    assert!(matches!(refused, Err(FieldError::TooMuch { work, limit })
        if limit == 1 << 26 && work == (1 << 30) + 3 * (1 << 20)));
    let mut wrong = program.clone();
    wrong.outputs.clear();
    let refused = evaluate_in_field(&wrong, &field, &[]);
    assert!(matches!(refused, Err(FieldError::Program(_))));
}
