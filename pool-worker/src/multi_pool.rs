//! Many pools as one.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::any_pool::{AnyPool, Core};
use crate::block_on::block_on;
use crate::error::{CloseError, CloseReason, Reason, ReopenError, ReopenReason, SubmitError};
use crate::identity::Identity;
use crate::stats::Stats;
use crate::threads;
use crate::try_submit::TrySubmit;
use crate::wait::{All, End};

/// Which of its pools a [`MultiPool`] turns to first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Each in its turn; when that one is full or closed, the least loaded.
    #[default]
    RoundRobin,
    /// The one with the fewest jobs that have not ended, of those that are not closed.
    LeastLoaded,
}

/// What is wrong with a [`MultiPool`], or with what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiPoolError {
    /// It was to have none. `ErrInvalidMultiPoolSize` of `ants`.
    #[error("a multi-pool has at least one pool")]
    NoPools,
    /// There is no pool of this number. `ErrInvalidPoolIndex` of `ants`.
    #[error("there is no pool {index} among {pools}")]
    NoSuchPool {
        /// What was asked for.
        index: usize,
        /// How many there are, numbered from 0.
        pools: usize,
    },
}

/// Pools of one kind, each with its own queue and workers, so that submitters
/// and workers of one do not meet those of another. Answers to `MultiPool`,
/// `MultiPoolWithFunc` and `MultiPoolWithFuncGeneric` of `ants`.
///
/// A job of one of its pools may go to any of them, so none of its jobs may wait for
/// another of its pools, as it may not for its own: that is told, with
/// [`Reason::Nested`] and its like. Pools of two multi-pools do not know each other.
///
/// Where one of its pools is closed, by itself or because its runtime went, jobs go to
/// the others. Not those of a key, which would no longer run in order.
///
/// ```
/// use pool_worker::threads::FuncPool;
/// use pool_worker::{MultiPool, Strategy};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (seen, order) = mpsc::channel();
/// let pools = MultiPool::new(4, Strategy::RoundRobin, |_nth| {
///     let seen = seen.clone();
///     FuncPool::new(1, move |job: (char, u32)| seen.send(job).unwrap())
/// })?;
/// for n in 0..100 {
///     // What has the same key runs in order: here each pool has one worker.
///     let key = if n % 2 == 0 { 'a' } else { 'b' };
///     pools.by_key(&key).submit((key, n))?;
/// }
/// pools.close(Duration::from_secs(60))?;
/// let evens: Vec<u32> = order.try_iter().filter(|job| job.0 == 'a').map(|job| job.1).collect();
/// assert!(evens.is_sorted() && evens.len() == 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MultiPool<P> {
    pools: Box<[P]>,
    strategy: Strategy,
    next: AtomicUsize,
}

impl<P: AnyPool> MultiPool<P> {
    /// So many pools, each made by `make` from its number.
    ///
    /// # Errors
    /// [`MultiPoolError::NoPools`] when `size` is 0.
    pub fn new(
        size: usize,
        strategy: Strategy,
        make: impl FnMut(usize) -> P,
    ) -> Result<Self, MultiPoolError> {
        if size == 0 {
            return Err(MultiPoolError::NoPools);
        }
        let pools: Box<[P]> = (0..size).map(make).collect();
        let identities: Vec<_> = pools.iter().map(|pool| pool.core().identity()).collect();
        Identity::unite(&identities);
        Ok(Self {
            pools,
            strategy,
            next: AtomicUsize::new(0),
        })
    }

    /// The pools.
    pub fn pools(&self) -> &[P] {
        &self.pools
    }

    /// The pool of this number: its figures, its capacity.
    ///
    /// # Errors
    /// [`MultiPoolError::NoSuchPool`].
    pub fn pool(&self, index: usize) -> Result<&P, MultiPoolError> {
        let pools = self.pools.len();
        let found = self.pools.get(index);
        found.ok_or(MultiPoolError::NoSuchPool { index, pools })
    }

    /// Whether all pools were closed.
    pub fn is_closed(&self) -> bool {
        self.pools.iter().all(|pool| pool.core().is_closed())
    }

