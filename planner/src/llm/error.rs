//! Why a model gave no plan.

use super::{ENDPOINT_VARIABLE, KEY_VARIABLE, MODEL_VARIABLE, SendError, reply::ReplyError};
use crate::plan::Violation;

/// Why a model gave no plan. No message holds the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No answer.
    #[error("{0}")]
    Send(SendError),
    /// The key is refused.
    #[error("the server refuses the key (HTTP {status}): {message}; check {KEY_VARIABLE}")]
    Denied {
        /// 401 or 403.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// Nothing is left of what the account may use.
    #[error("the account's quota is used up (HTTP {status}): {message}")]
    Quota {
        /// 402 or 429.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The address has moved.
    #[error(
        "the server redirects (HTTP {status}), which is not followed with a key; set \
         {ENDPOINT_VARIABLE} to the new address"
    )]
    Redirect {
        /// 3xx.
        status: u16,
    },
    /// A prompt that is too long for the model.
    #[error(
        "the prompt does not fit the model's context (HTTP {status}): {message}; start the server \
         with a larger context, or set {MODEL_VARIABLE} to a model that has one"
    )]
    Context {
        /// 400 or the like.
        status: u16,
        /// What the server says, its limit among it.
        message: String,
    },
    /// Any other status.
    #[error("the server answers HTTP {status}: {message}")]
    Status {
        /// The status.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The server is too busy.
    #[error("the server asks to wait {seconds} s, the limit is {limit} s")]
    Wait {
        /// What it asks for.
        seconds: u64,
        /// The most that is waited.
        limit: u64,
    },
    /// Every attempt failed.
    #[error("{attempts} attempts failed, the last one: {last}")]
    Attempts {
        /// How many.
        attempts: u32,
        /// Why the last one did.
        last: Box<LlmError>,
    },
    /// An answer that is no chat completion.
    #[error("the server's answer is no chat completion: {reason}")]
    Envelope {
        /// What is wrong with it.
        reason: String,
    },
    /// The model does not want to answer.
    #[error("the model declines to answer: {reason}")]
    Declined {
        /// What it says.
        reason: String,
    },
    /// The run's budget is used up.
    #[error(
        "the next request takes up to {needed} {what} of a language model, {left} of {limit} are left"
    )]
    Exhausted {
        /// Tokens or calls.
        what: &'static str,
        /// How many the next request may take.
        needed: u64,
        /// How many are left.
        left: u64,
        /// How many there were.
        limit: u64,
    },
    /// A program too large to be described.
    #[error(
        "the prompt takes about {tokens} tokens without program and history, the limit is {limit}"
    )]
    Prompt {
        /// What it takes.
        tokens: u64,
        /// The limit.
        limit: u64,
    },
    /// Two answers that are no plan.
    #[error("the model gave no plan, nor when told why: {reason}")]
    Refused {
        /// What is wrong with the second one, with the program's own names.
        reason: String,
    },
}

impl LlmError {
    /// Whether asking again in this run is of no use.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Denied { .. }
            | Self::Quota { .. }
            | Self::Redirect { .. }
            | Self::Context { .. }
            | Self::Exhausted { .. }
            | Self::Wait { .. }
            | Self::Prompt { .. } => true,
            Self::Status { status, .. } => (400..500).contains(status),
            Self::Send(error) => !error.kind.is_transient(),
            Self::Attempts { .. }
            | Self::Envelope { .. }
            | Self::Declined { .. }
            | Self::Refused { .. } => false,
        }
    }
}

/// Why a reply is no plan: quoted to the model once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// What it says cannot be.
    #[error("{}", Violation::list(.0))]
    Check(Vec<Violation>),
    /// It was tried before.
    #[error("this plan is attempt #{number} of the history; choose another one")]
    Known {
        /// The attempt, from 1.
        number: usize,
    },
}
