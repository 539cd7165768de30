//! What every pool of either engine can be told.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Reason;
use crate::hooks::Hooks;
use crate::overload::Control;
use crate::panic::{JobPanic, PanicHandler};
use crate::queue::Queue;

/// How far the capacity can be raised when nothing else is said.
const DEFAULT_MAX_CAPACITY: usize = if cfg!(loom_models) { 2 } else { 256 };

/// Jobs on their way to workers that are about to be made, at the least.
const LEAST_UNLIMITED_QUEUE: usize = if cfg!(loom_models) { 2 } else { 64 };

/// Jobs that wait when nothing else is said.
const DEFAULT_QUEUE: usize = 1024;

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) name: Arc<str>,
    pub(crate) capacity: usize,
    /// How far the capacity can be raised.
    pub(crate) max_capacity: Option<usize>,
    pub(crate) queue: usize,
    pub(crate) max_blocked: usize,
    pub(crate) record_delay: bool,
    /// How long a worker stays without a job.
    pub(crate) idle_timeout: Option<Duration>,
    /// Workers that stay for however long.
    pub(crate) stay: usize,
    /// Workers made with the pool.
    pub(crate) prestart: usize,
    /// Then one worker is made with the pool, and none is ever taken away.
    pub(crate) on_threads: bool,
    pub(crate) panic_handler: Option<PanicHandler>,
    pub(crate) hooks: Hooks,
}

impl Options {
    fn new(capacity: usize) -> Self {
        Self {
            name: Arc::from("pool"),
            capacity,
            max_capacity: None,
            queue: DEFAULT_QUEUE,
            max_blocked: usize::MAX,
            record_delay: true,
            idle_timeout: None,
            stay: 0,
            prestart: 0,
            on_threads: false,
            panic_handler: None,
            hooks: Hooks::default(),
        }
    }

    /// # Panics
    /// When there is no worker, or more jobs than a pool can count.
    pub(crate) fn most(&self) -> usize {
        assert!(self.capacity > 0, "the capacity of a pool is at least 1");
        let limit = self.limit(self.max_capacity());
        assert!(
            limit <= Queue::<()>::MAX_LIMIT,
            "capacity and queue bound together are at most {}",
            Queue::<()>::MAX_LIMIT
        );
        limit
    }

    /// The most jobs in the pool at once, at this capacity; for a pool without
    /// a limit, the most that wait.
    pub(crate) fn limit(&self, capacity: usize) -> usize {
        if self.is_unlimited() {
            self.queue.max(LEAST_UNLIMITED_QUEUE)
        } else {
            capacity.saturating_add(self.queue)
        }
    }

    /// Whether it was made without a limit to its workers.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.capacity == usize::MAX
    }

    pub(crate) fn max_capacity(&self) -> usize {
        let most = self.max_capacity.unwrap_or(DEFAULT_MAX_CAPACITY);
        most.max(self.capacity)
    }

    /// What a submitter is told that may not block because too many do.
    pub(crate) fn reason_not_to_block(&self) -> Reason {
        if self.max_blocked == 0 {
            Reason::Full
        } else {
            Reason::Crowded
        }
    }
}

/// A kind of pool, as its builder knows it.
pub trait Buildable: sealed::Sealed {
    /// Settings that only this engine has.
    #[doc(hidden)]
    type Settings: Default;
    #[doc(hidden)]
    fn default_capacity() -> usize;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The options of a pool, and then the pool.
///
/// Made by `Pool::builder()` and `FuncPool::builder()` of either engine; the
/// options that both engines share are described here once.
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<P: Buildable> {
    pub(crate) options: Options,
    pub(crate) settings: P::Settings,
}

impl<P: Buildable> Builder<P> {
    pub(crate) fn new() -> Self {
        Self {
            options: Options::new(P::default_capacity()),
            settings: P::Settings::default(),
        }
    }

    /// The same options for another pool of the engine.
    pub(crate) fn convert<Q: Buildable<Settings = P::Settings>>(self) -> Builder<Q> {
        Builder {
            options: self.options,
            settings: self.settings,
        }
    }

    /// The pool behind one that is controlled.
    pub(crate) fn of_tokens<Q>(mut self, control: &Control) -> Builder<Q>
    where
        Q: Buildable<Settings = P::Settings>,
    {
        if let Some((capacity, most)) = control.sizes() {
            self.options.capacity = capacity;
            self.options.max_capacity = Some(most);
        }
        if let Some((idle, stay)) = control.stays() {
            self.options.idle_timeout.get_or_insert(idle);
            self.options.stay = stay;
        }
        // Those of its tokens would say nothing.
        self.options.record_delay = false;
        self.convert()
    }

