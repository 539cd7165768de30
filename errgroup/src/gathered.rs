//! What all tasks came to, and the values among it.

use std::fmt;

use crate::panic::Panic;
use crate::report::{Outcome, TaskReport};

/// What became of all tasks, in order of spawn.
#[derive(Debug)]
pub struct Gathered<T, E> {
    reports: Vec<TaskReport<T, E>>,
    /// Indices in the order in which they ended.
    order: Vec<usize>,
    /// Index of the task that cancelled the rest.
    failed: Option<usize>,
}

/// Why a [`Gathered`] has not what was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum GatherError<E> {
    /// This task failed first.
    Failed(E),
    /// This panic came first.
    Panicked(Panic),
    /// No task failed, but not all have a value: the gather was cancelled by
    /// hand, or nothing was spawned.
    Cancelled,
}

impl<E: PartialEq> PartialEq for GatherError<E> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed(one), Self::Failed(other)) => one == other,
            (Self::Cancelled, Self::Cancelled) => true,
            _ => false,
        }
    }
}

impl<E: fmt::Display> fmt::Display for GatherError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for GatherError<E> {}

impl<T, E> Gathered<T, E> {
    /// Of reports in the order in which the tasks ended.
    pub(crate) fn new(mut reports: Vec<TaskReport<T, E>>, failed: Option<usize>) -> Self {
        let order = reports.iter().map(|report| report.index).collect();
        reports.sort_unstable_by_key(|report| report.index);
        Self {
            reports,
            order,
            failed,
        }
    }

    /// A report a task, in order of spawn.
    pub fn reports(&self) -> &[TaskReport<T, E>] {
        &self.reports
    }

    /// The reports themselves, in order of spawn.
    pub fn into_reports(self) -> Vec<TaskReport<T, E>> {
        self.reports
    }

    /// How many tasks have a value.
    pub fn done(&self) -> usize {
        self.count(Outcome::is_done)
    }

    /// How many tasks failed or panicked: the count, if that is all one wants.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Panicked(_)))
    }

    fn count(&self, which: impl Fn(&Outcome<T, E>) -> bool) -> usize {
        self.reports
            .iter()
            .filter(|report| which(&report.outcome))
            .count()
    }

    /// The values in order of spawn, if every task has one.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn into_values(self) -> Result<Vec<T>, GatherError<E>> {
        if self.done() < self.reports.len() {
            return Err(self.into_failure());
        }
        let outcomes = self.reports.into_iter().map(|report| report.outcome);
        Ok(outcomes.filter_map(Outcome::done).collect())
    }

    /// The value that was there first.
    ///
    /// # Errors
    ///
    /// The first failure, if there is no value.
    pub fn first_done(mut self) -> Result<T, GatherError<E>> {
        let done = |index: &usize| self.position(*index, Outcome::is_done);
        match self.order.iter().find_map(done) {
            Some(at) => match self.reports.swap_remove(at).outcome {
                Outcome::Done(value) => Ok(value),
                _ => unreachable!("was looked for by that"),
            },
            None => Err(self.into_failure()),
        }
    }

    /// So many values, those that were there first (with
    /// [`Policy::Any`](crate::Policy::Any): a quorum), in the order in which their
    /// tasks ended.
    ///
    /// # Errors
    ///
    /// The first failure, if there are fewer.
    pub fn first_n_done(self, n: usize) -> Result<Vec<T>, GatherError<E>> {
        if self.done() < n {
            return Err(self.into_failure());
        }
        let reports = self.reports.into_iter();
        let (indices, mut values): (Vec<_>, Vec<_>) = reports
            .map(|report| (report.index, report.outcome.done()))
            .unzip();
        let ended = self.order.iter().filter_map(|index| {
            let at = indices.binary_search(index).ok()?;
            values[at].take()
        });
        Ok(ended.take(n).collect())
    }

    /// All values and all errors, each in order of spawn; a panic goes on.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its payload.
    pub fn partition(self) -> (Vec<T>, Vec<E>) {
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for report in self.reports {
            match report.outcome {
                Outcome::Done(value) => values.push(value),
                Outcome::Failed(error) => errors.push(error),
                Outcome::Panicked(panic) => panic.resume(),
                Outcome::Cancelled | Outcome::NotStarted => {}
            }
        }
        (values, errors)
    }

    fn position(&self, index: usize, which: impl Fn(&Outcome<T, E>) -> bool) -> Option<usize> {
        let found = |report: &TaskReport<T, E>| report.index == index && which(&report.outcome);
        self.reports.iter().position(found)
    }

    fn into_failure(mut self) -> GatherError<E> {
        let failure = |index: &usize| {
            self.position(*index, |outcome| {
                matches!(outcome, Outcome::Failed(_) | Outcome::Panicked(_))
            })
        };
        // The one that cancelled the rest, though another may have been told of
        // before it.
        let first = self.failed.iter().chain(&self.order).find_map(failure);
        match first.map(|at| self.reports.swap_remove(at).outcome) {
            Some(Outcome::Failed(error)) => GatherError::Failed(error),
            Some(Outcome::Panicked(panic)) => GatherError::Panicked(panic),
            _ => GatherError::Cancelled,
        }
    }
}
