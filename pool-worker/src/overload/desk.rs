//! Where jobs of a controlled pool wait, outside of the pool that runs them.
//!
//! The pool behind has one token for each job that waits here. A worker that takes
//! a token asks the desk what to do, which may be nothing: when some worker before
//! it met jobs to shed, it went on to the next, so there may be fewer jobs than
//! tokens, and never more.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::class::Class;
use super::control::{Control, Sizer};
use super::dagor::{Gate, Level};
use super::figures::{ControlStats, Figures};
use super::schedule::{Next, Schedule, Waiting};
use crate::delay_snapshot::DelaySnapshot;
use crate::error::Reason;
use crate::panic;
use crate::span::Carried;
use crate::stats::Stats;
use crate::sync::Mutex;

/// A job that was accepted and is not run, as its pool gives it back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unserved<T> {
    /// The job, unchanged.
    pub job: T,
    /// What it was submitted as.
    pub class: Class,
    /// Why it is not run.
    pub why: WhyUnserved,
    /// How long it had waited.
    pub delay: Duration,
}

/// Why a job that was accepted is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WhyUnserved {
    /// It waited for too long in a queue that is overloaded.
    #[error("shed under overload")]
    Shed,
    /// Its deadline passed before it was its turn.
    #[error("expired")]
    Expired,
    /// The pool went away, with its runtime, before it was its turn.
    #[error("dropped with its pool")]
    Dropped,
}

pub(crate) struct Desk<T> {
    state: Mutex<State<T>>,
    /// Gets back what is not run.
    unserved: Box<dyn Fn(Unserved<T>) + Send + Sync>,
    /// Sets the capacity of the pool behind.
    resize: OnceLock<Resize>,
    epoch: Instant,
}

pub(crate) type Resize = Box<dyn Fn(usize) + Send + Sync>;

struct State<T> {
    schedule: Schedule<(Carried<T>, Class)>,
    gate: Option<Gate>,
    sizer: Option<Sizer>,
    figures: Figures,
    running: usize,
}

/// A job that runs, until this is dropped.
pub(crate) struct Running<'a, T> {
    desk: &'a Desk<T>,
    since: Duration,
}

impl<T> Desk<T> {
    pub(crate) fn new(
        control: Control,
        unserved: impl Fn(Unserved<T>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                schedule: Schedule::new(control.order),
                gate: control.dagor.map(Gate::new),
                sizer: control.sizer(),
                figures: Figures::default(),
                running: 0,
            }),
            unserved: Box::new(unserved),
            resize: OnceLock::new(),
            epoch: Instant::now(),
        }
    }

    /// To be told before the first job.
    pub(crate) fn resize_by(&self, resize: Resize) {
        let told = self.resize.set(resize);
        debug_assert!(told.is_ok(), "told once");
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Accepts the job if its level is let in and the pool takes a token for it.
    pub(crate) fn submit(
        &self,
        class: Class,
        job: T,
        token: impl FnOnce() -> Result<(), Reason>,
    ) -> Result<(), (Reason, T)> {
        let carried = Carried::new(job);
        let mut state = self.state.lock();
        let now = self.now();
        if let Some(gate) = &mut state.gate
            && !gate.admits(now, class.level())
        {
            state.figures.of(class.priority).refused += 1;
            drop(state);
            return Err((Reason::Refused, carried.into_job()));
        }
        // Under the lock: whoever takes the token finds the job, for which it
        // needs the lock, and who has no token leaves no job here.
        if let Err(reason) = token() {
            state.figures.of(class.priority).full += u64::from(reason == Reason::Full);
            drop(state);
            return Err((reason, carried.into_job()));
        }
        state.figures.of(class.priority).accepted += 1;
        // Where all workers are stuck nothing starts, so whoever comes has to look.
        let stands = state.schedule.stands(now);
        let running = state.running;
        let sizer = state.sizer.as_mut();
        let size = sizer.and_then(|sizer| sizer.delayed(now, stands, running));
        let expires_at = class
            .deadline
            .map(|at| at.saturating_duration_since(self.epoch));
        state.schedule.push(Waiting {
            job: (carried, class),
            priority: class.priority,
            key: class.key,
            cost: class.cost,
            accepted_at: now,
            expires_at,
        });
        drop(state);
        self.resize(size);
        Ok(())
    }

    /// The job that a worker with a token is to run, if there is one.
    pub(crate) fn next(&self) -> Option<(Carried<T>, Running<'_, T>)> {
        loop {
            let mut state = self.state.lock();
            let now = self.now();
            let next = state.schedule.pop(now)?;
            let (Next::Run(_, delay) | Next::Shed(_, delay) | Next::Expired(_, delay)) = next;
            if let Some(gate) = &mut state.gate {
                gate.waited(delay);
            }
            let (waiting, why) = match next {
                Next::Run(waiting, delay) => {
                    state.figures.started(waiting.priority, delay);
                    state.running += 1;
                    let running = state.running;
                    let sizer = state.sizer.as_mut();
                    let size = sizer.and_then(|sizer| sizer.delayed(now, delay, running));
                    drop(state);
                    self.resize(size);
                    let (desk, since) = (self, now);
                    return Some((waiting.job.0, Running { desk, since }));
                }
                Next::Shed(waiting, _) => {
                    state.figures.of(waiting.priority).shed += 1;
                    (waiting, WhyUnserved::Shed)
                }
                Next::Expired(waiting, _) => {
                    state.figures.of(waiting.priority).expired += 1;
                    (waiting, WhyUnserved::Expired)
                }
            };
            state.figures.unserved(waiting.priority, delay);
            drop(state);
            self.give_back(waiting.job, why, delay);
        }
    }

    fn give_back(&self, (carried, class): (Carried<T>, Class), why: WhyUnserved, delay: Duration) {
        carried.run(|job| {
            (self.unserved)(Unserved {
                job,
                class,
                why,
                delay,
            });
        });
    }

    fn resize(&self, size: Option<usize>) {
        if let (Some(size), Some(resize)) = (size, self.resize.get()) {
            resize(size);
        }
    }

    /// What is less urgent is refused.
    pub(crate) fn level(&self) -> Level {
        let state = self.state.lock();
        state.gate.as_ref().map_or(Level::ALL, Gate::level)
    }

    /// How long those waited that were run.
    pub(crate) fn delay(&self) -> DelaySnapshot {
        self.state.lock().figures.delay()
    }

    pub(crate) fn stats(&self, behind: Stats) -> ControlStats {
        let state = self.state.lock();
        ControlStats {
            classes: state.figures.classes(),
            level: state.gate.as_ref().map_or(Level::ALL, Gate::level),
            queued: state.schedule.len(),
            running: state.running,
            capacity: behind.capacity,
        }
    }
}

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        let mut state = self.desk.state.lock();
        let took = self.desk.now().saturating_sub(self.since);
        let running = state.running;
        state.running -= 1;
        let sizer = state.sizer.as_mut();
        let size = sizer.and_then(|sizer| sizer.ended(took, running));
        drop(state);
        self.desk.resize(size);
    }
}

impl<T> Drop for Desk<T> {
    fn drop(&mut self) {
        // Only when the pool behind lost its workers with jobs left.
        loop {
            let now = self.now();
            let next = self.state.lock().schedule.pop(now);
            let Some(Next::Run(left, delay) | Next::Shed(left, delay) | Next::Expired(left, delay)) =
                next
            else {
                return;
            };
            panic::contain(|| self.give_back(left.job, WhyUnserved::Dropped, delay));
        }
    }
}
