//! What became of the calls, when all is over.

use std::collections::BTreeMap;

use serde::Serialize;

use super::CLASSES;
use crate::quantiles::Quantiles;

/// What became of the calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OverloadReport {
    /// Calls a second that came.
    pub offered_per_second: f64,
    /// Calls a second that can be served, at most.
    pub capacity_per_second: u32,
    /// By how urgent they were.
    pub classes: BTreeMap<String, ClassReport>,
    /// How long those took that were answered in time, of all classes.
    pub latency_us: Quantiles,
    /// Calls that have not ended.
    pub unanswered: u64,
}

impl OverloadReport {
    /// The classes, the most urgent first.
    pub fn by_urgency(&self) -> impl Iterator<Item = (&'static str, &ClassReport)> {
        let classes = CLASSES.into_iter();
        classes.filter_map(|(_, name)| Some((name, self.classes.get(name)?)))
    }
}

/// What became of the calls of a class, each counted once, by its caller; and what the
/// service says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClassReport {
    /// Calls.
    pub calls: u64,
    /// Answered in time.
    pub served: u64,
    /// How long those took, since they were due.
    pub latency_us: Quantiles,
    /// Turned away by their own client, which had been told that they would be: code 124.
    pub not_sent: u64,
    /// Turned away by the service, in time: code 22.
    pub refused: u64,
    /// Neither answered nor turned away in time.
    pub late: u64,
    /// Failed otherwise, which none should.
    pub failed: u64,
    /// Why the service turned calls away: those that were refused, and some of those whose
    /// callers had not waited for it, the late.
    pub by_service: TurnedAway,
}

/// Calls that the service turned away, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TurnedAway {
    /// Less urgent than what is let in.
    pub not_let_in: u64,
    /// They had waited for too long.
    pub shed: u64,
    /// The queue was full, or they made room for more urgent ones.
    pub no_room: u64,
    /// Their callers' time was over before their turn came.
    pub expired: u64,
}
