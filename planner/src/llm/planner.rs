//! Asks a model for a plan: down the ladder of formats, one repair round, then the
//! heuristic, and where that was tried a search, so that one bad answer ends no run.

use kforge_runtime::DeviceDescription;
use serde_json::Value;

use super::{
    Config, LlmError, Message, Pauses, Transport,
    chat::{self, Reply, Rung},
    error::Refusal,
    names::Names,
    prompt::{self, Parts},
    reply::{self, ReplyError},
    retry, schema,
    spending::Spending,
};
use crate::{
    attempt::Attempt,
    check, heuristic,
    plan::{Plan, Provenance, Step, Violation},
    problem::Problem,
    propose::{Propose, ProposeError},
    search::Evolve,
};

/// Bytes of a refused reply that are quoted back.
const MAX_QUOTED: usize = 8192;
/// Characters of a violation that are quoted.
const MAX_VIOLATION: usize = 300;

/// What a model may be shown beyond problem, device and history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Material {
    /// The program, from [`super::program_text`].
    pub program: Option<String>,
    /// The WGSL of the best attempt's kernels.
    pub kernel: Option<String>,
    /// How many times the baseline's speed is enough.
    pub target_speedup: Option<f64>,
}

/// A plan, and why it is not the model's if it is not.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A plan that passes [`check`].
    pub plan: Plan,
    /// Why the heuristic's plan stands in for one of the model.
    pub warning: Option<LlmError>,
}

/// The planner that asks a language model.
pub struct LlmPlanner {
    config: Config,
    transport: Box<dyn Transport>,
    pauses: Pauses,
    material: Material,
    spending: Spending,
    rung: Rung,
    /// Why no further request is sent in this run.
    ended: Option<LlmError>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for LlmPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("LlmPlanner")
            .field("config", &self.config)
            .field("spending", &self.spending)
            .finish_non_exhaustive()
    }
}

impl LlmPlanner {
    /// A planner that sends its requests through `transport`. Nothing is sent.
    pub fn new(config: Config, transport: Box<dyn Transport>, pauses: Pauses) -> Self {
        Self {
            spending: Spending::new(config.limits),
            config,
            transport,
            pauses,
            material: Material::default(),
            rung: Rung::Schema,
            ended: None,
            warnings: Vec::new(),
        }
    }

    /// What the next prompts show beyond problem, device and history.
    pub fn show(&mut self, material: Material) {
        self.material = material;
    }

    /// Requests sent so far, repeated ones included.
    pub fn calls(&self) -> u64 {
        self.spending.calls()
    }

    /// The conversation that would be sent, as it is.
    pub fn prompt(
        &self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
    ) -> Result<Vec<Message>, LlmError> {
        Ok(self.task(problem, device, history)?.messages)
    }

    /// The model's plan, or the heuristic's with a warning.
    pub fn ask(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
    ) -> Answer {
        let result = match &self.ended {
            Some(error) => Err(error.clone()),
            None => self.converse(problem, device, history),
        };
        match result {
            Ok(plan) => Answer {
                plan,
                warning: None,
            },
            Err(error) => {
                if error.is_final() {
                    self.ended = Some(error.clone());
                }
                Answer {
                    plan: heuristic::propose(problem, device),
                    warning: Some(error),
                }
            }
        }
    }

    fn task(
        &self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
    ) -> Result<Task, LlmError> {
        let program = self.material.program.as_deref();
        let names = Names::of(problem, program);
        let hidden = names.problem(problem);
        // Attempts at other problems speak of other ops.
        let (others, history) = history.iter().partition::<Vec<_>, _>(|it| {
            let of = it.plan.problem.as_ref();
            of.is_some_and(|it| it.module != problem.module)
        });
        let baseline = heuristic::propose(&hidden, device);
        let parts = Parts {
            names: &names,
            problem: &hidden,
            device,
            baseline: &baseline.passes,
            history: &history,
            others: &others,
            program,
            kernel: self.material.kernel.as_deref(),
            target_speedup: self.material.target_speedup,
        };
        let messages = prompt::messages(&parts, self.config.limits.prompt_tokens)?;
        let schema = schema::schema(&hidden, &baseline.passes);
        let tried = history.iter().map(|attempt| attempt.plan.id()).collect();
        let mut empty = baseline;
        empty.passes.clear();
        Ok(Task {
            schema,
            names,
            hidden,
            empty,
            tried,
            messages,
        })
    }

    fn converse(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
    ) -> Result<Plan, LlmError> {
        let mut task = self.task(problem, device, history)?;
        let first = self.chat(&task)?;
        let refusal = match self.plan(&task, &first, problem) {
            Ok(plan) => return Ok(plan),
            Err(refusal) => refusal,
        };
        task.repair(&first, &refusal);
        let second = self.chat(&task)?;
        self.plan(&task, &second, problem)
            .map_err(|refusal| LlmError::Refused {
                reason: task.names.own_text(&refusal.to_string()),
            })
    }

