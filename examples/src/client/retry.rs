//! When to try again, and after how long.

use std::time::Duration;

use super::error::CallError;
use crate::wire::Code;

/// How calls that failed are made again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// How often at most, after the first time.
    pub times: u32,
    /// The pause before the first one; each is twice as long as the last.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// By which part a pause is made shorter or longer at random, so that many
    /// callers do not come back at once: 0.2 is up to a fifth.
    pub jitter: f64,
}

impl Default for Retry {
    /// Twice, after 100 ms and 200 ms, a fifth more or less.
    fn default() -> Self {
        Self {
            times: 2,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            jitter: 0.2,
        }
    }
}

impl Retry {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self {
            times: 0,
            ..Self::default()
        }
    }

    /// The pause before the retry of this number, of which 0 is the first.
    #[must_use]
    pub fn pause(&self, number: u32) -> Duration {
        let pause = self
            .first_pause
            .saturating_mul(1u32.checked_shl(number).unwrap_or(u32::MAX));
        let jitter = self.jitter.clamp(0.0, 1.0);
        let part = 1.0 + jitter * rand::random_range(-1.0..=1.0);
        pause.min(self.longest_pause).mul_f64(part)
    }
}

/// Whether a call that failed like this may be made again.
///
/// Always when its server has not handled it: it was never sent, or refused.
/// When that is not known, only if handling it twice does no harm.
pub(super) fn may_retry(error: &CallError, idempotent: bool) -> bool {
    match error {
        CallError::Connect(_) | CallError::Overloaded { .. } => true,
        CallError::Remote { code, .. } => {
            [Code::SERVER_OVERLOAD, Code::SERVER_LIMITED].contains(code)
        }
        CallError::Net(_) | CallError::ReadFrame(_) => idempotent,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_with_jitter_around_them() {
        let retry = Retry::default();
        for (number, millis) in [
            (0, 100.0),
            (1, 200.0),
            (6, 6_400.0),
            (7, 10_000.0),
            (77, 10_000.0),
        ] {
            for _ in 0..100 {
                let pause = retry.pause(number).as_secs_f64() * 1e3;
                assert!((millis * 0.79..=millis * 1.21).contains(&pause), "{pause}");
            }
        }
        let exact = Retry {
            jitter: 0.0,
            ..retry
        };
        assert_eq!(exact.pause(1), Duration::from_millis(200));
    }
}
