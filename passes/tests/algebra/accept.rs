//! Right kernels of every family, with many knobs.

use crate::harness::all_equal;

pub fn matmul(m: usize, n: usize, k: usize, attributes: &str) -> String {
    format!(
        "func.func @f(%a: tensor<{m}x{k}xf32>, %b: tensor<{k}x{n}xf32>, %bias: tensor<{n}xf32>, \
         %r: tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32> {{\n\
         %y = kforge.matmul %a, %b bias %bias residual %r {{{attributes} \
         kforge.name = \"q\"}} : (tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>, tensor<{n}xf32>, \
         tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>\n\
         return %y : tensor<{m}x{n}xf32>\n}}"
    )
}

#[test]
fn matmuls() {
    let tile = "kforge-keep-reference,kforge-attach-device,kforge-tile-matmul";
    for knobs in [
        "tile-m=16 tile-n=16 tile-k=4 thread-m=2 thread-n=4 vector-width=4",
        "tile-m=16 tile-n=16 tile-k=4 thread-m=2 thread-n=4 vector-width=4 stages=2",
        "tile-m=16 tile-n=16 tile-k=4 thread-m=2 thread-n=4 vector-width=1 split-k=2",
        "tile-m=8 tile-n=8 tile-k=4 thread-m=1 thread-n=2 vector-width=2 split-k=4 stages=2",
    ] {
        for activation in [
            "",
            "activation = \"gelu\",",
            "activation = \"silu\",",
            "activation = \"relu\",",
            "activation = \"gelu_tanh\",",
            "activation = \"tanh\",",
        ] {
            all_equal(
                &matmul(19, 21, 10, activation),
                &format!("{tile}{{op=q {knobs}}},kforge-default-pipeline"),
            );
        }
    }
}

#[test]
fn products_with_batches_and_transposes() {
    let pipeline = "kforge-default-pipeline";
    for (a, b, y, attributes) in [
        ("4x1x8x8", "3x8x8", "4x3x8x8", ""),
        ("9x12", "12x10", "12x10", ""),
        ("7x33", "35x33", "7x35", "transpose_b"),
        ("33x7", "33x35", "7x35", "transpose_a"),
        ("2x33x7", "35x33", "2x7x35", "transpose_a, transpose_b"),
    ] {
        let (a, b, y) = match a == "9x12" {
            true => ("9x12", "12x10", "9x10"),
            false => (a, b, y),
        };
        all_equal(
            &one(
                &[&format!("tensor<{a}xf32>"), &format!("tensor<{b}xf32>")],
                &format!("matmul %0, %1 {{{attributes}}}"),
                &format!("tensor<{y}xf32>"),
            ),
            pipeline,
        );
    }
}

/// A function of one op on arguments of the given types.
pub fn one(types: &[&str], op: &str, result: &str) -> String {
    let arguments: Vec<String> = (0..)
        .zip(types)
        .map(|(index, ty)| format!("%{index}: {ty}"))
        .collect();
    let (arguments, types) = (arguments.join(", "), types.join(", "));
    format!(
        "func.func @f({arguments}) -> {result} {{\n\
         %y = kforge.{op} : ({types}) -> {result}\n return %y : {result}\n}}"
    )
}

/// A function of upstream ops; the last one defines `%y`.
fn chain(types: &[&str], body: &str, result: &str) -> String {
    let arguments: Vec<String> = (0..)
        .zip(types)
        .map(|(index, ty)| format!("%{index}: {ty}"))
        .collect();
    let arguments = arguments.join(", ");
    format!("func.func @f({arguments}) -> {result} {{\n{body}\nreturn %y : {result}\n}}")
}

/// `schedule`, then the default pipeline, on a device with subgroups of 8.
pub fn pipeline(schedule: &str) -> String {
    let device = "{subgroup-size=8 features=subgroup}";
    format!(
        "kforge-keep-reference,kforge-attach-device{device},{schedule},kforge-default-pipeline{device}"
    )
}

