//! Seeds that the product's own writers make, so that they follow its formats: for the
//! targets whose inputs are binary, or carry hashes, or are long.

use std::{collections::BTreeMap, fs};

use kforge_planner::{
    Attempt, Outcome,
    archive::{Archive, Filter, Key, Options, Record, Shader},
    plan::to_json,
};
use kforge_runtime::{Dtype, HostTensor, tensor::write_safetensors};
use serde_json::json;

use crate::{
    archive::encode,
    interface::softmax,
    plan::{device, problem, proposed},
};

const INTERFACES: [&str; 5] = [
    include_str!("../../test/Inputs/kernels/softmax.toml"),
    include_str!("../../test/Inputs/kernels/softmax_length.toml"),
    include_str!("../../test/Inputs/kernels/matmul_tiled.toml"),
    include_str!("../../test/Inputs/kernels/matmul_override.toml"),
    include_str!("../../test/Inputs/kernels/matmul_split_k.toml"),
];

/// Seeds for a target beside those of its folder.
pub fn made(target: &str) -> Vec<Vec<u8>> {
    match target {
        "plan_json" => vec![to_json(&proposed()).into_bytes()],
        "llm_reply" => vec![
            json!({ "passes": proposed().passes })
                .to_string()
                .into_bytes(),
        ],
        "llm_server" => vec![server()],
        "http_bytes" => vec![http()],
        "archive_row" | "archive_history" => rows(),
        "archive_file" => archives(),
        "npy" => tensors().values().map(HostTensor::to_npy_bytes).collect(),
        "safetensors" => write_safetensors(&tensors()).into_iter().collect(),
        "package_manifest" => vec![package()],
        "interface_toml" => INTERFACES.iter().map(|it| it.as_bytes().to_vec()).collect(),
        _ => Vec::new(),
    }
}

/// A chat completion with a plan of its own.
fn completion() -> String {
    let mut plan = proposed();
    plan.passes.pop();
    let content = json!({ "passes": plan.passes }).to_string();
    let choice = json!({ "message": { "content": content }, "finish_reason": "stop" });
    json!({ "choices": [choice], "usage": { "total_tokens": 900 } }).to_string()
}

fn server() -> Vec<u8> {
    let format = json!({ "error": { "message": "response_format is not supported" } });
    format!("400\n\n{format}\0429\n7\n{{}}\0200\n\n{}", completion()).into_bytes()
}

fn http() -> Vec<u8> {
    let body = completion();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn records() -> Vec<Record> {
    let passed = Outcome::Verified {
        ms: 0.25,
        speedup: 1.5,
        levels: vec!["L0".into(), "L2".into()],
        worst_ratio: 0.3,
    };
    let refused = Outcome::Refused {
        reason: "poison".into(),
        detail: "element 3 is 1, expected 2".into(),
    };
    let record = |(index, outcome): (u64, Outcome)| Record {
        key: Key::new(problem(), &device()),
        attempt: Attempt {
            id: format!("try-{index}"),
            plan: proposed(),
            outcome,
        },
        created: 1_700_000_000 + index,
        seed: index,
        every_case: index == 0,
        spread: (index == 0).then_some(0.02),
        shaders: vec![Shader {
            kernel: "up".into(),
            wgsl: "@compute fn up() {}".into(),
        }],
    };
    (0..).zip([passed, refused]).map(record).collect()
}

/// What `of` makes of an archive with [`records`] and its folder.
fn archive<T>(of: impl FnOnce(Archive, &std::path::Path) -> Option<T>) -> Option<T> {
    let folder = tempfile::tempdir().ok()?;
    let mut archive =
        Archive::open(&folder.path().join("archive.sqlite"), &Options::default()).ok()?;
    archive.record_all(&records()).ok()?;
    of(archive, folder.path())
}

fn rows() -> Vec<Vec<u8>> {
    let entries = archive(|archive, _| archive.history(&Filter::default(), 9).ok());
    let rows = entries.iter().flatten().map(encode);
    rows.map(|row| format!("{}\0{}\0{}", row.key, row.attempt, row.evidence).into_bytes())
        .collect()
}

fn archives() -> Vec<Vec<u8>> {
    let made = archive(|archive, folder| {
        let export = folder.join("export.json");
        archive.export(&Filter::default(), &export).ok()?;
        let path = archive.path().to_owned();
        drop(archive);
        Some(vec![fs::read(path).ok()?, fs::read(export).ok()?])
    });
    made.unwrap_or_default()
}

fn tensors() -> BTreeMap<String, HostTensor> {
    let dtypes = [
        Dtype::F32,
        Dtype::F16,
        Dtype::Bf16,
        Dtype::I32,
        Dtype::I64,
        Dtype::I8,
        Dtype::U8,
        Dtype::Bool,
    ];
    let tensor = |dtype: Dtype| {
        let values = HostTensor::from_f64(dtype, &[2, 3], &[0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        Some((format!("layer.{dtype}"), values.ok()?))
    };
    dtypes.into_iter().filter_map(tensor).collect()
}

/// The package that a hand-written softmax becomes.
fn package() -> Vec<u8> {
    let Some(package) = softmax() else {
        return Vec::new();
    };
    let manifest = serde_json::to_string(&package.manifest).unwrap_or_default();
    let program = package.program.unwrap_or_default();
    format!("{manifest}\0{program}").into_bytes()
}
