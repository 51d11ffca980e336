//! What is outside the subset is refused, with a place and a way out.

use crate::common::{BLOCK_64, function, kernel, refusal, refusal_with};
use kforge_lowering::translate::{Features, TranslateOptions, supported_ops};

fn refused(body: &str) -> String {
    let prologue = "%i = gpu.thread_id x\n %x = memref.load %a[%i] : memref<64xf32>\n";
    refusal(&function(
        "%a: memref<64xf32>",
        BLOCK_64,
        &format!("{prologue}{body}"),
    ))
}

#[test]
fn an_unknown_op_names_itself_its_place_and_the_supported_ones() {
    let message = refused("%r = gpu.all_reduce add %x {} : (f32) -> f32");
    assert!(message.contains("error: 'gpu.all_reduce'"), "{message}");
    assert!(message.starts_with("-:4:6:"), "{message}");
    for op in supported_ops().filter(|op| op.starts_with("gpu.")) {
        assert!(message.contains(op), "{op} missing in {message}");
    }
    assert!(message.contains("workgroup memory"), "{message}");
}

#[test]
fn hints_name_the_pass_to_run() {
    let message = refused("%j = affine.apply affine_map<(d0) -> (d0 + 1)>(%i)");
    assert!(message.contains("-lower-affine"), "{message}");
    let message = refused("memref.copy %a, %a : memref<64xf32> to memref<64xf32>");
    assert!(message.contains("write the loop"), "{message}");
}

#[test]
fn the_supported_list_is_sorted_and_has_no_doubles() {
    let list: Vec<_> = supported_ops().collect();
    let mut sorted = list.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(list, sorted);
}

#[test]
fn several_blocks_are_refused() {
    let message = refused("cf.br ^bb1\n^bb1:");
    assert!(message.contains("several blocks"), "{message}");
}

const DIVERGENT: &str = r#"
    %c3 = arith.constant 3 : index
    %p = arith.cmpi slt, %i, %c3 : index
    scf.if %p {
      gpu.barrier
    }"#;

#[test]
fn divergent_barrier_in_a_branch() {
    let message = refused(DIVERGENT);
    assert!(message.contains("'gpu.barrier'"), "{message}");
    assert!(message.contains("scf.if at -:7:5"), "{message}");
}

#[test]
fn divergent_barrier_in_a_loop_bounded_by_an_id() {
    let message = refused(
        "%c0 = arith.constant 0 : index\n %c1 = arith.constant 1 : index\n scf.for %k = %c0 to %i step %c1 { gpu.barrier }",
    );
    assert!(message.contains("scf.for"), "{message}");
}

#[test]
fn divergent_barrier_through_a_carried_value() {
    // The condition is uniform in the first iteration only.
    let message = refused(
        r#"
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %r = scf.for %k = %c0 to %c4 step %c1 iter_args(%v = %c0) -> index {
      %p = arith.cmpi eq, %v, %c0 : index
      scf.if %p { gpu.barrier }
      scf.yield %i : index
    }"#,
    );
    assert!(message.contains("'gpu.barrier'"), "{message}");
}

#[test]
fn divergent_barrier_in_a_while_loop() {
    let message = refused(
        r#"
    %ten = arith.constant 10.0 : f32
    %r = scf.while (%s = %x) : (f32) -> f32 {
      %more = arith.cmpf olt, %s, %ten : f32
      scf.condition(%more) %s : f32
    } do {
    ^bb0(%t: f32):
      gpu.barrier
      scf.yield %ten : f32
    }"#,
    );
    assert!(message.contains("scf.while"), "{message}");
}

#[test]
fn uniform_barriers_are_fine() {
    let body = r#"
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %b = gpu.block_id x
    %p = arith.cmpi slt, %b, %n : index
    scf.if %p {
      scf.for %k = %c0 to %n step %c1 { gpu.barrier }
    }"#;
    kernel(&function("%n: index", BLOCK_64, body));
}

#[test]
fn types_outside_the_subset() {
    let message = refusal(&function("%a: memref<64xf64>", BLOCK_64, ""));
    assert!(message.contains("f64"), "{message}");
    let message = refusal(&function("%a: memref<64xi1>", BLOCK_64, ""));
    assert!(message.contains("use i32 for booleans"), "{message}");
    let message = refused("%w = vector.broadcast %x : f32 to vector<8xf32>");
    assert!(message.contains("vectors of 1 to 4"), "{message}");
    let message = refusal(&function("%a: memref<64xi64>", BLOCK_64, ""));
    assert!(message.contains("needs i64"), "{message}");
    let message = refusal(&function(
        "%a: memref<8x8xf32, affine_map<(d0, d1) -> (d1, d0)>>",
        BLOCK_64,
        "",
    ));
    assert!(message.contains("strided"), "{message}");
}

