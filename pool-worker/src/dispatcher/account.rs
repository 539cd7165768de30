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
        let waiting_in_parts: usize = self.parts().iter().map(|part| part.waiting()).sum();
        // Before the others: what became of a job is counted before the job is, so of
        // these all that did not run are among those, and more, which merely have yet to
        // be counted as finished.
        let counts = self.queue.counts();
        let running = (counts.unfinished - counts.queued.min(counts.unfinished)) as usize;
        let finished = counts.accepted - counts.unfinished;
        let panicked = self.panicked.load(Relaxed);
        let cancelled = self.cancelled.load(Relaxed);
        let displaced = self.displaced.load(Relaxed);
        let rejected_by = self.rejected.get();
        let ran = finished.saturating_sub(panicked + cancelled + displaced);
        Stats {
            submitted: counts.accepted,
            // Never more than have run, so the most that was told stays true.
            ran: ran.max(self.ran_told.fetch_max(ran, Relaxed)),
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
            waiting: waiting + waiting_in_parts,
            workers,
            capacity,
        }
    }
}
