//! The planner that asks a language model, over real HTTP on this machine and from
//! scripted answers.

#![allow(clippy::unwrap_used, clippy::panic)]

mod config;
mod failures;
mod http;
mod prompt;
mod replies;
mod secrets;
mod server;
mod transcript;

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{Once, OnceLock},
    time::Duration,
};

use kforge_dialect::{Element, LayerNormArgs, MatmulArgs, SoftmaxArgs, TensorType, build};
use kforge_planner::{
    Problem, heuristic,
    llm::{Config, LlmPlanner, Pauses, Response, SendError, Transport},
    plan::{Plan, Step},
    problem::of_module,
};
use kforge_runtime::{DeviceDescription, device::Target};
use melior::Context;
use serde_json::{Value, json};

/// The key of every test; it must show up nowhere but in a request's header.
pub const KEY: &str = "sk-test/0123456789abcdef";

/// A context with every pass registered.
pub fn context() -> Context {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    kforge_dialect::context()
}

/// `softmax(layer_norm(x w))`, with names that nobody else may learn.
pub fn problem() -> Problem {
    static PROBLEM: OnceLock<Problem> = OnceLock::new();
    PROBLEM.get_or_init(extract).clone()
}

fn extract() -> Problem {
    let context = context();
    let module = build::module(&context, "secret_entry", |f| {
        let x = f.argument(&TensorType::fixed(&[48, 64], Element::F32));
        let w = f.argument(&TensorType::fixed(&[64, 96], Element::F32));
        let gamma = f.argument(&TensorType::fixed(&[96], Element::F32));
        let up = build::matmul(f, "secret_up", MatmulArgs::new(x, w))?;
        let args = LayerNormArgs {
            gamma: Some(gamma),
            epsilon: 1e-5,
            ..LayerNormArgs::new(up)
        };
        let norm = build::layer_norm(f, "secret.norm", args)?;
        let args = SoftmaxArgs::new(norm);
        Ok(vec![build::softmax(f, "secret_final", args)?])
    });
    of_module(&context, &module.unwrap()).unwrap()
}

/// A GPU with room for the heuristic's tiles.
pub fn gpu() -> DeviceDescription {
    DeviceDescription {
        target: Target::Gpu,
        name: "test".into(),
        workgroup_memory: 32768,
        invocations: 256,
        storage_buffers: 8,
        storage_binding_bytes: 1 << 27,
        subgroup_min: 32,
        subgroup_max: 32,
        ..DeviceDescription::default()
    }
}

/// The environment with a server's address and the key.
pub fn config(endpoint: &str) -> Config {
    let lookup = |name: &str| match name {
        "KERNELFORGE_LLM_ENDPOINT" => Some(endpoint.to_owned()),
        "KERNELFORGE_LLM_API_KEY" => Some(KEY.to_owned()),
        "KERNELFORGE_LLM_MODEL" => Some("test-model".to_owned()),
        _ => None,
    };
    Config::from_env(lookup, None).unwrap()
}

/// The heuristic's plan for the test problem.
pub fn fallback() -> Plan {
    heuristic::propose(&problem(), &gpu())
}

/// A step in the words of an answer.
fn said(step: &Step) -> Value {
    let op = step.op.as_deref().map(|op| match op {
        "secret_up" => "op0",
        "secret.norm" => "op1",
        "secret_final" => "op2",
        other => panic!("no op is named {other}"),
    });
    let mut value = json!({ "pass": step.pass, "knobs": step.knobs });
    if let Some(op) = op {
        value["op"] = op.into();
    }
    value
}

/// The heuristic's plan with other tiles, as an answer: no plan that was tried before.
pub fn answer() -> Value {
    let mut plan = fallback();
    let tile = plan
        .passes
        .iter_mut()
        .find(|it| it.pass == "kforge-tile-matmul");
    let tile = tile.unwrap();
    for (knob, value) in [("tile-k", 8), ("group-m", 2)] {
        tile.knobs
            .insert(knob.into(), kforge_planner::plan::Knob::Integer(value));
    }
    json!({ "passes": plan.passes.iter().map(said).collect::<Vec<_>>() })
}

/// The answer's matmul step.
pub fn tile(answer: &mut Value) -> &mut Value {
    let steps = answer["passes"].as_array_mut().unwrap();
    let mut steps = steps.iter_mut();
    steps.find(|it| it["pass"] == "kforge-tile-matmul").unwrap()
}

/// A chat completion with `content`.
pub fn completion(content: &str) -> String {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content, "refusal": null },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000 },
    })
    .to_string()
}

/// Pauses that only note how long they would be, with a known chance.
pub fn pauses() -> (Pauses, Rc<RefCell<Vec<Duration>>>) {
    let slept = Rc::new(RefCell::new(Vec::new()));
    let notes = slept.clone();
    let pauses = Pauses {
        sleep: Box::new(move |pause| notes.borrow_mut().push(pause)),
        random: Box::new(|| 0.5),
        ..Pauses::default()
    };
    (pauses, slept)
}

/// Answers from a list; requests are kept.
pub struct Script {
    replies: VecDeque<Response>,
    requests: Rc<RefCell<Vec<Value>>>,
}

impl Transport for Script {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        self.requests
            .borrow_mut()
            .push(serde_json::from_str(body).unwrap());
        Ok(self.replies.pop_front().expect("a further answer"))
    }
}

/// A planner that is answered with `bodies`, each a 200.
pub fn scripted(bodies: &[String]) -> (LlmPlanner, Rc<RefCell<Vec<Value>>>) {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let replies = bodies.iter().map(|body| Response {
        status: 200,
        retry_after: None,
        body: body.clone().into_bytes(),
    });
    let script = Script {
        replies: replies.collect(),
        requests: requests.clone(),
    };
    let config = config("http://127.0.0.1:9/v1");
    let planner = LlmPlanner::new(config, Box::new(script), pauses().0);
    (planner, requests)
}
