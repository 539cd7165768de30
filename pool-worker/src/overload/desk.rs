//! Where jobs of a controlled pool wait, outside of the pool that runs them.
//!
//! The pool behind has one token for each job that waits here. A worker that takes
//! a token asks the desk what to do, which may be nothing: when some worker before
//! it met jobs to shed, it went on to the next, so there may be fewer jobs than
//! tokens, and never more.

mod expiry;
mod giving;
mod running;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::class::Class;
use super::control::{Control, Sizer};
use super::dagor::Level;
use super::epoch::Epoch;
use super::figures::{Copied, Figures};
use super::gate::Gate;
use super::schedule::{Next, Schedule, Waiting};
use super::unserved::{Unserved, WhyUnserved};
use crate::error::Reason;
use crate::span::Carried;
use crate::sync::{Mutex, MutexGuard};

pub(crate) use expiry::Alarm;
pub(crate) use giving::HoldEnd;
use running::Became;
pub(crate) use running::Running;

pub(crate) struct Desk<T> {
    state: Mutex<State<T>>,
    /// The number of the level that is let in, for those who only look.
    level: AtomicU16,
    /// When a window of the level ends, in nanoseconds; none does of a desk without.
    turns_at: AtomicU64,
    /// Gets back what is not run. Does not panic.
    unserved: Box<dyn Fn(Unserved<T>) + Send + Sync>,
    /// Sets the capacity of the pool behind.
    resize: OnceLock<Resize>,
    /// Holds up the end of the pool behind.
    end: OnceLock<Box<dyn HoldEnd>>,
    /// Rings when a deadline passes, and ends with the desk.
    alarm: OnceLock<Alarm>,
    epoch: Epoch,
}

pub(crate) type Resize = Box<dyn Fn(usize) + Send + Sync>;

type Job<T> = Waiting<(Carried<T>, Class)>;

struct State<T> {
    schedule: Schedule<(Carried<T>, Class)>,
    /// Those that the pool behind has, at least as many as jobs wait.
    tokens: usize,
    gate: Option<Gate>,
    sizer: Option<Sizer>,
    /// What the pool behind was told, or is being told by whoever resizes.
    size: usize,
    resizing: bool,
    figures: Figures,
    running: usize,
    /// When the alarm rings at the latest, or whoever is about to wake it has it ring.
    rings_at: Option<Duration>,
    /// Of the job that left the queue last.
    last_delay: Duration,
}

/// A job that was not accepted.
pub(super) struct TurnedAway<T> {
    pub(super) job: T,
    pub(super) reason: Reason,
    /// How long jobs waited at that time.
    pub(super) delay: Duration,
}

/// Room in a queue that is full.
enum Room<T> {
    /// Of a job that was shed, whose token is still there.
    Spare,
    /// Of one that made room.
    Of(Job<T>),
}

impl<T> Desk<T> {
    pub(crate) fn new(
        control: Control,
        unserved: impl Fn(Unserved<T>) + Send + Sync + 'static,
    ) -> Self {
        Self::since(Epoch::begins(), control, unserved)
    }

    pub(super) fn since(
        epoch: Epoch,
        control: Control,
        unserved: impl Fn(Unserved<T>) + Send + Sync + 'static,
    ) -> Self {
        let sizer = control.sizer();
        Self {
            state: Mutex::new(State {
                schedule: Schedule::new(control.order),
                tokens: 0,
                gate: control.dagor.map(Gate::new),
                size: sizer.as_ref().map_or(0, Sizer::get),
                sizer,
                resizing: false,
                figures: Figures::new(),
                running: 0,
                rings_at: None,
                last_delay: Duration::ZERO,
            }),
            level: AtomicU16::new(Level::ALL.number()),
            turns_at: AtomicU64::new(control.dagor.map_or(u64::MAX, |_| 0)),
            unserved: Box::new(unserved),
            resize: OnceLock::new(),
            end: OnceLock::new(),
            alarm: OnceLock::new(),
            epoch,
        }
    }

    /// To be told before the first job.
    pub(crate) fn resize_by(&self, resize: Resize) {
        let told = self.resize.set(resize);
        debug_assert!(told.is_ok(), "told once");
    }

