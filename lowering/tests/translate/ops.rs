//! Single ops: is every op of the subset accepted in every writer, with the
//! semantics MLIR gives it where WGSL's differ?

use crate::common::{BLOCK_64, check, function, kernel, kernel_with};
use kforge_lowering::translate::{Features, TranslateOptions};

/// Translates lines that use `%x: i32`, `%y: i32`, `%u: f32`, `%v: f32`, `%i: index`.
fn lines(body: &str) -> String {
    let prologue = r#"
    %i = gpu.thread_id x
    %x = memref.load %a[%i] : memref<64xi32>
    %u = memref.load %f[%i] : memref<64xf32>
    %v = arith.addf %u, %u : f32
    %y = arith.addi %x, %x : i32
"#;
    let source = function(
        "%a: memref<64xi32>, %f: memref<64xf32>",
        BLOCK_64,
        &format!("{prologue}{body}"),
    );
    check(&kernel(&source))
}

/// One op of type `T op T -> T`, with its result stored.
fn integer_op(op: &str) -> String {
    lines(&format!(
        "%r = {op} %x, %y : i32\n memref.store %r, %a[%i] : memref<64xi32>"
    ))
}

fn float_op(op: &str, arguments: &str) -> String {
    lines(&format!(
        "%r = {op} {arguments} : f32\n memref.store %r, %f[%i] : memref<64xf32>"
    ))
}

#[test]
fn integer_arithmetic() {
    for op in [
        "addi",
        "subi",
        "muli",
        "divsi",
        "divui",
        "remsi",
        "remui",
        "floordivsi",
        "ceildivsi",
        "ceildivui",
        "andi",
        "ori",
        "xori",
        "shli",
        "shrsi",
        "shrui",
        "maxsi",
        "maxui",
        "minsi",
        "minui",
    ] {
        let text = integer_op(&format!("arith.{op}"));
        let unsigned = op.ends_with("ui");
        assert_eq!(
            text.contains("u32("),
            unsigned || op.starts_with("sh"),
            "{op}\n{text}"
        );
    }
}

#[test]
fn integer_comparisons() {
    for predicate in [
        "eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge",
    ] {
        let text = lines(&format!(
            "%p = arith.cmpi {predicate}, %x, %y : i32\n %r = arith.select %p, %x, %y : i32\n memref.store %r, %a[%i] : memref<64xi32>"
        ));
        assert_eq!(text.contains("u32("), predicate.starts_with('u'), "{text}");
    }
}

#[test]
fn float_comparisons() {
    for (predicate, text) in [
        ("oeq", "=="),
        ("ogt", ">"),
        ("oge", ">="),
        ("olt", "<"),
        ("ole", "<="),
        ("one", "!="),
        ("ord", "=="),
        ("ueq", "=="),
        ("ugt", "!((_"),
        ("uge", "!((_"),
        ("ult", "!((_"),
        ("ule", "!((_"),
        ("une", "!="),
        ("uno", "!="),
        ("true", "true"),
        ("false", "false"),
    ] {
        let wgsl = lines(&format!(
            "%p = arith.cmpf {predicate}, %u, %v : f32\n %r = arith.select %p, %u, %v : f32\n memref.store %r, %f[%i] : memref<64xf32>"
        ));
        assert!(wgsl.contains(text), "{predicate}\n{wgsl}");
    }
}

#[test]
fn float_arithmetic_and_math() {
    for op in [
        "arith.addf",
        "arith.subf",
        "arith.mulf",
        "arith.divf",
        "arith.remf",
        "arith.maximumf",
        "arith.minimumf",
        "arith.maxnumf",
        "arith.minnumf",
        "math.powf",
        "math.atan2",
    ] {
        float_op(op, "%u, %v");
    }
    for op in [
        "arith.negf",
        "math.absf",
        "math.acos",
        "math.asin",
        "math.atan",
        "math.ceil",
        "math.cos",
        "math.erf",
        "math.exp",
        "math.exp2",
        "math.floor",
        "math.log",
        "math.log2",
        "math.round",
        "math.roundeven",
        "math.rsqrt",
        "math.sin",
        "math.sqrt",
        "math.tan",
        "math.tanh",
        "math.trunc",
    ] {
        float_op(op, "%u");
    }
    float_op("math.fma", "%u, %v, %u");
    lines("%r = math.clampf %u to [%v, %u] : f32\n memref.store %r, %f[%i] : memref<64xf32>");
    lines("%r = math.absi %x : i32\n memref.store %r, %a[%i] : memref<64xi32>");
}

#[test]
fn device_functions_come_along_only_where_needed() {
    let text = float_op("math.tanh", "%u");
    assert!(text.contains("fn kforge_tanh"), "{text}");
    assert!(!text.contains("kforge_erf"), "{text}");
    // WGSL's own tanh may overflow.
    assert!(!text.contains(" tanh("), "{text}");
    let text = lines(
        "%w = vector.broadcast %u : f32 to vector<4xf32>\n %e = math.erf %w : vector<4xf32>\n %r = vector.reduction <add>, %e : vector<4xf32> into f32\n memref.store %r, %f[%i] : memref<64xf32>",
    );
    assert_eq!(text.matches("= kforge_erf(").count(), 4, "{text}");
}

