//! One function over many arguments, on threads, under control.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::FuncPool;
use crate::call::Call;
use crate::error::{CloseError, SubmitError};
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::overload::{Class, Control, ControlStats, Desk, Level, Unserved, controlled};

/// A pool of threads that run one function, and decide by how long jobs wait which
/// of them to run; see [`overload`](crate::overload).
///
/// Beside that it is a [`FuncPool`], except that nobody is ever blocked: what there
/// is no room for is refused.
///
/// ```
/// use pool_worker::overload::{Class, Codel, Control, Unserved};
/// use pool_worker::threads::ControlledPool;
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// struct Request(u32, mpsc::Sender<String>);
///
/// let pool = ControlledPool::builder().capacity(2).queue(1000).build(
///     Control::new().codel(Codel::default()),
///     |Request(number, reply)| _ = reply.send(format!("{number} served")),
///     |unserved: Unserved<Request>| {
///         let Request(number, reply) = unserved.job;
///         let _ = reply.send(format!("{number} {} after {:?}", unserved.why, unserved.delay));
///     },
/// );
/// let (reply, replies) = mpsc::channel();
/// pool.submit(Class::new().priority(1), Request(7, reply))?;
/// assert_eq!(replies.recv()?, "7 served");
/// pool.close(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ControlledPool<T: Send + 'static> {
    desk: Arc<Desk<T>>,
    tokens: FuncPool<()>,
}

controlled!(ControlledPool);

impl<T: Send + 'static> ControlledPool<T> {
    /// Waits until every job accepted so far, and since, was run or given back.
    ///
    /// # Panics
    /// On a worker of this pool, whose job would wait for itself.
    pub fn wait_idle(&self) {
        self.tokens.wait_idle();
    }

    /// Accepts nothing from now on, and waits until what was accepted was run or
    /// given back and every worker has left, for at most `limit`.
    ///
    /// # Errors
    /// As [`FuncPool::close`].
    pub fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.tokens.close(limit)
    }
}

impl<T: Send + 'static> Builder<ControlledPool<T>> {
    /// The pool that runs this function, and gives what it does not run to
    /// `unserved`, on a worker, which has to wait for it.
    ///
    /// # Panics
    /// When the capacity is 0, when capacity and queue bound together are
    /// above 2^30, and when the system gives no thread for the first worker.
    pub fn build<F, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let desk = Arc::new(Desk::new(control, unserved));
        let at_desk = Arc::clone(&desk);
        let tokens = self.of_tokens::<FuncPool<()>>(&control).build(move |()| {
            if let Some((job, running)) = at_desk.next() {
                job.run(&run);
                drop(running);
            }
        });
        desk.resize_by(tokens.dispatcher.resizer());
        ControlledPool { desk, tokens }
    }

    /// The pool that runs this function, whose results its callers wait for: see
    /// [`call`](ControlledPool::call).
    ///
    /// ```
    /// use pool_worker::JobError;
    /// use pool_worker::overload::{Class, Control};
    /// use pool_worker::threads::ControlledPool;
    /// use std::time::Instant;
    ///
    /// let pool = ControlledPool::builder().build_calls(Control::new(), |n: u64| n * n);
    /// assert_eq!(pool.call(Class::new(), 3)?.wait()?, 9);
    ///
    /// let too_late = Class::new().deadline(Instant::now());
    /// let error = pool.call(too_late, 4)?.wait().unwrap_err();
    /// assert!(matches!(error, JobError::Unserved { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// As [`build`](Self::build).
    pub fn build_calls<F, R>(self, control: Control, run: F) -> ControlledPool<Call<T, R>>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let run = move |call: Call<T, R>| call.run(&run).panic_on();
        self.convert::<ControlledPool<_>>()
            .build(control, run, Call::back)
    }
}