    /// Accepts the job if its level is let in and the pool takes a token for it, or
    /// there is a job that makes room. Then what the token gave is to be done. Who is
    /// turned away is not counted yet. All that has expired is given back first.
    pub(super) fn submit<A>(
        &self,
        class: Class,
        job: T,
        token: impl FnOnce() -> Result<A, Reason>,
    ) -> Result<Option<A>, TurnedAway<T>> {
        let carried = Carried::new(job);
        let mut state = self.state.lock();
        let now = self.epoch.now();
        let expired = self.take_expired(&mut state, now);
        // Where all workers are stuck nothing starts, so whoever comes has to look.
        let stands = state.schedule.stands(now);
        let admitted = self.admit(&mut state, now, class, stands);
        // Under the lock: whoever takes the token finds the job, for which it
        // needs the lock, and who has no token leaves no job here.
        let taken = admitted.and_then(|()| match token() {
            Ok(after) => {
                state.tokens += 1;
                Ok((Some(after), None))
            }
            Err(Reason::Full) => {
                let room = state.make_room(now, class).ok_or(Reason::Full)?;
                self.hold_end(usize::from(matches!(room, Room::Of(_))));
                Ok((None, Some(room)))
            }
            Err(reason) => Err(reason),
        });
        let (after, room) = match taken {
            Ok(taken) => taken,
            Err(reason) => {
                let delay = state.last_delay.max(stands);
                drop(state);
                self.give_back_expired(expired, now);
                let job = carried.into_job();
                return Err(TurnedAway { job, reason, delay });
            }
        };
        state.figures.of(class.priority).accepted += 1;
        let running = state.running;
        if let Some(sizer) = &mut state.sizer {
            sizer.delayed(now, stands, running);
        }
        state.schedule.push(Waiting {
            job: (carried, class),
            priority: class.priority,
            key: class.key,
            cost: class.cost,
            accepted_at: now,
            expires_at: class.deadline.map(|at| self.epoch.at(at)),
            nth: 0,
        });
        let wakes_alarm = state.wakes_alarm(now);
        self.resize(state);
        if wakes_alarm {
            self.wake_alarm();
        }
        self.give_back_expired(expired, now);
        if let Some(Room::Of(job)) = room {
            self.give_back_held(job, WhyUnserved::Displaced, now);
        }
        Ok(after)
    }

    /// Counts a job that was turned away, and that its submitter tries nowhere else.
    pub(super) fn count(&self, priority: u8, reason: Reason) {
        let mut state = self.state.lock();
        let account = state.figures.of(priority);
        match reason {
            Reason::Refused => account.refused += 1,
            Reason::Closed => account.closed += 1,
            _ => account.full += 1,
        }
    }

    fn admit(
        &self,
        state: &mut State<T>,
        now: Duration,
        class: Class,
        stands: Duration,
    ) -> Result<(), Reason> {
        let Some(gate) = &mut state.gate else {
            return Ok(());
        };
        let admits = gate.admits(now, class.level(), stands);
        self.tell(gate);
        if admits { Ok(()) } else { Err(Reason::Refused) }
    }

    /// For those who only look.
    fn tell(&self, gate: &Gate) {
        self.level.store(gate.level().number(), Relaxed);
        let turns_at = u64::try_from(gate.turns_at().as_nanos());
        self.turns_at.store(turns_at.unwrap_or(u64::MAX), Relaxed);
    }

    /// The job that a worker with a token is to run, if there is one.
    pub(crate) fn next(&self) -> Option<(Carried<T>, Running<'_, T>)> {
        let mut spends = 1;
        loop {
            let mut state = self.state.lock();
            let now = self.epoch.now();
            state.tokens -= std::mem::take(&mut spends);
            let next = state.schedule.pop(now)?;
            let (job, delay, why) = match next {
                Next::Run(job, delay) => (job, delay, None),
                Next::Shed(job, delay) => (job, delay, Some(WhyUnserved::Shed)),
                Next::Expired(job, delay) => (job, delay, Some(WhyUnserved::Expired)),
            };
            if let Some(why) = why {
                state.left(job.priority, why, delay);
                drop(state);
                self.give_back(job, why, now);
                continue;
            }
            let priority = job.priority;
            state.waited(delay, true);
            state.figures.started(priority, delay);
            state.running += 1;
            let running = state.running;
            if let Some(sizer) = &mut state.sizer {
                sizer.delayed(now, delay, running);
            }
            self.resize(state);
            let running = Running {
                desk: self,
                since: now,
                priority,
                became: Became::Cancelled,
            };
            return Some((job.job.0, running));
        }
    }

