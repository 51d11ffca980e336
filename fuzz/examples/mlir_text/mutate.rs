//! Small changes of a text that may still mean something: bytes, tokens, lines, numbers,
//! and brackets that nest.

use fastrand::Rng;

/// Numbers at which sizes and counts go wrong.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "8",
    "127",
    "128",
    "1024",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "1099511627776",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775808",
    "1.0e+300",
    "0x7F800000",
    "0x7FC00000",
];

/// Words that a parser knows.
const WORDS: &[&str] = &[
    "?",
    "*",
    "f16",
    "f32",
    "f64",
    "bf16",
    "i1",
    "i8",
    "i32",
    "i64",
    "index",
    "none",
    "tensor<4xf32>",
    "tensor<*xf32>",
    "tensor<?x4xf32>",
    "tensor<0x4xf32>",
    "tensor<1048576x1048576xf32>",
    "memref<4xf32>",
    "vector<4xf32>",
    "tuple<>",
    "true",
    "false",
    "unit",
    "dense<0.0>",
    "dense<[]>",
    "dense<\"0x\">",
    "array<i64>",
    "loc(unknown)",
    "loc(callsite(\"a\" at \"b\"))",
    "\"\"",
    "\"\\00\"",
    "@f",
    "%0",
    "%0#1",
    "^bb0",
    "#map",
    "!t",
    "kforge.name",
    "kforge.schedule",
    "kforge.device",
    "kforge.reference",
    "kforge.weight",
    "builtin.module",
    "func.func",
    "return",
    "kforge.matmul",
    "kforge.softmax",
    "kforge.attention",
    "kforge.mlp",
    "kforge.rope",
    "kforge.layer_norm",
    "kforge.rms_norm",
    "kforge.activation",
    "arith.constant",
    "tensor.empty()",
    "scf.for",
    "gpu.module",
    "gpu.func",
    "builtin.unrealized_conversion_cast",
];

/// Brackets, whole or half.
const NESTS: &[(&str, &str)] = &[
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("tuple<", ">"),
    ("loc(fused[", "])"),
    ("tensor<4x", ">"),
    ("-", ""),
    ("module {\n", "}\n"),
    ("{a = ", "}"),
    ("affine_map<(d0) -> (", ")>"),
    ("!llvm.ptr<", ">"),
    ("() -> (", ")"),
    ("dense<[", "]>"),
];

/// A seed with one to four changes.
pub fn mutated(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut text = seeds[rng.usize(..seeds.len())].clone();
    for _ in 0..rng.usize(1..=4) {
        change(&mut text, seeds, rng);
    }
    text
}

fn change(text: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    if text.is_empty() {
        text.extend_from_slice(&seeds[rng.usize(..seeds.len())]);
        return;
    }
    match rng.usize(..11) {
        0 => {
            let at = rng.usize(..text.len());
            text[at] = rng.u8(..);
        }
        1 => {
            let at = rng.usize(..text.len());
            text.drain(at..(at + rng.usize(1..=20)).min(text.len()));
        }
        2 => {
            let (start, end) = line(text, rng);
            text.drain(start..end);
        }
        3 => {
            let (start, end) = line(text, rng);
            let copy = text[start..end].to_vec();
            let (at, _) = line(text, rng);
            text.splice(at..at, copy);
        }
        4 => {
            let other = &seeds[rng.usize(..seeds.len())];
            let (start, end) = line(other, rng);
            let (at, _) = line(text, rng);
            text.splice(at..at, other[start..end].iter().copied());
        }
        5 => replace(text, rng, u8::is_ascii_digit, NUMBERS),
        6 | 7 => {
            let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.%@#!$".contains(byte);
            replace(text, rng, part, WORDS);
        }
        8 => {
            let (one, other) = (token(text, rng), token(text, rng));
            let copy = text[one.0..one.1].to_vec();
            text.splice(other.0..other.1, copy);
        }
        9 => {
            let (open, close) = NESTS[rng.usize(..NESTS.len())];
            let depth = [1, 3, 30, 300, 999, 1001, 5000][rng.usize(..7)];
            let (start, end) = token(text, rng);
            let inner = String::from_utf8_lossy(&text[start..end]).into_owned();
            let close = if rng.bool() { close } else { "" };
            let nested = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            text.splice(start..end, nested.into_bytes());
        }
        _ => {
            let at = rng.usize(..=text.len());
            text.truncate(at);
        }
    }
}

/// A line with its end.
fn line(text: &[u8], rng: &mut Rng) -> (usize, usize) {
    let at = rng.usize(..=text.len().saturating_sub(1)).min(text.len());
    let start = text[..at].iter().rposition(|byte| *byte == b'\n');
    let end = text[at..].iter().position(|byte| *byte == b'\n');
    (
        start.map_or(0, |it| it + 1),
        end.map_or(text.len(), |it| at + it + 1),
    )
}

/// A run of letters and digits, or one other byte.
fn token(text: &[u8], rng: &mut Rng) -> (usize, usize) {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.%@#!$".contains(byte);
    around(text, rng.usize(..text.len()), part)
}

fn around(text: &[u8], at: usize, part: impl Fn(&u8) -> bool) -> (usize, usize) {
    if !part(&text[at]) {
        return (at, at + 1);
    }
    let start = text[..at].iter().rposition(|byte| !part(byte));
    let end = text[at..].iter().position(|byte| !part(byte));
    (
        start.map_or(0, |it| it + 1),
        end.map_or(text.len(), |it| at + it),
    )
}

/// Puts one of `words` in the place of a run of such bytes.
fn replace(text: &mut Vec<u8>, rng: &mut Rng, part: impl Fn(&u8) -> bool, words: &[&str]) {
    let from = rng.usize(..text.len());
    let Some(at) = text[from..].iter().position(&part) else {
        return;
    };
    let (start, end) = around(text, from + at, part);
    let word = words[rng.usize(..words.len())];
    text.splice(start..end, word.bytes());
}
