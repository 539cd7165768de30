//! Finding misuse while testing (feature `checks`).

use std::{
    collections::BTreeMap,
    fmt,
    panic::Location,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a pool checks; see [`Pool::checks`](crate::Pool::checks).
///
/// A choice at run time behind a feature, and not `cfg(debug_assertions)`: what reuse
/// brings to light shows under load, in release builds, and a test must be able to
/// switch it off.
///
/// ```
/// use pool_object::{Checks, Pool};
///
/// let pool = Pool::new(String::new).checks(Checks::all());
/// let kept = pool.get();
/// let loans = pool.loans();
/// assert_eq!(loans[0].taken_at.file(), file!());
/// drop(kept);
/// assert!(pool.loans().is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    pub(crate) drop_one_in: u64,
    pub(crate) poison: bool,
    pub(crate) track_loans: bool,
}

impl Checks {
    /// None.
    ///
    /// ```
    /// # use pool_object::{Checks, Pool};
    /// // The usual, but every object comes back.
    /// let checks = Checks::none().poison().track_loans();
    /// let pool = Pool::new(String::new).checks(checks);
    /// (0..100).for_each(|_| drop(pool.get()));
    /// assert_eq!(pool.stats().misses, 1);
    /// ```
    #[must_use]
    pub const fn none() -> Self {
        Self {
            drop_one_in: 0,
            poison: false,
            track_loans: false,
        }
    }

    pub(crate) const fn is_none(self) -> bool {
        self.drop_one_in == 0 && !self.poison && !self.track_loans
    }

    /// All: one object in four is dropped, as by Go's race detector, the rest is
    /// poisoned, and loans are tracked.
    #[must_use]
    pub const fn all() -> Self {
        Self::none().drop_one_in(4).poison().track_loans()
    }

    /// Drops one in `n` objects that come back, at random, so that nobody leans on
    /// getting the same one again. They count as refused. 0 drops none.
    ///
    /// ```
    /// # use pool_object::{Checks, Pool};
    /// let pool = Pool::new(String::new).checks(Checks::none().drop_one_in(2));
    /// (0..100).for_each(|_| drop(pool.get()));
    /// assert!(pool.stats().dropped.refused > 20);
    /// ```
    #[must_use]
    pub const fn drop_one_in(mut self, n: u64) -> Self {
        self.drop_one_in = n;
        self
    }

    /// Has the policy [poison](crate::Policy::poison) objects that come back, so that
    /// who uses what a former user left behind sees it. Closures and functions do not know
    /// how: a pool of these is as it was.
    #[must_use]
    pub const fn poison(mut self) -> Self {
        self.poison = true;
        self
    }

    /// Notes where each guard was taken until it is dropped or detached. When the pool
    /// is dropped, those that were forgotten are written to standard error; of one that never
    /// is, in a `static` or kept alive by a forgotten owned guard, ask
    /// [`Pool::loans`](crate::Pool::loans).
    #[must_use]
    pub const fn track_loans(mut self) -> Self {
        self.track_loans = true;
        self
    }
}

/// A guard that has not been dropped yet, or was forgotten.
///
/// ```
/// # use pool_object::{Checks, Pool};
/// let pool = Pool::new(String::new).checks(Checks::none().track_loans());
/// let _name = pool.get();
/// for loan in pool.loans() {
///     // "taken at src/main.rs:3:18 1.204ms ago"
///     println!("{loan}");
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OpenLoan {
    /// Where it was taken.
    pub taken_at: &'static Location<'static>,
    /// How long ago.
    pub age: Duration,
}

impl fmt::Display for OpenLoan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "taken at {} {:.3?} ago", self.taken_at, self.age)
    }
}

/// Names a tracked guard; 0 is none.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// By ticket, in the order they were taken: where, and when.
type Loans = BTreeMap<u64, (&'static Location<'static>, Instant)>;

/// The checks of one pool, and what they note. (`pub` for the hidden part of `Home`.)
#[derive(Debug)]
pub struct Checker {
    pub(crate) checks: Checks,
    sequence: AtomicU64,
    loans: Mutex<Loans>,
}

impl Checker {
    pub(crate) const fn new(checks: Checks) -> Self {
        Self {
            checks,
            sequence: AtomicU64::new(1),
            loans: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether an object that comes back is one to drop.
    pub(crate) fn drops(&self) -> bool {
        let n = self.checks.drop_one_in;
        n > 0 && scatter(self.sequence.fetch_add(1, Ordering::Relaxed)).is_multiple_of(n)
    }

    #[track_caller]
    pub(crate) fn open_loan(&self) -> Ticket {
        if !self.checks.track_loans {
            return Ticket(0);
        }
        let ticket = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.loans()
            .insert(ticket, (Location::caller(), Instant::now()));
        Ticket(ticket)
    }

    pub(crate) fn close_loan(&self, ticket: Ticket) {
        if ticket.0 != 0 {
            self.loans().remove(&ticket.0);
        }
    }

    pub(crate) fn open_loans(&self) -> Vec<OpenLoan> {
        let open = |&(taken_at, since): &(_, Instant)| OpenLoan {
            taken_at,
            age: since.elapsed(),
        };
        self.loans().values().map(open).collect()
    }

    fn loans(&self) -> MutexGuard<'_, Loans> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guards borrow their pool: the ones still open when it goes were forgotten.
impl Drop for Checker {
    fn drop(&mut self) {
        for loan in self.open_loans() {
            eprintln!("pool-object: a guard was leaked, {loan}");
        }
    }
}

/// Numbers in a row to numbers at random (the finalizer of `SplitMix64`).
const fn scatter(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
