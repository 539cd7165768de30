//! What cancels a scope from outside, and what its cancel does there: as `control` of a
//! group, by a thread for each that waits. All of them wait for the end of the scope
//! too, so that none keeps it from ending.

use std::task::{Context, Poll, Waker};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use crate::cause::Cause;
use crate::control::happens;
use crate::engine::Engine;
use crate::panic::{Panic, caught};
use crate::park::{ready_until, until_ready};
use crate::scope::{Scope, scope, try_scope};
use crate::sync::lock;
use crate::wait_error::WaitError;

/// What follows a cancel, on a thread of its own; with a panic of it that came after the
/// end.
pub(crate) type Follower<'scope> = ScopedJoinHandle<'scope, Option<Panic>>;

impl<'scope, 'env, E: Send + 'scope> Scope<'scope, 'env, E> {
    /// Blocks until the scope is cancelled (Go: `<-ctx.Done()`). A scope in
    /// which every task does this, and nobody fails, never ends.
    pub fn wait_cancelled(&self) {
        until_ready(watcher(self));
    }

    /// Ready once the scope is cancelled, or has ended; as
    /// [`Handle::cancelled`](crate::Handle::cancelled). For another scope's
    /// [`cancel_when`](Self::cancel_when), or for futures that a task runs. Needs no
    /// runtime.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<'_, 'scope, 'env, E> {
        std::future::poll_fn(watcher(self))
    }

    /// Cancels the scope with this error at that time, unless it has ended; as
    /// [`Group::deadline`](crate::Group::deadline). A task that runs is not
    /// stopped by it: nothing can stop a thread but itself, which is also why
    /// there is no grace here. Let long tasks ask [`is_cancelled`](Self::is_cancelled).
    ///
    /// A thread of its own waits for the time, and ends with the scope.
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn deadline(&self, at: Instant, error: E) {
        self.cancel_at(at, Cause::Error(error));
    }

    pub(crate) fn cancel_at(&self, at: Instant, reason: Cause<E>) {
        if at <= Instant::now() {
            // Not by a thread, a moment later.
            let _ = self.cancel_from_outside(reason);
            return;
        }
        let scope = self.clone();
        self.threads.spawn(move || {
            if ready_until(Some(at), watcher(&scope)).is_none() {
                let _ = scope.cancel_from_outside(reason);
            }
        });
    }

    /// Cancels the scope by hand when `event` is ready; as
    /// [`Group::cancel_when`](crate::Group::cancel_when): a channel of futures, a
    /// `CancellationToken`, the cancel of another scope or of a group. It may borrow, is
    /// dropped when the scope is cancelled or ends, and its panic is one of the scope.
    ///
    /// A thread of its own polls it, outside of any runtime, and ends with the scope. (A
    /// timer of tokio is bound to a runtime where it is made.) Nothing wakes a thread that
    /// *blocks* for an event; let such a one call [`cancel`](Self::cancel) of a clone.
    ///
    /// ```
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let ended = errgroup::scope(|group| {
    ///     group.cancel_when(stopped);
    ///     let sibling = group.clone();
    ///     group.spawn(move || { sibling.wait_cancelled(); Ok::<(), ()>(()) });
    ///     drop(stop);
    ///     Ok(())
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn cancel_when<F>(&self, event: F)
    where
        F: Future<Output: Send> + Send + 'scope,
    {
        let scope = self.clone();
        let mut watching = Box::pin(async move {
            let reason = match happens(event, scope.cancelled()).await {
                Ok(false) => return,
                Ok(true) => Cause::Cancelled,
                Err(panic) => Cause::Panicked(panic),
            };
            let _ = scope.cancel_from_outside(reason);
        });
        // What has happened by now cancels now, not by a thread, a moment later.
        let mut cx = Context::from_waker(Waker::noop());
        if watching.as_mut().poll(&mut cx).is_pending() {
            self.threads
                .spawn(move || until_ready(|cx| watching.as_mut().poll(cx)));
        }
    }

    /// If this scope fails, by an error or a panic of a task or of its body or by its
    /// deadline, cancels that other one, too, before this one returns; as
    /// [`Group::escalate_to`](crate::Group::escalate_to). Without this the failure of a
    /// [`child`](Self::child) is contained: it is returned, and concerns nobody else.
    ///
    /// The other one is cancelled by hand, so that the error is returned here only.
    pub fn escalate_to<'outer: 'scope, P>(&self, parent: &Scope<'outer, '_, P>)
    where
        P: Send + 'outer,
    {
        let parent = parent.clone();
        let escalations = &self.shared.escalations;
        escalations.add(move || parent.cancel(), || self.shared.state.has_failed());
    }

    /// Runs a scope, as [`scope()`] does, that is cancelled when this one is cancelled,
    /// by its deadline too; not the other way round, see
    /// [`escalate_to`](Self::escalate_to). As [`Handle::child`](crate::Handle::child).
    ///
    /// It blocks until the child ends; in a task it holds the task's slot, and the tasks
    /// of the child, which are none of this scope, take threads of their own. Let them
    /// not [`spawn_wait`](Self::spawn_wait) into this scope: the slot they wait for could
    /// be the one that waits for them.
    ///
    /// A thread carries the cancel over, so a moment later, and ends with the child; the
    /// child of a scope that is cancelled already is so from the start.
    ///
    /// ```
    /// let ended = errgroup::scope(|parent| {
    ///     let outer = parent.clone();
    ///     parent.spawn(move || {
    ///         let child = outer.child(|child| {
    ///             // child.escalate_to(&outer) would cancel the parent, too.
    ///             child.spawn(|| Err("the child's own"));
    ///             Ok(())
    ///         });
    ///         assert_eq!(child, Err("the child's own"));
    ///         assert!(!outer.is_cancelled());
    ///         Ok::<(), ()>(())
    ///     });
    ///     Ok(())
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of a task or of `body`. The cancel by the parent is none.
    ///
    /// # Panics
    ///
    /// If a task or `body` panicked, goes on with the first panic. If the system has no
    /// thread left.
    pub fn child<'outer, T, C, F>(&'outer self, body: F) -> Result<T, C>
    where
        C: Send + 'outer,
        F: for<'child> FnOnce(&Scope<'child, 'outer, C>) -> Result<T, C>,
    {
        scope(|child| {
            child.follow(self);
            body(child)
        })
    }

    /// As [`child`](Self::child), but tells every end from the others, as [`try_scope`]
    /// does: with [`WaitError::Cancelled`] that the parent was cancelled first.
    ///
    /// # Errors
    ///
    /// As those of [`try_scope`].
    pub fn try_child<'outer, T, C, F>(&'outer self, body: F) -> Result<T, WaitError<C>>
    where
        C: Send + 'outer,
        F: for<'child> FnOnce(&Scope<'child, 'outer, C>) -> Result<T, C>,
    {
        try_scope(|child| {
            child.follow(self);
            body(child)
        })
    }

    /// Is cancelled with that one.
    pub(crate) fn follow<'outer: 'scope, 'p, P>(&self, parent: &'outer Scope<'p, '_, P>)
    where
        P: Send + 'p,
    {
        if parent.is_cancelled() {
            return self.cancel();
        }
        self.cancel_when(parent.cancelled());
    }

    /// Calls `act` once this scope is cancelled or has ended; as
    /// [`Handle::on_cancel`](crate::Handle::on_cancel): to cancel a group or a token,
    /// say, or to wake who blocks. On a thread of its own, so a moment later; it may
    /// borrow, the scope returns when it has returned, and its panic is one of the scope.
    ///
    /// ```
    /// let mut told = false;
    /// let ended: Result<(), &str> = errgroup::scope(|group| {
    ///     group.on_cancel(|| told = true);
    ///     Err("broken")
    /// });
    /// assert_eq!((ended, told), (Err("broken"), true));
    /// ```
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn on_cancel(&self, act: impl FnOnce() + Send + 'scope) {
        let scope = self.clone();
        let follower = self.threads.spawn(move || {
            scope.wait_cancelled();
            let panic = caught(act).err()?;
            scope.cancel_unless_ended(Cause::Panicked(panic))
        });
        lock(&self.shared.followers).push(follower);
    }

    /// The outcome of a scope that has ended, once all who follow the end have: the
    /// first panic of theirs, if no task has panicked.
    pub(crate) fn followed(&self, mut ended: Result<(), WaitError<E>>) -> Result<(), WaitError<E>> {
        loop {
            // Not under the lock: one may call another.
            let Some(follower) = lock(&self.shared.followers).pop() else {
                return ended;
            };
            let panic = follower.join().expect("panics are caught");
            if let Some(panic) = panic {
                self.escalate();
                if !matches!(ended, Err(WaitError::Panicked(_))) {
                    ended = Err(WaitError::Panicked(panic));
                }
            }
        }
    }

    /// As `cancel_from_outside`; a panic that comes too late for that comes back.
    fn cancel_unless_ended(&self, reason: Cause<E>) -> Option<Panic> {
        match self.cancel_from_outside(reason) {
            Some(Cause::Panicked(panic)) => Some(panic),
            _ => None,
        }
    }
}

/// What asks whether the scope is cancelled, and is woken then.
struct Watcher<'a, 'scope, 'env, E: Send + 'scope> {
    scope: &'a Scope<'scope, 'env, E>,
    key: Option<usize>,
}

impl<'scope, E: Send + 'scope> Drop for Watcher<'_, 'scope, '_, E> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.scope.shared.state.forget_cancelled(key);
        }
    }
}

fn watcher<'a, 'scope, 'env, E: Send + 'scope>(
    scope: &'a Scope<'scope, 'env, E>,
) -> impl FnMut(&mut Context<'_>) -> Poll<()> + Send + use<'a, 'scope, 'env, E> {
    let mut watcher = Watcher { scope, key: None };
    move |cx| {
        let Watcher { scope, key } = &mut watcher;
        scope.shared.state.poll_cancelled(key, cx)
    }
}
