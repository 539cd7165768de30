//! Names of tasks.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::panicking;

use pin_project_lite::pin_project;

/// What is done to a task whose name is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// A job is called, and goes with that.
    Calls,
    Drops,
}

/// Whoever asks for the name of a task, to whom the task tells it.
struct Asker {
    deed: Deed,
    told: Option<Cow<'static, str>>,
}

thread_local! {
    static ASKER: RefCell<Option<Asker>> = const { RefCell::new(None) };

    /// Of the task whose panic is on its way to whoever catches it.
    static PANICKED: RefCell<Option<Cow<'static, str>>> = const { RefCell::new(None) };
}

/// The name of the task that has just panicked on this thread, told once.
pub(crate) fn take_panicked() -> Option<Cow<'static, str>> {
    PANICKED.try_with(RefCell::take).ok().flatten()
}

/// Drops a task; and its name, if it has one.
pub(crate) fn drops<R>(task: impl FnOnce() -> R) -> (R, Option<Cow<'static, str>>) {
    ask(Deed::Drops, task)
}

/// Calls a job; and its name, if it has one.
pub(crate) fn calls<R>(job: impl FnOnce() -> R) -> (R, Option<Cow<'static, str>>) {
    ask(Deed::Calls, job)
}

fn ask<R>(deed: Deed, code: impl FnOnce() -> R) -> (R, Option<Cow<'static, str>>) {
    let _asking = Asking::new(Asker { deed, told: None });
    let result = code();
    (result, asker(|asker| asker.told.take()).flatten())
}

/// Who asks, if somebody does: nobody while the thread goes down.
fn asker<R>(with: impl FnOnce(&mut Asker) -> R) -> Option<R> {
    let asked = ASKER.try_with(|asker| asker.borrow_mut().as_mut().map(with));
    asked.ok().flatten()
}

/// While this lives, somebody asks, in place of who did before.
struct Asking(Option<Asker>);

impl Asking {
    fn new(asker: Asker) -> Self {
        let outer = ASKER.try_with(|now| now.replace(Some(asker)));
        Self(outer.ok().flatten())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = ASKER.try_with(|now| now.replace(self.0.take()));
    }
}

/// A name that is told to whoever asks.
struct Name(Cow<'static, str>);

impl Name {
    /// The job is called.
    fn is_called(&self) {
        tell(Deed::Calls, || self.0.clone());
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        tell(Deed::Drops, || std::mem::take(&mut self.0));
    }
}

/// Whoever asks by that deed learns the name, unless there was one before.
fn tell(deed: Deed, name: impl FnOnce() -> Cow<'static, str>) {
    asker(|asker| {
        if asker.deed == deed {
            asker.told.get_or_insert_with(name);
        }
    });
}

/// Gives a task a name, whichever way it is spawned: its [`Panic`](crate::Panic) tells it,
/// and so does its [report](crate::TaskReport) if it is one of a
/// [`Gather`](crate::Gather); with the feature `tracing` it runs in a span `task` that has
/// it.
///
/// To be the whole task: a name within one that catches the panic by itself is told by
/// the next panic that is caught on the thread, and a report may tell a name within a task
/// that has none itself.
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
    let name = Name(name.into());
    let span = TaskSpan::new(&name.0);
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
///
/// In a report:
///
/// ```
/// use errgroup::{Policy, gather_scope, named_job};
///
/// let gathered = gather_scope::<u32, (), _>(Policy::All, |gather| {
///     gather.spawn(named_job("sums", || Ok(1 + 1)));
/// });
/// assert_eq!(gathered.reports()[0].name, "sums");
/// ```
pub fn named_job<R>(
    name: impl Into<Cow<'static, str>>,
    job: impl FnOnce() -> R,
) -> impl FnOnce() -> R {
    let job = named(name, job);
    move || {
        // As a whole: its parts are dropped in their order.
        let job = job;
        job.name.is_called();
        let _entered = job.span.enter();
        let _tells = Tells {
            name: &job.name.0,
            panicking: panicking(),
        };
        (job.task)()
    }
}

pin_project! {
    /// A task with a name: from [`named`].
    pub struct Named<F> {
        // First, so that it is told before those of tasks within.
        name: Name,
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
            name: &this.name.0,
            panicking: panicking(),
        };
        this.task.poll(cx)
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.name.0).finish()
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
