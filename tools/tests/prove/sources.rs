//! Programs of every kernel family, at sizes with and without tails.

use std::fmt::Write;

/// A program and its name.
pub struct Source {
    pub name: String,
    pub text: String,
}

fn function(name: impl Into<String>, types: &[&str], body: &str, result: &str) -> Source {
    let mut arguments = String::new();
    for (index, ty) in types.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(arguments, "{separator}%{index}: {ty}").unwrap();
    }
    Source {
        name: name.into(),
        text: format!("func.func @f({arguments}) -> {result} {{\n{body}\nreturn %y : {result}\n}}"),
    }
}

fn tensor(sizes: &[u64], element: &str) -> String {
    let sizes: String = sizes.iter().map(|size| format!("{size}x")).collect();
    format!("tensor<{sizes}{element}>")
}

pub fn matmul(m: u64, k: u64, n: u64, element: &str) -> Source {
    let (a, b) = (tensor(&[m, k], element), tensor(&[k, n], element));
    let c = tensor(&[m, n], element);
    function(
        format!("matmul {m}x{k}x{n} {element}"),
        &[&a, &b],
        &format!("%y = kforge.matmul %0, %1 {{kforge.name = \"op\"}} : ({a}, {b}) -> {c}"),
        &c,
    )
}

pub fn batched(batch: u64, m: u64, k: u64, n: u64, transposes: &str) -> Source {
    let pick = |transposed: bool, a: u64, b: u64| match transposed {
        true => tensor(&[batch, b, a], "f32"),
        false => tensor(&[batch, a, b], "f32"),
    };
    let (a, b) = (
        pick(transposes.contains("_a"), m, k),
        pick(transposes.contains("_b"), k, n),
    );
    let c = tensor(&[batch, m, n], "f32");
    function(
        format!("batched {batch}x{m}x{k}x{n} {transposes}"),
        &[&a, &b],
        &format!(
            "%y = kforge.matmul %0, %1 {{{transposes} kforge.name = \"op\"}} : ({a}, {b}) -> {c}"
        ),
        &c,
    )
}

pub fn epilogue(m: u64, k: u64, n: u64) -> Source {
    let (a, b) = (tensor(&[m, k], "f32"), tensor(&[k, n], "f32"));
    let (c, d) = (tensor(&[m, n], "f32"), tensor(&[n], "f32"));
    function(
        format!("epilogue {m}x{k}x{n}"),
        &[&a, &b, &d, &c],
        &format!(
            "%y = kforge.matmul %0, %1 bias %2 residual %3 {{activation = \"gelu\", kforge.name = \"op\"}} : ({a}, {b}, {d}, {c}) -> {c}"
        ),
        &c,
    )
}

pub fn softmax(sizes: &[u64], axis: i64, element: &str) -> Source {
    let x = tensor(sizes, element);
    function(
        format!("softmax {x} over {axis}"),
        &[&x],
        &format!(
            "%y = kforge.softmax %0 {{axis = {axis} : i64, kforge.name = \"op\"}} : ({x}) -> {x}"
        ),
        &x,
    )
}

pub fn norm(op: &str, rows: u64, size: u64) -> Source {
    let (x, g) = (tensor(&[rows, size], "f32"), tensor(&[size], "f32"));
    let (operands, types): (&str, Vec<&str>) = match op {
        "layer_norm" => ("%0 gamma %1 beta %2", vec![&x, &g, &g]),
        _ => ("%0 gamma %1", vec![&x, &g]),
    };
    function(
        format!("{op} {rows}x{size}"),
        &types,
        &format!(
            "%y = kforge.{op} {operands} {{kforge.name = \"op\"}} : ({}) -> {x}",
            types.join(", ")
        ),
        &x,
    )
}

pub struct Attention {
    pub heads: u64,
    pub kv_heads: u64,
    pub queries: u64,
    pub keys: u64,
    pub head: u64,
    pub causal: bool,
    pub mask: Option<Vec<u64>>,
}

pub fn attention(it: &Attention) -> Source {
    let q = tensor(&[2, it.heads, it.queries, it.head], "f32");
    let k = tensor(&[2, it.kv_heads, it.keys, it.head], "f32");
    let mask = it.mask.as_ref().map(|sizes| tensor(sizes, "f32"));
    let mut types = vec![q.as_str(), &k, &k];
    types.extend(mask.as_deref());
    let operand = if mask.is_some() { " mask %3" } else { "" };
    let causal = if it.causal { "causal, " } else { "" };
    function(
        format!(
            "attention {q} {k}{}{}",
            if it.causal { " causal" } else { "" },
            mask.as_deref().unwrap_or("")
        ),
        &types,
        &format!(
            "%y = kforge.attention %0, %1, %2{operand} {{{causal}kforge.name = \"op\"}} : ({}) -> {q}",
            types.join(", ")
        ),
        &q,
    )
}

fn rope(x: &[u64], positions: &[u64], frequencies: Option<u64>, attributes: &str) -> Source {
    let (x, p) = (tensor(x, "f32"), tensor(positions, "i32"));
    let f = frequencies.map(|count| tensor(&[count], "f32"));
    let mut types = vec![x.as_str(), &p];
    types.extend(f.as_deref());
    let operand = if f.is_some() { " inv_freq %2" } else { "" };
    function(
        format!("rope {x} {p} {attributes}"),
        &types,
        &format!(
            "%y = kforge.rope %0, %1{operand} {{{attributes}kforge.name = \"op\"}} : ({}) -> {x}",
            types.join(", ")
        ),
        &x,
    )
}

