//! Modules as programs: what comes over, and what is refused in which words.

use kforge_oracle::{ActivationKind, BinaryKind, ConstantData, DType, Op, ReduceKind, ValueId};

use super::{ProgramError, of_text};

fn ops(body: &str) -> Vec<Op> {
    let program = of_text(body).unwrap_or_else(|error| panic!("{error}"));
    program.nodes.into_iter().map(|node| node.op).collect()
}

fn error(text: &str) -> String {
    of_text(text).unwrap_err().to_string()
}

#[test]
fn names_types_and_stages() {
    let program = of_text(
        r#"
        func.func @f(%x: tensor<4x8xf16>, %w: tensor<6x8xf16> {kforge.weight = "w"}) -> tensor<4x6xf16> {
          %0 = kforge.matmul %x, %w {transpose_b, activation = "silu", kforge.name = "up"} : (tensor<4x8xf16>, tensor<6x8xf16>) -> tensor<4x6xf16>
          %1 = kforge.softmax %0 : (tensor<4x6xf16>) -> tensor<4x6xf16> loc("scores")
          %2 = kforge.activation %1 {kind = "none"} : (tensor<4x6xf16>) -> tensor<4x6xf16>
          %3 = math.exp %2 : tensor<4x6xf16>
          return %3 : tensor<4x6xf16>
        }"#,
    )
    .unwrap();
    let names: Vec<&str> = program.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["arg0", "w"]);
    let stages: Vec<&str> = program.nodes.iter().map(|n| n.stage.as_str()).collect();
    assert_eq!(stages, ["up", "scores", "math.exp"]);
    assert_eq!(program.inputs[1].ty.dtype, DType::F16);
    assert_eq!(program.outputs, [ValueId(4)]);
    assert_eq!(
        program.nodes[0].op,
        Op::Matmul {
            a: ValueId(0),
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: true,
            activation: Some(ActivationKind::Silu),
        }
    );
}