#[test]
fn features_the_device_lacks() {
    let options = TranslateOptions {
        allowed: Features::default(),
        ..TranslateOptions::default()
    };
    let message = refusal_with(&function("%a: memref<64xf16>", BLOCK_64, ""), &options);
    assert!(message.contains("needs f16"), "{message}");
    let source = function("%a: memref<64xf32>", BLOCK_64, "%l = gpu.lane_id");
    let message = refusal_with(&source, &options);
    assert!(message.contains("needs subgroup operations"), "{message}");
}

#[test]
fn limits_are_named_with_their_value() {
    let arguments: Vec<String> = (0..9).map(|i| format!("%a{i}: memref<4xf32>")).collect();
    let message = refusal(&function(&arguments.join(", "), BLOCK_64, ""));
    assert!(
        message.contains("has 9 memref arguments") && message.contains("at most 8"),
        "{message}"
    );

    let attributes =
        format!("workgroup(%w: memref<4097xf32, #gpu.address_space<workgroup>>) {BLOCK_64}");
    let message = refusal(&function("", &attributes, ""));
    assert!(
        message.contains("16388") && message.contains("16384"),
        "{message}"
    );

    let message = refusal(&function(
        "",
        "kernel attributes {known_block_size = array<i32: 32, 32, 1>}",
        "",
    ));
    assert!(message.contains("1024 invocations"), "{message}");

    let message = refusal(&function("%a: memref<65536x65536xf32>", BLOCK_64, ""));
    assert!(message.contains("2^31"), "{message}");
}

#[test]
fn a_workgroup_size_is_needed() {
    let message = refusal(&function("", "kernel", ""));
    assert!(message.contains("known_block_size"), "{message}");
}

#[test]
fn shuffle_of_a_part_of_the_subgroup() {
    let options = TranslateOptions {
        subgroup_size: Some(32),
        ..TranslateOptions::default()
    };
    let body = r#"
    %one = arith.constant 1 : i32
    %width = arith.constant 16 : i32
    %b, %in = gpu.shuffle xor %one, %one, %width : i32"#;
    let message = refusal_with(&function("", BLOCK_64, body), &options);
    assert!(
        message.contains("width 16") && message.contains("32"),
        "{message}"
    );
}

#[test]
fn a_matrix_op_under_a_divergent_condition() {
    let message = refused(
        r#"
    %c3 = arith.constant 3 : index
    %p = arith.cmpi slt, %i, %c3 : index
    scf.if %p {
      %z = gpu.subgroup_mma_constant_matrix %x : !gpu.mma_matrix<16x16xf32, "COp">
    }"#,
    );
    assert!(message.contains("whole subgroup"), "{message}");
}

#[test]
fn a_matrix_at_a_place_that_differs_within_the_subgroup() {
    let message = refusal(&function(
        "%a: memref<64x64xf32>",
        BLOCK_64,
        r#"
    %i = gpu.thread_id x
    %m = gpu.subgroup_mma_load_matrix %a[%i, %i] {leadDimension = 64 : index} : memref<64x64xf32> -> !gpu.mma_matrix<16x16xf32, "COp">"#,
    ));
    assert!(message.contains("gpu.subgroup_id"), "{message}");
}

#[test]
fn a_matrix_larger_than_its_memref() {
    let message = refusal(&function(
        "%a: memref<8x64xf32>",
        BLOCK_64,
        r#"
    %c0 = arith.constant 0 : index
    %m = gpu.subgroup_mma_load_matrix %a[%c0, %c0] {leadDimension = 64 : index} : memref<8x64xf32> -> !gpu.mma_matrix<16x16xf32, "COp">"#,
    ));
    assert!(message.contains("16x16 elements"), "{message}");
}

#[test]
fn index_constants_beyond_32_bits() {
    let message = refused("%big = arith.constant 4294967296 : index");
    assert!(
        message.contains("4294967296") && message.contains("32 bits"),
        "{message}"
    );
}