    /// The name of the pool, in errors, panics, thread names, metrics and the spans
    /// of named jobs. `"pool"` by default. A NUL in it, which no thread's name may have,
    /// is left out of those.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.options.name = Arc::from(name.as_ref());
        self
    }

    /// The most jobs that run at once, and so the most workers, beside those that
    /// [leave](Self::on_worker_stop); at least 1. Workers are made as jobs come, not before.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.options.capacity = capacity;
        self
    }

    /// As many workers as there are jobs, made on demand: `usize::MAX` as
    /// [`capacity`](Self::capacity). Here the bound of the [`queue`](Self::queue)
    /// is on jobs whose worker is about to be made (and on those that come in a
    /// pause), and 64 at the least. The capacity can be lowered later, and
    /// raised to `usize::MAX` again. Answers to `NewPool(-1)` of `ants`.
    pub fn unlimited(self) -> Self {
        self.capacity(usize::MAX)
    }

    /// Makes so many workers with the pool, not as jobs come; never more than
    /// the capacity. 0 by default; pools of threads always make one. Where the system
    /// gives fewer threads, the pool has these, and the rest are made as jobs come.
    pub fn prestart(mut self, workers: usize) -> Self {
        self.options.prestart = workers;
        self
    }

    /// Lets a worker go that had no job for so long; by default workers stay.
    /// Of a pool of threads the last one stays. There is no thread that looks
    /// after the others: each goes by its own clock. With zero a worker goes as soon as
    /// it finds no job. Answers to `WithExpiryDuration` of `ants`; not to call this
    /// answers to `WithDisablePurge(true)`.
    ///
    /// On tasks the runtime needs its time enabled.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = Some(timeout);
        self
    }

    /// How far [`set_capacity`](crate::threads::Pool::set_capacity) can raise
    /// the capacity; 256 by default, and never below the capacity.
    pub fn max_capacity(mut self, most: usize) -> Self {
        self.options.max_capacity = Some(most);
        self
    }

    /// The most accepted jobs that wait for a worker; 1024 by default. 0 hands
    /// over only, as `ants` does: a job is accepted when a worker is free for
    /// it. Memory for the whole queue is taken when the pool is built.
    pub fn queue(mut self, bound: usize) -> Self {
        self.options.queue = bound;
        self
    }

    /// The most submitters that may be blocked at once; no limit by default.
    /// The next one fails with [`Reason::Crowded`]. With 0 no one blocks, and
    /// a full pool fails with [`Reason::Full`]. Answers to
    /// `WithMaxBlockingTasks` and `WithNonblocking` of `ants`.
    pub fn max_blocked(mut self, most: usize) -> Self {
        self.options.max_blocked = most;
        self
    }

    /// Whether to record how long jobs wait and run; true by default. When
    /// false, no job costs a look at the clock, and `delay()`, `blocked()` and
    /// `run_time()` of the pool stay empty. What jobs are counted in `stats()`
    /// is the same.
    pub fn record_delay(mut self, record: bool) -> Self {
        self.options.record_delay = record;
        self
    }

    /// Called with the name of the pool on each worker as it begins, before its
    /// first job. It may take long: other workers that are needed are made meanwhile. A
    /// panic there costs nothing.
    pub fn on_worker_start<H>(mut self, hook: H) -> Self
    where
        H: Fn(&str) + Send + Sync + 'static,
    {
        self.options.hooks.start = Some(Arc::new(hook));
        self
    }

    /// Called with the name of the pool on each worker as it ends, after its
    /// last job; a close waits for that. It may take long: such a worker takes no job any
    /// more, and where one is needed another is made meanwhile. So with an
    /// [`idle_timeout`](Self::idle_timeout), or a capacity that is lowered and raised again,
    /// there may be more workers than the capacity for as long. To submit there to its own
    /// pool is as in a job of it. A panic there costs nothing.
    pub fn on_worker_stop<H>(mut self, hook: H) -> Self
    where
        H: Fn(&str) + Send + Sync + 'static,
    {
        self.options.hooks.stop = Some(Arc::new(hook));
        self
    }

    /// Called on the worker with the panic of a job; and with that of who gets a job back
    /// from a pool that is [controlled](crate::overload), wherever it is given back. Without a handler the
    /// panic is counted, and the standard panic hook has printed it. The
    /// worker survives either way, even when the handler panics too.
    pub fn panic_handler<H>(mut self, handler: H) -> Self
    where
        H: Fn(JobPanic<'_>) + Send + Sync + 'static,
    {
        self.options.panic_handler = Some(Arc::new(handler));
        self
    }
}