#[test]
fn optional_operands_keep_their_slots() {
    let ops = ops(r#"
        func.func @f(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
          %0 = kforge.matmul %x, %w residual %r : (tensor<4x8xf32>, tensor<8x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
          %1 = kforge.mlp %0, %w, %w gate %w gate_bias %b : (tensor<4x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
          %2 = kforge.layer_norm %1 beta %b {epsilon = 0.5 : f32} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
          return %2 : tensor<4x8xf32>
        }"#);
    assert!(matches!(
        ops[0],
        Op::Matmul {
            bias: None,
            residual: Some(ValueId(1)),
            ..
        }
    ));
    assert!(matches!(
        ops[1],
        Op::Mlp {
            gate: Some(ValueId(2)),
            gate_bias: Some(ValueId(3)),
            up_bias: None,
            down_bias: None,
            activation: ActivationKind::Gelu,
            ..
        }
    ));
    assert!(matches!(
        ops[2],
        Op::LayerNorm {
            gamma: None,
            beta: Some(ValueId(3)),
            axis: -1,
            epsilon: 0.5,
            ..
        }
    ));
}

#[test]
fn an_mlp_without_activation_is_its_products() {
    let program = of_text(
        r#"
        func.func @f(%x: tensor<2x4x8xf16>, %w: tensor<6x8xf16>, %d: tensor<8x6xf16>) -> tensor<2x4x8xf16> {
          %0 = kforge.mlp %x, %w, %d gate %w {activation = "none", transpose_weights} : (tensor<2x4x8xf16>, tensor<6x8xf16>, tensor<8x6xf16>, tensor<6x8xf16>) -> tensor<2x4x8xf16>
          return %0 : tensor<2x4x8xf16>
        }"#,
    )
    .unwrap();
    let types: Vec<String> = program.nodes.iter().map(|n| n.ty.to_string()).collect();
    assert_eq!(types, ["2x4x6xf32", "2x4x6xf32", "2x4x6xf32", "2x4x8xf16"]);
    assert!(matches!(
        program.nodes[2].op,
        Op::Binary {
            kind: BinaryKind::Mul,
            ..
        }
    ));
}

#[test]
fn constants_come_bit_for_bit() {
    let ops = ops(r#"
        func.func @f() -> (tensor<2xf32>, tensor<3xf16>, tensor<2x2xbf16>, tensor<3xi32>, tensor<2xi64>, tensor<9xi1>, tensor<4xi1>, tensor<2xf32>, tensor<0x4xf32>, tensor<1xf32>) {
          %a = arith.constant dense<[0.1, -0.0]> : tensor<2xf32>
          %b = arith.constant dense<[1.5, 0xFC00, 65504.0]> : tensor<3xf16>
          %c = arith.constant dense<[[1.0, 2.0], [3.0, -4.0]]> : tensor<2x2xbf16>
          %d = arith.constant dense<[1, -2, 2147483647]> : tensor<3xi32>
          %e = arith.constant dense<[-5, 9007199254740992]> : tensor<2xi64>
          %f = arith.constant dense<[true, false, true, false, false, false, false, false, true]> : tensor<9xi1>
          %g = arith.constant dense<true> : tensor<4xi1>
          %h = arith.constant dense<0.25> : tensor<2xf32>
          %i = arith.constant dense<> : tensor<0x4xf32>
          %j = arith.constant dense<[7.0]> : tensor<1xf32>
          return %a, %b, %c, %d, %e, %f, %g, %h, %i, %j : tensor<2xf32>, tensor<3xf16>, tensor<2x2xbf16>, tensor<3xi32>, tensor<2xi64>, tensor<9xi1>, tensor<4xi1>, tensor<2xf32>, tensor<0x4xf32>, tensor<1xf32>
        }"#);
    let data: Vec<ConstantData> = ops
        .into_iter()
        .map(|op| match op {
            Op::Constant { data } => data,
            other => panic!("{other:?}"),
        })
        .collect();
    let dense = |values: &[f64]| ConstantData::Dense(values.to_vec());
    assert_eq!(data[0], dense(&[f64::from(0.1f32), -0.0]));
    assert_eq!(data[1], dense(&[1.5, f64::NEG_INFINITY, 65504.0]));
    assert_eq!(data[2], dense(&[1.0, 2.0, 3.0, -4.0]));
    assert_eq!(data[3], dense(&[1.0, -2.0, 2147483647.0]));
    assert_eq!(data[4], dense(&[-5.0, 9007199254740992.0]));
    assert_eq!(
        data[5],
        dense(&[1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    );
    assert_eq!(data[6], ConstantData::Splat(1.0));
    assert_eq!(data[7], ConstantData::Splat(0.25));
    assert_eq!(data[8], dense(&[]));
    assert_eq!(data[9], ConstantData::Splat(7.0));
}

#[test]
fn an_integer_beyond_f64_is_refused() {
    let message = error(
        "func.func @f() -> tensor<2xi64> {\n%a = arith.constant dense<[1, 9007199254740993]> : tensor<2xi64>\nreturn %a : tensor<2xi64>\n}",
    );
    assert!(message.contains("cannot hold"), "{message}");
}

#[test]
fn slices_reshapes_and_concatenations() {
    let ops = ops(r#"
        func.func @f(%x: tensor<4x6xf32>) -> (tensor<4x12xf32>, tensor<2x2x6xf32>, tensor<6x4xf32>) {
          %row = tensor.extract_slice %x[1, 0] [1, 6] [1, 1] : tensor<4x6xf32> to tensor<6xf32>
          %e = tensor.empty() : tensor<4x6xf32>
          %i = tensor.insert_slice %row into %e[2, 0] [1, 6] [1, 1] : tensor<6xf32> into tensor<4x6xf32>
          %c = tensor.concat dim(1) %x, %i : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x12xf32>
          %r = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
          %t = tensor.empty() : tensor<6x4xf32>
          %p = linalg.transpose ins(%x : tensor<4x6xf32>) outs(%t : tensor<6x4xf32>) permutation = [1, 0]
          return %c, %r, %p : tensor<4x12xf32>, tensor<2x2x6xf32>, tensor<6x4xf32>
        }"#);
    let names: Vec<&str> = ops.iter().map(Op::name).collect();
    assert_eq!(
        names,
        [
            "slice",
            "reshape",
            "reshape",
            "constant",
            "insert_slice",
            "concat",
            "reshape",
            "transpose"
        ]
    );
    assert_eq!(
        ops[7],
        Op::Transpose {
            x: ValueId(0),
            permutation: vec![1, 0]
        }
    );
}

#[test]
fn linalg_products_and_reductions() {
    let ops = ops(r#"
        func.func @f(%a: tensor<4x8xf32>, %b: tensor<6x8xf32>, %i: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4xf32>) {
          %z = arith.constant 0.0 : f32
          %e = tensor.empty() : tensor<4x6xf32>
          %0 = linalg.fill ins(%z : f32) outs(%e : tensor<4x6xf32>) -> tensor<4x6xf32>
          %1 = linalg.matmul indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>] ins(%a, %b : tensor<4x8xf32>, tensor<6x8xf32>) outs(%0 : tensor<4x6xf32>) -> tensor<4x6xf32>
          %2 = linalg.matmul indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>] ins(%a, %b : tensor<4x8xf32>, tensor<6x8xf32>) outs(%i : tensor<4x6xf32>) -> tensor<4x6xf32>
          %low = arith.constant dense<0xFF800000> : tensor<4xf32>
          %3 = linalg.reduce { arith.maximumf } ins(%1 : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
          return %2, %3 : tensor<4x6xf32>, tensor<4xf32>
        }"#);
    let products: Vec<&Op> = ops.iter().filter(|op| op.name() == "matmul").collect();
    assert!(matches!(
        products[0],
        Op::Matmul {
            residual: None,
            transpose_a: false,
            transpose_b: true,
            ..
        }
    ));
    assert!(matches!(
        products[1],
        Op::Matmul {
            residual: Some(ValueId(2)),
            ..
        }
    ));
    assert!(matches!(
        ops.last(),
        Some(Op::Reduce { init: None, kind: ReduceKind::Max, axes, .. }) if axes == &[1]
    ));
}

#[test]
fn generic_bodies_become_elementwise_nodes() {
    let ops = ops(r#"
        func.func @f(%x: tensor<4x6xf32>, %b: tensor<6xf32>, %t: tensor<6x4xf32>) -> tensor<4x6xf32> {
          %c = arith.constant 2.0 : f32
          %e = tensor.empty() : tensor<4x6xf32>
          %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%x, %b, %t : tensor<4x6xf32>, tensor<6xf32>, tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) {
          ^bb0(%i: f32, %j: f32, %k: f32, %o: f32):
            %s = arith.addf %i, %j : f32
            %m = arith.mulf %s, %c : f32
            %d = arith.subf %m, %k : f32
            linalg.yield %d : f32
          } -> tensor<4x6xf32>
          %1 = linalg.exp ins(%0 : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) -> tensor<4x6xf32>
          return %1 : tensor<4x6xf32>
        }"#);
    let names: Vec<&str> = ops.iter().map(Op::name).collect();
    assert_eq!(
        names,
        [
            "constant",
            "broadcast",
            "transpose",
            "binary",
            "broadcast",
            "binary",
            "binary",
            "unary"
        ]
    );
    assert_eq!(
        ops[1],
        Op::Broadcast {
            x: ValueId(1),
            dimensions: vec![0]
        }
    );
}

#[test]
fn calls_are_inlined() {
    let program = of_text(
        r#"
        func.func private @twice(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
          %0 = arith.addf %x, %x : tensor<4xf32>
          return %0, %x : tensor<4xf32>, tensor<4xf32>
        }
        func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
          %0:2 = call @twice(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
          %1:2 = call @twice(%0#0) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
          %2 = arith.subf %1#0, %1#1 : tensor<4xf32>
          return %2 : tensor<4xf32>
        }"#,
    )
    .unwrap();
    assert_eq!(program.name, "f");
    let pairs: Vec<(u32, u32)> = program
        .nodes
        .iter()
        .map(|node| match node.op {
            Op::Binary { a, b, .. } => (a.0, b.0),
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pairs, [(0, 0), (1, 1), (2, 1)]);
}

#[test]
fn recursion_is_refused() {
    let message = error(
        "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n%0 = call @f(%x) : (tensor<4xf32>) -> tensor<4xf32>\nreturn %0 : tensor<4xf32>\n}",
    );
    assert!(message.contains("recursively"), "{message}");
}

#[test]
fn exponential_calls_are_bounded() {
    let mut text = String::from(
        "func.func private @f0(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }\n",
    );
    for level in 1..40 {
        let call = format!(
            "call @f{}(%x) : (tensor<4xf32>) -> tensor<4xf32>",
            level - 1
        );
        text += &format!(
            "func.func private @f{level}(%x: tensor<4xf32>) -> tensor<4xf32> {{\n%0 = {call}\n%1 = {call}\nreturn %0 : tensor<4xf32> }}\n"
        );
    }
    text += "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n%0 = call @f39(%x) : (tensor<4xf32>) -> tensor<4xf32>\nreturn %0 : tensor<4xf32> }\n";
    let message = error(&text);
    assert!(message.contains("beyond the limit"), "{message}");
}

#[test]
fn the_function_must_be_told() {
    let two = "func.func @a(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }\nfunc.func @b(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }";
    assert!(matches!(of_text(two), Err(ProgramError::Function { found, .. }) if found == "a, b"));
    assert!(of_text(&two.replace("@b", "@main")).is_ok_and(|program| program.name == "main"));
    assert!(matches!(of_text(""), Err(ProgramError::Function { .. })));
}

#[test]
fn refusals_say_where_and_what() {
    let dynamic = error(
        "func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {\nreturn %x : tensor<?x4xf32>\n}",
    );
    assert!(
        dynamic.contains("dynamic type tensor<?x4xf32>"),
        "{dynamic}"
    );
    let unsupported = error(
        "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n  %0 = math.atan %x : tensor<4xf32>\n  return %0 : tensor<4xf32>\n}",
    );
    assert!(unsupported.starts_with("-:2:"), "{unsupported}");
    assert!(
        unsupported.contains("'math.atan'") && unsupported.contains("kforge.{matmul,"),
        "{unsupported}"
    );
    let empty = error(
        "func.func @f() -> tensor<4xf32> {\n%0 = tensor.empty() : tensor<4xf32>\n%1 = math.exp %0 : tensor<4xf32>\nreturn %1 : tensor<4xf32>\n}",
    );
    assert!(empty.contains("undefined elements"), "{empty}");
    let resource = error(
        "func.func @f() -> tensor<1xf32> {\n%0 = arith.constant dense_resource<r> : tensor<1xf32>\nreturn %0 : tensor<1xf32>\n}\n{-# dialect_resources: { builtin: { r: \"0x0400000000000080\" } } #-}",
    );
    assert!(resource.contains("dense_resource"), "{resource}");
    let parse = error("func.func @f( {");
    assert!(parse.starts_with("-:1:"), "{parse}");
    assert!(error("\0").contains("NUL"));
    let unsigned = error(
        "func.func @f(%x: tensor<4xi32>) -> tensor<4xf32> {\n%0 = arith.uitofp %x : tensor<4xi32> to tensor<4xf32>\nreturn %0 : tensor<4xf32>\n}",
    );
    assert!(unsigned.contains("unsigned"), "{unsigned}");
}
