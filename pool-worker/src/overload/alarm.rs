//! Who tells a desk that a deadline has passed when nobody else comes.

use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use super::desk::{Alarm, Desk};
use crate::sync::Mutex;

/// A thread that sleeps until the earliest deadline. It begins with the first, and ends
/// with the desk. Where the system gives no thread, it is asked for one again with the
/// next deadline.
///
/// For tasks as well: a runtime need not have its time enabled, and tells none while
/// jobs hold its threads.
pub(super) fn alarm<T: Send + 'static>(pool: &str, desk: Weak<Desk<T>>) -> Alarm {
    let name = format!("{pool}-alarm");
    let sleeper = Mutex::new(None::<Sender<Instant>>);
    Box::new(move |at| {
        let mut sleeper = sleeper.lock();
        if sleeper.is_none() {
            let (tells, told) = channel();
            let desk = Weak::clone(&desk);
            let thread = thread::Builder::new().name(name.clone());
            let started = thread.spawn(move || sleep(&told, &desk));
            *sleeper = started.is_ok().then_some(tells);
        }
        if let Some(sleeper) = &*sleeper {
            let _ = sleeper.send(at);
        }
    })
}

/// Rings each time that the earliest moment has come of those that it was told since it
/// last did, until the desk is gone.
fn sleep<T>(told: &Receiver<Instant>, desk: &Weak<Desk<T>>) {
    let mut rings_at = None;
    loop {
        let next = match rings_at {
            None => told.recv().map_err(RecvTimeoutError::from),
            Some(at) => told.recv_timeout(Instant::saturating_duration_since(&at, Instant::now())),
        };
        match next {
            Ok(at) => rings_at = Some(rings_at.map_or(at, |before| at.min(before))),
            Err(RecvTimeoutError::Timeout) => {
                rings_at = None;
                let Some(desk) = desk.upgrade() else { return };
                desk.ring();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
