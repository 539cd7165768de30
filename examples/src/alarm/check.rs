//! Holding points against policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::message::{Alarm, AlarmState, CheckReply, Point};
use super::policy::Instance;
use super::store::{PolicyId, PolicyStore};
use super::table::AgeingTable;
use crate::load::host::unix_ms;

/// A series that was not breached again for this long begins anew.
const FORGET_MS: u64 = 10 * 60 * 1000;

#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    breached: u8,
}

/// Matches points against policies, and remembers how many periods in a row
/// each series was breached.
#[derive(Debug)]
pub struct Checker {
    store: Arc<PolicyStore>,
    streaks: AgeingTable<(PolicyId, Instance), Streak>,
    points: AtomicU64,
    raised: AtomicU64,
    sequence: Sequence,
}

/// Numbers that grow: milliseconds since the Unix epoch, and a count of 20 bits below them.
/// So those of another Check, or of this one before it was started again, can be held
/// against them, as well as clocks can.
#[derive(Debug, Default)]
struct Sequence(AtomicU64);

impl Sequence {
    fn next(&self) -> u64 {
        let now = unix_ms() << 20;
        let next = |last: u64| Some((last + 1).max(now));
        let last = self.0.fetch_update(Relaxed, Relaxed, next);
        next(last.expect("there is always a next one")).expect("there is always a next one")
    }
}

impl Checker {
    /// A checker over `store`.
    #[must_use]
    pub fn new(store: Arc<PolicyStore>) -> Self {
        Self {
            store,
            streaks: AgeingTable::new(FORGET_MS),
            points: AtomicU64::new(0),
            raised: AtomicU64::new(0),
            sequence: Sequence::default(),
        }
    }

    /// Points checked since the start.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points.load(Relaxed)
    }

    /// Alarms raised since the start, firing and recovered.
    #[must_use]
    pub fn raised(&self) -> u64 {
        self.raised.load(Relaxed)
    }

    /// Checks the points in their order. An alarm is raised in every period
    /// in which a policy fires, and once when it recovers.
    ///
    /// `raise` is called while the series is locked, so that the alarms of a series are
    /// raised in the order of its states, whoever else checks it; it must not come back
    /// here.
    pub fn check(&self, points: &[Point], mut raise: impl FnMut(Alarm)) -> CheckReply {
        let mut reply = CheckReply {
            points: points.len() as u32,
            ..CheckReply::default()
        };
        self.store
            .watching_all(points, |point, instance, id, policy| {
                reply.matched += 1;
                let breached = policy.comparison.breached(point.value, policy.threshold);
                reply.breached += u32::from(breached);
                let series = (id, instance);
                self.streaks.update(series, point.time_ms, |streak| {
                    let Some(state) = advance(streak, policy.periods, breached) else {
                        return;
                    };
                    reply.alarms += 1;
                    raise(Alarm {
                        policy: id,
                        point: Some(point.clone()),
                        state: state.into(),
                        sequence: self.sequence.next(),
                        request_id: String::new(),
                        traceparent: String::new(),
                    });
                });
            });
        self.points.fetch_add(points.len() as u64, Relaxed);
        self.raised.fetch_add(reply.alarms.into(), Relaxed);
        reply
    }
}

fn advance(streak: &mut Option<Streak>, periods: u8, breached: bool) -> Option<AlarmState> {
    if breached {
        let streak = streak.get_or_insert_default();
        streak.breached = streak.breached.saturating_add(1);
        (streak.breached >= periods).then_some(AlarmState::Firing)
    } else {
        let was = streak.take()?;
        (was.breached >= periods).then_some(AlarmState::Recovered)
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{ChannelKind, Comparison, Level, PolicySpec};
    use super::super::store::StoreBuilder;
    use super::*;

    fn checker(periods: u8) -> Checker {
        let mut builder = StoreBuilder::default();
        builder.add(&PolicySpec {
            region: "gz".into(),
            product: "cvm".into(),
            metric: "cpu".into(),
            instance: None,
            comparison: Comparison::Above,
            threshold: 90.0,
            periods: periods.try_into().unwrap(),
            level: Level::Critical,
            channels: vec![ChannelKind::Memory],
            shield: Default::default(),
        });
        Checker::new(Arc::new(builder.finish()))
    }

    fn states(checker: &Checker, instance: &str, values: &[f64]) -> Vec<Option<AlarmState>> {
        let check = |&value: &f64| {
            let point = Point {
                region: "gz".into(),
                product: "cvm".into(),
                metric: "cpu".into(),
                instance: instance.into(),
                value,
                time_ms: 0,
            };
            let mut state = None;
            checker.check(&[point], |alarm| state = Some(alarm.state()));
            state
        };
        values.iter().map(check).collect()
    }

    #[test]
    fn fires_after_enough_periods_in_a_row_and_recovers_once() {
        use AlarmState::{Firing, Recovered};
        let checker = checker(3);
        assert_eq!(
            states(
                &checker,
                "a",
                &[95.0, 95.0, 10.0, 95.0, 95.0, 95.0, 95.0, 10.0, 10.0]
            ),
            [
                None,
                None,
                None,
                None,
                None,
                Some(Firing),
                Some(Firing),
                Some(Recovered),
                None
            ]
        );
        assert_eq!(checker.raised(), 3);
    }

    #[test]
    fn instances_are_counted_apart() {
        let checker = checker(2);
        assert_eq!(states(&checker, "a", &[95.0]), [None]);
        assert_eq!(states(&checker, "b", &[95.0]), [None]);
        assert_eq!(states(&checker, "a", &[95.0]), [Some(AlarmState::Firing)]);
    }
}
