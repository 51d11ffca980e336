//! What is sent, and what a good answer becomes.

use kforge_planner::{
    Attempt, Plan, Propose, check,
    llm::{Http, LlmPlanner, Timeouts},
};
use serde_json::{Value, json};

use crate::{
    KEY, answer, completion, config, fallback, gpu, pauses, problem,
    server::{Does, Server},
};

/// A planner that talks to `server`.
pub fn planner(server: &Server) -> LlmPlanner {
    let config = config(&server.endpoint());
    let http = Http::new(&config, Timeouts::default()).unwrap();
    LlmPlanner::new(config, Box::new(http), pauses().0)
}

/// A request's JSON.
fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn an_answer_becomes_a_checked_plan_with_its_provenance() {
    let server = Server::start(vec![Does::Reply(
        200,
        "",
        completion(&answer().to_string()),
    )]);
    let mut planner = planner(&server);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    assert_eq!(answer.warning, None);
    let plan = answer.plan;
    assert_eq!(check(&plan, Some(&problem())), Ok(()));
    let tile = plan
        .passes
        .iter()
        .find(|it| it.pass == "kforge-tile-matmul")
        .unwrap();
    assert_eq!(tile.op.as_deref(), Some("secret_up"));
    assert_eq!(
        (tile.integer("tile-k"), tile.integer("group-m")),
        (Some(8), Some(2))
    );
    assert_eq!(plan.provenance.planner, "llm");
    assert_eq!(plan.provenance.model.as_deref(), Some("test-model"));
    assert_eq!(plan.provenance.prompt.as_ref().map(String::len), Some(16));
    assert_eq!((planner.calls(), planner.tokens()), (1, 1000));
}

#[test]
fn the_request_is_a_chat_completion_with_the_key_in_its_header_alone() {
    let server = Server::start(vec![Does::Reply(
        200,
        "",
        completion(&answer().to_string()),
    )]);
    planner(&server).ask(&problem(), &gpu(), &[]);
    let requests = server.requests();
    let (head, _) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("authorization: Bearer {KEY}")),
        "{head}"
    );
    assert_eq!(requests[0].matches(KEY).count(), 1);
    let body = body(&requests[0]);
    assert_eq!(body["model"], "test-model");
    assert_eq!(body["response_format"]["type"], "json_schema");
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2));
}

/// Every object closed and every field required, as strict servers demand.
fn strict(schema: &Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
                let names: Vec<Value> = properties.keys().map(|it| json!(it)).collect();
                assert_eq!(fields["required"], json!(names));
                assert_eq!(fields["additionalProperties"], false);
            }
            fields.values().for_each(strict);
        }
        Value::Array(items) => items.iter().for_each(strict),
        _ => {}
    }
}

#[test]
fn the_schema_is_strict_and_names_passes_ops_and_knobs() {
    let server = Server::start(vec![Does::Reply(
        200,
        "",
        completion(&answer().to_string()),
    )]);
    planner(&server).ask(&problem(), &gpu(), &[]);
    let body = body(&server.requests()[0]);
    let schema = &body["response_format"]["json_schema"]["schema"];
    strict(schema);
    let steps = schema["properties"]["passes"]["items"]["anyOf"]
        .as_array()
        .unwrap();
    let of = |pass: &str| {
        let mut steps = steps.iter();
        steps.find(|it| it["properties"]["pass"]["enum"] == json!([pass]))
    };
    let tile = &of("kforge-tile-matmul").unwrap()["properties"];
    assert_eq!(tile["op"]["enum"], json!(["op0", null]));
    let tile_m = json!({ "type": "integer", "enum": [1, 4, 8, 16, 32, 64, 128, 256] });
    assert_eq!(tile["knobs"]["properties"]["tile-m"], tile_m);
    assert_eq!(tile["knobs"]["required"].as_array().map(Vec::len), Some(14));
    let rows = &of("kforge-vectorize-layernorm").unwrap()["properties"];
    assert_eq!(rows["op"]["enum"], json!(["op1", "op2", null]));
    let block = &rows["knobs"]["properties"]["block-size"]["enum"];
    assert_eq!(block[1], 96, "the heuristic's value is among them");
    let fixed = &of("kforge-fuse-attention").unwrap()["properties"]["knobs"]["properties"];
    assert_eq!(fixed["assume-visible-rows"]["enum"], json!([false]));
    assert!(
        of("kforge-tile-attention").is_none(),
        "the problem has no attention"
    );
    assert!(of("kforge-verify").is_none());
}

