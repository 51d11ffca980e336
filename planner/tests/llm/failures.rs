//! Servers and networks that fail: the heuristic's plan, and a message that says why.

use std::{cell::RefCell, rc::Rc, time::Duration};

use kforge_planner::{
    Propose,
    llm::{Answer, Config, Http, LlmPlanner, Timeouts},
};
use serde_json::json;

use crate::{
    KEY, answer, completion, config, fallback, gpu, pauses, problem,
    server::{Does, Server},
};

/// Longer than any answer takes.
const PATIENT: Duration = Duration::from_secs(60);

fn good() -> Does {
    Does::Reply(200, "", completion(&answer().to_string()))
}

fn status(status: u16, headers: &'static str) -> Does {
    let body = json!({"error": {"message": "because", "code": "some_code"}});
    Does::Reply(status, headers, body.to_string())
}

/// A planner that waits for an answer so long, and the pauses it would make.
fn planner(server: &Server, total: Duration) -> (LlmPlanner, Rc<RefCell<Vec<Duration>>>) {
    let config = config(&server.endpoint());
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        total,
    };
    let http = Http::new(&config, timeouts).unwrap();
    let (pauses, slept) = pauses();
    (LlmPlanner::new(config, Box::new(http), pauses), slept)
}

/// What comes of a script, with the seconds of the pauses and the number of requests.
fn outcome(script: Vec<Does>) -> (Answer, Vec<f64>, usize) {
    let server = Server::start(script);
    let (mut planner, slept) = planner(&server, PATIENT);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    let seconds = slept.borrow().iter().map(Duration::as_secs_f64).collect();
    (answer, seconds, server.requests().len())
}

/// Asserts that the heuristic stands in, with a warning that says `why`.
fn falls_back(answer: &Answer, why: &str) {
    assert_eq!(answer.plan, fallback());
    let warning = answer.warning.as_ref().expect("a warning").to_string();
    assert!(warning.contains(why), "{warning}");
    assert!(!warning.contains(KEY), "{warning}");
}