const ROW_KNOBS: [&str; 8] = [
    "workgroup-size=64 block-size=64 vector-width=4",
    "workgroup-size=32 block-size=16 vector-width=1",
    "workgroup-size=8 block-size=4 vector-width=2",
    "workgroup-size=1 block-size=1 vector-width=4",
    "workgroup-size=16 block-size=1024 vector-width=4",
    "workgroup-size=64 block-size=64 vector-width=4 rows=4",
    "workgroup-size=32 block-size=64 vector-width=2 rows=8 shuffle=1",
    "workgroup-size=64 block-size=16 vector-width=1 rows=2 shuffle=1",
];

fn rows(op: &str, weights: usize, shape: &str, axis_size: &str) {
    let x = format!("tensor<{shape}xf32>");
    let weight = format!("tensor<{axis_size}xf32>");
    let mut types = vec![x.as_str()];
    types.extend(vec![weight.as_str(); weights]);
    for knobs in ROW_KNOBS {
        let pipeline = pipeline(&format!("kforge-vectorize-layernorm{{{knobs}}}"));
        all_equal(&one(&types, op, &x), &pipeline);
    }
}

#[test]
fn softmaxes() {
    rows("softmax %0", 0, "5x37", "37");
    rows("softmax %0", 0, "3x40", "40");
    rows("softmax %0 {axis = 1 : i64}", 0, "2x13x12", "13");
}

#[test]
fn norms() {
    rows("layer_norm %0 gamma %1 beta %2", 2, "5x37", "37");
    rows("layer_norm %0 gamma %1", 1, "3x48", "48");
    rows("layer_norm %0 {epsilon = 1.0e-12 : f32}", 0, "3x48", "48");
    rows(
        "layer_norm %0 gamma %1 beta %2 {axis = 1 : i64}",
        2,
        "2x13x12",
        "13",
    );
    rows("rms_norm %0 gamma %1", 1, "5x37", "37");
    rows("rms_norm %0 {epsilon = 1.0e-6 : f32}", 0, "4x64", "64");
}

#[test]
fn attentions() {
    let (q, kv) = ("tensor<1x4x19x8xf32>", "tensor<1x2x21x8xf32>");
    for knobs in [
        "block-q=32 block-kv=8",
        "block-q=8 block-kv=3",
        "block-q=1 block-kv=8",
        "block-q=4 block-kv=16",
        "block-q=8 block-kv=4 split-head=2",
        "block-q=4 block-kv=8 slice-kv=4",
        "block-q=1 block-kv=16 slice-kv=8",
        "block-q=8 block-kv=8 split-head=2 slice-kv=2",
        "block-q=8 block-kv=4 split-kv=3",
        "block-q=4 block-kv=8 split-head=2 slice-kv=2 split-kv=5",
    ] {
        let pipeline = pipeline(&format!("kforge-tile-attention{{{knobs}}}"));
        for (operands, attributes, mask) in [
            ("", "", None),
            ("", "causal", None),
            ("", "scale = 0.3 : f32", None),
            ("mask %3", "", Some("tensor<19x21xf32>")),
            ("mask %3", "causal", Some("tensor<1x1x1x21xf32>")),
            ("mask %3", "causal", Some("tensor<1x4x19x1xf32>")),
        ] {
            let mut types = vec![q, kv, kv];
            types.extend(mask);
            let op = format!("attention %0, %1, %2 {operands} {{{attributes}}}");
            all_equal(&one(&types, &op, q), &pipeline);
        }
        // More queries than keys: the first see nothing.
        let (q, kv) = ("tensor<1x1x9x6xf32>", "tensor<1x1x5x6xf32>");
        all_equal(
            &one(&[q, kv, kv], "attention %0, %1, %2 {causal}", q),
            &pipeline,
        );
    }
}

