//! A desk and the pool behind it, as both engines have them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::alarm::alarm;
use super::class::Class;
use super::control::Control;
use super::desk::{Desk, TurnedAway};
use super::figures::ControlStats;
use super::token::Token;
use super::unserved::Unserved;
use crate::any_pool::Core;
use crate::dispatcher::Dispatcher;
use crate::error::{CloseError, ReopenError, SubmitError};
use crate::histogram::Merged;
use crate::identity::Identity;
use crate::nesting;
use crate::panic::{self, JobPanic};
use crate::span::Carried;
use crate::stats::Stats;
use crate::wait::End;
use crate::wakers::Key;

pub(crate) struct Controlled<T: Send + 'static> {
    pub(crate) desk: Arc<Desk<T>>,
    pub(crate) tokens: Arc<Dispatcher<Carried<Token<T>>>>,
    /// Whether the control says how many workers there are.
    sized: bool,
}

impl<T: Send + 'static> Clone for Controlled<T> {
    fn clone(&self) -> Self {
        Self {
            desk: Arc::clone(&self.desk),
            tokens: Arc::clone(&self.tokens),
            sized: self.sized,
        }
    }
}

impl<T: Send + 'static> Controlled<T> {
    /// A desk that resizes the pool of tokens, has an alarm, and tells the pool's panic
    /// handler when `unserved` panics.
    pub(crate) fn new(
        control: Control,
        unserved: impl Fn(Unserved<T>) + Send + Sync + 'static,
        tokens: &Arc<Dispatcher<Carried<Token<T>>>>,
    ) -> Self {
        let name = Arc::clone(&tokens.options.name);
        let handler = tokens.options.panic_handler.clone();
        let number = tokens.identity.number();
        let unserved = move |job| {
            // The pool does not come to its end before, whoever's thread this is.
            let before = nesting::enter(number);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| unserved(job))) {
                let (pool, job) = (&*name, None);
                panic::report(handler.as_ref(), JobPanic { pool, job, payload });
            }
            nesting::enter(before);
        };
        let desk = Arc::new(Desk::new(control, unserved));
        desk.resize_by(tokens.resizer());
        desk.holds_up(Box::new(tokens.end_holder()));
        desk.wake_by(alarm(&tokens.options.name, Arc::downgrade(&desk)));
        Self {
            desk,
            tokens: Arc::clone(tokens),
            sized: control.sizes().is_some(),
        }
    }

    pub(crate) fn set_capacity(&self, capacity: usize) {
        if !self.sized {
            self.tokens.set_capacity(capacity);
        }
    }

    pub(crate) fn submit(&self, class: Class, job: T) -> Result<(), SubmitError<T>> {
        let offered = self.offer(class, job);
        offered.inspect_err(|error| self.desk.count(class.priority, error.reason()))
    }

    /// As [`submit`](Self::submit), for who will try elsewhere: a refusal is not counted.
    pub(crate) fn offer(&self, class: Class, job: T) -> Result<(), SubmitError<T>> {
        let submitted = self.desk.submit(class, job, || {
            // The job has its submitter's span; who comes with the token gets another.
            let token = Carried::alone(Token::of(&self.desk));
            self.tokens.enqueue(token).map_err(|rejected| {
                rejected.job.into_job().void();
                rejected.reason
            })
        });
        match submitted {
            // Not under the desk's lock: a worker that cannot be made drops its token,
            // which goes to the desk.
            Ok(accepted) => {
                if accepted.is_some_and(|accepted| accepted.wake) {
                    self.tokens.rouse_one();
                }
                Ok(())
            }
            Err(TurnedAway { job, reason, delay }) => {
                let name = &self.tokens.options.name;
                Err(SubmitError::new(name, reason, job).after(delay))
            }
        }
    }

    pub(crate) fn stats(&self) -> ControlStats {
        let (figures, queued, running) = self.desk.look();
        let behind = self.tokens.stats();
        ControlStats {
            classes: figures.classes(),
            level: self.desk.level(),
            total: Stats {
                queued,
                running,
                idle: behind.workers.saturating_sub(running),
                workers: behind.workers,
                capacity: behind.capacity,
                ..figures.total()
            },
        }
    }
}

impl<T: Send + 'static> Core for Controlled<T> {
    fn name(&self) -> &str {
        &self.tokens.options.name
    }
    fn stats(&self) -> Stats {
        Self::stats(self).total
    }
    fn control(&self) -> Option<ControlStats> {
        Some(Self::stats(self))
    }
    fn recorded(&self) -> [Merged; 3] {
        let (figures, ..) = self.desk.look();
        // Nobody is ever blocked.
        [Merged::of([]), figures.delay(), figures.run_time()]
    }
    #[cfg(feature = "prometheus")]
    fn recorded_by_class(&self) -> Vec<(u8, [Merged; 2])> {
        let (figures, ..) = self.desk.look();
        figures.delays_by_class()
    }
    fn tick(&self) -> f64 {
        // A desk counts in nanoseconds.
        1.0
    }
    fn oldest(&self) -> Option<Duration> {
        self.desk.oldest()
    }
    fn unfinished(&self) -> usize {
        let (_, queued, running) = self.desk.look();
        queued + running
    }
    fn close(&self) -> Result<(), CloseError> {
        self.tokens.close()
    }
    fn is_closed(&self) -> bool {
        self.tokens.queue.is_closed()
    }
    fn reopen(&self) -> Result<(), ReopenError> {
        self.tokens.reopen()
    }
    fn set_capacity(&self, capacity: usize) {
        Self::set_capacity(self, capacity);
    }
    fn identity(&self) -> &Identity {
        &self.tokens.identity
    }
    fn poll_end(&self, end: End, key: &mut Key, waker: &Waker) -> Poll<()> {
        self.tokens.poll_end(end, key, waker)
    }
    fn forget(&self, end: End, key: u64) {
        self.tokens.forget(end, key);
    }
}
