//! What is told of how long jobs wait.

use std::time::Duration;

/// The distribution of a duration over all jobs since the pool was built.
///
/// Quantiles are the middle of a histogram bucket, off by at most
/// [`RELATIVE_ERROR`](Self::RELATIVE_ERROR) of the true value (and half a
/// nanosecond); `count` is exact, and `max` as exact as the rate of the
/// processor's counter is known: to about 1 in 10,000. From 73 minutes on, quantiles
/// saturate and only `max` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelaySnapshot {
    /// How many durations were recorded.
    pub count: u64,
    /// Half of them were at most this long.
    pub p50: Duration,
    /// Nine in ten.
    pub p90: Duration,
    /// 99 in 100.
    pub p99: Duration,
    /// 999 in 1000.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

impl DelaySnapshot {
    /// How far a quantile may be from the true value, as a part of it: 1/64.
    pub const RELATIVE_ERROR: f64 = 1.0 / 64.0;
}