    /// A token was dropped: no worker comes with it.
    pub(super) fn lost_token(&self) {
        let mut state = self.state.lock();
        let now = self.epoch.now();
        state.tokens -= 1;
        if state.schedule.len() <= state.tokens {
            return;
        }
        let next = state.schedule.pop(now).expect("more jobs than tokens");
        let (Next::Run(job, delay) | Next::Shed(job, delay) | Next::Expired(job, delay)) = next;
        state.left(job.priority, WhyUnserved::Dropped, delay);
        drop(state);
        self.give_back(job, WhyUnserved::Dropped, now);
    }

    /// Has the pool behind follow the size. One does so at a time, until it is as it
    /// should be, so that no size is told after a later one.
    fn resize<'a>(&'a self, mut state: MutexGuard<'a, State<T>>) {
        if state.resizing {
            return;
        }
        let Some(resize) = self.resize.get() else {
            return;
        };
        while let Some(size) = state.sizer.as_ref().map(Sizer::get)
            && size != state.size
        {
            (state.size, state.resizing) = (size, true);
            drop(state);
            resize(size);
            state = self.state.lock();
        }
        state.resizing = false;
    }

    /// What is less urgent is refused.
    pub(crate) fn level(&self) -> Level {
        let turns_at = self.turns_at.load(Relaxed);
        if turns_at != u64::MAX && self.epoch.now() >= Duration::from_nanos(turns_at) {
            let mut state = self.state.lock();
            let now = self.epoch.now();
            let stands = state.schedule.stands(now);
            if let Some(gate) = &mut state.gate {
                gate.pass(now, stands);
                self.tell(gate);
            }
        }
        Level::from_number(self.level.load(Relaxed))
    }

    /// The accounts, and how many jobs wait and run.
    pub(super) fn look(&self) -> (Copied, usize, usize) {
        let mut state = self.state.lock();
        let (queued, running) = (state.schedule.len(), state.running);
        let copied = state.figures.copied();
        // A pool that is left alone shrinks too, as whoever looks at it sees.
        let now = self.epoch.now();
        let stands = state.schedule.stands(now);
        if let Some(sizer) = &mut state.sizer {
            sizer.delayed(now, stands, running);
        }
        self.resize(state);
        (copied, queued, running)
    }

    /// How long the oldest job that waits has waited.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let state = self.state.lock();
        let came = state.schedule.oldest()?;
        Some(self.epoch.now().saturating_sub(came))
    }
}

impl<T> State<T> {
    /// In a queue that is full, for a job of this class.
    fn make_room(&mut self, now: Duration, class: Class) -> Option<Room<T>> {
        if self.schedule.len() < self.tokens {
            return Some(Room::Spare);
        }
        let less_urgent = self.schedule.take_less_urgent(now, class.priority);
        let of_more = || self.schedule.take_of_more(class.priority, class.key);
        let job = less_urgent.or_else(of_more)?;
        let delay = now.saturating_sub(job.accepted_at);
        self.left(job.priority, WhyUnserved::Displaced, delay);
        Some(Room::Of(job))
    }

    /// A job left the queue, not to be run.
    fn left(&mut self, priority: u8, why: WhyUnserved, delay: Duration) {
        self.waited(delay, false);
        self.figures.unserved(priority, why, delay);
    }

    /// A job left the queue.
    fn waited(&mut self, delay: Duration, runs: bool) {
        self.last_delay = delay;
        if let Some(gate) = &mut self.gate {
            gate.waited(delay, runs);
        }
    }
}

#[cfg(test)]
mod tests;
