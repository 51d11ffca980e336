//! How a request reaches a model: one exchange of bytes, by network or from a record.

use serde::{Deserialize, Serialize};

/// Carries one request to a chat completions endpoint and brings what it says back.
pub trait Transport {
    /// Sends a JSON body.
    fn post(&mut self, body: &str) -> Result<Response, SendError>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        (**self).post(body)
    }
}

/// What a server answered, whatever the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, at most [`super::MAX_REPLY_BYTES`], without the key.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
#[serde(deny_unknown_fields)]
pub struct SendError {
    /// What kind of failure.
    pub kind: Failure,
    /// The message that says it, without the key.
    pub message: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// No connection.
    Connect,
    /// No whole answer in time.
    Timeout,
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// A certificate or handshake that cannot be trusted.
    Tls,
    /// An answer over the limit.
    Large,
    /// The record has no such exchange, or cannot be written.
    Record,
}

impl Failure {
    /// Whether a further attempt can succeed.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::Broken)
    }
}