    /// One answer, in the strictest format that the server takes.
    fn chat(&mut self, task: &Task) -> Result<Reply, LlmError> {
        loop {
            let limit = self.config.limits.reply_tokens;
            let (model, schema) = (&self.config.model, &task.schema);
            let body = chat::request(model, &task.messages, self.rung, schema, limit);
            // Nothing of ours holds the key; what others wrote into the history might.
            let body = self.config.hide(&body);
            let transport = self.transport.as_mut();
            let response = retry::post(transport, &mut self.pauses, &mut self.spending, &body)?;
            match (response.status, self.rung.down()) {
                (200, _) => {
                    let reply = chat::read(&body, &response.body);
                    let estimate = super::spending::tokens(&body);
                    self.spending
                        .used(reply.as_ref().map_or(estimate, |it| it.tokens));
                    return reply;
                }
                // A plainer form makes no prompt shorter.
                (400 | 415 | 422 | 501, Some(rung)) if !chat::is_too_long(&response.body) => {
                    self.rung = rung;
                }
                _ => return Err(LlmError::status(&response)),
            }
        }
    }

    /// The plan that a reply states, checked twice: under the names that the model
    /// knows, whose violations can be quoted to it, and as it is.
    fn plan(&self, task: &Task, reply: &Reply, problem: &Problem) -> Result<Plan, Refusal> {
        if reply.cut {
            let limit = self.config.limits.reply_tokens;
            return Err(ReplyError::Cut { limit }.into());
        }
        let steps = reply::read(&reply.content)?;
        let hidden = task.plan(&steps, &task.hidden);
        check(&hidden, Some(&task.hidden)).map_err(Refusal::Check)?;
        let steps: Vec<Step> = steps.iter().map(|it| task.names.own_step(it)).collect();
        let mut plan = task.plan(&steps, problem);
        check(&plan, Some(problem)).map_err(|violations| task.hide(violations))?;
        let id = plan.id();
        if let Some(index) = task.tried.iter().position(|tried| *tried == id) {
            return Err(Refusal::Known { number: index + 1 });
        }
        plan.provenance = Provenance {
            planner: "llm".into(),
            model: Some(self.config.model.clone()),
            prompt: Some(task.hash()),
            parent: None,
        };
        Ok(plan)
    }
}

/// One problem as a conversation.
struct Task {
    names: Names,
    /// The problem under the names that the model knows.
    hidden: Problem,
    schema: Value,
    /// A plan for the device, without passes.
    empty: Plan,
    /// Ids of the plans that were tried, in the order of the prompt.
    tried: Vec<String>,
    messages: Vec<Message>,
}

impl Task {
    fn plan(&self, steps: &[Step], problem: &Problem) -> Plan {
        let mut plan = self.empty.clone();
        plan.passes = steps.to_vec();
        plan.problem = Some(problem.clone());
        plan.complete();
        plan
    }

    /// Violations as the model may be told them.
    fn hide(&self, violations: Vec<Violation>) -> Refusal {
        let hidden = violations.into_iter().map(|it| Violation {
            message: self.names.message(&it.message, MAX_VIOLATION),
            ..it
        });
        Refusal::Check(hidden.collect())
    }

    /// Adds what was answered and why that is no plan.
    fn repair(&mut self, reply: &Reply, refusal: &Refusal) {
        let mut end = reply.content.len().min(MAX_QUOTED);
        while !reply.content.is_char_boundary(end) {
            end -= 1;
        }
        self.messages.push(Message {
            role: "assistant",
            content: reply.content[..end].to_owned(),
        });
        self.messages.push(Message {
            role: "user",
            content: format!(
                "That is refused: {refusal}. Answer again with one JSON object of the same form \
                 and nothing else."
            ),
        });
    }

    /// Names the prompt in a plan's provenance.
    fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for message in &self.messages {
            for part in [message.role, message.content.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        hasher.finalize().to_hex().as_str()[..16].to_owned()
    }
}

/// One plan per call: the next answer is better for knowing what became of it.
impl Propose for LlmPlanner {
    fn name(&self) -> &str {
        "llm"
    }

    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let answer = self.ask(problem, device, history);
        let Some(warning) = answer.warning else {
            return Ok(vec![answer.plan]);
        };
        let id = answer.plan.id();
        let planner = || "llm".to_owned();
        if !history.iter().any(|attempt| attempt.plan.id() == id) {
            self.warnings
                .push(format!("{warning}; the heuristic's plan is used"));
            return Ok(vec![answer.plan]);
        }
        // The model may do better next time, unless it cannot be asked again.
        if self.ended.is_none() {
            let plans = Evolve::new(0).propose(problem, device, history, 1)?;
            self.warnings
                .push(format!("{warning}; a plan of the search is used"));
            return Ok(plans);
        }
        Err(match warning {
            LlmError::Exhausted {
                what,
                needed,
                left,
                limit,
            } => ProposeError::Exhausted {
                planner: planner(),
                what,
                needed,
                left,
                limit,
            },
            error => ProposeError::Unavailable {
                planner: planner(),
                message: error.to_string(),
            },
        })
    }

    fn asks_a_model(&self) -> bool {
        self.ended.is_none()
    }

    fn tokens(&self) -> u64 {
        self.spending.tokens()
    }

    /// Why it fell back to the heuristic, since the last call.
    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
