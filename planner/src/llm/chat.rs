//! The chat completions format: what is sent, and what comes back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{LlmError, spending::tokens};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// How a server is asked for JSON, from the strictest form to the plainest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    Schema,
    Object,
    Text,
}

impl Rung {
    pub(super) const fn down(self) -> Option<Self> {
        match self {
            Self::Schema => Some(Self::Object),
            Self::Object => Some(Self::Text),
            Self::Text => None,
        }
    }
}

/// The body of a request.
pub(super) fn request(
    model: &str,
    messages: &[Message],
    rung: Rung,
    schema: &Value,
    reply_tokens: u64,
) -> String {
    let mut body = json!({ "model": model, "messages": messages });
    // Servers that know no JSON Schema are older and know the older name of the limit.
    let limit = match rung {
        Rung::Schema => "max_completion_tokens",
        Rung::Object | Rung::Text => "max_tokens",
    };
    body[limit] = reply_tokens.into();
    match rung {
        Rung::Schema => {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": { "name": "passes", "strict": true, "schema": schema },
            });
        }
        Rung::Object => body["response_format"] = json!({ "type": "json_object" }),
        Rung::Text => {}
    }
    body.to_string()
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// What a model said.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) content: String,
    /// It was cut at the limit of tokens.
    pub(super) cut: bool,
    pub(super) tokens: u64,
}

/// Reads the body of a 200. Fields that are not needed are not looked at: servers add
/// their own.
pub(super) fn read(request: &str, body: &[u8]) -> Result<Reply, LlmError> {
    let malformed = |reason: String| LlmError::Envelope {
        reason: printable(&reason, 200),
    };
    let completion: Completion = serde_json::from_slice(body).map_err(|error| {
        // Some servers report errors with a 200.
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        match value["error"].is_null() {
            true => malformed(error.to_string()),
            false => malformed(format!("it is an error: {}", error_message(body))),
        }
    })?;
    let choice = completion.choices.into_iter().next();
    let choice = choice.ok_or_else(|| malformed("it has no choice".into()))?;
    let finish = choice.finish_reason.unwrap_or_default();
    if let Some(refusal) = choice.message.refusal.filter(|text| !text.is_empty()) {
        let reason = printable(&refusal, 300);
        return Err(LlmError::Declined { reason });
    }
    if finish == "content_filter" {
        let reason = "its content filter stopped it".into();
        return Err(LlmError::Declined { reason });
    }
    let content = choice.message.content.unwrap_or_default();
    // A server's word, unless it has none.
    let stated = completion.usage["total_tokens"].as_u64();
    let stated = stated.filter(|tokens| *tokens > 0);
    let tokens = stated.unwrap_or_else(|| tokens(request) + tokens(&content));
    Ok(Reply {
        content,
        cut: finish == "length",
        tokens,
    })
}

/// The message in a body of an error, which servers nest differently; else its text.
pub(super) fn error_message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let places = [
        &value["error"]["message"],
        &value["message"],
        &value["error"],
    ];
    let found = places.into_iter().find_map(Value::as_str);
    found.map_or_else(|| text.trim().to_owned(), ToOwned::to_owned)
}

/// Whether an error says that a quota is used up, for which waiting is of no use.
pub(super) fn is_quota(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &value["error"];
    [&error["code"], &error["type"]]
        .into_iter()
        .filter_map(Value::as_str)
        .any(|code| code == "insufficient_quota" || code == "billing_hard_limit_reached")
}

/// Whether an error says that prompt and reply do not fit the model's context: OpenAI's
/// code, llama.cpp's type, vLLM's words.
pub(super) fn is_too_long(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &value["error"];
    let codes = [&error["code"], &error["type"]];
    codes
        .into_iter()
        .filter_map(Value::as_str)
        .any(|code| code == "context_length_exceeded" || code == "exceed_context_size_error")
        || error_message(body).contains("maximum context length")
}

/// Text from outside on one line, without what a terminal would obey, at most `most`
/// characters of it.
pub(super) fn printable(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(most).flat_map(escape).collect();
    if line.chars().count() > most {
        shown.push_str("...");
    }
    shown
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '"' | '\'' | '\\');
    let escaped = (!plain).then(|| c.escape_debug());
    plain
        .then_some(c)
        .into_iter()
        .chain(escaped.into_iter().flatten())
}
