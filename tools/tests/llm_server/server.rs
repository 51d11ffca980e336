//! A llama.cpp server as a child process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use crate::{KEY, model};

/// Folder of the installed server; `cargo xtask test --only llm-server` installs it.
const VARIABLE: &str = "KFORGE_LLM_SERVER";
/// Seed of the model's weights.
const SEED: u64 = 1;

/// A running server; ends with this value or with the test's process.
pub struct Server {
    child: Child,
    url: String,
    _model: tempfile::TempDir,
}

impl Server {
    /// Serves a model of random weights to conversations of at most `context` tokens.
    pub fn start(context: u32) -> Self {
        let packages = env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!("{VARIABLE} is not set: run `cargo xtask test --only llm-server`")
        });
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("random.gguf");
        std::fs::write(&model, model::gguf(SEED)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/llm_server/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(model)
            .arg(context.to_string())
            .env("PYTHONPATH", packages)
            .env("SERVER_KEY", KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()))
            .expect("the server prints its address");
        // A full pipe would stop it.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url,
            _model: folder,
        }
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        format!("{}/v1", self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
