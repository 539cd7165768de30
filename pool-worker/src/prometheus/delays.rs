//! How long the jobs of any pool took.

use prometheus::core::Desc;
use prometheus::proto::MetricFamily;

use super::histograms::{Histograms, Sum};
use crate::any_pool::Core;

/// In the order of [`Core::recorded`].
const STAGES: [&str; 3] = ["blocked", "queued", "run"];

pub(super) struct Delays(Histograms);

impl Delays {
    pub(super) fn new() -> Self {
        let help = "How long jobs were in a stage";
        Self(Histograms::new("delay_seconds", help, &["pool", "stage"]))
    }

    pub(super) fn desc(&self) -> Desc {
        self.0.desc()
    }

    /// The delays of the pools of one name.
    pub(super) fn set(&mut self, name: &str, pools: &[&dyn Core]) {
        let mut sums = [Sum::default(); STAGES.len()];
        for pool in pools {
            for (sum, recorded) in sums.iter_mut().zip(pool.recorded()) {
                sum.add(&recorded, pool.tick());
            }
        }
        for (stage, sum) in STAGES.iter().zip(&sums) {
            self.0.push([name, stage], sum);
        }
    }

    pub(super) fn collect(self) -> MetricFamily {
        self.0.collect()
    }
}