#[test]
fn a_refused_key_ends_the_asking() {
    for code in [401, 403] {
        let server = Server::start(vec![status(code, ""), good()]);
        let (mut planner, _) = planner(&server, PATIENT);
        for _ in 0..2 {
            let answer = planner.ask(&problem(), &gpu(), &[]);
            let why = format!(
                "the server refuses the key (HTTP {code}): because; check KERNELFORGE_LLM_API_KEY"
            );
            falls_back(&answer, &why);
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn passing_failures_are_repeated_with_growing_pauses() {
    let (answer, slept, requests) = outcome(vec![status(408, ""), status(500, ""), good()]);
    assert_eq!(answer.warning, None);
    assert_eq!(requests, 3);
    assert_eq!(
        slept,
        [2.25, 4.25],
        "the middles of 0.5 to 4 and of 0.5 to 8 seconds"
    );
}

#[test]
fn three_attempts_are_all() {
    let script = (0..4).map(|_| status(500, "")).collect();
    let (answer, slept, requests) = outcome(script);
    falls_back(
        &answer,
        "3 attempts failed, the last one: the server answers HTTP 500: because",
    );
    assert_eq!((slept.len(), requests), (2, 3));
}

#[test]
fn retry_after_is_obeyed_up_to_a_minute() {
    let (answer, slept, _) = outcome(vec![status(429, "Retry-After: 7\r\n"), good()]);
    assert_eq!(answer.warning, None);
    assert_eq!(slept, [7.0]);
    let (answer, slept, _) = outcome(vec![status(503, "Retry-After: 60\r\n"), good()]);
    assert_eq!(answer.warning, None);
    assert_eq!(slept, [60.0]);
    let (answer, slept, requests) = outcome(vec![status(429, "Retry-After: 3600\r\n"), good()]);
    falls_back(&answer, "the server asks to wait 3600 s, the limit is 60 s");
    assert_eq!((slept.len(), requests), (0, 1));
    let (answer, slept, _) = outcome(vec![status(429, "Retry-After: \x01soon\r\n"), good()]);
    assert_eq!((answer.warning, slept.len()), (None, 1));
}

#[test]
fn a_used_up_quota_is_not_waited_for() {
    let body = json!({"error": {"message": "pay", "code": "insufficient_quota"}}).to_string();
    let (answer, slept, requests) = outcome(vec![Does::Reply(429, "", body), good()]);
    falls_back(&answer, "the account's quota is used up (HTTP 429): pay");
    assert_eq!((slept.len(), requests), (0, 1));
}

#[test]
fn a_prompt_too_long_for_the_model_is_not_asked_more_plainly() {
    let errors = [
        json!({"message": "5000 of 4096", "code": "context_length_exceeded"}),
        json!({"message": "5000 of 4096", "code": 400, "type": "exceed_context_size_error"}),
        json!({"message": "5000 of 4096: over the model's maximum context length"}),
    ];
    for error in errors {
        let body = json!({ "error": error }).to_string();
        let server = Server::start(vec![Does::Reply(400, "", body), good()]);
        let (mut planner, _) = planner(&server, PATIENT);
        for _ in 0..2 {
            let answer = planner.ask(&problem(), &gpu(), &[]);
            falls_back(&answer, "the model's context (HTTP 400): 5000 of 4096");
            falls_back(&answer, "start the server with a larger context");
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::start(vec![good()]);
    for code in [301, 302, 307, 308] {
        let location = format!("Location: {}/chat/completions\r\n", other.endpoint());
        let script = vec![Does::Reply(code, location.leak(), String::new())];
        let (answer, _, requests) = outcome(script);
        falls_back(&answer, &format!("the server redirects (HTTP {code})"));
        assert_eq!(requests, 1);
    }
    assert!(other.requests().is_empty());
}

#[test]
fn slow_servers_are_left_within_the_limit() {
    for slow in [|| Does::Silent, || Does::Drip] {
        let server = Server::start(vec![slow(), slow(), slow()]);
        let (mut planner, slept) = planner(&server, Duration::from_millis(300));
        let answer = planner.ask(&problem(), &gpu(), &[]);
        // The second and third attempt wait in the line of a server that is still busy.
        falls_back(
            &answer,
            "3 attempts failed, the last one: 127.0.0.1 gave no whole answer",
        );
        falls_back(&answer, "within 0.3 s");
        assert_eq!(slept.borrow().len(), 2);
        assert!(planner.tokens() > 0, "what was sent may have been answered");
    }
}

#[test]
fn broken_connections_are_tried_again() {
    let (answer, ..) = outcome(vec![
        Does::Close,
        Does::Raw(b"220 mail ready\r\n".into()),
        good(),
    ]);
    assert_eq!(answer.warning, None);
    let (answer, ..) = outcome(vec![Does::Close, Does::Close, Does::Close]);
    falls_back(&answer, "127.0.0.1 broke off or spoke no HTTP");
    let garbage = || Does::Raw((0..200_u8).rev().collect());
    let (answer, ..) = outcome(vec![garbage(), garbage(), garbage()]);
    falls_back(&answer, "127.0.0.1 broke off or spoke no HTTP");
    let cut = || Does::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into());
    let (answer, ..) = outcome(vec![cut(), cut(), cut()]);
    falls_back(&answer, "127.0.0.1 broke off or spoke no HTTP");
}

#[test]
fn nobody_there_is_said() {
    let server = Server::start(Vec::new());
    let (mut planner, slept) = planner(&server, PATIENT);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    falls_back(&answer, "127.0.0.1 cannot be reached");
    assert_eq!(slept.borrow().len(), 2);
}

#[test]
fn a_reply_over_a_mebibyte_is_not_read() {
    let (answer, slept, _) = outcome(vec![Does::Reply(200, "", " ".repeat(10_000_000)), good()]);
    falls_back(&answer, "127.0.0.1 answers more than 1048576 bytes");
    assert!(slept.is_empty());
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend(std::iter::repeat_n(b' ', 0x10000));
        endless.extend_from_slice(b"\r\n");
    }
    let (answer, ..) = outcome(vec![Does::Raw(endless)]);
    falls_back(&answer, "answers more than 1048576 bytes");
}

#[test]
fn what_is_no_completion_is_said() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        ("", "EOF"),
        ("<html>busy</html>", "expected value"),
        ("{\"choices\": []}", "it has no choice"),
        ("{\"choices\": 3}", "invalid type"),
        (
            "{\"error\": {\"message\": \"busy\"}}",
            "it is an error: busy",
        ),
        (
            "{\"choices\": [{\"message\": {\"content\": [1]}}]}",
            "invalid type",
        ),
        (deep.as_str(), "is no chat completion"),
    ];
    for (body, why) in bodies {
        let (answer, _, requests) = outcome(vec![Does::Reply(200, "", body.to_owned())]);
        falls_back(&answer, "the server's answer is no chat completion: ");
        falls_back(&answer, why);
        assert_eq!(requests, 1);
    }
}

#[test]
fn a_model_that_declines_is_not_asked_to_repair() {
    let with = |message: serde_json::Value, finish: &str| {
        json!({"choices": [{"message": message, "finish_reason": finish}]}).to_string()
    };
    let declined = with(
        json!({"content": null, "refusal": "I would rather not"}),
        "stop",
    );
    let (answer, _, requests) = outcome(vec![Does::Reply(200, "", declined), good()]);
    falls_back(&answer, "the model declines to answer: I would rather not");
    assert_eq!(requests, 1);
    let filtered = with(json!({"content": "{\"passes\": []}"}), "content_filter");
    let (answer, ..) = outcome(vec![Does::Reply(200, "", filtered)]);
    falls_back(&answer, "its content filter stopped it");
    let cut = with(json!({"content": "{\"passes\": []}"}), "length");
    let (answer, _, requests) = outcome(vec![Does::Reply(200, "", cut), good()]);
    assert_eq!((answer.warning, requests), (None, 2));
}

#[test]
fn a_server_that_counts_no_tokens_is_counted_for() {
    for usage in [
        json!(null),
        json!({"total_tokens": 0}),
        json!({"total_tokens": -5}),
        json!("x"),
    ] {
        let message = json!({"content": answer().to_string()});
        let body = json!({"choices": [{"message": message}], "usage": usage}).to_string();
        let server = Server::start(vec![Does::Reply(200, "", body)]);
        let (mut planner, _) = planner(&server, PATIENT);
        assert_eq!(planner.ask(&problem(), &gpu(), &[]).warning, None);
        let tokens = planner.tokens();
        assert!((1_000..10_000).contains(&tokens), "{tokens}");
    }
}

#[test]
fn the_budget_of_the_run_is_kept() {
    let server = Server::start(vec![good(), good(), good()]);
    let mut config = config(&server.endpoint());
    config.limits.calls = 2;
    let planner = |config: &Config| {
        let http = Http::new(config, Timeouts::default()).unwrap();
        LlmPlanner::new(config.clone(), Box::new(http), pauses().0)
    };
    let mut limited = planner(&config);
    for _ in 0..2 {
        assert_eq!(limited.ask(&problem(), &gpu(), &[]).warning, None);
    }
    let answer = limited.ask(&problem(), &gpu(), &[]);
    falls_back(
        &answer,
        "the next request takes up to 1 calls of a language model, 0 of 2 are left",
    );
    config.limits.tokens = 5_000;
    let answer = planner(&config).ask(&problem(), &gpu(), &[]);
    falls_back(&answer, "tokens of a language model, 5000 of 5000 are left");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn https_sends_nothing_before_the_server_is_trusted() {
    let server = Server::start(vec![Does::Raw(b"HTTP/1.1 200 OK\r\n\r\n".into())]);
    let endpoint = server.endpoint().replace("http:", "https:");
    let config = config(&endpoint);
    // Without any certificate on the machine the client refuses to be made.
    let Ok(http) = Http::new(&config, Timeouts::default()) else {
        return;
    };
    let mut planner = LlmPlanner::new(config, Box::new(http), pauses().0);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    falls_back(&answer, "127.0.0.1 has no connection that can be trusted");
    let requests = server.requests();
    assert!(requests[0].starts_with('\u{16}'), "a TLS handshake");
    assert!(!requests[0].contains("sk-test") && !requests[0].contains("messages"));
}
