//! Plans from a language model behind an OpenAI-compatible endpoint.
//!
//! The model only chooses passes and knobs: its reply is read as data ([`reply`]),
//! checked like every plan, and never becomes a part of a program. What it is shown
//! holds no name of the user's program. When it cannot be asked or answers nothing
//! usable, the heuristic's plan is used, with a warning that says why.
//!
//! ```no_run
//! use kforge_planner::llm::{Config, Http, LlmPlanner, Pauses, Timeouts};
//!
//! let config = Config::from_env(|name| std::env::var(name).ok(), None)?;
//! let http = Http::new(&config, Timeouts::default())?;
//! let planner = LlmPlanner::new(config, Box::new(http), Pauses::default());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chat;
mod client;
mod config;
mod error;
mod ir;
mod key;
mod names;
mod planner;
mod prompt;
pub mod reply;
mod retry;
mod schema;
mod spending;
mod transcript;
mod transport;

pub use chat::Message;
pub use client::{Http, MAX_REPLY_BYTES, Timeouts};
pub use config::{
    Config, ConfigError, DEFAULT_ENDPOINT, DEFAULT_MODEL, ENDPOINT_VARIABLE, KEY_VARIABLE, Limits,
    MODEL_VARIABLE,
};
pub use error::LlmError;
pub use ir::program_text;
pub use key::Key;
pub use planner::{Answer, LlmPlanner, Material};
pub use retry::Pauses;
pub use transcript::{Recorder, Replay};
pub use transport::{Failure, Response, SendError, Transport};
