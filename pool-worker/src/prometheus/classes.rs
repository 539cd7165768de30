//! What a controlled pool tells of its classes.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::{VALID, opts};
use crate::overload::ControlStats;

/// What became of jobs by priority, and how long they waited. Of controlled pools that
/// have one name the jobs are summed; level and delays are those of the last.
pub(super) struct Classes {
    level: IntGaugeVec,
    jobs: IntCounterVec,
    delay: GaugeVec,
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
        let delay = opts(
            "class_delay_seconds",
            "How long jobs of a priority waited that were run, or not, by quantile",
        );
        let delay_labels = ["pool", "priority", "served", "quantile"];
        Self {
            level: IntGaugeVec::new(level, &["pool"]).expect(VALID),
            jobs: IntCounterVec::new(jobs, &["pool", "priority", "outcome"]).expect(VALID),
            delay: GaugeVec::new(delay, &delay_labels).expect(VALID),
        }
    }

    pub(super) fn vectors(&self) -> [&dyn Collector; 3] {
        [&self.level, &self.jobs, &self.delay]
    }

    pub(super) fn add(&self, name: &str, control: &ControlStats) {
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
            for (served, delay) in [("yes", &class.delay), ("no", &class.unserved_delay)] {
                for (quantile, value) in [
                    ("0.5", delay.p50),
                    ("0.9", delay.p90),
                    ("0.99", delay.p99),
                    ("0.999", delay.p999),
                    ("1", delay.max),
                ] {
                    let labels = [name, priority, served, quantile];
                    let gauge = self.delay.with_label_values(&labels);
                    gauge.set(value.as_secs_f64());
                }
            }
        }
    }
}
