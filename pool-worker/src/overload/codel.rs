//! Whether jobs stand in the queue or only pass through it.

use std::time::Duration;

/// CoDel ([RFC 8289](https://www.rfc-editor.org/rfc/rfc8289)) as folly has it for
/// requests: a queue is *overloaded* when even the job that waited least in an
/// interval waited longer than the target. While it is, what waited for more than
/// twice the target is shed, but never the first job of an interval.
///
/// A burst passes: it makes some jobs wait, not all of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codel {
    target: Duration,
    interval: Duration,
}

impl Default for Codel {
    /// 5 ms in intervals of 100 ms.
    fn default() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_millis(100))
    }
}

impl Codel {
    /// The delay that a job may have while all is well, and how long all of them
    /// must have more before it counts.
    #[must_use]
    pub const fn new(target: Duration, interval: Duration) -> Self {
        Self { target, interval }
    }

    /// The delay that a job may have while all is well.
    #[must_use]
    pub const fn target(&self) -> Duration {
        self.target
    }

    /// How long all jobs must wait longer than the target before it counts.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// What waited longer than this is shed under overload.
    pub(super) fn sheds_after(&self) -> Duration {
        self.target.saturating_mul(2)
    }
}

/// What CoDel has seen of one queue.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    codel: Codel,
    /// When this interval ends.
    ends: Duration,
    /// The least delay of this interval; none before its first job.
    least: Option<Duration>,
    overloaded: bool,
}

impl Watch {
    pub(super) fn new(codel: Codel) -> Self {
        Self {
            codel,
            ends: Duration::ZERO,
            least: None,
            overloaded: false,
        }
    }

    /// A job leaves the queue now, after this delay, while the oldest of all waited
    /// for as long as `stands`. Whether to shed it.
    pub(super) fn sheds(&mut self, now: Duration, stands: Duration, delay: Duration) -> bool {
        if now >= self.ends {
            // In an interval that passed without a job, either nothing stood, or all
            // workers did: then the one that goes now was there all the time.
            let still = now >= self.ends.saturating_add(self.codel.interval);
            let stood = Some(stands).filter(|&stands| stands >= self.codel.interval);
            let least = self.least.take();
            let least = if still { stood } else { least };
            self.overloaded = least.is_some_and(|least| least > self.codel.target);
            self.ends = now.saturating_add(self.codel.interval);
        }
        let is_first = self.least.is_none();
        let least = self.least.get_or_insert(stands);
        *least = stands.min(*least);
        !is_first && self.overloaded && delay > self.codel.sheds_after()
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.overloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn watch() -> Watch {
        Watch::new(Codel::new(5 * MS, 100 * MS))
    }

    #[test]
    fn a_burst_is_not_overload() {
        let mut watch = watch();
        for at in 0..1000 {
            // Every tenth job passes at once.
            let delay = if at % 10 == 0 { MS } else { 50 * MS };
            assert!(!watch.sheds(at * MS, delay, delay));
        }
    }

    #[test]
    fn a_standing_queue_is_shed_after_an_interval() {
        let mut watch = watch();
        let shed: Vec<_> = (0..300)
            .filter(|&at| watch.sheds(at * MS, 20 * MS, 20 * MS))
            .collect();
        assert_eq!(
            shed.first(),
            Some(&101),
            "the first of an interval is spared"
        );
        assert!(!shed.contains(&200));
        assert_eq!(shed.len(), 198);
    }

    #[test]
    fn what_waited_twice_the_target_is_served_under_overload() {
        let mut watch = watch();
        assert!(!(0..300).any(|at| watch.sheds(at * MS, 10 * MS, 10 * MS)));
        assert!(watch.is_overloaded());
    }

    #[test]
    fn one_job_that_passes_ends_the_overload_with_its_interval() {
        let mut watch = watch();
        for at in 0..150 {
            watch.sheds(at * MS, 20 * MS, 20 * MS);
        }
        watch.sheds(150 * MS, MS, MS);
        assert!(watch.is_overloaded());
        watch.sheds(200 * MS, 20 * MS, 20 * MS);
        assert!(!watch.is_overloaded());
    }

    #[test]
    fn an_interval_without_a_job_ends_the_overload() {
        let mut watch = watch();
        for at in 0..150 {
            watch.sheds(at * MS, 20 * MS, 20 * MS);
        }
        assert!(!watch.sheds(1000 * MS, 20 * MS, 20 * MS));
        assert!(!watch.sheds(1001 * MS, 20 * MS, 20 * MS));
    }

    #[test]
    fn a_stall_is_not_taken_for_idleness() {
        let mut watch = watch();
        watch.sheds(Duration::ZERO, MS, MS);
        // Nothing left the queue for a second, and something waited all along.
        assert!(!watch.sheds(1000 * MS, 900 * MS, 900 * MS), "the first");
        assert!(watch.is_overloaded());
        assert!(watch.sheds(1001 * MS, 899 * MS, 899 * MS));
    }

    #[test]
    fn never_is_never() {
        let mut patient = Watch::new(Codel::new(Duration::MAX, 100 * MS));
        let mut slow = Watch::new(Codel::new(MS, Duration::MAX));
        for at in 0..1000 {
            assert!(!patient.sheds(at * MS, 20 * MS, 20 * MS));
            assert!(!slow.sheds(at * MS, 20 * MS, 20 * MS));
        }
    }
}
