//! What is decoded under a format, and what becomes of it.

use kforge_planner::{
    Propose, check,
    llm::{Response, reply},
    plan::Step,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::{Exchanges, KEY, config, gpu, model::CONTEXT, planner, problem, server::Server};

/// Most conversations until an answer holds a schedule that fits. With random weights
/// one reply in some fifty does; a reply takes a tenth of a second.
const ASKS: usize = 1500;

fn answer(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

/// What was said, unless it was cut at the limit of tokens.
fn content(response: &Response) -> Option<String> {
    let choice = &answer(response)["choices"][0];
    let whole = choice["finish_reason"] == "stop";
    whole.then(|| choice["message"]["content"].as_str().unwrap().to_owned())
}

/// The contents of the complete replies.
fn contents(seen: &Exchanges) -> Vec<String> {
    let seen = seen.borrow();
    let answered = seen.iter().filter(|(_, response)| response.status == 200);
    answered
        .filter_map(|(_, response)| content(response))
        .collect()
}

/// Asserts that the schema of the request allows a step.
fn is_allowed(request: &Value, step: &Step) {
    let schema = &request["response_format"]["json_schema"]["schema"];
    let steps = schema["properties"]["passes"]["items"]["anyOf"].as_array();
    let is_pass = |it: &&Value| it["properties"]["pass"]["enum"] == json!([step.pass]);
    let alternative = steps.unwrap().iter().find(is_pass).expect("a known pass");
    let knobs = &alternative["properties"]["knobs"]["properties"];
    let stated = knobs.as_object().map_or(0, |knobs| knobs.len());
    assert_eq!(step.knobs.len(), stated, "{step:?}");
    for (name, value) in &step.knobs {
        if let Some(values) = knobs[name]["enum"].as_array() {
            assert!(values.contains(&json!(value)), "{name} of {step:?}");
        }
    }
}

#[test]
fn decoding_under_the_schema_gives_a_plan() {
    let server = Server::start(CONTEXT);
    let (mut planner, seen) = planner(config(&server.endpoint(), KEY, "random"), &[]);
    let problem = problem();
    let plan = (0..ASKS).find_map(|_| {
        let answer = planner.ask(&problem, &gpu(), &[]);
        let is_schedule = |step: &Step| step.pass == "kforge-vectorize-layernorm";
        let stated = answer.warning.is_none() && answer.plan.passes.iter().any(is_schedule);
        stated.then_some(answer.plan)
    });
    let plan = plan.unwrap_or_else(|| panic!("no plan in {ASKS} answers"));
    assert_eq!(check(&plan, Some(&problem)), Ok(()));
    assert_eq!(plan.provenance.planner, "llm");
    assert_eq!(plan.provenance.model.as_deref(), Some("random"));
    let mut spent = 0;
    for (request, response) in seen.borrow().iter() {
        assert_eq!(response.status, 200, "{:?}", answer(response));
        spent += answer(response)["usage"]["total_tokens"].as_u64().unwrap();
        let Some(content) = content(response) else {
            continue;
        };
        // Whatever it says, it is of the form that was asked for.
        for step in reply::read(&content).unwrap() {
            is_allowed(request, &step);
        }
    }
    assert_eq!(planner.tokens(), spent, "the server's count");
}

#[test]
fn the_servers_count_of_tokens_ends_a_run() {
    let server = Server::start(CONTEXT);
    let mut config = config(&server.endpoint(), KEY, "random");
    config.limits.tokens = 40_000;
    let (mut planner, seen) = planner(config, &[]);
    let warning = (0..100).find_map(|_| {
        let warning = planner.ask(&problem(), &gpu(), &[]).warning?.to_string();
        warning.contains("tokens").then_some(warning)
    });
    let warning = warning.unwrap_or_default();
    let limit = "tokens of a language model, ";
    assert!(
        warning.contains(limit) && warning.ends_with(" of 40000 are left"),
        "{warning}"
    );
    let seen = seen.borrow();
    let usage = seen.iter().map(|(_, it)| answer(it)["usage"].clone());
    let spent: u64 = usage.map(|it| it["total_tokens"].as_u64().unwrap()).sum();
    assert_eq!(planner.tokens(), spent);
}

#[test]
fn any_object_is_read_or_refused_with_a_warning() {
    let server = Server::start(CONTEXT);
    let mut config = config(&server.endpoint(), KEY, "random");
    config.limits.reply_tokens = 300;
    let (mut planner, seen) = planner(config, &["json_schema"]);
    for _ in 0..30 {
        let answer = planner.ask(&problem(), &gpu(), &[]);
        assert!(answer.warning.is_some() || answer.plan.provenance.planner == "llm");
        if !contents(&seen).is_empty() {
            break;
        }
    }
    for (request, _) in seen.borrow().iter() {
        assert_eq!(request["response_format"]["type"], "json_object");
    }
    let contents = contents(&seen);
    assert!(!contents.is_empty(), "no object in 30 answers");
    for content in contents {
        // JSON has numbers that fit no type.
        let json = serde_json::from_str::<IgnoredAny>(&content);
        assert!(json.is_ok() && content.starts_with('{'), "{content}");
    }
}

#[test]
fn plain_text_is_refused_with_a_warning() {
    let server = Server::start(CONTEXT);
    let mut config = config(&server.endpoint(), KEY, "random");
    config.limits.reply_tokens = 50;
    let (mut planner, seen) = planner(config, &["json_schema", "json_object"]);
    let warning = planner.ask(&problem(), &gpu(), &[]).warning.unwrap();
    let warning = warning.to_string();
    assert!(
        warning.starts_with("the model gave no plan, nor when told why: the reply "),
        "{warning}"
    );
    assert!(!warning.chars().any(char::is_control), "{warning:?}");
    let seen = seen.borrow();
    assert_eq!(seen.len(), 2, "an answer, and one more when told why");
    for (request, response) in seen.iter() {
        assert_eq!(request["response_format"], Value::Null);
        assert_eq!(response.status, 200);
    }
}
