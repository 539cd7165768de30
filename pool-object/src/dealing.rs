//! Which sizes of buffers may keep how much.

use crate::{
    Pool, Stats,
    ageing::Ageing,
    size_class::{CLASSES, Class, Emptied},
};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

type Classes = [Pool<Vec<u8>, Emptied>; CLASSES];

/// Buffers are dealt anew at most so often without being told to.
const PERIOD: Duration = Duration::from_secs(1);

/// The same, where a size that is asked for may keep none.
const SOON: Duration = Duration::from_millis(10);

/// One in so many buffers made looks at the time.
const OFTEN: u64 = 64;

/// Deals the bytes that may be idle among the size classes, by what they need.
///
/// A class needs what it keeps (trims take away what it keeps and does not use), and what
/// it lacked: buffers that had to be made, and those dropped for lack of a place. How
/// often it is used is not asked: one buffer may serve a million requests.
///
/// Its share is that of its need in bytes: half by the time since the last deal, half by
/// those before, each of which counts half of the next. So a size that is no longer used
/// fades, and a burst does not take everything at once.
#[derive(Debug)]
pub(crate) struct Dealing {
    made: AtomicU64,
    clock: Ageing,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    bytes: usize,
    /// Of each class, as of the last deal: buffers that it had found idle,
    hits: [u64; CLASSES],
    /// those that it had lacked,
    lacked: [u64; CLASSES],
    /// and its need, in bytes.
    need: [u64; CLASSES],
}

impl Dealing {
    pub(crate) const fn new() -> Self {
        Self {
            made: AtomicU64::new(0),
            clock: Ageing::new(None),
            last: Mutex::new(Last::new(0)),
        }
    }

    pub(crate) const fn init(&mut self, bytes: usize) {
        self.last = Mutex::new(Last::new(bytes));
    }

    /// Deals if that is due. Called as a buffer of that class has been made: when all sizes
    /// asked for are found, they are dealt well.
    pub(crate) fn look_at_the_time(&self, classes: &Classes, Class(class): Class) {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let is_due = match classes[class].bound() {
            // Of a size that may keep none each one has to be made.
            0 => self.clock.is_over_or_new(SOON),
            _ => made % OFTEN == OFTEN - 1 && self.clock.is_over(PERIOD),
        };
        if is_due {
            self.deal(classes, None);
        }
    }

    /// Deals so many bytes, or as many as before.
    #[cold]
    pub(crate) fn deal(&self, classes: &Classes, bytes: Option<usize>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.bytes = bytes.unwrap_or(last.bytes);
        for (class, pool) in classes.iter().enumerate() {
            let stats = pool.stats();
            last.note(Class(class), &stats);
        }
        let bounds = last.bounds();
        // Lower ones first, so that at no time there is more than all may keep.
        for (pool, bound) in classes.iter().zip(bounds) {
            if bound < pool.bound() {
                pool.set_max_idle(bound);
            }
        }
        // What threads hold on to of a lower one, a place in each slot, is not there to be
        // dealt out.
        let held = classes.iter().enumerate().map(|(class, pool)| {
            let places = pool.bound().saturating_add(pool.excess());
            places.saturating_mul(Class(class).size())
        });
        let mut free = last
            .bytes
            .saturating_sub(held.fold(0, usize::saturating_add));
        for (class, (pool, bound)) in classes.iter().zip(bounds).enumerate() {
            let size = Class(class).size();
            let more = bound.saturating_sub(pool.bound()).min(free / size);
            if more > 0 {
                pool.set_max_idle(pool.bound() + more);
                free -= more * size;
            }
        }
    }
}

impl Last {
    const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            hits: [0; CLASSES],
            lacked: [0; CLASSES],
            need: [0; CLASSES],
        }
    }

    /// Reckons a class's need anew, from its figures.
    fn note(&mut self, class: Class, stats: &Stats) {
        let since = |last: &mut u64, now: u64| now.saturating_sub(std::mem::replace(last, now));
        let hits = since(&mut self.hits[class.0], stats.hits.total());
        let lacked = since(&mut self.lacked[class.0], stats.misses + stats.dropped.full);
        // One that was used may be out just now.
        let kept = stats.idle.max(hits.min(1));
        let new = (kept + lacked).saturating_mul(class.size() as u64);
        self.need[class.0] = self.need[class.0] / 2 + new / 2;
    }

    /// How many buffers of each class may be idle.
    fn bounds(&self) -> [usize; CLASSES] {
        let all: u128 = self.need.iter().map(|&need| u128::from(need)).sum();
        std::array::from_fn(|class| {
            let even = self.bytes / CLASSES;
            let share = match all {
                0 => even,
                _ => {
                    // One part in eight is dealt evenly, for what was never asked for.
                    let rest = (self.bytes - self.bytes / 8) as u128;
                    let earned = rest * u128::from(self.need[class]) / all;
                    even / 8 + usize::try_from(earned).expect("no more than all")
                }
            };
            share / Class(class).size()
        })
    }
}
