//! A pool that looks for misuse (feature `checks`).

use super::Pool;
use crate::{Checks, OpenLoan, TryPolicy, checks::Checker};

impl<T, P> Pool<T, P> {
    /// Has the pool look for misuse, at some cost: for tests.
    ///
    /// ```
    /// # use pool_object::{Checks, Pool};
    /// static NAMES: Pool<String> = Pool::from_fn(String::new).checks(Checks::all());
    /// # NAMES.get();
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "checks")))]
    #[must_use]
    pub const fn checks(mut self, checks: Checks) -> Self {
        self.checker.checks = checks;
        self
    }

    /// The guards that have not come back yet, the oldest first, if the pool tracks
    /// them.
    ///
    /// ```
    /// # use pool_object::{Checks, Pool};
    /// let pool = Pool::new(String::new).checks(Checks::none().track_loans());
    /// let name = pool.get();
    /// assert_eq!(pool.loans()[0].taken_at.line(), line!() - 1);
    /// drop(name);
    /// assert!(pool.loans().is_empty());
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "checks")))]
    pub fn loans(&self) -> Vec<OpenLoan> {
        self.checker.open_loans()
    }

    pub(crate) const fn checker(&self) -> &Checker {
        &self.checker
    }
}

impl<T, P: TryPolicy<T>> Pool<T, P> {
    /// Whether to keep an object as far as the checks go.
    pub(super) fn check(&self, object: &mut T) -> bool {
        if self.checker.checks.poison {
            self.policy.poison(object);
        }
        !self.checker.drops()
    }
}
