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
/// first thread would have done by then. A thread that gives way does not sleep yet, so it is
/// not woken: it comes back once a processor has nothing better to do, to all that was asked
/// for in the meantime.
///
/// Beside other programs that compute it would be away for milliseconds, with requests held up.
/// So when it takes too long, in the mean, no thread gives way for ten seconds.
#[must_use]
pub fn runtime() -> Builder {
    let absence = Absence::default();
    let begin = Instant::now();
    with_nothing_to_do(move || {
        let left = begin.elapsed();
        if absence.is_allowed(left) {
            thread::yield_now();
            absence.ended(left, begin.elapsed());
        }
    })
}

/// Each thread calls `first` before it sleeps.
fn with_nothing_to_do(first: impl Fn() + Send + Sync + 'static) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().on_thread_park(first);
    builder
}

/// For how long threads are away when they give way. Times are since the runtime was made.
///
/// Threads that come back at the same time may overwrite each other's part in the mean: it is
/// as good without.
#[derive(Debug, Default)]
struct Absence {
    /// A moving average, in nanoseconds.
    mean: AtomicU64,
    /// When to try again after that was too long, in nanoseconds.
    again: AtomicU64,
}

impl Absence {
    /// Where a server and its callers are all that computes it is 150 us, at times 500; beside
    /// other programs 1,000 and more.
    const TOO_LONG: Duration = Duration::from_micros(700);
    /// How many times the mean looks back on, about.
    const WINDOW: u64 = 256;
    /// Some 200 times of 1 ms show that it still takes too long: 2 % of this.
    const PAUSE: Duration = Duration::from_secs(10);

    fn is_allowed(&self, now: Duration) -> bool {
        nanos(now) >= self.again.load(Relaxed)
    }

    fn ended(&self, left: Duration, back: Duration) {
        let mean = self.mean.load(Relaxed);
        let mean = mean - mean / Self::WINDOW + nanos(back - left) / Self::WINDOW;
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
    use std::collections::HashSet;
    use std::sync::mpsc;

    use super::*;

    /// Threads give way until they may not, or have been away for that many times, each as long
    /// as said. How many times they were, and the time then.
    fn give_way(
        absence: &Absence,
        mut now: Duration,
        away: Duration,
        most: u32,
    ) -> (u32, Duration) {
        for times in 0..most {
            if !absence.is_allowed(now) {
                return (times, now);
            }
            absence.ended(now, now + away);
            now += away;
        }
        (most, now)
    }

    #[test]
    fn who_is_soon_back_gives_way_each_time() {
        let absence = Absence::default();
        let (times, _) = give_way(
            &absence,
            Duration::ZERO,
            Duration::from_micros(500),
            100_000,
        );
        assert_eq!(times, 100_000);
    }

    #[test]
    fn to_be_away_for_long_now_and_then_does_not_matter() {
        let absence = Absence::default();
        let mut now = Duration::ZERO;
        for _ in 0..1_000 {
            for (away_us, most) in [(40, 100), (20_000, 1)] {
                let times;
                (times, now) = give_way(&absence, now, Duration::from_micros(away_us), most);
                assert_eq!(times, most);
            }
        }
    }

    #[test]
    fn who_is_away_too_long_stays_for_a_while_and_then_tries_again() {
        let absence = Absence::default();
        let long = Duration::from_millis(1);
        let (first, now) = give_way(&absence, Duration::ZERO, long, 1_000);
        assert!((100..400).contains(&first), "{first}");
        let nearly = now + Absence::PAUSE - Duration::from_nanos(1);
        assert!(!absence.is_allowed(nearly));

        let (again, now) = give_way(&absence, now + Absence::PAUSE, long, 1_000);
        assert!((50..first).contains(&again), "{again} after {first}");

        // The other programs have ended.
        let short = Duration::from_micros(150);
        let (times, _) = give_way(&absence, now + Absence::PAUSE, short, 100_000);
        assert_eq!(times, 100_000);
    }

    #[test]
    fn each_thread_with_nothing_to_do_gives_way() {
        const THREADS: usize = 2;
        let (they, we) = mpsc::channel();
        let runtime = with_nothing_to_do(move || _ = they.send(thread::current().id()))
            .worker_threads(THREADS)
            .build()
            .unwrap();
        let mut gave_way = HashSet::new();
        while gave_way.len() < THREADS {
            gave_way.insert(we.recv_timeout(Duration::from_secs(30)).unwrap());
        }
        drop(runtime);
    }
}
