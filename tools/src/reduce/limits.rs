//! When a reduction ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How much may be tried; what was reached by then is the answer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Verifications, the first one included.
    pub probes: usize,
    /// When the last one may begin.
    pub until: Option<Instant>,
    /// Raised to end it after the one at hand.
    pub stop: Arc<AtomicBool>,
}

impl Limits {
    /// A number of verifications.
    pub fn probes(probes: usize) -> Self {
        Self {
            probes,
            until: None,
            stop: Arc::default(),
        }
    }

    /// That end after some time, too.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(time),
            ..self
        }
    }

    /// What is left after so many verifications; none at the end.
    pub(super) fn left(&self, probes: usize) -> Option<Left> {
        let now = Instant::now();
        let left = Left {
            probes: self.probes.saturating_sub(probes),
            time: self.until.map(|until| until.saturating_duration_since(now)),
        };
        let is_stopped = self.stop.load(Ordering::Relaxed);
        let is_over = is_stopped || left.probes == 0 || left.time == Some(Duration::ZERO);
        (!is_over).then_some(left)
    }
}

/// What may still be tried.
pub(super) struct Left {
    pub probes: usize,
    pub time: Option<Duration>,
}

impl Left {
    /// The last second, since 1970.
    pub fn end(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        self.time
            .map_or(i64::MAX as u64, |time| now.saturating_add(time.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_ends_it() {
        let limits = Limits::probes(3);
        assert_eq!(limits.left(2).map(|left| left.probes), Some(1));
        assert!(limits.left(3).is_none());
        assert!(limits.clone().within(Duration::ZERO).left(0).is_none());
        let left = limits.clone().within(Duration::from_secs(1000)).left(0);
        assert!(left.is_some_and(|left| left.time > Some(Duration::from_secs(900))));
        limits.stop.store(true, Ordering::Relaxed);
        assert!(limits.left(0).is_none());
    }
}