#[test]
fn ropes() {
    let x = "tensor<2x3x5x8xf32>";
    for attributes in ["", "interleaved", "theta = 500000.0 : f32"] {
        let op = format!("rope %0, %1 {{{attributes}}}");
        all_equal(
            &one(&[x, "tensor<5xi32>"], &op, x),
            "kforge-default-pipeline",
        );
        let op = format!("rope %0, %1 inv_freq %2 {{{attributes}}}");
        let types = [x, "tensor<2x5xi32>", "tensor<3xf32>"];
        all_equal(&one(&types, &op, x), "kforge-default-pipeline");
    }
}

#[test]
fn mlps() {
    let types = [
        "tensor<9x6xf32>",
        "tensor<6x10xf32>",
        "tensor<10x7xf32>",
        "tensor<6x10xf32>",
        "tensor<10xf32>",
        "tensor<7xf32>",
    ];
    for kind in ["silu", "gelu", "gelu_tanh", "relu", "tanh"] {
        let op =
            format!("mlp %0, %1, %2 gate %3 up_bias %4 down_bias %5 {{activation = \"{kind}\"}}");
        all_equal(
            &one(&types, &op, "tensor<9x7xf32>"),
            "kforge-default-pipeline",
        );
        let op = format!("mlp %0, %1, %2 {{activation = \"{kind}\"}}");
        all_equal(
            &one(&types[..3], &op, "tensor<9x7xf32>"),
            "kforge-default-pipeline",
        );
    }
}

#[test]
fn chains_of_elements_and_moves() {
    let x = "tensor<6x10xf32>";
    for kind in ["silu", "gelu", "gelu_tanh", "relu", "tanh"] {
        let op = format!("activation %0 {{kind = \"{kind}\"}}");
        all_equal(&one(&[x], &op, x), "kforge-default-pipeline");
    }
    for op in [
        "exp", "exp2", "log", "log2", "sqrt", "rsqrt", "tanh", "erf", "sin", "cos", "floor",
        "ceil", "absf",
    ] {
        let body = format!("%y = math.{op} %0 : {x}");
        all_equal(&chain(&[x], &body, x), "kforge-default-pipeline");
    }
    for op in [
        "addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf",
    ] {
        let body = format!("%y = arith.{op} %0, %1 : {x}");
        all_equal(&chain(&[x, x], &body, x), "kforge-default-pipeline");
    }
    let turned = "tensor<10x6xf32>";
    let body = format!(
        "%e = tensor.empty() : {turned}\n\
         %t = linalg.transpose ins(%0 : {x}) outs(%e : {turned}) permutation = [1, 0]\n\
         %b = linalg.broadcast ins(%1 : tensor<6xf32>) outs(%e : {turned}) dimensions = [0]\n\
         %c = arith.constant dense<0.3> : {turned}\n\
         %s = arith.addf %t, %b : {turned}\n\
         %m = math.fma %s, %c, %t : {turned}\n\
         %p = arith.cmpf olt, %m, %b : {turned}\n\
         %y = arith.select %p, %m, %c : tensor<10x6xi1>, {turned}"
    );
    all_equal(
        &chain(&[x, "tensor<6xf32>"], &body, turned),
        "kforge-default-pipeline",
    );
    let (whole, half) = ("tensor<3x4x8xf32>", "tensor<3x4x4xf32>");
    let halves = format!(
        "%l = tensor.extract_slice %0[0, 0, 0] [3, 4, 4] [1, 1, 1] : {whole} to {half}\n\
         %h = tensor.extract_slice %0[0, 0, 4] [3, 4, 4] [1, 1, 1] : {whole} to {half}\n\
         %n = arith.negf %h : {half}\n\
         %y = tensor.concat dim(2) %n, %l : ({half}, {half}) -> {whole}"
    );
    all_equal(&chain(&[whole], &halves, whole), "kforge-default-pipeline");
    let number = "tensor<5x9xi32>";
    let body = format!(
        "%i = arith.sitofp %1 : {number} to tensor<5x9xf32>\n\
         %z = arith.constant dense<0.0> : tensor<5x9xf32>\n\
         %p = arith.cmpf ogt, %0, %z : tensor<5x9xf32>\n\
         %y = arith.select %p, %0, %i : tensor<5x9xi1>, tensor<5x9xf32>"
    );
    all_equal(
        &chain(&["tensor<5x9xf32>", number], &body, "tensor<5x9xf32>"),
        "kforge-default-pipeline",
    );
}

