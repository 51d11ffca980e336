//! `kforge optimize --planner llm` as a user types it.

use std::process::{Command, Output};

use crate::{KEY, model::CONTEXT, server::Server};

/// Standard output and standard error of a run that succeeds.
fn optimize(endpoint: &str, workload: &[&str]) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_kforge"))
        .arg("optimize")
        .args(workload)
        .args(["--planner", "llm", "--no-archive"])
        .args(["--max-iterations", "3", "--time", "3"])
        .env("KERNELFORGE_LLM_ENDPOINT", endpoint)
        .env("KERNELFORGE_LLM_API_KEY", KEY)
        .env("KERNELFORGE_LLM_MODEL", "random")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{stdout}{stderr}");
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY));
    (stdout, stderr)
}

#[test]
fn plans_are_verified_or_a_warning_says_why_there_is_none() {
    let server = Server::start(CONTEXT);
    let workloads: [&[&str]; 2] = [
        &["--kernel", "matmul", "--m", "64", "--n", "64", "--k", "64"],
        &["--kernel", "softmax", "--m", "64", "--n", "64"],
    ];
    for workload in workloads {
        let (stdout, stderr) = optimize(&server.endpoint(), workload);
        assert!(stdout.contains(" by llm, "), "{stdout}");
        assert!(stdout.contains(" with every case"), "{stdout}");
        assert!(stdout.contains("verified L0+L1+L2"), "{stdout}");
        assert!(stderr.contains("[1/3]"), "the default knobs: {stderr}");
        let all = stderr.contains("[3/3]");
        assert!(all || stderr.contains("warning: "), "{stderr}");
    }
}
