//! How the server says no, and what is made of it.

use crate::{KEY, config, gpu, model::CONTEXT, planner, problem, server::Server};

/// The warning beside the heuristic's plan, asked for twice, and the number of requests.
fn warning(endpoint: &str, key: &str) -> (String, usize) {
    let (mut planner, seen) = planner(config(endpoint, key, "random"), &[]);
    let mut ask = || {
        let answer = planner.ask(&problem(), &gpu(), &[]);
        assert_eq!(answer.plan.provenance.planner, "heuristic");
        answer.warning.expect("a warning").to_string()
    };
    let (first, second) = (ask(), ask());
    assert_eq!(first, second);
    assert!(!first.contains(key), "{first}");
    let requests = seen.borrow().len();
    (first, requests)
}

#[test]
fn a_wrong_path_is_said_once() {
    let server = Server::start(CONTEXT);
    let endpoint = format!("{}/nowhere", server.endpoint());
    let (warning, requests) = warning(&endpoint, KEY);
    assert_eq!(warning, "the server answers HTTP 404: File Not Found");
    assert_eq!(requests, 1);
}

#[test]
fn a_wrong_key_is_said_once() {
    let server = Server::start(CONTEXT);
    let (warning, requests) = warning(&server.endpoint(), "sk-test-wrong-key");
    assert!(
        warning.starts_with("the server refuses the key (HTTP 401): "),
        "{warning}"
    );
    assert!(
        warning.ends_with("; check KERNELFORGE_LLM_API_KEY"),
        "{warning}"
    );
    assert_eq!(requests, 1);
}

#[test]
fn a_prompt_over_the_context_is_said_once() {
    let server = Server::start(1024);
    let (warning, requests) = warning(&server.endpoint(), KEY);
    assert!(
        warning.starts_with("the prompt does not fit the model's context (HTTP 400): request ("),
        "{warning}"
    );
    assert!(
        warning.contains("exceeds the available context size (1024 tokens)"),
        "{warning}"
    );
    assert_eq!(requests, 1);
}

/// llama.cpp serves the one model that it has under every name.
#[test]
fn another_models_name_is_answered() {
    let server = Server::start(CONTEXT);
    let config = config(&server.endpoint(), KEY, "no-such-model");
    let (mut planner, seen) = planner(config, &[]);
    planner.ask(&problem(), &gpu(), &[]);
    let seen = seen.borrow();
    assert_eq!(seen[0].0["model"], "no-such-model");
    assert!(seen.iter().all(|(_, response)| response.status == 200));
}