#[test]
fn half_precision() {
    let attach = "kforge-keep-reference,kforge-attach-device{features=shader-f16},kforge-name-ops,\
                  kforge-tile-matmul,kforge-tile-attention,kforge-vectorize-layernorm,\
                  convert-kforge-to-gpu,canonicalize,cse";
    let x = "tensor<5x36xf16>";
    let w = "tensor<36xf16>";
    all_equal(
        &one(&[x, w, w], "layer_norm %0 gamma %1 beta %2", x),
        attach,
    );
    all_equal(&one(&[x], "softmax %0", x), attach);
    let types = ["tensor<9x64xf16>", "tensor<64x11xf16>"];
    all_equal(&one(&types, "matmul %0, %1", "tensor<9x11xf16>"), attach);
    let (q, kv) = ("tensor<1x4x19x8xf16>", "tensor<1x2x21x8xf16>");
    let types = [q, kv, kv, "tensor<19x21xf16>"];
    all_equal(
        &one(&types, "attention %0, %1, %2 mask %3 {causal}", q),
        attach,
    );
}

/// On the matrix unit, which no device here has: tails everywhere, masks, shared heads.
#[test]
fn matrix_units() {
    let device = "{subgroup-size=32 features=shader-f16+subgroup+cooperative-matrix \
                  matrix-shapes=16x16x16:f16:f32 workgroup-memory=49152}";
    let pipeline = |schedule: &str| {
        format!(
            "kforge-keep-reference,kforge-attach-device{device},{schedule},\
             convert-kforge-to-gpu,canonicalize,cse"
        )
    };
    let tiles = "tile-m=32 tile-n=32 tile-k=16 thread-m=16 thread-n=16 matrix-unit=16";
    let types = ["tensor<37x40xf16>", "tensor<40x50xf16>"];
    all_equal(
        &one(&types, "matmul %0, %1", "tensor<37x50xf16>"),
        &pipeline(&format!("kforge-tile-matmul{{{tiles}}}")),
    );
    let (q, k) = ("tensor<1x2x19x16xf16>", "tensor<1x1x21x16xf16>");
    let knobs = "block-q=16 block-kv=16 matrix-unit=16";
    let pipeline_of = |knobs: &str| pipeline(&format!("kforge-tile-attention{{{knobs}}}"));
    let pipeline = pipeline_of(knobs);
    for (operands, attributes, mask) in [
        ("", "causal, scale = 0.3 : f32", None),
        ("mask %3", "", Some("tensor<1x1x1x21xf16>")),
    ] {
        let mut types = vec![q, k, k];
        types.extend(mask);
        let op = format!("attention %0, %1, %2 {operands} {{{attributes}}}");
        all_equal(&one(&types, &op, q), &pipeline);
    }
    // Values of another size than keys, blocks of several matrices.
    let types = [
        "tensor<1x1x17x16xf16>",
        "tensor<1x1x33x16xf16>",
        "tensor<1x1x33x32xf16>",
    ];
    all_equal(
        &one(&types, "attention %0, %1, %2 {}", "tensor<1x1x17x32xf16>"),
        &pipeline_of("block-q=32 block-kv=32 matrix-unit=16"),
    );
}

#[test]
fn whole_models_unit_by_unit() {
    for name in ["attention_block", "minilm_layer"] {
        let path = format!("{}/../test/Inputs/{name}.mlir", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).unwrap();
        all_equal(&source, "kforge-default-pipeline");
    }
}
