//! What became of jobs, by their priority.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::dagor::Level;
use super::unserved::WhyUnserved;
use crate::delay_snapshot::DelaySnapshot;
use crate::histogram::{Histogram, Merged};
use crate::stats::Stats;

/// The figures of a pool that is controlled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControlStats {
    /// By priority, the most urgent first; only those that had jobs.
    pub classes: Vec<ClassStats>,
    /// What is less urgent is refused at the door.
    pub level: Level,
    /// Of all priorities together, as of any pool.
    pub total: Stats,
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
    /// Not accepted: the queue was full, of what does not make room for it.
    pub full: u64,
    /// Not accepted: the pool was closed.
    pub closed: u64,
    /// Began to run.
    pub started: u64,
    /// Ran to its end.
    pub ran: u64,
    /// Panicked.
    pub panicked: u64,
    /// Dropped while it ran: by its handle, or with the runtime of the workers.
    pub cancelled: u64,
    /// Accepted and not run: it waited for too long under overload.
    pub shed: u64,
    /// Accepted and not run: its deadline passed.
    pub expired: u64,
    /// Accepted and not run: it made room, for a more urgent one or for that of another key.
    pub displaced: u64,
    /// Accepted and not run: the runtime of the workers went away.
    pub dropped: u64,
    /// How long those waited that were run.
    pub delay: DelaySnapshot,
    /// How long those waited that were accepted and not run.
    pub unserved_delay: DelaySnapshot,
}

impl ClassStats {
    pub(super) fn unserved(&mut self, why: WhyUnserved) -> &mut u64 {
        match why {
            WhyUnserved::Shed => &mut self.shed,
            WhyUnserved::Expired => &mut self.expired,
            WhyUnserved::Displaced => &mut self.displaced,
            WhyUnserved::Dropped => &mut self.dropped,
        }
    }
}

/// How long jobs of one priority waited. Written under the lock of the queue, by one
/// at a time therefore, and read without it.
struct Delays {
    run: Histogram,
    unserved: Histogram,
}

struct Account {
    /// Without its delays.
    stats: ClassStats,
    delays: Arc<Delays>,
}

/// Everyone's account, under the lock of the queue.
pub(super) struct Figures {
    accounts: BTreeMap<u8, Account>,
    run_time: Arc<Histogram>,
}

/// What is read of them under the lock, to be added up without it.
pub(super) struct Copied {
    accounts: Vec<(ClassStats, Arc<Delays>)>,
    run_time: Arc<Histogram>,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            run_time: Arc::new(Histogram::new()),
        }
    }

    /// The account of a priority.
    pub(super) fn of(&mut self, priority: u8) -> &mut ClassStats {
        &mut self.account(priority).stats
    }

    pub(super) fn started(&mut self, priority: u8, delay: Duration) {
        let account = self.account(priority);
        account.stats.started += 1;
        account.delays.run.record_alone(nanos(delay));
    }

    pub(super) fn unserved(&mut self, priority: u8, why: WhyUnserved, delay: Duration) {
        let account = self.account(priority);
        *account.stats.unserved(why) += 1;
        account.delays.unserved.record_alone(nanos(delay));
    }

    pub(super) fn ended(&mut self, took: Duration) {
        self.run_time.record_alone(nanos(took));
    }

    fn account(&mut self, priority: u8) -> &mut Account {
        self.accounts.entry(priority).or_insert_with(|| Account {
            stats: ClassStats {
                priority,
                ..ClassStats::default()
            },
            delays: Arc::new(Delays {
                run: Histogram::new(),
                unserved: Histogram::new(),
            }),
        })
    }

    pub(super) fn copied(&self) -> Copied {
        let accounts = self.accounts.values();
        Copied {
            accounts: accounts
                .map(|account| (account.stats, Arc::clone(&account.delays)))
                .collect(),
            run_time: Arc::clone(&self.run_time),
        }
    }
}

impl Copied {
    /// How long those waited that were run, whatever their priority.
    pub(super) fn delay(&self) -> Merged {
        Merged::of(self.accounts.iter().map(|(_, delays)| &delays.run))
    }

    /// The same by priority, and how long those waited that were not run.
    #[cfg(feature = "prometheus")]
    pub(super) fn delays_by_class(&self) -> Vec<(u8, [Merged; 2])> {
        let by_class = self.accounts.iter().map(|(stats, delays)| {
            let recorded = [&delays.run, &delays.unserved];
            (stats.priority, recorded.map(|one| Merged::of([one])))
        });
        by_class.collect()
    }

    pub(super) fn run_time(&self) -> Merged {
        Merged::of([&*self.run_time])
    }

    pub(super) fn classes(&self) -> Vec<ClassStats> {
        let snapshot = |histogram| Merged::of([histogram]).snapshot(1.0);
        let classes = self.accounts.iter().map(|(stats, delays)| ClassStats {
            delay: snapshot(&delays.run),
            unserved_delay: snapshot(&delays.unserved),
            ..*stats
        });
        classes.collect()
    }

    /// Of all priorities; how many jobs and workers there are now is not told here.
    pub(super) fn total(&self) -> Stats {
        let mut total = Stats::default();
        for (class, _) in &self.accounts {
            total.submitted += class.accepted;
            total.ran += class.ran;
            total.panicked += class.panicked;
            total.cancelled += class.cancelled + class.dropped;
            total.displaced += class.displaced;
            total.shed += class.shed;
            total.expired += class.expired;
            total.rejected_by.refused += class.refused;
            total.rejected_by.full += class.full;
            total.rejected_by.closed += class.closed;
        }
        total.rejected = total.rejected_by.total();
        total
    }
}
