//! Fuzz targets: one function of bytes for every parser of what others wrote.
//!
//! A target calls what the product calls and asserts more than that nothing panics: what
//! is read prints and reads again as the same, and what is accepted keeps its promises.
//! `fuzz_targets/` puts libFuzzer around each; `tests/replay.rs` runs each on its seeds.

mod archive;
mod command_line;
mod interface;
mod model;
mod package;
mod plan;
mod seeds;
mod tensors;

pub use archive::{archive_file, archive_history, archive_row};
pub use command_line::command_line;
pub use interface::interface_toml;
pub use model::{http_bytes, llm_reply, llm_server};
pub use package::package_manifest;
pub use plan::plan_json;
pub use seeds::made as made_seeds;
pub use tensors::{npy, safetensors};

/// A target: its name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, under the name of its file in `fuzz_targets/`.
pub const TARGETS: [Target; 12] = [
    ("plan_json", plan_json),
    ("llm_reply", llm_reply),
    ("llm_server", llm_server),
    ("http_bytes", http_bytes),
    ("archive_row", archive_row),
    ("archive_history", archive_history),
    ("archive_file", archive_file),
    ("safetensors", safetensors),
    ("npy", npy),
    ("package_manifest", package_manifest),
    ("interface_toml", interface_toml),
    ("command_line", command_line),
];
