//! What belongs to a request and goes with it into every task.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task;
use std::time::Instant;

thread_local! {
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Whether there was ever a context in this process: where there is none, nobody
/// pays for looking. Relaxed: the thread that enters one has set it before, and
/// other threads have nothing to see.
static EVER: AtomicBool = AtomicBool::new(false);

/// Id, deadline and baggage of a request. Whoever takes the request in sets it
/// for the code that serves it; every task that this code spawns into a group,
/// a [`Gather`](crate::Gather) or a [`scope()`](crate::scope()) has it too,
/// without a word of it at the call. (The span goes along with the feature
/// `tracing`.)
///
/// Cheap to clone. It says when the deadline is and does nothing about it: see
/// [`Group::deadline`](crate::Group::deadline).
///
/// ```
/// use errgroup::{Context, Group};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let served = Context::new("request-7").with("tenant", "blue").run(async {
///     let group = Group::<String>::new();
///     group.spawn(async {
///         let context = Context::current().unwrap();
///         assert_eq!(context.id(), "request-7");
///         assert_eq!(context.get("tenant"), Some("blue"));
///         Ok(())
///     });
///     group.wait().await
/// });
/// assert_eq!(served.await, Ok(()));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context(Arc<Request>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    id: String,
    deadline: Option<Instant>,
    baggage: BTreeMap<String, String>,
}

impl Context {
    /// The context of the request of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Arc::new(Request {
            id: id.into(),
            deadline: None,
            baggage: BTreeMap::new(),
        }))
    }

    /// With this deadline, or the one it has if that is earlier.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        let request = Arc::make_mut(&mut self.0);
        request.deadline = Some(request.deadline.map_or(deadline, |own| own.min(deadline)));
        self
    }

    /// With this piece of baggage.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let request = Arc::make_mut(&mut self.0);
        request.baggage.insert(key.into(), value.into());
        self
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// When the request has to be done.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// A piece of baggage.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.baggage.get(key).map(String::as_str)
    }

    /// The context of the task or thread that asks.
    #[inline]
    pub fn current() -> Option<Self> {
        if !EVER.load(Relaxed) {
            return None;
        }
        // None also while the thread is going down.
        let current = CURRENT.try_with(|current| current.borrow().clone());
        current.ok().flatten()
    }

    /// Runs a future in this context.
    pub fn run<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        WithContext {
            context: Some(self),
            future: Some(future),
        }
    }

    /// Runs a future in this context, or in that of whoever polls it.
    pub(crate) fn run_if<F: Future>(
        context: Option<Self>,
        future: F,
    ) -> impl Future<Output = F::Output> {
        WithContext {
            context,
            future: Some(future),
        }
    }

    /// Calls a function in this context.
    pub fn call<R>(self, function: impl FnOnce() -> R) -> R {
        let _entered = enter(Some(self));
        function()
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// While this lives, the thread is in another context, or in none.
pub(crate) struct Entered(Option<Context>);

fn enter(context: Option<Context>) -> Entered {
    EVER.store(true, Relaxed);
    Entered(CURRENT.replace(context))
}

/// In no context: a task that has none must not see that of a `call` around the
/// whole runtime.
#[inline]
pub(crate) fn outside() -> Option<Entered> {
    if !EVER.load(Relaxed) || CURRENT.with_borrow(Option::is_none) {
        return None;
    }
    Some(enter(None))
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The other one is dropped outside of the borrow.
        let _left = CURRENT.replace(self.0.take());
    }
}

pin_project_lite::pin_project! {
    /// A future in a context of its own, if it has one; also while it is dropped.
    struct WithContext<F> {
        context: Option<Context>,
        // None while it is dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for WithContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.context.take().map(|context| enter(Some(context)));
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<F::Output> {
        let this = self.project();
        let context = this.context.clone();
        let _entered = context.map(|context| enter(Some(context)));
        let future = this.future.as_pin_mut().expect("is not being dropped");
        future.poll(cx)
    }
}
