//! Tasks with values: what each came to, in order of spawn or as they end.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cause::Panic;
use crate::group::Group;
use crate::handle::Handle;

/// When a [`Gather`] has enough, and cancels the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// At the first error or panic (Go: `errgroup`; Java: `allSuccessfulOrThrow`).
    #[default]
    FirstError,
    /// Never: every task comes to its own end (conc: `ResultErrorGroup`).
    All,
    /// At the first success; failures before it are only kept (Java:
    /// `anySuccessfulOrThrow`; JavaScript: `Promise.any`).
    FirstSuccess,
    /// At so many successes.
    Any(usize),
}

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

/// A group whose tasks have values, and whose [`Policy`] says when it has
/// enough. Whatever the policy, the outcome of every task is kept.
///
/// At the cancel tasks that run are dropped at their next await, or after the
/// [`grace`](Self::grace). Dropping a gather cancels it.
///
/// ```
/// use errgroup::{Gather, Policy};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let replicas = ["down", "up", "slow"];
/// let gather = Gather::new().policy(Policy::FirstSuccess);
/// for replica in replicas {
///     gather.spawn(async move {
///         match replica {
///             "down" => Err("refused"),
///             "slow" => std::future::pending().await,
///             up => Ok(up),
///         }
///     });
/// }
/// assert_eq!(gather.wait().await.first_done(), Ok("up"));
/// # });
/// ```
#[must_use = "a dropped gather is cancelled"]
pub struct Gather<T, E> {
    group: Group<usize>,
    policy: Policy,
    spawned: AtomicUsize,
    successes: Arc<AtomicUsize>,
    ended: UnboundedReceiver<TaskReport<T, E>>,
    tell: UnboundedSender<TaskReport<T, E>>,
    received: usize,
    grace: Duration,
}

impl<T: Send + 'static, E: Send + 'static> Gather<T, E> {
    /// A gather without a limit, with the policy
    /// [`FirstError`](Policy::FirstError).
    pub fn new() -> Self {
        let (tell, ended) = unbounded_channel();
        Self {
            group: Group::new(),
            policy: Policy::default(),
            spawned: AtomicUsize::new(0),
            successes: Arc::default(),
            ended,
            tell,
            received: 0,
            grace: Duration::ZERO,
        }
    }

    /// Bounds how many tasks run at once; as [`Group::limit`].
    pub fn limit(self, limit: usize) -> Self {
        self.group.set_limit(limit);
        self
    }

    /// Sets when it has enough; before the first task.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Gives tasks so long after the cancel to end by themselves; zero unless
    /// set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// To cancel, to change the limit and to watch. The cause of a failure is
    /// the index of the task that failed.
    pub fn handle(&self) -> Handle<usize> {
        self.group.handle()
    }

    /// Spawns a task and returns its index; as [`Group::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn_named(String::new(), task)
    }

    /// As [`spawn`](Self::spawn), with a name for the report.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let index = self.spawned.fetch_add(1, Relaxed);
        let report = Unsent {
            index,
            name: name.into(),
            spawned: Instant::now(),
            started: None,
            tell: self.tell.clone(),
        };
        let enough = match self.policy {
            Policy::FirstError | Policy::All => usize::MAX,
            Policy::FirstSuccess => 1,
            Policy::Any(enough) => enough,
        };
        let (policy, grace) = (self.policy, self.grace);
        let (handle, successes) = (self.group.handle(), Arc::clone(&self.successes));
        self.group.spawn(async move {
            let mut report = report;
            report.started = Some(Instant::now());
            let outcome = unless_cancelled(&handle, grace, task).await;
            let (done, failed) = match &outcome {
                Outcome::Done(_) => (true, false),
                Outcome::Failed(_) | Outcome::Panicked(_) => (false, true),
                Outcome::Cancelled | Outcome::NotStarted => (false, false),
            };
            report.send(outcome);
            if done && successes.fetch_add(1, Relaxed) + 1 >= enough {
                handle.cancel();
            }
            if failed && policy == Policy::FirstError {
                return Err(index);
            }
            Ok(())
        });
        index
    }

    /// The next task that has ended, in the order in which they end; `None` once
    /// all that were spawned have been returned. Cancel safe: what is not
    /// returned stays.
    pub async fn next(&mut self) -> Option<TaskReport<T, E>> {
        if self.received == *self.spawned.get_mut() {
            return None;
        }
        let report = self.ended.recv().await;
        self.received += 1;
        report
    }

    /// Waits until every task is gone, and returns what became of those that
    /// [`next`](Self::next) has not returned. Dropping this future cancels.
    pub async fn wait(mut self) -> Gathered<T, E> {
        let mut reports = Vec::new();
        while let Some(report) = self.next().await {
            reports.push(report);
        }
        // Told of its end is not yet gone.
        let failed = self.group.wait().await.err();
        let order: Vec<usize> = reports.iter().map(|report| report.index).collect();
        reports.sort_unstable_by_key(|report| report.index);
        Gathered {
            reports,
            order,
            failed,
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Default for Gather<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for Gather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("policy", &self.policy)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// A report that will be sent whatever becomes of its task.
struct Unsent<T, E> {
    index: usize,
    name: String,
    spawned: Instant,
    started: Option<Instant>,
    tell: UnboundedSender<TaskReport<T, E>>,
}

impl<T, E> Unsent<T, E> {
    fn send(mut self, outcome: Outcome<T, E>) {
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

/// Unwind safety: after a panic the task is only dropped.
async fn unless_cancelled<T, E, F>(
    handle: &Handle<usize>,
    grace: Duration,
    task: F,
) -> Outcome<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut task = pin!(task);
    let mut attempt =
        poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(Ok(value))) => Poll::Ready(Outcome::Done(value)),
                Ok(Poll::Ready(Err(error))) => Poll::Ready(Outcome::Failed(error)),
                Err(payload) => Poll::Ready(Outcome::Panicked(Panic::new(payload))),
            },
        );
    let mut cancelled = pin!(handle.cancelled());
    let ended = poll_fn(|cx| {
        if let Poll::Ready(outcome) = pin!(&mut attempt).poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        cancelled.as_mut().poll(cx).map(|()| None)
    });
    match ended.await {
        Some(outcome) => outcome,
        None if grace.is_zero() => Outcome::Cancelled,
        None => {
            let rest = tokio::time::timeout(grace, attempt).await;
            rest.unwrap_or(Outcome::Cancelled)
        }
    }
}

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
