//! What became of one task, told whatever becomes of it.

use std::borrow::Cow;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::panic::Panic;

/// What became of a task.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<T, E> {
    /// Its value.
    Done(T),
    /// Its error.
    Failed(E),
    /// It panicked.
    Panicked(Panic),
    /// It was dropped while it ran: the gather was cancelled.
    Cancelled,
    /// The gather was cancelled before the task began.
    NotStarted,
}

impl<T, E> Outcome<T, E> {
    /// Of a task that came to its own end.
    pub(crate) fn of(ended: Result<Result<T, E>, Panic>) -> Self {
        match ended {
            Ok(Ok(value)) => Self::Done(value),
            Ok(Err(error)) => Self::Failed(error),
            Err(panic) => Self::Panicked(panic),
        }
    }

    /// The value, if there is one.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is a value.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// What became of a task, and when.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskReport<T, E> {
    /// The how manieth it was to be spawned, from 0.
    pub index: usize,
    /// As it was named, by [`spawn_named`](crate::Gather::spawn_named),
    /// [`named`](crate::named()) or [`named_job`](crate::named_job()); empty if it was not.
    pub name: String,
    /// From spawn to start, or to the end if it never started.
    pub waited: Duration,
    /// From start to end.
    pub ran: Duration,
    /// What became of it.
    pub outcome: Outcome<T, E>,
}

/// A report that will be sent whatever becomes of its task.
pub(crate) struct Unsent<T, E> {
    index: usize,
    name: Option<Cow<'static, str>>,
    spawned: Instant,
    started: Option<Instant>,
    /// None once it is sent.
    tell: Option<UnboundedSender<TaskReport<T, E>>>,
}

impl<T, E> Unsent<T, E> {
    pub(crate) fn new(index: usize, tell: UnboundedSender<TaskReport<T, E>>) -> Self {
        Self {
            index,
            name: None,
            spawned: Instant::now(),
            started: None,
            tell: Some(tell),
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The task starts, unless it has.
    pub(crate) fn start(&mut self) {
        self.started.get_or_insert_with(Instant::now);
    }

    /// The name of the task is known, if it has one.
    pub(crate) fn name_it(&mut self, name: Option<Cow<'static, str>>) {
        self.name = name;
    }

    /// Once; at its drop there is nothing left to tell.
    pub(crate) fn send(&mut self, outcome: Outcome<T, E>) {
        let Some(tell) = self.tell.take() else {
            return;
        };
        let (now, started) = (Instant::now(), self.started);
        // Nobody may listen any more.
        let _ = tell.send(TaskReport {
            index: self.index,
            name: self.name.take().unwrap_or_default().into_owned(),
            waited: started.unwrap_or(now) - self.spawned,
            ran: started.map_or(Duration::ZERO, |started| now - started),
            outcome,
        });
    }
}

impl<T, E> Drop for Unsent<T, E> {
    fn drop(&mut self) {
        self.send(match self.started {
            Some(_) => Outcome::Cancelled,
            None => Outcome::NotStarted,
        });
    }
}
