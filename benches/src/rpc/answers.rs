//! What the calls of a turn came to.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How long the calls of a turn took, each and all together.
#[derive(Debug)]
pub struct Answers {
    /// From the first to the last.
    pub took: Duration,
    /// Nanoseconds from the call to its reply.
    pub latency: Histogram<u64>,
}

impl Answers {
    /// An empty histogram: up to a minute, within one percent.
    ///
    /// # Panics
    /// Never: the bounds are constants that fit.
    #[must_use]
    pub fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 60_000_000_000, 2).expect("constant bounds")
    }

    /// How long so much of the calls took at most, in microseconds.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Whoever makes calls over connections that stay open.
pub trait Caller {
    /// Makes so many calls, and checks that each got its own reply.
    ///
    /// # Errors
    /// When one did not: why, for people.
    fn call(&mut self, calls: u64) -> Result<Answers, String>;
}
