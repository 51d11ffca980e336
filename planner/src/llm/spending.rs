//! The calls and tokens that one run may spend.

use super::{Limits, LlmError};

/// What is left.
#[derive(Clone, Debug)]
pub(super) struct Spending {
    limits: Limits,
    calls: u64,
    tokens: u64,
}

impl Spending {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            calls: 0,
            tokens: 0,
        }
    }

    /// Takes one call, if the run still has one and the tokens it may need.
    pub(super) fn call(&mut self, request: &str) -> Result<(), LlmError> {
        let needed = tokens(request) + self.limits.reply_tokens;
        let Limits { calls, tokens, .. } = self.limits;
        for (what, needed, used, limit) in [
            ("calls", 1, self.calls, calls),
            ("tokens", needed, self.tokens, tokens),
        ] {
            let left = limit.saturating_sub(used);
            if needed > left {
                return Err(LlmError::Exhausted {
                    what,
                    needed,
                    left,
                    limit,
                });
            }
        }
        self.calls += 1;
        Ok(())
    }

    /// Counts what an answered request cost.
    pub(super) fn used(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }
}

/// An estimate from above: English has four bytes per token, code and JSON about three.
pub(super) fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(3)
}
