//! Who tells a desk that a deadline has passed when nobody else comes.

use std::sync::Weak;
use std::time::{Duration, Instant};

use super::desk::{Alarm, Desk};
use crate::sync::thread::{self, Thread};
use crate::sync::{self, Mutex};

/// A thread that sleeps until the earliest deadline. It begins with the first, and ends
/// with the desk. Where the system gives no thread, it is asked for one again with the
/// next deadline.
///
/// For tasks as well: a runtime need not have its time enabled, and tells none while
/// jobs hold its threads.
pub(super) fn alarm<T: Send + 'static>(pool: &str, desk: Weak<Desk<T>>) -> Alarm {
    let name = format!("{pool}-alarm");
    let sleeper = Sleeper(Mutex::new(None));
    Box::new(move || {
        sleeper.wake(|| {
            let desk = Weak::clone(&desk);
            let thread = thread::Builder::new().name(name.clone());
            let started = thread.spawn(move || sleep(&desk)).ok()?;
            Some(started.thread().clone())
        });
    })
}

/// The thread, once there is one. It is woken at the end too.
struct Sleeper(Mutex<Option<Thread>>);

impl Sleeper {
    fn wake(&self, start: impl FnOnce() -> Option<Thread>) {
        let mut sleeper = self.0.lock();
        match &*sleeper {
            Some(thread) => thread.unpark(),
            None => *sleeper = start(),
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.wake(|| None);
    }
}

/// Rings whenever it wakes, until the desk is gone.
fn sleep<T>(desk: &Weak<Desk<T>>) {
    while let Some(upgraded) = desk.upgrade() {
        let rings_at = upgraded.ring();
        drop(upgraded);
        // What ends with a desk may have parked this thread, if it ended here. All else
        // that comes from now on leaves its unpark.
        if desk.strong_count() > 0 {
            sync::park(rings_at.map(left));
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
