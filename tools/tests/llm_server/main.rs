//! The language model's planner against a third party's server: llama.cpp's, with a
//! model of random weights that is made here and decodes under the schema it is sent.
//!
//! Such a model says anything that the schema allows, so a right outcome is either a
//! plan that the checks let through or the heuristic's with a warning.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code")]

mod command;
mod failures;
mod model;
mod plans;
mod server;

use std::{cell::RefCell, rc::Rc, sync::Once, time::Duration};

use kforge_dialect::{Element, SoftmaxArgs, TensorType, build};
use kforge_planner::{
    Problem,
    llm::{Config, Http, LlmPlanner, Pauses, Response, SendError, Timeouts, Transport},
    problem::of_module,
};
use kforge_runtime::{DeviceDescription, device::Target};
use serde_json::Value;

/// The key that every server here demands.
pub const KEY: &str = "sk-test-0123456789abcdef";

/// Softmax of 64 rows.
pub fn problem() -> Problem {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    let context = kforge_dialect::context();
    let module = build::module(&context, "entry", |f| {
        let x = f.argument(&TensorType::fixed(&[64, 64], Element::F32));
        Ok(vec![build::softmax(f, "rows", SoftmaxArgs::new(x))?])
    });
    of_module(&context, &module.unwrap()).unwrap()
}

/// A GPU for which most schedules fit.
pub fn gpu() -> DeviceDescription {
    DeviceDescription {
        target: Target::Gpu,
        name: "test".into(),
        workgroup_memory: 32768,
        invocations: 1024,
        storage_buffers: 8,
        storage_binding_bytes: 1 << 27,
        subgroup_min: 32,
        subgroup_max: 32,
        ..DeviceDescription::default()
    }
}

/// What the environment would say.
pub fn config(endpoint: &str, key: &str, model: &str) -> Config {
    let lookup = |name: &str| match name {
        "KERNELFORGE_LLM_ENDPOINT" => Some(endpoint.to_owned()),
        "KERNELFORGE_LLM_API_KEY" => Some(key.to_owned()),
        "KERNELFORGE_LLM_MODEL" => Some(model.to_owned()),
        _ => None,
    };
    let mut config = Config::from_env(lookup, None).unwrap();
    config.limits.calls = 10_000;
    config.limits.tokens = 100_000_000;
    config.limits.reply_tokens = 1000;
    config
}

/// Requests with their answers.
pub type Exchanges = Rc<RefCell<Vec<(Value, Response)>>>;

/// HTTP whose exchanges are kept. Requests for a format among `unknown` are answered
/// like a server does that knows no such format.
struct Watched {
    http: Http,
    unknown: &'static [&'static str],
    seen: Exchanges,
}

impl Transport for Watched {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        let request: Value = serde_json::from_str(body).unwrap();
        let format = request["response_format"]["type"].as_str();
        if format.is_some_and(|format| self.unknown.contains(&format)) {
            return Ok(Response {
                status: 400,
                retry_after: None,
                body: b"{}".to_vec(),
            });
        }
        let response = self.http.post(body)?;
        self.seen.borrow_mut().push((request, response.clone()));
        Ok(response)
    }
}

/// A planner whose exchanges are kept and that never waits.
pub fn planner(config: Config, unknown: &'static [&'static str]) -> (LlmPlanner, Exchanges) {
    let seen = Exchanges::default();
    let watched = Watched {
        http: Http::new(&config, Timeouts::default()).unwrap(),
        unknown,
        seen: seen.clone(),
    };
    let pauses = Pauses {
        sleep: Box::new(|_: Duration| {}),
        ..Pauses::default()
    };
    (LlmPlanner::new(config, Box::new(watched), pauses), seen)
}
