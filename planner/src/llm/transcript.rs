//! Records exchanges and replays them byte for byte, without network.
//!
//! A transcript is JSON Lines: `{"transcript":1}`, then one exchange per line with the
//! request, and the response or the failure. It holds no header and no key. A replay
//! answers only the requests that were recorded, in their order; on request it takes
//! those for the same that differ in what was measured alone.

use std::{collections::VecDeque, io::Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, MAX_REPLY_BYTES, Response, SendError, Transport};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    transcript: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: String,
    outcome: Recorded,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Recorded {
    Response {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        body: Body,
    },
    Failure(SendError),
}

/// Bytes, as text where they are text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

/// Passes requests on and writes what comes of them.
#[derive(Debug)]
pub struct Recorder<T, W> {
    transport: T,
    to: W,
}

impl<T: Transport, W: Write> Recorder<T, W> {
    /// Begins a transcript of `transport`'s exchanges.
    pub fn new(transport: T, mut to: W) -> Result<Self, SendError> {
        let header = Header {
            transcript: VERSION,
        };
        write(&mut to, &header)?;
        Ok(Self { transport, to })
    }
}

impl<T: Transport, W: Write> Transport for Recorder<T, W> {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        let result = self.transport.post(body);
        let outcome = match &result {
            Ok(response) => Recorded::Response {
                status: response.status,
                retry_after: response.retry_after.clone(),
                body: match String::from_utf8(response.body.clone()) {
                    Ok(text) => Body::Text(text),
                    Err(error) => Body::Bytes(error.into_bytes()),
                },
            },
            Err(error) => Recorded::Failure(error.clone()),
        };
        let exchange = Exchange {
            request: body.to_owned(),
            outcome,
        };
        write(&mut self.to, &exchange)?;
        result
    }
}

fn write(to: &mut impl Write, line: &impl Serialize) -> Result<(), SendError> {
    let failed = |reason: String| record(format!("the transcript cannot be written: {reason}"));
    let mut text = serde_json::to_string(line).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    to.write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .map_err(|error| failed(error.to_string()))
}

fn record(message: String) -> SendError {
    SendError {
        kind: Failure::Record,
        message,
    }
}

/// Answers from a transcript.
#[derive(Debug)]
pub struct Replay {
    exchanges: VecDeque<Exchange>,
    done: usize,
    measured_again: bool,
}

impl Replay {
    /// Reads a transcript.
    pub fn read(text: &str) -> Result<Self, SendError> {
        let wrong = |line: usize, reason: String| {
            record(format!(
                "the transcript cannot be read: line {line}: {reason}"
            ))
        };
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().unwrap_or((0, ""));
        let header: Header =
            serde_json::from_str(first).map_err(|error| wrong(1, error.to_string()))?;
        if header.transcript != VERSION {
            let reason = format!("version {}, expected {VERSION}", header.transcript);
            return Err(wrong(1, reason));
        }
        let exchanges = lines.map(|(index, line)| {
            let exchange: Exchange =
                serde_json::from_str(line).map_err(|error| wrong(index + 1, error.to_string()))?;
            match &exchange.outcome {
                Recorded::Response { body, .. } if length(body) > MAX_REPLY_BYTES => {
                    let reason = format!("a reply over the limit of {MAX_REPLY_BYTES} bytes");
                    Err(wrong(index + 1, reason))
                }
                _ => Ok(exchange),
            }
        });
        Ok(Self {
            exchanges: exchanges.collect::<Result<_, _>>()?,
            done: 0,
            measured_again: false,
        })
    }

    /// Answers requests, too, whose decimal fractions are others: the times and errors of
    /// a history that was measured again.
    pub fn measured_again(mut self) -> Self {
        self.measured_again = true;
        self
    }

    /// The model that the first request asks.
    pub fn model(&self) -> Option<String> {
        let first: Value = serde_json::from_str(&self.exchanges.front()?.request).ok()?;
        Some(first["model"].as_str()?.to_owned())
    }

    /// Exchanges that were not asked for yet.
    pub fn left(&self) -> usize {
        self.exchanges.len()
    }
}

/// `text` with `.` for every decimal fraction.
fn unmeasured(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('.') {
        let fraction = after.trim_start_matches(is_digit);
        let whole = before.trim_end_matches(is_digit);
        let is_number = fraction.len() < after.len() && whole.len() < before.len();
        let (before, after) = if is_number {
            (whole, fraction)
        } else {
            (before, after)
        };
        kept.push_str(before);
        kept.push('.');
        rest = after;
    }
    kept + rest
}

fn length(body: &Body) -> usize {
    match body {
        Body::Text(text) => text.len(),
        Body::Bytes(bytes) => bytes.len(),
    }
}

impl Transport for Replay {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        self.done += 1;
        let Some(exchange) = self.exchanges.pop_front() else {
            let message = format!("the transcript ends before request {}", self.done);
            return Err(record(message));
        };
        let shown = |text: &str| match self.measured_again {
            true => unmeasured(text),
            false => text.to_owned(),
        };
        let (recorded, now) = (shown(&exchange.request), shown(body));
        if recorded != now {
            let pairs = recorded.bytes().zip(now.bytes());
            let at = pairs.take_while(|(recorded, now)| recorded == now).count();
            let message = format!(
                "request {} is not the recorded one: they differ from byte {at} on",
                self.done
            );
            return Err(record(message));
        }
        match exchange.outcome {
            Recorded::Response {
                status,
                retry_after,
                body,
            } => Ok(Response {
                status,
                retry_after,
                body: match body {
                    Body::Text(text) => text.into_bytes(),
                    Body::Bytes(bytes) => bytes,
                },
            }),
            Recorded::Failure(error) => Err(error),
        }
    }
}
