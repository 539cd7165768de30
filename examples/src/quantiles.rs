//! Quantiles of durations, in microseconds, as reports show them.

use std::time::Duration;

use hdrhistogram::Histogram;
use pool_worker::DelaySnapshot;
use serde::Serialize;

use crate::server::LatencySnapshot;

/// Count and quantiles; durations in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many durations.
    pub count: u64,
    /// Half of them were at most this.
    pub p50: f64,
    /// 90 % of them were at most this.
    pub p90: f64,
    /// 99 % of them were at most this.
    pub p99: f64,
    /// 99.9 % of them were at most this.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl From<&Histogram<u64>> for Quantiles {
    /// Of a histogram of nanoseconds.
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| micros(Duration::from_nanos(histogram.value_at_quantile(quantile)));
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(Duration::from_nanos(histogram.max())),
        }
    }
}

impl From<DelaySnapshot> for Quantiles {
    fn from(delay: DelaySnapshot) -> Self {
        Self {
            count: delay.count,
            p50: micros(delay.p50),
            p90: micros(delay.p90),
            p99: micros(delay.p99),
            p999: micros(delay.p999),
            max: micros(delay.max),
        }
    }
}

impl From<LatencySnapshot> for Quantiles {
    fn from(latency: LatencySnapshot) -> Self {
        Self {
            count: latency.count,
            p50: micros(latency.p50),
            p90: micros(latency.p90),
            p99: micros(latency.p99),
            p999: micros(latency.p999),
            max: micros(latency.max),
        }
    }
}

fn micros(duration: Duration) -> f64 {
    // Tenths are enough, and read well.
    (duration.as_secs_f64() * 1e7).round() / 10.0
}
