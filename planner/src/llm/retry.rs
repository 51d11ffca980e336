//! Repeats a request that failed for a moment: three attempts, with pauses whose
//! length is drawn anew (full jitter) or is what the server asks for.

use std::time::{Duration, SystemTime};

use super::{
    Failure, LlmError, Response, Transport,
    chat::{self, printable},
    spending::{Spending, tokens},
};

/// Attempts for one request.
const ATTEMPTS: u32 = 3;
/// The shortest pause, in seconds.
const SHORTEST: f64 = 0.5;
/// The longest pause of our own, in seconds.
const LONGEST: f64 = 8.0;
/// The longest pause that a server may ask for.
const MOST_ASKED: Duration = Duration::from_secs(60);

/// The clock and the chance that pauses are made of.
pub struct Pauses {
    /// Waits.
    pub sleep: Box<dyn FnMut(Duration)>,
    /// A number from 0 to 1.
    pub random: Box<dyn FnMut() -> f64>,
    /// The time of day, for a `Retry-After` that is a date.
    pub now: Box<dyn Fn() -> SystemTime>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            sleep: Box::new(std::thread::sleep),
            random: Box::new(fastrand::f64),
            now: Box::new(SystemTime::now),
        }
    }
}

impl std::fmt::Debug for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Pauses")
    }
}

/// Sends `body` until there is an answer that is none of the passing failures.
pub(super) fn post(
    transport: &mut dyn Transport,
    pauses: &mut Pauses,
    spending: &mut Spending,
    body: &str,
) -> Result<Response, LlmError> {
    let mut attempt = 1;
    loop {
        spending.call(body)?;
        let (why, asked) = match transport.post(body) {
            Ok(response) if !is_passing(&response) => return Ok(response),
            Ok(response) => {
                let asked = response.retry_after.as_deref();
                let asked = asked.and_then(|text| parse(text, (pauses.now)()));
                (LlmError::status(&response), asked)
            }
            Err(error) => {
                // It may have been read and answered all the same.
                if matches!(error.kind, Failure::Timeout | Failure::Broken) {
                    spending.used(tokens(body));
                }
                let passing = error.kind.is_transient();
                let error = LlmError::Send(error);
                if !passing {
                    return Err(error);
                }
                (error, None)
            }
        };
        if attempt == ATTEMPTS {
            return Err(LlmError::Attempts {
                attempts: ATTEMPTS,
                last: Box::new(why),
            });
        }
        if let Some(seconds) = asked.filter(|it| *it > MOST_ASKED) {
            return Err(LlmError::Wait {
                seconds: seconds.as_secs(),
                limit: MOST_ASKED.as_secs(),
            });
        }
        let own = jitter(attempt, (pauses.random)());
        (pauses.sleep)(asked.unwrap_or(own));
        attempt += 1;
    }
}

/// Whether the same request may be answered later. A used-up quota is a 429 too, but
/// stays.
fn is_passing(response: &Response) -> bool {
    match response.status {
        429 => !chat::is_quota(&response.body),
        408 | 425 | 500 | 502 | 503 | 504 | 529 => true,
        _ => false,
    }
}

fn jitter(attempt: u32, random: f64) -> Duration {
    let most = (2.0 * f64::from(1_u32 << attempt.min(8))).min(LONGEST);
    Duration::from_secs_f64(SHORTEST + random.clamp(0.0, 1.0) * (most - SHORTEST))
}

/// `Retry-After`: seconds, or a date.
fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

impl LlmError {
    /// What a status other than 200 means.
    pub(super) fn status(response: &Response) -> Self {
        let message = printable(&chat::error_message(&response.body), 300);
        let status = response.status;
        match status {
            401 | 403 => Self::Denied { status, message },
            402 | 429 if status == 402 || chat::is_quota(&response.body) => {
                Self::Quota { status, message }
            }
            300..=399 => Self::Redirect { status },
            400..=499 if chat::is_too_long(&response.body) => Self::Context { status, message },
            _ => Self::Status { status, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_limits() {
        let seconds = |attempt, random| jitter(attempt, random).as_secs_f64();
        assert_eq!(seconds(1, 0.0), 0.5);
        assert_eq!(seconds(1, 1.0), 4.0);
        assert_eq!(seconds(2, 1.0), 8.0);
        assert_eq!(seconds(9, 1.0), 8.0);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let parse = |text| parse(text, now);
        assert_eq!(parse(" 7 "), Some(Duration::from_secs(7)));
        let later = "Wed, 21 Oct 2026 07:28:30 GMT";
        assert_eq!(parse(later), Some(Duration::from_secs(30)));
        let before = "Wed, 21 Oct 2026 07:27:30 GMT";
        assert_eq!(parse(before), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }
}
