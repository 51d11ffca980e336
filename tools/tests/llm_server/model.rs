//! A language model of 0.3 MiB that has learnt nothing: a GGUF file with one Llama layer
//! of random weights and a token per byte.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, version 3.

use fastrand::Rng;

/// Tokens that a conversation may have.
pub const CONTEXT: u32 = 16384;

const WIDTH: u64 = 64;
const HEADS: u32 = 4;
const HIDDEN: u64 = 128;
/// Unknown, begin, end, and the 256 bytes.
const TOKENS: u64 = 3 + 256;
/// Where a tensor's data may begin.
const ALIGNMENT: usize = 32;

/// The file.
pub fn gguf(seed: u64) -> Vec<u8> {
    let metadata = metadata();
    let tensors = tensors();
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in &metadata {
        string(&mut file, key);
        value.write(&mut file);
    }
    let mut offset = 0_u64;
    for (name, sizes) in &tensors {
        string(&mut file, name);
        file.extend((sizes.len() as u32).to_le_bytes());
        sizes
            .iter()
            .for_each(|size| file.extend(size.to_le_bytes()));
        // Type 0: f32.
        file.extend(0_u32.to_le_bytes());
        file.extend(offset.to_le_bytes());
        // Every tensor's size is a multiple of the alignment.
        offset += sizes.iter().product::<u64>() * 4;
    }
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    let mut rng = Rng::with_seed(seed);
    for (name, sizes) in &tensors {
        let is_norm = name.ends_with("norm.weight");
        for _ in 0..sizes.iter().product::<u64>() {
            let weight: f32 = if is_norm { 1.0 } else { rng.f32() * 0.2 - 0.1 };
            file.extend(weight.to_le_bytes());
        }
    }
    file
}

fn tensors() -> Vec<(&'static str, Vec<u64>)> {
    vec![
        ("token_embd.weight", vec![WIDTH, TOKENS]),
        ("output_norm.weight", vec![WIDTH]),
        ("output.weight", vec![WIDTH, TOKENS]),
        ("blk.0.attn_norm.weight", vec![WIDTH]),
        ("blk.0.attn_q.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_k.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_v.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_output.weight", vec![WIDTH, WIDTH]),
        ("blk.0.ffn_norm.weight", vec![WIDTH]),
        ("blk.0.ffn_gate.weight", vec![WIDTH, HIDDEN]),
        ("blk.0.ffn_up.weight", vec![WIDTH, HIDDEN]),
        ("blk.0.ffn_down.weight", vec![HIDDEN, WIDTH]),
    ]
}

enum Value {
    Uint(u32),
    Float(f32),
    Bool(bool),
    Text(&'static str),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
}

fn metadata() -> Vec<(&'static str, Value)> {
    let words = ["<unk>", "<s>", "</s>"].map(str::to_owned).into_iter();
    let bytes = (0..=255_u8).map(|byte| format!("<0x{byte:02X}>"));
    // Unknown, two control tokens, bytes.
    let kinds = [2, 3, 3].into_iter().chain([6; 256]);
    vec![
        ("general.architecture", Value::Text("llama")),
        ("general.name", Value::Text("random")),
        ("llama.context_length", Value::Uint(CONTEXT)),
        ("llama.embedding_length", Value::Uint(WIDTH as u32)),
        ("llama.block_count", Value::Uint(1)),
        ("llama.feed_forward_length", Value::Uint(HIDDEN as u32)),
        ("llama.attention.head_count", Value::Uint(HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::Float(1e-5)),
        ("tokenizer.ggml.model", Value::Text("llama")),
        (
            "tokenizer.ggml.tokens",
            Value::Texts(words.chain(bytes).collect()),
        ),
        (
            "tokenizer.ggml.scores",
            Value::Floats(vec![0.0; TOKENS as usize]),
        ),
        ("tokenizer.ggml.token_type", Value::Ints(kinds.collect())),
        ("tokenizer.ggml.unknown_token_id", Value::Uint(0)),
        ("tokenizer.ggml.bos_token_id", Value::Uint(1)),
        ("tokenizer.ggml.eos_token_id", Value::Uint(2)),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
    ]
}

impl Value {
    /// Its type's number, then itself.
    fn write(&self, file: &mut Vec<u8>) {
        match self {
            Self::Uint(value) => {
                file.extend(4_u32.to_le_bytes());
                file.extend(value.to_le_bytes());
            }
            Self::Float(value) => {
                file.extend(6_u32.to_le_bytes());
                file.extend(value.to_le_bytes());
            }
            Self::Bool(value) => {
                file.extend(7_u32.to_le_bytes());
                file.push(u8::from(*value));
            }
            Self::Text(text) => {
                file.extend(8_u32.to_le_bytes());
                string(file, text);
            }
            Self::Texts(texts) => {
                list(file, 8, texts.len());
                texts.iter().for_each(|text| string(file, text));
            }
            Self::Floats(values) => {
                list(file, 6, values.len());
                values.iter().for_each(|it| file.extend(it.to_le_bytes()));
            }
            Self::Ints(values) => {
                list(file, 5, values.len());
                values.iter().for_each(|it| file.extend(it.to_le_bytes()));
            }
        }
    }
}

fn list(file: &mut Vec<u8>, of: u32, length: usize) {
    file.extend(9_u32.to_le_bytes());
    file.extend(of.to_le_bytes());
    file.extend((length as u64).to_le_bytes());
}

fn string(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}
