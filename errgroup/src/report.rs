//! What became of one task, told whatever becomes of it.

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
    /// As it was named; empty if it was not.
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
    name: String,
    spawned: Instant,
    started: Option<Instant>,
    tell: UnboundedSender<TaskReport<T, E>>,
}

impl<T, E> Unsent<T, E> {
    pub(crate) fn new(index: usize, name: String, tell: UnboundedSender<TaskReport<T, E>>) -> Self {
        Self {
            index,
            name,
            spawned: Instant::now(),
            started: None,
            tell,
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The task starts.
    pub(crate) fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    pub(crate) fn send(mut self, outcome: Outcome<T, E>) {
        self.tell_of(outcome);
        // Not once more at its drop.
        self.index = usize::MAX;
    }

    fn tell_of(&mut self, outcome: Outcome<T, E>) {
        let (now, started) = (Instant::now(), self.started);
        // Nobody may listen any more.
        let _ = self.tell.send(TaskReport {
            index: self.index,
            name: std::mem::take(&mut self.name),
            waited: started.unwrap_or(now) - self.spawned,
            ran: started.map_or(Duration::ZERO, |started| now - started),
            outcome,
        });
    }
}

impl<T, E> Drop for Unsent<T, E> {
    fn drop(&mut self) {
        if self.index == usize::MAX {
            return;
        }
        let outcome = match self.started {
            Some(_) => Outcome::Cancelled,
            None => Outcome::NotStarted,
        };
        self.tell_of(outcome);
    }
}
