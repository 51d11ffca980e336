//! What a CPU cannot run is refused, with place, value and limit.

use kforge_lowering::cpu::{self, CpuTarget};

use crate::common::{compile, context, function, function_of};

fn refusal(source: &str) -> String {
    match compile(source) {
        Ok(_) => panic!("compiled, expected a refusal"),
        Err(error) => error.to_string(),
    }
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

#[test]
fn invocations_that_work_together() {
    let barrier = function_of("%o: memref<4xf32>", [8, 1, 1], "    gpu.barrier");
    holds(
        &refusal(&barrier),
        &["gpu.barrier", "8x1x1", "limit is 1x1x1", ":2:"],
    );
    let shared =
        "gpu.module @m { gpu.func @k() workgroup(%w: memref<4xf32, #gpu.address_space<workgroup>>)
        kernel attributes {known_block_size = array<i32: 2, 2, 1>} { gpu.return } }";
    holds(&refusal(shared), &["gpu.func", "workgroup memory", "2x2x1"]);
    let allocated = function_of(
        "%o: memref<4xf32>",
        [2, 1, 1],
        "    %w = memref.alloca() : memref<4xf32, #gpu.address_space<workgroup>>",
    );
    holds(
        &refusal(&allocated),
        &["memref.alloca", "workgroup memory", "2x1x1"],
    );
}

#[test]
fn too_much_local_memory() {
    let source = "gpu.module @m { gpu.func @k() workgroup(%w: memref<4097xvector<16xf32>, #gpu.address_space<workgroup>>)
        kernel attributes {known_block_size = array<i32: 1, 1, 1>} { gpu.return } }";
    holds(
        &refusal(source),
        &["gpu.func", "262208 bytes", "limit is 262144"],
    );
    let huge = "gpu.module @m { gpu.func @k() private(%w: memref<4611686018427387904x4611686018427387904xf32>)
        kernel attributes {known_block_size = array<i32: 1, 1, 1>} { gpu.return } }";
    holds(&refusal(huge), &["must be static"]);
    let dynamic = function(
        "%n: index, %o: memref<4xf32>",
        "    %w = memref.alloca(%n) : memref<?xf32>\n    memref.dealloc %w : memref<?xf32>",
    );
    holds(&refusal(&dynamic), &["memref.alloca", "dynamic size"]);
}

#[test]
fn ops_and_types_without_a_lowering() {
    let shuffle = function(
        "%o: memref<4xf32>",
        "    %c = arith.constant 1 : i32
    %x = arith.constant 1.0 : f32
    %s, %v = gpu.shuffle xor %x, %c, %c : f32",
    );
    holds(
        &refusal(&shuffle),
        &["gpu.shuffle", "has no lowering to a CPU", ":4:"],
    );
    let call = "module { gpu.module @m {
      func.func private @system()
      gpu.func @k() kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
        func.call @system() : () -> ()
        gpu.return
      } } }";
    holds(&refusal(call), &["func.call", "has no lowering to a CPU"]);
    let index = function("%o: memref<4xindex>", "");
    holds(
        &refusal(&index),
        &["argument 0", "index", "f32, f16, i32, i64"],
    );
    let double = function("%x: f64", "");
    holds(&refusal(&double), &["argument 0 of type f64"]);
    let layout = function("%o: memref<4x4xf32, affine_map<(i, j) -> (j, i)>>", "");
    holds(&refusal(&layout), &["argument 0", "strided layout"]);
    let print = function("%o: memref<4xf32>", "    vector.print str \"hello\"");
    holds(&refusal(&print), &["vector.print"]);
}

#[test]
fn kernels_without_a_size_or_of_several_blocks() {
    let source = "gpu.module @m { gpu.func @k() kernel { gpu.return } }";
    holds(
        &refusal(source),
        &["gpu.func", "no workgroup size", "known_block_size"],
    );
    let blocks = function("%o: memref<4xf32>", "    cf.br ^end\n  ^end:");
    holds(&refusal(&blocks), &["several blocks"]);
}

#[test]
fn targets_that_do_not_exist() {
    let context = context();
    let source = function("%o: memref<4xf32>", "");
    let module = melior::ir::Module::parse(&context, &source).unwrap();
    let lowered = cpu::lower(&context, module.as_operation()).unwrap();
    let host = CpuTarget::host().unwrap();
    let spliced = CpuTarget {
        features: vec!["avx,-sse2".into()],
        ..host.clone()
    };
    let error = cpu::emit_object(&context, &lowered, &spliced)
        .unwrap_err()
        .to_string();
    holds(&error, &["avx,-sse2", "no feature name"]);
    let nowhere = CpuTarget {
        triple: "warp-unknown-drive".into(),
        ..host
    };
    let error = cpu::emit_object(&context, &lowered, &nowhere)
        .unwrap_err()
        .to_string();
    holds(&error, &["choice of a target", "warp"]);
}