fn mlp(rows: u64, width: u64, inner: u64, gated: bool) -> Source {
    let (x, u, d) = (
        tensor(&[rows, width], "f32"),
        tensor(&[width, inner], "f32"),
        tensor(&[inner, width], "f32"),
    );
    let mut types = vec![x.as_str(), &u, &d];
    if gated {
        types.push(&u);
    }
    let operand = if gated { " gate %3" } else { "" };
    function(
        format!("mlp {rows}x{width}x{inner} gated {gated}"),
        &types,
        &format!(
            "%y = kforge.mlp %0, %1, %2{operand} {{activation = \"silu\", kforge.name = \"op\"}} : ({}) -> {x}",
            types.join(", ")
        ),
        &x,
    )
}

/// Programs whose ops have schedules: many plans each.
pub fn scheduled() -> Vec<Source> {
    let mut all = vec![
        matmul(64, 64, 64, "f32"),
        matmul(100, 70, 50, "f32"),
        matmul(33, 129, 65, "f32"),
        matmul(1, 1, 1, "f32"),
        matmul(37, 256, 11, "f16"),
        matmul(200, 72, 100, "f16"),
        matmul(256, 256, 256, "f16"),
        matmul(1024, 512, 768, "f32"),
        matmul(4096, 4096, 4096, "f32"),
        batched(3, 40, 24, 56, ""),
        batched(2, 30, 44, 28, "transpose_b,"),
        batched(2, 36, 20, 52, "transpose_a,"),
        epilogue(96, 48, 40),
        epilogue(31, 17, 29),
        softmax(&[8, 1000], -1, "f32"),
        softmax(&[5, 37], -1, "f16"),
        softmax(&[4, 4096], -1, "f32"),
        softmax(&[6, 50, 12], 1, "f32"),
        norm("layer_norm", 7, 384),
        norm("layer_norm", 3, 1001),
        norm("rms_norm", 5, 128),
    ];
    for (queries, keys) in [(64, 64), (40, 50), (17, 100), (50, 13)] {
        for causal in [false, true] {
            for mask in [None, Some(vec![queries, keys]), Some(vec![2, 1, 1, keys])] {
                all.push(attention(&Attention {
                    heads: 4,
                    kv_heads: 2,
                    queries,
                    keys,
                    head: 16,
                    causal,
                    mask,
                }));
            }
        }
    }
    all.push(attention(&Attention {
        heads: 8,
        kv_heads: 8,
        queries: 1024,
        keys: 1024,
        head: 64,
        causal: true,
        mask: None,
    }));
    all
}

/// Programs without knobs, or of many ops: a few plans each.
pub fn fixed() -> Vec<Source> {
    let mut all = vec![
        mlp(20, 24, 56, false),
        mlp(17, 32, 96, true),
        rope(&[2, 3, 5, 8], &[5], None, ""),
        rope(&[2, 3, 5, 8], &[2, 5], None, "interleaved, "),
        rope(&[1, 2, 5, 16], &[5], Some(3), ""),
        rope(&[1, 8, 512, 64], &[512], None, ""),
    ];
    for (name, text) in [
        (
            "minilm_layer",
            include_str!("../../../test/Inputs/minilm_layer.mlir"),
        ),
        (
            "attention_block",
            include_str!("../../../test/Inputs/attention_block.mlir"),
        ),
    ] {
        all.push(Source {
            name: name.into(),
            text: text.into(),
        });
    }
    let chain =
        |name: &str, types: &[&str], body: &str, result: &str| function(name, types, body, result);
    all.extend([
        chain(
            "elementwise",
            &["tensor<33x65xf32>", "tensor<33x65xf32>"],
            "%2 = arith.addf %0, %1 : tensor<33x65xf32>\n%y = math.tanh %2 : tensor<33x65xf32>",
            "tensor<33x65xf32>",
        ),
        chain(
            "large elementwise",
            &["tensor<8192x4096xf32>"],
            "%y = math.exp %0 : tensor<8192x4096xf32>",
            "tensor<8192x4096xf32>",
        ),
        chain(
            "transpose",
            &["tensor<37x12x20xf32>"],
            "%i = tensor.empty() : tensor<20x37x12xf32>\n%y = linalg.transpose ins(%0 : tensor<37x12x20xf32>) outs(%i : tensor<20x37x12xf32>) permutation = [2, 0, 1]",
            "tensor<20x37x12xf32>",
        ),
        chain(
            "concat",
            &["tensor<3x4xf32>", "tensor<3x5xf32>"],
            "%y = tensor.concat dim(1) %0, %1 : (tensor<3x4xf32>, tensor<3x5xf32>) -> tensor<3x9xf32>",
            "tensor<3x9xf32>",
        ),
        chain(
            "insert",
            &["tensor<4x8xf32>", "tensor<12x8xf32>"],
            "%y = tensor.insert_slice %0 into %1[3, 0] [4, 8] [1, 1] : tensor<4x8xf32> into tensor<12x8xf32>",
            "tensor<12x8xf32>",
        ),
        chain(
            "slice and broadcast",
            &["tensor<40x24xf32>", "tensor<8xf32>"],
            "%2 = tensor.extract_slice %0[2, 4] [16, 8] [2, 1] : tensor<40x24xf32> to tensor<16x8xf32>\n%i = tensor.empty() : tensor<16x8xf32>\n%3 = linalg.broadcast ins(%1 : tensor<8xf32>) outs(%i : tensor<16x8xf32>) dimensions = [0]\n%y = arith.mulf %2, %3 : tensor<16x8xf32>",
            "tensor<16x8xf32>",
        ),
    ]);
    all
}
