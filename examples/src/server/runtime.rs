//! The runtime that a server is best run on.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::runtime::{Builder, Handle};

/// A runtime of several threads, with all drivers, as [`tokio::main`] makes it; but a thread
/// that finds nothing to do, while another is at work, lets others run once before it sleeps.
///
/// tokio wakes a sleeping thread for whatever a busy one has not come to yet. Where callers
/// share the processors with the server, that takes one from a caller, for work that the
/// first thread would have done by then. A thread that gives way does not sleep yet, so it is
/// not woken: it comes back once a processor has nothing better to do. The last one at work
/// gives no way. It sleeps where requests wake it, so other programs that compute hold none up.
#[must_use]
pub fn runtime() -> Builder {
    watched_by(Arc::default())
}

fn watched_by(at_work: Arc<AtWork>) -> Builder {
    let sleeper = Arc::clone(&at_work);
    let mut builder = Builder::new_multi_thread();
    builder
        .enable_all()
        .on_thread_park(move || {
            if sleeper.rest() {
                thread::yield_now();
            }
        })
        .on_thread_unpark(move || at_work.go_on());
    builder
}

/// How many of the threads are at work.
#[derive(Debug, Default)]
struct AtWork {
    /// Of all.
    threads: OnceLock<usize>,
    /// Sleep, or give way.
    resting: AtomicUsize,
}

impl AtWork {
    /// One is about to sleep. Whether another is still at work.
    fn rest(&self) -> bool {
        let threads = || Handle::current().metrics().num_workers();
        let others = *self.threads.get_or_init(threads) - 1;
        self.resting.fetch_add(1, Relaxed) < others
    }

    /// It has slept.
    fn go_on(&self) {
        self.resting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn the_last_one_at_work_gives_no_way() {
        let at_work = AtWork {
            threads: OnceLock::from(3),
            ..AtWork::default()
        };
        assert!(at_work.rest());
        assert!(at_work.rest());
        assert!(!at_work.rest(), "requests would wake nobody");
        at_work.go_on();
        assert!(!at_work.rest());
        at_work.go_on();
        at_work.go_on();
        assert!(at_work.rest());
    }

    #[test]
    fn an_only_thread_gives_no_way() {
        let at_work = AtWork {
            threads: OnceLock::from(1),
            ..AtWork::default()
        };
        assert!(!at_work.rest());
    }

    #[test]
    fn threads_that_slept_and_were_woken_are_counted_right() {
        for threads in [1, 2, 3] {
            let at_work = Arc::<AtWork>::default();
            let builder = &mut watched_by(Arc::clone(&at_work));
            let runtime = builder.worker_threads(threads).build().unwrap();
            for _ in 0..1_000 {
                let task = runtime.spawn(async { tokio::spawn(async {}).await });
                runtime.block_on(task).unwrap().unwrap();
            }
            // Idle by now, or in a moment.
            let begin = Instant::now();
            while at_work.resting.load(Relaxed) != threads {
                assert!(begin.elapsed() < LONG, "{at_work:?} of {threads}");
                thread::yield_now();
            }
        }
    }
}
