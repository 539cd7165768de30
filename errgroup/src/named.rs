//! Names of tasks.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::panicking;

use pin_project_lite::pin_project;

thread_local! {
    /// Of the task whose panic is on its way to whoever catches it.
    static PANICKED: RefCell<Option<Cow<'static, str>>> = const { RefCell::new(None) };
}

/// The name of the task that has just panicked on this thread, told once.
pub(crate) fn take_panicked() -> Option<Cow<'static, str>> {
    PANICKED.try_with(RefCell::take).ok().flatten()
}

/// Gives a task a name, whichever way it is spawned: its [`Panic`](crate::Panic) tells it,
/// and with the feature `tracing` it runs in a span `task` that has it.
///
/// To be the whole task: a name within one that catches the panic by itself is told by
/// the next panic that is caught on the thread.
///
/// ```
/// use errgroup::{Group, WaitError, named};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let group = Group::<String>::new().limit(8);
/// for page in 0..3 {
///     group.spawn(named(format!("page {page}"), async move {
///         assert_ne!(page, 2, "no such page");
///         Ok(())
///     }));
/// }
/// let Err(WaitError::Panicked(panic)) = group.try_wait().await else { unreachable!() };
/// assert_eq!(panic.task(), Some("page 2"));
/// # });
/// ```
pub fn named<F>(name: impl Into<Cow<'static, str>>, task: F) -> Named<F> {
    let name = name.into();
    let span = TaskSpan::new(&name);
    Named { name, span, task }
}

/// As [`named`], for a job that is called: of [`scope()`](crate::scope()), or of
/// `spawn_blocking`.
///
/// ```
/// use errgroup::{WaitError, named_job, try_scope};
///
/// let ended = try_scope(|scope| {
///     scope.spawn(named_job("sums", || -> Result<(), String> { panic!("too much") }));
///     Ok(())
/// });
/// let Err(WaitError::Panicked(panic)) = ended else { unreachable!() };
/// assert_eq!(panic.to_string(), "task sums panicked: too much");
/// ```
pub fn named_job<R>(
    name: impl Into<Cow<'static, str>>,
    job: impl FnOnce() -> R,
) -> impl FnOnce() -> R {
    let job = named(name, job);
    move || {
        let _entered = job.span.enter();
        let _tells = Tells {
            name: &job.name,
            panicking: panicking(),
        };
        (job.task)()
    }
}

pin_project! {
    /// A task with a name: from [`named`].
    pub struct Named<F> {
        name: Cow<'static, str>,
        span: TaskSpan,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let _tells = Tells {
            name: this.name,
            panicking: panicking(),
        };
        this.task.poll(cx)
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.name).finish()
    }
}

#[cfg(feature = "tracing")]
struct TaskSpan(tracing::Span);

#[cfg(feature = "tracing")]
impl TaskSpan {
    fn new(name: &str) -> Self {
        Self(tracing::info_span!("task", name))
    }

    fn enter(&self) -> impl Drop + '_ {
        self.0.enter()
    }
}

#[cfg(not(feature = "tracing"))]
struct TaskSpan;

#[cfg(not(feature = "tracing"))]
impl TaskSpan {
    const fn new(_: &str) -> Self {
        Self
    }

    const fn enter(&self) -> Self {
        Self
    }
}

/// Leaves the name where the catcher of a panic finds it, if one passes by: a task that
/// does not panic pays for no copy.
struct Tells<'a> {
    name: &'a Cow<'static, str>,
    /// It is somebody else's panic.
    panicking: bool,
}

impl Drop for Tells<'_> {
    fn drop(&mut self) {
        if panicking() && !self.panicking {
            // Not there while the thread goes down.
            let _ = PANICKED.try_with(|last| last.replace(Some(self.name.clone())));
        }
    }
}
