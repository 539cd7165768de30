//! Where jobs and workers meet; the same for both engines.
//!
//! Locks are taken on the slow paths alone, and none of them while another is held,
//! but for the recorder's when a worker gets a new seat. No job, hook, handler or waker runs
//! under them.

mod account;
mod admission;
mod capacity;
mod life;
mod rousing;
#[cfg(all(test, not(loom_models)))]
mod simulation;
#[cfg(all(test, not(loom_models)))]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

pub(crate) use self::admission::{Queued, Rejected};
pub(crate) use self::rousing::Rest;
use crate::clock::Clock;
use crate::delay::Recorder;
use crate::identity::Identity;
use crate::idle::Workers;
use crate::line::Line;
use crate::options::Options;
use crate::permits::Permits;
use crate::queue::Queue;
use crate::rejections;
use crate::sync::{self, Mutex};
use crate::worker::Worker;

/// Starts a worker of the engine; gives it back if the system refuses.
pub(crate) type Launch<J> = Box<dyn Fn(Worker<J>) -> Result<(), NotLaunched> + Send + Sync>;

/// The system would not give another thread.
pub(crate) struct NotLaunched(pub(crate) io::Error);

pub(crate) struct Dispatcher<J: Send + 'static> {
    pub(crate) options: Options,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue<J>,
    pub(crate) recorder: Recorder,
    pub(crate) panicked: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    rejected: rejections::Counters,
    displaced: AtomicU64,
    /// Jobs that came to an end which has yet to be told, by others than workers.
    untold: Arc<sync::AtomicU32>,
    /// The most jobs that were told to have run.
    ran_told: AtomicU64,
    workers: Mutex<Workers>,
    line: Mutex<Line<J>>,
    /// The last submitter that was blocked was so for a moment at most.
    brisk: AtomicBool,
    /// Its sub-pools, where submitters may wait as well.
    parts: Mutex<Vec<Weak<Permits>>>,
    launch: Launch<J>,
}

impl<J: Send + 'static> Dispatcher<J> {
    /// # Panics
    /// When capacity or queue bound are out of range.
    pub(crate) fn new(options: Options, launch: Launch<J>) -> Arc<Self> {
        let most = options.most();
        let limit = options.limit(options.capacity);
        Arc::new(Self {
            identity: Identity::new(&options.name),
            clock: if options.record_delay {
                Clock::start()
            } else {
                Clock::StandingStill
            },
            queue: Queue::new(limit, most, options.is_unlimited()),
            recorder: Recorder::new(options.record_delay),
            panicked: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            rejected: rejections::Counters::default(),
            displaced: AtomicU64::new(0),
            untold: Arc::new(sync::AtomicU32::new(0)),
            ran_told: AtomicU64::new(0),
            workers: Mutex::new(Workers::new(options.capacity)),
            line: Mutex::new(Line::new()),
            brisk: AtomicBool::new(false),
            parts: Mutex::default(),
            launch,
            options,
        })
    }

    /// A sub-pool begins.
    pub(crate) fn add_part(&self, part: &Arc<Permits>) {
        let mut parts = self.parts.lock();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(part));
    }

    /// The sub-pools that are left.
    fn parts(&self) -> Vec<Arc<Permits>> {
        let parts = self.parts.lock();
        parts.iter().filter_map(Weak::upgrade).collect()
    }
}