    /// Opens all pools again after a close that has drained. Answers to `Reboot`.
    ///
    /// # Errors
    /// Of the first pool that cannot be opened; those before it are open then, and
    /// those that are open are passed over the next time. [`ReopenReason::Open`] when
    /// all were.
    pub fn reopen(&self) -> Result<(), ReopenError> {
        let (mut opened, mut open) = (false, None);
        for pool in &self.pools {
            match pool.core().reopen() {
                Ok(()) => opened = true,
                Err(error) if error.reason() == ReopenReason::Open => {
                    open.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        open.filter(|_| !opened).map_or(Ok(()), Err)
    }

    /// Sets the capacity of each pool. Answers to `Tune`.
    ///
    /// # Panics
    /// As `set_capacity` of one of the pools.
    pub fn set_capacity(&self, capacity: usize) {
        for pool in &self.pools {
            pool.core().set_capacity(capacity);
        }
    }

    /// The pool that all jobs of a key go to. There they start in the order of
    /// submission, and in a pool with a capacity of 1 each ends before the next
    /// starts. The same pool also once it is closed: then its jobs fail with
    /// [`Reason::Closed`], and the other pools are not asked.
    pub fn by_key<K: Hash + ?Sized>(&self, key: &K) -> &P {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        &self.pools[(hash % self.pools.len() as u64) as usize]
    }

    /// The pool that is next by the strategy. By [`Strategy::RoundRobin`] it may be one
    /// that is closed.
    pub fn pick(&self) -> &P {
        match self.strategy {
            Strategy::RoundRobin => {
                let turn = self.next.fetch_add(1, Relaxed);
                &self.pools[turn % self.pools.len()]
            }
            Strategy::LeastLoaded => self.least_loaded(),
        }
    }

    fn least_loaded(&self) -> &P {
        // A closed one would be the least loaded for ever.
        let load = |pool: &&P| (pool.core().is_closed(), pool.core().unfinished());
        self.pools.iter().min_by_key(load).expect("there is one")
    }

    /// The figures of all pools together.
    pub fn stats(&self) -> Stats {
        self.pools.iter().map(|pool| pool.core().stats()).sum()
    }

    /// Closes all; an error if each of them was closed before.
    fn begin_close(&self) -> Result<(), CloseError> {
        // All of them, whatever comes of one.
        let closed: Vec<_> = self.pools.iter().map(|pool| pool.core().close()).collect();
        if closed.iter().all(Result::is_err) {
            return closed.into_iter().next().expect("there is one");
        }
        self.error_where(|pool| pool.identity().is_within(), CloseReason::Nested)
            .map_or(Ok(()), Err)
    }

    fn late(&self) -> CloseError {
        let unfinished = self.pools.iter().map(|pool| pool.core().unfinished());
        let late = CloseReason::Late {
            unfinished: unfinished.sum(),
        };
        let error = self.error_where(|pool| pool.unfinished() > 0, late);
        // They may all have come to their end just now.
        error.unwrap_or_else(|| CloseError::new(self.pools[0].core().identity().name(), late))
    }

    /// Of the first pool of which this is true.
    fn error_where(
        &self,
        is_so: impl Fn(&dyn Core) -> bool,
        why: CloseReason,
    ) -> Option<CloseError> {
        let mut pools = self.pools.iter().map(AnyPool::core);
        let first = pools.find(|&pool| is_so(pool));
        first.map(|pool| CloseError::new(pool.identity().name(), why))
    }

    fn assert_not_within(&self) {
        // Of one that they all are kin of.
        self.pools[0].core().identity().assert_not_within();
    }

    /// Gives the job to the pool whose turn it is, or to the least loaded if
    /// that one is full or closed.
    fn offer_round<J>(&self, job: J) -> Result<(), SubmitError<J>>
    where
        P: TrySubmit<J>,
    {
        let first = self.pick();
        match first.offer(job) {
            Err(refused) if matches!(refused.reason(), Reason::Full | Reason::Closed) => {
                let other = self.least_loaded();
                if std::ptr::eq(first, other) {
                    return Err(refused);
                }
                other.offer(refused.into_job())
            }
            offered => offered,
        }
    }
}

impl<P: AnyPool + TrySubmit<J>, J> TrySubmit<J> for MultiPool<P> {
    fn try_submit(&self, job: J) -> Result<(), SubmitError<J>> {
        match self.offer_round(job) {
            Ok(()) => Ok(()),
            // Once more, to be counted where it is refused.
            Err(refused) => self.least_loaded().try_submit(refused.into_job()),
        }
    }

    fn offer(&self, job: J) -> Result<(), SubmitError<J>> {
        self.offer_round(job)
    }
}

/// Waiting as the pools of one engine do.
macro_rules! waits_as_its_pools {
    ($pool:ty, [$($generics:tt)*], $wait:expr $(, $async:ident, $await:ident)?) => {
        impl<$($generics)*> MultiPool<$pool> {
            /// Waits until every job accepted so far, and since, has ended in
            /// every pool.
            ///
            /// # Panics
            /// In a job of one of the pools.
            pub $($async)? fn wait_idle(&self) {
                self.assert_not_within();
                let mut idle = All::of(&self.pools, End::Idle);
                let _in_time = $wait(&mut idle, None)$(.$await)?;
            }

            /// Closes all pools and waits until they have drained, for at most
            /// `limit` together.
            ///
            /// # Errors
            /// As `close` of one of the pools.
            pub $($async)? fn close(&self, limit: Duration) -> Result<(), CloseError> {
                self.begin_close()?;
                let mut drained = All::of(&self.pools, End::Drained);
                let in_time = $wait(&mut drained, Some(limit))$(.$await)?;
                in_time.ok_or_else(|| self.late())
            }
        }
    };
}

/// Submitting, and waiting, as the pools of one engine do.
macro_rules! as_its_pools {
    ($pool:ty, [$($generics:tt)*], $job:ident, [$($bound:tt)*], $wait:expr $(, $async:ident, $await:ident)?) => {
        impl<$($generics)*> MultiPool<$pool> {
            /// Accepts a job in the pool whose turn it is, or in the least
            /// loaded when that one is full or closed; waits for room there when
            /// all that are open are full.
            ///
            /// # Errors
            /// As `submit` of one of the pools; with the job. [`Reason::Closed`] when all
            /// are closed, or the one is in which this waits. [`Reason::Nested`] where a
            /// job of one of the pools would wait.
            pub $($async)? fn submit<$($bound)*>(&self, job: $job) -> Result<(), SubmitError<$job>> {
                match self.offer_round(job) {
                    Ok(()) => Ok(()),
                    // Waits there, or is counted where it is refused.
                    Err(refused) => {
                        self.least_loaded().submit(refused.into_job())$(.$await)?
                    }
                }
            }

            /// Accepts a job in one of the pools, or fails at once.
            ///
            /// # Errors
            /// [`Reason::Full`] when all that are open are full, [`Reason::Closed`] when
            /// all are closed; with the job.
            pub fn try_submit<$($bound)*>(&self, job: $job) -> Result<(), SubmitError<$job>> {
                TrySubmit::try_submit(self, job)
            }
        }

        waits_as_its_pools!($pool, [$($generics)*], $wait $(, $async, $await)?);
    };
}

as_its_pools!(threads::Pool, [], F, [F: FnOnce() + Send + 'static], block_on);
as_its_pools!(threads::FuncPool<T>, [T: Send + 'static], T, [], block_on);
// Nobody waits to submit to these: a job goes by `TrySubmit`, with its class.
waits_as_its_pools!(threads::ControlledPool<T>, [T: Send + 'static], block_on);

#[cfg(feature = "tokio")]
mod on_tasks {
    use std::future::Future;

    use super::*;
    use crate::tasks;

    /// The output, or `None` once `limit` has passed.
    async fn within<F: Future>(future: F, limit: Option<Duration>) -> Option<F::Output> {
        match limit {
            Some(limit) => tokio::time::timeout(limit, future).await.ok(),
            None => Some(future.await),
        }
    }

    as_its_pools!(
        tasks::Pool, [], F, [F: Future<Output = ()> + Send + 'static], within, async, await
    );
    as_its_pools!(tasks::FuncPool<T>, [T: Send + 'static], T, [], within, async, await);
    waits_as_its_pools!(tasks::ControlledPool<T>, [T: Send + 'static], within, async, await);
}

impl<P: AnyPool> fmt::Debug for MultiPool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiPool")
            .field("pools", &self.pools.len())
            .field("strategy", &self.strategy)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
