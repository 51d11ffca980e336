//! What cannot be a package, and what the message says.

use crate::{VECTOR_ADD, serialize};

/// The message for the module with `from` replaced in it.
fn refusal(from: &str, to: &str) -> String {
    assert!(VECTOR_ADD.contains(from), "{from}");
    match serialize(&VECTOR_ADD.replace(from, to)) {
        Ok(_) => panic!("serialised with {to}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn other_ops_are_named_with_their_place() {
    let message = refusal(
        "    memref.dealloc %s : memref<100xf32>",
        "    memref.copy %s, %s : memref<100xf32> to memref<100xf32>",
    );
    let line = VECTOR_ADD
        .lines()
        .position(|line| line.contains("memref.dealloc"))
        .unwrap()
        + 1;
    assert!(
        message.contains(&format!(":{line}:5:")) && message.contains("'memref.copy' op"),
        "{message}"
    );
    let message = refusal(
        "    memref.dealloc %s : memref<100xf32>",
        "    %z = arith.addi %c1, %c1 : index",
    );
    assert!(
        message.contains("'arith.addi' op cannot be part of a package; host code may hold"),
        "{message}"
    );
}

#[test]
fn globals_must_be_constant() {
    let message = refusal("\"private\" constant @two", "\"private\" @two");
    assert!(
        message.contains("gets @two, which is not constant"),
        "{message}"
    );
}

#[test]
fn views_are_of_the_whole_buffer() {
    let message = refusal(
        "    memref.dealloc %s : memref<100xf32>",
        "    %v = builtin.unrealized_conversion_cast %s : memref<100xf32> to memref<24xvector<4xf32>>",
    );
    assert!(
        message.contains("views 100 f32 as 96 f32; a view must be of the whole buffer"),
        "{message}"
    );
    let message = refusal(
        "    memref.dealloc %s : memref<100xf32>",
        "    %v = builtin.unrealized_conversion_cast %s : memref<100xf32> to memref<100xi32>",
    );
    assert!(message.contains("views 100 f32 as 100 i32"), "{message}");
}

#[test]
fn dynamic_arguments_are_refused() {
    let source = "module attributes {gpu.container_module} {
      gpu.module @m { gpu.func @k(%a: memref<?xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} { gpu.return } }
      func.func @f(%a: memref<?xf32>) {
        %c1 = arith.constant 1 : index
        gpu.launch_func @m::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%a : memref<?xf32>)
        func.return
      }
    }";
    let message = serialize(source).unwrap_err().to_string();
    assert!(
        message.contains("argument 0 of type memref<?xf32> has a dynamic size"),
        "{message}"
    );
}

#[test]
fn grids_must_be_constant_and_blocks_those_of_the_kernel() {
    let message = refusal(
        "blocks in (%c1, %c1, %c1) threads in (%c32",
        "blocks in (%c1, %c1, %c1) threads in (%c64",
    );
    assert!(
        message.contains("has blocks of [64, 1, 1], the kernel was made for [32, 1, 1]"),
        "{message}"
    );
}

#[test]
fn a_weight_has_one_type() {
    let message = refusal(
        "func.func @add(%a: memref<100xf32>,",
        "func.func @add(%a: memref<100xf32>, %v: memref<7xf32> {kforge.weight = \"layer.w\"},",
    );
    assert!(
        message.contains("takes weight 'layer.w' under two types"),
        "{message}"
    );
}

#[test]
fn a_module_without_launches_is_no_package() {
    let message = serialize("module {}").unwrap_err().to_string();
    assert!(
        message.contains("has no public function with a gpu.launch_func"),
        "{message}"
    );
}
