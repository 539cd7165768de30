//! The cloneable side of a group.

use std::fmt;
use std::sync::Arc;

use crate::cancelled::Cancelled;
use crate::carried::Carried;
use crate::cause::{Cause, Reason};
use crate::engine::Engine;
use crate::error::TrySpawnError;
use crate::job::Job;
use crate::shared::Shared;
use crate::spawn_wait::SpawnWait;
use crate::stats::Stats;
use crate::word::Reserved;

/// Spawns into a group, cancels and watches it, from anywhere: from inside its
/// tasks too. Cheap to clone; does not keep the group going, and stays usable
/// after it has ended (when all it does is refuse).
pub struct Handle<E> {
    pub(crate) shared: Arc<Shared<E>>,
}

impl<E: Send + 'static> Handle<E> {
    /// Spawns a task; never waits, never fails. At the limit it is the task
    /// that waits, in the group, first come first served, so this can be called
    /// from inside a task of the same group even with a limit of 1.
    ///
    /// **After the cancel nothing starts**: then this drops the task unstarted
    /// and counts it in [`Stats::not_started`]; so does the cancel with tasks
    /// that wait. Use [`try_spawn`](Self::try_spawn) or
    /// [`spawn_wait`](Self::spawn_wait) to get the task back instead.
    ///
    /// Go's `Go` blocks at the limit, and starts tasks after the cancel.
    ///
    /// The task may run on any of the runtimes from which tasks are spawned into the
    /// group: a runner, which one of them polls, takes the next task whoever spawned it.
    /// Spawn from one, if tasks use what is bound to a runtime. See
    /// [how tasks run](crate::Group#how-tasks-run).
    ///
    /// A task owns what it uses. One that borrowed from the caller and ran beside
    /// it could outlive the loan, since a future (the caller's own) may be
    /// forgotten and its memory used again; [`scope()`](crate::scope()) lends to threads
    /// instead:
    ///
    /// ```compile_fail,E0597
    /// # async fn f() {
    /// let group = errgroup::Group::<()>::new();
    /// {
    ///     let page = String::from("short lived");
    ///     let borrowed = &page;
    ///     group.spawn(async move { println!("{borrowed}"); Ok(()) });
    /// }
    /// group.wait().await.unwrap();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. If the group holds 134,217,727 tasks, which is as many
    /// as can be counted.
    #[inline]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.queue(task, |carried, task| self.shared.job(carried, task));
    }

    /// Spawns a task if it can start at once (Go: `TryGo`).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let group = errgroup::Group::<()>::new().limit(1);
    /// group.spawn(std::future::pending());
    /// let refused = group.try_spawn(async { Ok(()) }).unwrap_err();
    /// assert!(refused.is_full());
    /// refused.into_task().await.unwrap();             // here, then
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Full`](TrySpawnError::Full) if no slot is free or others wait for one
    /// (with limit 0 always), [`Cancelled`](TrySpawnError::Cancelled) after the
    /// cancel; both hold the task.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[inline]
    pub fn try_spawn<F>(&self, task: F) -> Result<(), TrySpawnError<F>>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        match self.try_place() {
            Ok(place) => {
                self.fill(place, task);
                Ok(())
            }
            Err(why) => Err(TrySpawnError::new(why, task)),
        }
    }

    /// Waits for room and spawns the task (Go: `Go`), so that whoever makes
    /// the tasks is held back by those who run them: there is room while fewer
    /// tasks are in the group than its limit and its
    /// [backlog](Self::set_backlog). Callers are served in
    /// order, after the tasks that [`spawn`](Self::spawn) queued.
    ///
    /// The cancel wakes it. **Awaited inside a task of the same group it does
    /// not wait**: the slot it would wait for could be its own; the task is
    /// queued as by [`spawn`](Self::spawn). (A task that such a task awaits in
    /// turn, by a channel say, is not seen through: it waits.)
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::Group;
    ///
    /// let group = Group::<&str>::new().limit(2);
    /// for n in 0.. {
    ///     let task = async move { if n < 100 { Ok(()) } else { Err("enough") } };
    ///     if group.spawn_wait(task).await.is_err() {
    ///         break;                          // an error has cancelled the group
    ///     }
    /// }
    /// assert_eq!(group.wait().await, Err("enough"));
    /// # });
    /// ```
    ///
    /// Dropping the future before it is ready leaves the group as it was, and
    /// drops the task.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Cancelled`](crate::SpawnError::Cancelled) with the task,
    /// if the group is cancelled before there is room.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime.
    pub fn spawn_wait<F>(&self, task: F) -> SpawnWait<'_, F, E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        SpawnWait::new(self, task)
    }

    /// Cancels the group by hand: [`Cause::Cancelled`], unless there is a cause
    /// already. Does not wait.
    ///
    /// Tasks that wait are dropped unstarted; tasks that run are not aborted,
    /// they see the cancel by [`cancelled`](Self::cancelled).
    pub fn cancel(&self) {
        self.shared.cancel(Cause::Cancelled);
    }

    /// Whether the group is cancelled, or has ended. If so, what happened
    /// before the cancel is visible, and
    /// [`with_cause`](Self::with_cause) finds the cause.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.shared.state.is_cancelled()
    }

    /// Ready once the group is cancelled, or has ended (Go: `<-ctx.Done()`).
    /// Cancel safe, and may be awaited by any number of tasks.
    pub fn cancelled(&self) -> Cancelled<'_, E> {
        Cancelled::new(&self.shared)
    }

    /// Reads why the group was cancelled (Go: `context.Cause`): the reason is
    /// stored before the cancel, so who sees the cancel finds it. `None` if the
    /// group is not cancelled.
    ///
    /// `read` runs under a lock of the group: keep it short, and do not call
    /// the group from it.
    pub fn with_cause<R>(&self, read: impl FnOnce(&Cause<E>) -> R) -> Option<R> {
        self.shared.state.with_cause(read)
    }

    /// Why the group was cancelled, in a word that is there also after the end, when
    /// the error has gone to whoever waited. `None` if it is not cancelled.
    pub fn reason(&self) -> Option<Reason> {
        self.shared.state.reason()
    }

    /// The error for which the group was cancelled, to keep: take `Arc<YourError>`
    /// for `E` and every sibling can have it. `None` if the cause is another, or
    /// the group has ended and the error went to whoever waited.
    pub fn error(&self) -> Option<E>
    where
        E: Clone,
    {
        self.with_cause(Cause::error).flatten()
    }

    /// Changes how many tasks run at once; `usize::MAX` is no limit (Go:
    /// `SetLimit`, which panics while tasks are active).
    ///
    /// Raised, it starts as many waiting tasks (in all 134,217,727 at most); lowered,
    /// running tasks go on and slots close as they end. With 0 nothing starts until it is raised or
    /// the group cancelled: tasks wait, and `wait` waits for them.
    pub fn set_limit(&self, limit: usize) {
        self.shared.state.set_limit(limit);
        self.shared.refill();
    }

    /// Changes how many tasks [`spawn_wait`](Self::spawn_wait) lets in beyond the
    /// limit, which then wait in the group; 16 unless set. With 0 it waits for a
    /// free slot, as Go's `Go` does; but whoever makes tiny tasks then sleeps and
    /// wakes for every other one. How many *run* at once is the limit, whatever
    /// this is.
    pub fn set_backlog(&self, tasks: usize) {
        self.shared.state.set_backlog(tasks);
        self.shared.refill();
    }

    /// Tasks that are in the group: running, or waiting for a slot.
    pub fn len(&self) -> usize {
        let stats = self.stats();
        stats.running + stats.pending
    }

    /// Whether no task is in the group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Figures, at this moment.
    pub fn stats(&self) -> Stats {
        self.shared.state.stats()
    }

    /// Spawns a task that the grace does not drop.
    pub(crate) fn spawn_to_the_end<F>(&self, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.queue(task, |carried, task| {
            self.shared.spares.pin(carried.carry(task))
        });
    }

    #[inline]
    fn queue<F>(&self, task: F, job: impl FnOnce(Carried, F) -> Job<E>) {
        if self.is_cancelled() {
            return self.shared.refuse(task);
        }
        self.shared.remember_runtime();
        let job = job(Carried::here(), task);
        match self.shared.state.reserve() {
            Reserved::Room { start } => self.shared.push(job, start),
            // For those who go through the queue it is never full.
            Reserved::Full | Reserved::Cancelled => self.shared.refuse(job),
        }
    }
}

impl<E> Clone for Handle<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<E: Send + 'static> fmt::Debug for Handle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("stats", &self.stats())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
