//! What a controlled pool tells of its classes.

use std::collections::BTreeMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::histograms::{Histograms, Sum};
use super::{VALID, opts};
use crate::any_pool::Core;
use crate::overload::ControlStats;

/// What became of jobs by priority, and how long they waited. Controlled pools that have
/// one name are summed; the level is that of the last.
pub(super) struct Classes {
    level: IntGaugeVec,
    jobs: IntCounterVec,
    delay: Histograms,
}

impl Classes {
    pub(super) fn new() -> Self {
        let level = opts(
            "admitted_level",
            "What is less urgent is refused: priority times 128, and a part of its users",
        );
        let jobs = opts(
            "class_jobs_total",
            "Jobs of a pool that is controlled, by priority and what became of them",
        );
        Self {
            level: IntGaugeVec::new(level, &["pool"]).expect(VALID),
            jobs: IntCounterVec::new(jobs, &["pool", "priority", "outcome"]).expect(VALID),
            delay: Histograms::new(
                "class_delay_seconds",
                "How long jobs of a priority waited that were run, or accepted and not run",
                &["pool", "priority", "served"],
            ),
        }
    }

    pub(super) fn vectors(&self) -> [&dyn Collector; 2] {
        [&self.level, &self.jobs]
    }

    pub(super) fn desc(&self) -> Desc {
        self.delay.desc()
    }

    pub(super) fn collect(self) -> MetricFamily {
        self.delay.collect()
    }

    /// The figures of the pools of one name.
    pub(super) fn set(&mut self, name: &str, pools: &[&dyn Core]) {
        let mut delays = BTreeMap::<_, [Sum; 2]>::new();
        for pool in pools {
            if let Some(control) = pool.control() {
                self.add(name, &control);
            }
            for (priority, recorded) in pool.recorded_by_class() {
                let sums = delays.entry(priority).or_default();
                for (sum, recorded) in sums.iter_mut().zip(&recorded) {
                    sum.add(recorded, pool.tick());
                }
            }
        }
        for (priority, sums) in delays {
            let priority = &*priority.to_string();
            for (served, sum) in ["yes", "no"].into_iter().zip(&sums) {
                self.delay.push([name, priority, served], sum);
            }
        }
    }

    fn add(&self, name: &str, control: &ControlStats) {
        let gauge = self.level.with_label_values(&[name]);
        gauge.set(i64::from(control.level.number()));
        for class in &control.classes {
            let priority = &*class.priority.to_string();
            for (outcome, value) in [
                ("ran", class.ran),
                ("panicked", class.panicked),
                ("cancelled", class.cancelled),
                ("shed", class.shed),
                ("expired", class.expired),
                ("displaced", class.displaced),
                ("dropped", class.dropped),
                ("refused", class.refused),
                ("full", class.full),
                ("closed", class.closed),
            ] {
                let labels = [name, priority, outcome];
                self.jobs.with_label_values(&labels).inc_by(value);
            }
        }
    }
}
