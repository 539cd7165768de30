//! The runtime that a server is best run on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

/// A runtime of several threads, with all drivers, as [`tokio::main`] makes it; but a thread
/// that finds nothing to do lets others run once before it sleeps.
///
/// tokio wakes a sleeping thread for whatever a busy one has not come to yet. Where callers
/// share the processors with the server, that takes one from a caller, for work that the
/// first thread would have done by then. A thread that gives way does not sleep yet, but counts
/// as looking for work, so tokio wakes neither it nor another: it comes back when who waits for
/// its processor has had a turn, to all that was asked for in the meantime.
///
/// Other programs that compute take milliseconds for their turn, with requests held up. So when
/// threads are away for too long in the mean, none gives way for ten seconds.
///
/// The builder's `on_thread_park` is taken: another replaces this one.
#[must_use]
pub fn runtime() -> Builder {
    let absence = Absence::default();
    let begin = Instant::now();
    before_sleep(move || absence.give_way(|| begin.elapsed(), thread::yield_now))
}

/// Each worker calls `first` before it sleeps.
fn before_sleep(first: impl Fn() + Send + Sync + 'static) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().on_thread_park(first);
    builder
}

/// For how long threads are away when they give way. Times are since the builder was made.
///
/// Threads that come back at the same time may overwrite each other's part in the mean: it does
/// without.
#[derive(Debug, Default)]
struct Absence {
    /// A moving average, in nanoseconds.
    mean: AtomicU64,
    /// When to try again after that was too long, in nanoseconds.
    again: AtomicU64,
}

impl Absence {
    /// Between what it is where a server and its callers are all that computes, and beside
    /// other programs: DESIGN.md has both.
    const TOO_LONG: Duration = Duration::from_micros(700);
    /// How many times the mean looks back on, about.
    const WINDOW: u64 = 256;
    /// For a busy server 2 % of it go by until 200 times of 1 ms show that it still is too long.
    const PAUSE: Duration = Duration::from_secs(10);

    /// Is away by `leave`, if that may be.
    fn give_way(&self, clock: impl Fn() -> Duration, leave: impl FnOnce()) {
        let left = clock();
        if nanos(left) < self.again.load(Relaxed) {
            return;
        }
        leave();
        let back = clock();
        let away = nanos(back.saturating_sub(left));
        let mean = self.mean.load(Relaxed);
        let mean = mean - mean / Self::WINDOW + away / Self::WINDOW;
        if mean > nanos(Self::TOO_LONG) {
            self.mean.store(nanos(Self::TOO_LONG) / 2, Relaxed);
            self.again.store(nanos(back + Self::PAUSE), Relaxed);
        } else {
            self.mean.store(mean, Relaxed);
        }
    }
}

/// Enough for centuries.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::sync::mpsc;

    use super::*;

    /// Threads with a clock of their own.
    #[derive(Default)]
    struct Threads {
        absence: Absence,
        now: Cell<Duration>,
    }

    impl Threads {
        fn wait(&self, time: Duration) {
            self.now.set(self.now.get() + time);
        }

        /// Whether one gave way, to be away for so long.
        fn give_way(&self, away: Duration) -> bool {
            let gave_way = Cell::new(false);
            self.absence.give_way(
                || self.now.get(),
                || {
                    gave_way.set(true);
                    self.wait(away);
                },
            );
            gave_way.get()
        }

        /// How often they did in a row.
        fn give_ways(&self, away: Duration, at_most: usize) -> usize {
            (0..at_most).take_while(|_| self.give_way(away)).count()
        }
    }

    #[test]
    fn who_is_soon_back_gives_way_each_time() {
        let threads = Threads::default();
        let soon = Absence::TOO_LONG - Duration::from_micros(10);
        assert_eq!(threads.give_ways(soon, 100_000), 100_000);
    }

    #[test]
    fn to_be_away_for_long_now_and_then_does_not_matter() {
        let threads = Threads::default();
        for _ in 0..1_000 {
            assert_eq!(threads.give_ways(Duration::from_micros(40), 100), 100);
            assert!(threads.give_way(Duration::from_millis(20)));
        }
    }

    #[test]
    fn who_is_away_too_long_stays_for_a_while_and_then_tries_again() {
        let threads = Threads::default();
        let long = Duration::from_millis(1);
        let first = threads.give_ways(long, 10_000);
        assert!((200..400).contains(&first), "{first}");
        threads.wait(Absence::PAUSE - Duration::from_nanos(1));
        assert!(!threads.give_way(long));

        threads.wait(Duration::from_nanos(1));
        let again = threads.give_ways(long, 10_000);
        assert!((100..first).contains(&again), "{again} after {first}");

        // The other programs have ended.
        threads.wait(Absence::PAUSE);
        assert_eq!(
            threads.give_ways(Duration::from_micros(150), 10_000),
            10_000
        );
    }

    #[test]
    fn each_worker_is_asked_before_it_sleeps() {
        const WORKERS: usize = 2;
        let (they, we) = mpsc::channel();
        let runtime = before_sleep(move || _ = they.send(thread::current().id()))
            .worker_threads(WORKERS)
            .build()
            .unwrap();
        let mut asked = HashSet::new();
        while asked.len() < WORKERS {
            asked.insert(we.recv_timeout(Duration::from_secs(30)).unwrap());
        }
        drop(runtime);
    }
}