#[test]
fn a_server_that_knows_no_schema_is_asked_more_plainly_from_then_on() {
    let good = || Does::Reply(200, "", completion(&answer().to_string()));
    let unknown = || Does::Reply(400, "", json!({"error": {"message": "what?"}}).to_string());
    let server = Server::start(vec![unknown(), unknown(), good(), good()]);
    let mut planner = planner(&server);
    for _ in 0..2 {
        assert_eq!(planner.ask(&problem(), &gpu(), &[]).warning, None);
    }
    let bodies: Vec<Value> = server.requests().iter().map(|it| body(it)).collect();
    let formats: Vec<&Value> = bodies
        .iter()
        .map(|it| &it["response_format"]["type"])
        .collect();
    let plain = &Value::Null;
    assert_eq!(
        formats,
        [&json!("json_schema"), &json!("json_object"), plain, plain]
    );
}

#[test]
fn a_refused_answer_is_quoted_once_and_repaired() {
    let mut wrong = answer();
    crate::tile(&mut wrong)["knobs"]["tile-k"] = 0.into();
    let script = [wrong, answer()].map(|it| Does::Reply(200, "", completion(&it.to_string())));
    let server = Server::start(script.into());
    let mut planner = planner(&server);
    let result = planner.ask(&problem(), &gpu(), &[]);
    assert_eq!(result.warning, None);
    assert_eq!(result.plan.provenance.planner, "llm");
    let second = body(&server.requests()[1]);
    let messages = second["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[2]["role"], "assistant");
    let told = messages[3]["content"].as_str().unwrap();
    assert!(
        told.contains("kforge-tile-matmul: tile-k is 0, expected 1 to"),
        "{told}"
    );
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_model_that_is_refused_again_and_again_ends_no_run() {
    let prose = || Does::Reply(200, "", completion("no plan today"));
    let server = Server::start(vec![
        prose(),
        prose(),
        prose(),
        prose(),
        Does::Reply(200, "", completion(&answer().to_string())),
    ]);
    let mut planner = planner(&server);
    let mut history = Vec::new();
    for (planner_name, words) in [
        ("heuristic", Some("the heuristic's plan is used")),
        ("evolve", Some("a plan of the search is used")),
        ("llm", None),
    ] {
        let plans = planner.propose(&problem(), &gpu(), &history, 5).unwrap();
        assert_eq!(plans.len(), 1);
        assert_eq!(plans[0].provenance.planner, planner_name);
        let warnings = planner.take_warnings();
        assert_eq!(warnings.len(), usize::from(words.is_some()));
        if let Some(words) = words {
            assert!(warnings[0].contains(words), "{warnings:?}");
        }
        let [plan] = <[Plan; 1]>::try_from(plans).unwrap();
        assert!(history.iter().all(|it: &Attempt| it.plan.id() != plan.id()));
        history.push(crate::prompt::refused(plan, "compile", "no"));
    }
}

#[test]
fn the_interface_gives_one_plan_and_says_when_it_has_none() {
    let refused = json!({"error": {"message": "no"}}).to_string();
    let server = Server::start(vec![
        Does::Reply(200, "", completion(&answer().to_string())),
        Does::Reply(401, "", refused),
    ]);
    let mut planner = planner(&server);
    assert_eq!(planner.name(), "llm");
    assert!(
        planner
            .propose(&problem(), &gpu(), &[], 0)
            .unwrap()
            .is_empty()
    );
    let plans = planner.propose(&problem(), &gpu(), &[], 5).unwrap();
    assert_eq!(plans[0].provenance.planner, "llm");
    assert_eq!(plans.len(), 1);
    assert!(planner.take_warnings().is_empty());
    let plans = planner.propose(&problem(), &gpu(), &[], 5).unwrap();
    assert_eq!(plans, [fallback()]);
    let warnings = planner.take_warnings();
    assert!(
        warnings[0].contains("the heuristic's plan is used"),
        "{warnings:?}"
    );
    let history = [crate::prompt::refused(fallback(), "compile", "no")];
    let error = planner
        .propose(&problem(), &gpu(), &history, 5)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("planner 'llm': the server refuses the key"),
        "{error}"
    );
}
