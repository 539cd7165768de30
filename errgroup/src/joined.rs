//! The value of a single task.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;

use crate::handle::Handle;
use crate::park::until_ready;
use crate::scope::Scope;

impl<E: Send + 'static> Handle<E> {
    /// As [`spawn`](Self::spawn), and the task's value can be awaited; its error
    /// is the group's, as ever. Not awaiting it changes nothing.
    ///
    /// A task that waits in here for another one holds its slot meanwhile: under
    /// a limit let it spawn what it waits for into another group, or there may be
    /// no slot for it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_value<T, F>(&self, task: F) -> Joined<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (mut teller, aborted, joined) = pair();
        self.spawn(async move {
            teller.started = true;
            let ended = unless(aborted, task).await;
            teller.conclude(ended)
        });
        joined
    }
}

impl<'scope, E: Send + 'scope> Scope<'scope, '_, E> {
    /// As [`spawn`](Self::spawn), and the task's value can be had, by
    /// [`Joined::join`]; its error is the scope's, as ever. Not asking for it changes
    /// nothing. As [`Handle::spawn_value`].
    ///
    /// A task that waits in here for another one holds its slot meanwhile: under a limit
    /// there may be no slot for the other.
    ///
    /// ```
    /// let text = String::from("some words");
    /// let done: Result<usize, ()> = errgroup::scope(|group| {
    ///     let words = group.spawn_value(|| Ok(text.split(' ').count()));
    ///     Ok(words.join().unwrap_or(0))
    /// });
    /// assert_eq!(done, Ok(2));
    /// ```
    pub fn spawn_value<T, F>(&self, task: F) -> Joined<T>
    where
        T: Send + 'scope,
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let (mut teller, mut aborted, joined) = pair();
        self.spawn(move || {
            teller.started = true;
            let ended = match aborted.try_recv() {
                Ok(()) => {
                    drop(task);
                    None
                }
                Err(_) => Some(task()),
            };
            teller.conclude(ended)
        });
        joined
    }
}

/// Who tells, who hears of an abort, and who is told.
fn pair<T>() -> (Teller<T>, oneshot::Receiver<()>, Joined<T>) {
    let (tell, told) = oneshot::channel();
    let (abort, aborted) = oneshot::channel();
    let teller = Teller {
        tell: Some(tell),
        started: false,
    };
    let abort = Some(abort);
    (teller, aborted, Joined { told, abort })
}

/// Why a task has no value; the error or the panic itself is the group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoValue {
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// [`Joined::abort`] has dropped it.
    Aborted,
    /// It was dropped while it ran: after the group's grace, or by its runtime.
    Dropped,
    /// The group was cancelled before it began.
    NotStarted,
}

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "the task failed",
            Self::Panicked => "the task panicked",
            Self::Aborted => "the task was aborted",
            Self::Dropped => "the task was dropped while it ran",
            Self::NotStarted => "the task was not started",
        })
    }
}

impl std::error::Error for NoValue {}

/// Tells what a task came to, whatever becomes of it.
struct Teller<T> {
    tell: Option<oneshot::Sender<Result<T, NoValue>>>,
    started: bool,
}

impl<T> Teller<T> {
    /// Tells how a task ended, `None` if it was aborted; what comes back is its end as
    /// one of a group.
    fn conclude<E>(&mut self, ended: Option<Result<T, E>>) -> Result<(), E> {
        let (told, result) = match ended {
            Some(Ok(value)) => (Ok(value), Ok(())),
            Some(Err(error)) => (Err(NoValue::Failed), Err(error)),
            None => (Err(NoValue::Aborted), Ok(())),
        };
        self.tell(told);
        result
    }

    fn tell(&mut self, ended: Result<T, NoValue>) {
        if let Some(tell) = self.tell.take() {
            // Nobody may care any more.
            let _ = tell.send(ended);
        }
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.tell(Err(if !self.started {
            NoValue::NotStarted
        } else if thread::panicking() {
            NoValue::Panicked
        } else {
            NoValue::Dropped
        }));
    }
}

/// The task's result; `None` if it was aborted first.
async fn unless<F: Future>(mut aborted: oneshot::Receiver<()>, task: F) -> Option<F::Output> {
    let mut task = pin!(task);
    let mut may_be_aborted = true;
    poll_fn(|cx| {
        if may_be_aborted && let Poll::Ready(answer) = Pin::new(&mut aborted).poll(cx) {
            if answer.is_ok() {
                return Poll::Ready(None);
            }
            // Its handle is gone.
            may_be_aborted = false;
        }
        task.as_mut().poll(cx).map(Some)
    })
    .await
}

/// The value of a task, once it is done, or why it has none. Of
/// [`Handle::spawn_value`] and [`Scope::spawn_value`]; tokio's or a thread's `JoinHandle`
/// for a task of a group. Dropping it detaches nothing: the task is the group's.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use errgroup::NoValue;
///
/// let group = errgroup::Group::<String>::new();
/// let answer = group.spawn_value(async { Ok(42) });
/// let mut endless = group.spawn_value(std::future::pending::<Result<(), _>>());
/// assert_eq!(answer.await, Ok(42));
/// endless.abort();                    // this one only
/// assert_eq!(endless.await, Err(NoValue::Aborted));
/// assert_eq!(group.wait().await, Ok(()));
/// # });
/// ```
pub struct Joined<T> {
    told: oneshot::Receiver<Result<T, NoValue>>,
    abort: Option<oneshot::Sender<()>>,
}

impl<T> Joined<T> {
    /// Drops this task at its next await, or before it starts; its siblings go on,
    /// and it is no error. Does not wait: it is gone once this is ready, with
    /// [`Aborted`](NoValue::Aborted), or with what it came to before.
    ///
    /// A task of a scope that has started cannot be dropped: it comes to its own end.
    pub fn abort(&mut self) {
        if let Some(abort) = self.abort.take() {
            // It may be gone.
            let _ = abort.send(());
        }
    }

    /// Blocks until the task has come to its end: its value, or why it has none. For the
    /// tasks of a [`scope()`](crate::scope()); where futures run, await this instead.
    ///
    /// # Errors
    ///
    /// As those of awaiting it: the task failed, panicked, was aborted or dropped, or did
    /// not start.
    pub fn join(mut self) -> Result<T, NoValue> {
        until_ready(|cx| Pin::new(&mut self).poll(cx))
    }

    /// Whether the task has come to its end, good or bad: then awaiting this does not
    /// wait.
    pub fn is_finished(&self) -> bool {
        !self.told.is_empty() || self.told.is_terminated()
    }
}

impl<T> Future for Joined<T> {
    type Output = Result<T, NoValue>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // It is always told; should it not be, the task is gone.
        let told = Pin::new(&mut self.told).poll(cx);
        told.map(|told| told.unwrap_or(Err(NoValue::Dropped)))
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
