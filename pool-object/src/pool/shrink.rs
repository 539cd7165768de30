//! What has idle objects go, by hand.

use super::Pool;
use crate::sweep::Sweep;

impl<T, P> Pool<T, P> {
    /// Sets the bound anew while the pool is in use; see [`max_idle`](Self::max_idle).
    ///
    /// What is idle beyond a lower one is dropped before this returns, and no more: from
    /// the shards first, and if that does not do, from threads' caches. From then on the new
    /// bound holds, but for the one object that each thread that has used the pool may keep
    /// in its slot (two, of a static pool), as heavy as the heaviest that was there; a
    /// thread that finds nothing idle is back to what weighs 1. Caches that
    /// [`clear`](Self::clear) cannot reach keep what they have.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// assert_eq!(pool.prewarm(100), 100);
    /// pool.set_max_idle(10);
    /// assert_eq!((pool.stats().idle, pool.stats().dropped.lowered), (10, 90));
    /// ```
    pub fn set_max_idle(&self, objects: usize) {
        self.depot.set_max_idle(objects);
    }

    /// Drops the objects that are idle, also those in the caches of other threads, be
    /// they at work or asleep. Objects that are out are not touched, nor those that are
    /// used in their place ([`with`](Self::with)) or are just about to be.
    ///
    /// Where Linux has no `membarrier(2)`, or a sandbox has forbidden it to a thread of the
    /// process, other threads' caches are out of reach and stay as they are.
    ///
    /// It waits for other threads to move a pointer, never for an object.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// let out = pool.get();
    /// pool.prewarm(5);
    /// pool.clear();
    /// drop(out);
    /// assert_eq!((pool.stats().dropped.aged, pool.stats().idle), (5, 1));
    /// ```
    pub fn clear(&self) {
        self.depot.sweep(Sweep::All);
    }

    /// Drops the objects that were idle since the last trim: call it now and then.
    ///
    /// An object goes when two trims in a row found it unused, as Go's collector does
    /// it; also out of the cache of a thread that sleeps, as [`clear`](Self::clear)
    /// does.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// pool.prewarm(5);
    /// pool.trim();
    /// assert_eq!(pool.stats().idle, 5);
    /// pool.trim();
    /// assert_eq!(pool.stats().idle, 0);
    /// ```
    pub fn trim(&self) {
        self.depot.trim();
    }
}
