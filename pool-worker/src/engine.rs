//! What the engines have in common: the core, the workers' records, panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use crate::clock::Stamp;
use crate::core::Core;
use crate::delay::{DelaySnapshot, Histogram};
use crate::error::CloseError;
use crate::options::{Options, PanicInfo};
use crate::queued::Queued;
use crate::recorder::Recorder;
use crate::stats::Stats;
use crate::sync::{Mutex, lock};

/// A pool of jobs `J`, as its workers and its handles share it.
#[derive(Debug)]
pub(crate) struct Engine<J> {
    pub(crate) core: Core<J>,
    pub(crate) options: Options,
    records: Mutex<Records>,
    panicked: AtomicU64,
}

/// Workers that record in places of their own; more of them share.
///
/// A record takes 46 KiB, which would be gigabytes for a pool of 50,000 tasks;
/// and there are hardly more CPUs than this to record at the same moment.
const RECORDS: usize = 64;

#[derive(Debug, Default)]
struct Records {
    made: Vec<Record>,
    begun: usize,
}

#[derive(Debug)]
struct WorkerRecord {
    recorder: Recorder,
    ran: AtomicU64,
}

/// Where a worker writes.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<CachePadded<WorkerRecord>>);

impl Record {
    /// A job starts; when it did.
    pub(crate) fn start<J>(&self, job: &Queued<J>) -> Stamp {
        let now = Stamp::now();
        let recorder = &self.0.recorder;
        recorder
            .blocked
            .record(job.accepted.nanos_since(job.submitted));
        recorder.delay.record(now.nanos_since(job.accepted));
        now
    }

    /// It has ended, without a panic or with one.
    pub(crate) fn end(&self, started: Stamp) {
        self.0
            .recorder
            .run
            .record(Stamp::now().nanos_since(started));
        self.0.ran.fetch_add(1, Relaxed);
    }
}

impl<J> Engine<J> {
    pub(crate) fn new(options: Options) -> Self {
        let core = Core::new(options.capacity, options.queue);
        let panicked = AtomicU64::new(0);
        Self {
            core,
            options,
            records: Mutex::new(Records::default()),
            panicked,
        }
    }

    /// A record for a worker that begins: one of its own as long as there are
    /// fewer than [`RECORDS`], then each in turn.
    pub(crate) fn record(&self) -> Record {
        let mut records = lock(&self.records);
        let turn = records.begun % RECORDS;
        records.begun += 1;
        if turn == records.made.len() {
            records
                .made
                .push(Record(Arc::new(CachePadded::new(WorkerRecord {
                    recorder: Recorder::new(),
                    ran: AtomicU64::new(0),
                }))));
        }
        records.made[turn].clone()
    }

    /// A job panicked. The worker goes on.
    pub(crate) fn panicked(&self, payload: &(dyn Any + Send)) {
        self.panicked.fetch_add(1, Relaxed);
        let info = PanicInfo {
            pool: &self.options.name,
            payload,
        };
        #[cfg(feature = "tracing")]
        tracing::error!(pool = info.pool, message = info.message(), "a job panicked");
        if let Some(handler) = &self.options.panic_handler {
            // A handler that panics must not cost the worker either.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(&info)));
        }
    }

    /// How a close went whose workers have all ended, or have not `in_time`.
    pub(crate) fn how_closed(&self, in_time: bool) -> Result<(), CloseError> {
        let stats = self.core.stats();
        if !in_time {
            let (running, queued) = (stats.running, stats.queued);
            return Err(CloseError::Timeout { running, queued });
        }
        match stats.dropped {
            0 => Ok(()),
            dropped => Err(CloseError::Dropped { dropped }),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        // Before the core's, so that no job has ended that was not submitted.
        let ended = |record: &Record| record.0.ran.load(Relaxed);
        let ended: u64 = lock(&self.records).made.iter().map(ended).sum();
        let panicked = self.panicked.load(Relaxed);
        Stats {
            ran: ended.saturating_sub(panicked),
            panicked,
            ..self.core.stats()
        }
    }

    pub(crate) fn delay(&self) -> DelaySnapshot {
        self.merged(|recorder| &recorder.delay)
    }

    pub(crate) fn blocked(&self) -> DelaySnapshot {
        self.merged(|recorder| &recorder.blocked)
    }

    pub(crate) fn run_time(&self) -> DelaySnapshot {
        self.merged(|recorder| &recorder.run)
    }

    fn merged(&self, which: impl Fn(&Recorder) -> &Histogram) -> DelaySnapshot {
        let records = lock(&self.records).made.clone();
        DelaySnapshot::of(records.iter().map(|record| which(&record.0.recorder)))
    }
}

/// The methods of every pool that look on, the same for both engines.
macro_rules! look_on_methods {
    ($($engine:ident).+) => {
        /// The pool's name.
        pub fn name(&self) -> &str {
            &self.$($engine).+.options.name
        }

        /// How many jobs may run at once (ants: `Cap`).
        pub fn capacity(&self) -> usize {
            self.$($engine).+.options.capacity
        }

        /// Schedule delay: from the acceptance of a job to its start, of
        /// every job since the pool was made.
        pub fn delay(&self) -> $crate::DelaySnapshot {
            self.$($engine).+.delay()
        }

        /// From the call of submit to the acceptance of the job: how long
        /// submitters were blocked. 0 for a job accepted at once.
        pub fn blocked(&self) -> $crate::DelaySnapshot {
            self.$($engine).+.blocked()
        }

        /// From the start of a job to its end.
        pub fn run_time(&self) -> $crate::DelaySnapshot {
            self.$($engine).+.run_time()
        }

        /// The figures of now.
        pub fn stats(&self) -> $crate::Stats {
            self.$($engine).+.stats()
        }
    };
}
pub(crate) use look_on_methods;
