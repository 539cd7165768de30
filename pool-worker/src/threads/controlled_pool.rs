//! One function over many arguments, on threads, under control.

use std::fmt;
use std::time::Duration;

use super::FuncPool;
use super::func_build::{built, lend};
use crate::any_pool::Core;
use crate::call::Call;
use crate::error::{BuildError, CloseError, SubmitError};
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::outcome::Outcome;
use crate::overload::{
    Class, Control, ControlStats, Controlled, Level, Token, Unserved, controlled,
};
use crate::span::Carried;

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
    controlled: Controlled<T>,
    tokens: FuncPool<Token<T>>,
}

controlled!(ControlledPool);

impl<T: Send + 'static> ControlledPool<T> {
    /// Waits until every job accepted so far, and since, was run or given back. In
    /// a pool that is [paused](Self::pause) with jobs that wait, it waits for the resume or a
    /// close.
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
    /// `unserved`, which should not block: on a worker, on a thread that submits, or,
    /// when a [deadline](Class::deadline) passes, on the thread of the pool's alarm. Each
    /// of these has to wait for it, and so does who waits for the end of the pool; so
    /// that is refused to it as it is to a job of the pool. Its panic goes to the
    /// [panic handler](Self::panic_handler), and costs nothing else.
    ///
    /// # Panics
    /// When the capacity is 0, when capacity and queue bound together are
    /// above 2^29, and when the system gives no thread for the first worker.
    pub fn build<F, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        built(self.try_build(control, run, unserved))
    }

    /// As [`build`](Self::build), where a system that gives no thread is an error.
    ///
    /// # Errors
    /// As `try_build` of a [`FuncPool`].
    ///
    /// # Panics
    /// When the capacity is 0, and when capacity and queue bound together are
    /// above 2^29.
    pub fn try_build<F, U>(
        self,
        control: Control,
        run: F,
        unserved: U,
    ) -> Result<ControlledPool<T>, BuildError>
    where
        F: Fn(T) + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let run = move |_stateless: &mut Option<()>, job| {
            run(job);
            Outcome::Ran
        };
        self.build_with(control, run, unserved)
    }

    /// As [`build`](Self::build), for a function with a state that `make` makes on each
    /// worker; see [`build_with_state`](Builder::build_with_state) of a [`FuncPool`].
    ///
    /// ```
    /// use pool_worker::overload::{Class, Codel, Control, Unserved};
    /// use pool_worker::threads::ControlledPool;
    ///
    /// let pool = ControlledPool::builder().capacity(2).build_with_state(
    ///     Control::new().codel(Codel::default()),
    ///     String::new,
    ///     |line, word: &'static str| {
    ///         line.push_str(word);
    ///         println!("this worker was given {line}");
    ///     },
    ///     |unserved: Unserved<&str>| println!("{} was {}", unserved.job, unserved.why),
    /// );
    /// pool.submit(Class::new(), "one ")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// As [`build`](Self::build). A panic of `make` is that of the job.
    pub fn build_with_state<S: 'static, M, F, U>(
        self,
        control: Control,
        make: M,
        run: F,
        unserved: U,
    ) -> ControlledPool<T>
    where
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, T) + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        built(self.try_build_with_state(control, make, run, unserved))
    }

    /// As [`build_with_state`](Self::build_with_state), where a system that gives no
    /// thread is an error.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    ///
    /// # Panics
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_state<S: 'static, M, F, U>(
        self,
        control: Control,
        make: M,
        run: F,
        unserved: U,
    ) -> Result<ControlledPool<T>, BuildError>
    where
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, T) + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let run = move |state: &mut Option<S>, job| {
            lend(state, &make, |state| run(state, job));
            Outcome::Ran
        };
        self.build_with(control, run, unserved)
    }

    /// The pool that runs a function that is given the place of its worker's state.
    fn build_with<S: 'static, F, U>(
        self,
        control: Control,
        run: F,
        unserved: U,
    ) -> Result<ControlledPool<T>, BuildError>
    where
        F: Fn(&mut Option<S>, T) -> Outcome + Send + Sync + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let run = move |state: &mut Option<S>, hand: &mut Option<Carried<Token<T>>>| {
            let token = hand.take().expect("a token was taken").into_job();
            let desk = token.spend();
            let Some((job, running)) = desk.next() else {
                return Outcome::Ran;
            };
            let outcome = job.run(|job| run(state, job));
            running.ended(&outcome);
            outcome
        };
        let builder = self.of_tokens::<FuncPool<Token<T>>>(&control);
        let tokens = builder.build_stateful(run, Box::new(drop))?;
        let controlled = Controlled::new(control, unserved, &tokens.dispatcher);
        Ok(ControlledPool { controlled, tokens })
    }

    /// The pool that runs this function, whose results its callers wait for: see
    /// [`call`](ControlledPool::call).
    ///
    /// ```
    /// use pool_worker::JobFailure;
    /// use pool_worker::overload::{Class, Control};
    /// use pool_worker::threads::ControlledPool;
    /// use std::time::Instant;
    ///
    /// let pool = ControlledPool::builder().build_calls(Control::new(), |n: u64| n * n);
    /// assert_eq!(pool.call(Class::new(), 3)?.wait()?, 9);
    ///
    /// let too_late = Class::new().deadline(Instant::now());
    /// let error = pool.call(too_late, 4)?.wait().unwrap_err();
    /// assert!(matches!(error.reason(), JobFailure::Unserved { .. }));
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
        built(self.try_build_calls(control, run))
    }

    /// As [`build_calls`](Self::build_calls), where a system that gives no thread is an
    /// error.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    ///
    /// # Panics
    /// As [`try_build`](Self::try_build).
    pub fn try_build_calls<F, R>(
        self,
        control: Control,
        run: F,
    ) -> Result<ControlledPool<Call<T, R>>, BuildError>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let run = move |_stateless: &mut Option<()>, call: Call<T, R>| call.run(&run);
        self.convert::<ControlledPool<_>>()
            .build_with(control, run, Call::back)
    }
}
