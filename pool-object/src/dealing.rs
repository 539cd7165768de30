//! Which sizes of buffers may keep how much.

use crate::{
    Pool,
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

/// One in so many buffers made looks at the time.
const OFTEN: u64 = 64;

/// Deals the bytes that may be idle among the size classes, by what was asked for.
///
/// A class's share is that of the bytes which it handed out: half by the time since the
/// last deal, half by those before, each of which counts half of the next. So a size
/// that is no longer used fades, and a burst does not take everything at once.
#[derive(Debug)]
pub(crate) struct Dealing {
    made: AtomicU64,
    clock: Ageing,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    bytes: usize,
    /// Buffers of each class handed out by the last deal.
    handed_out: [u64; CLASSES],
    /// The demand for each, in bytes, as of the last deal.
    demand: [u64; CLASSES],
}

impl Dealing {
    pub(crate) const fn new() -> Self {
        Self {
            made: AtomicU64::new(0),
            clock: Ageing::new(None),
            last: Mutex::new(Last {
                bytes: 0,
                handed_out: [0; CLASSES],
                demand: [0; CLASSES],
            }),
        }
    }

    pub(crate) const fn init(&mut self, bytes: usize) {
        self.last = Mutex::new(Last {
            bytes,
            handed_out: [0; CLASSES],
            demand: [0; CLASSES],
        });
    }

    /// Deals if that is due. Called as a buffer has to be made: when all sizes asked for
    /// are found, they are dealt well.
    pub(crate) fn look_at_the_time(&self, classes: &Classes) {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        if made % OFTEN == OFTEN - 1 && self.clock.is_over(PERIOD) {
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
            let handed_out = stats.hits.total() + stats.misses;
            let new = handed_out.saturating_sub(last.handed_out[class]);
            last.handed_out[class] = handed_out;
            let new = new.saturating_mul(Class(class).size() as u64);
            last.demand[class] = last.demand[class] / 2 + new / 2;
        }
        let bounds = last.bounds();
        // Lower ones first, so that at no time there is more than all may keep.
        for raise in [false, true] {
            for (pool, bound) in classes.iter().zip(bounds) {
                if (bound > pool.bound()) == raise && bound != pool.bound() {
                    pool.set_max_idle(bound);
                }
            }
        }
    }
}

impl Last {
    /// How many buffers of each class may be idle.
    fn bounds(&self) -> [usize; CLASSES] {
        let all: u128 = self.demand.iter().map(|&demand| u128::from(demand)).sum();
        std::array::from_fn(|class| {
            let even = self.bytes / CLASSES;
            let share = match all {
                0 => even,
                _ => {
                    // One part in eight is dealt evenly, for what was never asked for.
                    let rest = (self.bytes - self.bytes / 8) as u128;
                    let earned = rest * u128::from(self.demand[class]) / all;
                    even / 8 + usize::try_from(earned).expect("no more than all")
                }
            };
            share / Class(class).size()
        })
    }
}