#[test]
fn conversions() {
    for (op, from, to, value) in [
        ("arith.sitofp", "i32", "f32", "%x"),
        ("arith.uitofp", "i32", "f32", "%x"),
        ("arith.bitcast", "i32", "f32", "%x"),
    ] {
        lines(&format!(
            "%r = {op} {value} : {from} to {to}\n memref.store %r, %f[%i] : memref<64xf32>"
        ));
    }
    for (op, from, value) in [
        ("arith.fptosi", "f32", "%u"),
        ("arith.fptoui", "f32", "%u"),
        ("arith.bitcast", "f32", "%u"),
        ("arith.index_cast", "index", "%i"),
        ("arith.index_castui", "index", "%i"),
    ] {
        lines(&format!(
            "%r = {op} {value} : {from} to i32\n memref.store %r, %a[%i] : memref<64xi32>"
        ));
    }
}

#[test]
fn booleans_extend_with_their_sign() {
    let signed = lines(
        "%p = arith.trunci %x : i32 to i1\n %r = arith.extsi %p : i1 to i32\n memref.store %r, %a[%i] : memref<64xi32>",
    );
    assert!(signed.contains("-1i"), "{signed}");
    let unsigned = lines(
        "%p = arith.trunci %x : i32 to i1\n %q = arith.xori %p, %p : i1\n %o = arith.ori %q, %p : i1\n %r = arith.extui %o : i1 to i32\n memref.store %r, %a[%i] : memref<64xi32>",
    );
    assert!(!unsigned.contains("-1i"), "{unsigned}");
}

#[test]
fn ids_and_dimensions() {
    let text = lines(
        r#"
    %a0 = gpu.block_id y
    %a1 = gpu.grid_dim z
    %a2 = gpu.block_dim x
    %a3 = gpu.subgroup_size : index
    %a4 = gpu.num_subgroups : index
    %a5 = gpu.lane_id
    %a6 = gpu.subgroup_id : index
    %a7 = gpu.thread_id y
    %s0 = arith.addi %a0, %a1 : index
    %s1 = arith.addi %s0, %a2 : index
    %s2 = arith.addi %s1, %a3 : index
    %s3 = arith.addi %s2, %a4 : index
    %s4 = arith.addi %s3, %a5 : index
    %s5 = arith.addi %s4, %a6 : index
    %s6 = arith.addi %s5, %a7 : index
    %r = arith.index_cast %s6 : index to i32
    memref.store %r, %a[%i] : memref<64xi32>"#,
    );
    // The block size is known, and so is the only id of a dimension of size 1.
    assert!(text.contains("64i"), "{text}");
    assert!(!text.contains("thread_id.y"), "{text}");
}

#[test]
fn subgroup_reductions() {
    for op in [
        "add", "mul", "minsi", "minui", "maxsi", "maxui", "and", "or", "xor",
    ] {
        lines(&format!(
            "%r = gpu.subgroup_reduce {op} %x : (i32) -> i32\n memref.store %r, %a[%i] : memref<64xi32>"
        ));
    }
    for op in ["add", "mul", "minnumf", "maxnumf", "minimumf", "maximumf"] {
        lines(&format!(
            "%r = gpu.subgroup_reduce {op} %u uniform : (f32) -> f32\n memref.store %r, %f[%i] : memref<64xf32>"
        ));
    }
}

#[test]
fn i64_where_the_device_has_it() {
    let options = TranslateOptions {
        allowed: Features {
            int64: true,
            ..TranslateOptions::default().allowed
        },
        ..TranslateOptions::default()
    };
    let body = r#"
    %i = gpu.thread_id x
    %w = arith.index_cast %i : index to i64
    %u = arith.index_castui %i : index to i64
    %s = arith.addi %w, %u : i64
    %q = arith.divui %s, %n : i64
    %t = arith.trunci %q : i64 to i32
    memref.store %t, %a[%i] : memref<64xi32>"#;
    let source = function("%a: memref<64xi32>, %m: i32, %n: i64", BLOCK_64, body);
    let kernel = kernel_with(&source, &options);
    assert!(kernel.features().int64);
    // The i64 starts at a multiple of its size.
    assert_eq!(kernel.immediates()[1].offset, 8);
    assert_eq!(kernel.immediate_bytes(), 16);
    check(&kernel);
}

#[test]
fn strided_metadata_and_casts() {
    lines(
        r#"
    %c = memref.cast %f : memref<64xf32> to memref<?xf32>
    %base, %off, %size, %stride = memref.extract_strided_metadata %c : memref<?xf32> -> memref<f32>, index, index, index
    %again = memref.reinterpret_cast %base to offset: [%off], sizes: [%size], strides: [%stride] : memref<f32> to memref<?xf32, strided<[?], offset: ?>>
    %w = memref.load %again[%i] : memref<?xf32, strided<[?], offset: ?>>
    %z = memref.load %base[] : memref<f32>
    %r = arith.addf %w, %z : f32
    memref.store %r, %f[%i] : memref<64xf32>"#,
    );
}
