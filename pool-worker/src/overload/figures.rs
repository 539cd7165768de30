//! What became of jobs, by their priority.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dagor::Level;
use crate::delay_snapshot::DelaySnapshot;
use crate::histogram::{Histogram, Merged};

/// The figures of a pool that is controlled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControlStats {
    /// By priority, the most urgent first; only those that had jobs.
    pub classes: Vec<ClassStats>,
    /// What is less urgent is refused at the door.
    pub level: Level,
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that run.
    pub running: usize,
    /// The most that may run at once, as of now.
    pub capacity: usize,
}

/// What became of the jobs of one priority, and how long they had waited by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// The priority; 0 is the most urgent.
    pub priority: u8,
    /// Accepted.
    pub accepted: u64,
    /// Not accepted: its level was not let in.
    pub refused: u64,
    /// Not accepted: the queue was full.
    pub full: u64,
    /// Run.
    pub started: u64,
    /// Accepted and not run: it waited for too long under overload.
    pub shed: u64,
    /// Accepted and not run: its deadline passed.
    pub expired: u64,
    /// How long those waited that were run.
    pub delay: DelaySnapshot,
    /// How long those waited that were shed or expired.
    pub unserved_delay: DelaySnapshot,
}

/// One priority's account, written under the lock of the queue.
struct Account {
    stats: ClassStats,
    delay: Histogram,
    unserved_delay: Histogram,
}

#[derive(Default)]
pub(super) struct Figures(BTreeMap<u8, Box<Account>>);

fn nanos(delay: Duration) -> u64 {
    delay.as_nanos() as u64
}

impl Figures {
    /// The account of a priority.
    pub(super) fn of(&mut self, priority: u8) -> &mut ClassStats {
        &mut self.account(priority).stats
    }

    pub(super) fn started(&mut self, priority: u8, delay: Duration) {
        let account = self.account(priority);
        account.stats.started += 1;
        account.delay.record_alone(nanos(delay));
    }

    pub(super) fn unserved(&mut self, priority: u8, delay: Duration) {
        let account = self.account(priority);
        account.unserved_delay.record_alone(nanos(delay));
    }

    fn account(&mut self, priority: u8) -> &mut Account {
        self.0.entry(priority).or_insert_with(|| {
            Box::new(Account {
                stats: ClassStats {
                    priority,
                    ..ClassStats::default()
                },
                delay: Histogram::new(),
                unserved_delay: Histogram::new(),
            })
        })
    }

    /// How long those waited that were run, whatever their priority.
    pub(super) fn delay(&self) -> DelaySnapshot {
        Merged::of(self.0.values().map(|account| &account.delay)).snapshot(1.0)
    }

    pub(super) fn classes(&self) -> Vec<ClassStats> {
        let snapshot = |histogram| Merged::of([histogram]).snapshot(1.0);
        let classes = self.0.values().map(|account| ClassStats {
            delay: snapshot(&account.delay),
            unserved_delay: snapshot(&account.unserved_delay),
            ..account.stats
        });
        classes.collect()
    }
}
