//! The figures.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Dispatcher;
use crate::delay_snapshot::DelaySnapshot;
use crate::stats::Stats;

impl<J: Send + 'static> Dispatcher<J> {
    /// How long the oldest job that waits has waited.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let accepted_at = self.queue.oldest()?;
        let ticks = self.clock.now().saturating_sub(accepted_at);
        Some(self.clock.time(ticks))
    }

    pub(crate) fn queued(&self) -> DelaySnapshot {
        self.recorder.queued().snapshot(self.clock.tick())
    }

    pub(crate) fn ran(&self) -> DelaySnapshot {
        self.recorder.ran().snapshot(self.clock.tick())
    }

    pub(crate) fn blocked(&self) -> DelaySnapshot {
        self.recorder.blocked().snapshot(self.clock.tick())
    }

    pub(crate) fn stats(&self) -> Stats {
        let (workers, asleep, capacity) = {
            let workers = self.workers.lock();
            (workers.count, workers.asleep.len(), workers.capacity)
        };
        let waiting = self.line.lock().len();
        let panicked = self.panicked.load(Relaxed);
        let cancelled = self.cancelled.load(Relaxed);
        let displaced = self.displaced.load(Relaxed);
        let rejected_by = self.rejected.get();
        let counts = self.queue.counts();
        let running = (counts.unfinished - counts.queued.min(counts.unfinished)) as usize;
        let finished = counts.accepted - counts.unfinished;
        Stats {
            submitted: counts.accepted,
            ran: finished.saturating_sub(panicked + cancelled + displaced),
            panicked,
            cancelled,
            displaced,
            // Of pools that are controlled alone, which count by themselves.
            shed: 0,
            expired: 0,
            rejected: rejected_by.total(),
            rejected_by,
            queued: counts.queued as usize,
            running,
            idle: workers.saturating_sub(running).max(asleep),
            waiting,
            workers,
            capacity,
        }
    }
}
