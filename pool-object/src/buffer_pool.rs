//! The pool of byte buffers.

use crate::{
    Buffer, Pool, Stats,
    ageing::Ageing,
    dealing::Dealing,
    size_class::{CLASSES, Class, Emptied, LARGEST, Memory},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Bytes that a [`BufferPool`] keeps idle at most, unless told otherwise: 64 MiB.
const DEFAULT_MAX_IDLE_BYTES: usize = 64 << 20;

/// A pool of byte buffers, in size classes from 256 B to 1 MiB, each a power of two.
///
/// A [`Buffer`] can be written, read, and frozen into a [`bytes::Bytes`] whose last
/// clone brings the memory home. It may live in a `static` or behind an `Arc`.
///
/// ```
/// use pool_object::BufferPool;
/// use std::io::Write;
///
/// static BUFFERS: BufferPool = BufferPool::new();
///
/// let mut buf = BUFFERS.get(1000);
/// write!(buf, "{} bottles", 99)?;
/// let frozen = buf.freeze();                 // no copy
/// assert_eq!(&frozen.slice(3..)[..], b"bottles");
/// drop(frozen);                              // back in the pool
/// assert_eq!(BUFFERS.stats().idle, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It answers to the usual `sync.Pool` of `*bytes.Buffer`, and to the size classes
/// of .NET's `ArrayPool`.
///
/// The bytes it may keep are dealt out among the sizes: evenly at first, and from then
/// on, at each [`trim`](Self::trim) and now and then when buffers have to be made, by
/// what each size keeps in use and what it lacked, so that memory stays where it is used.
#[derive(Debug)]
pub struct BufferPool {
    classes: [Pool<Vec<u8>, Emptied>; CLASSES],
    dealing: Dealing,
    /// One clock for all sizes: also what went out of use is to be trimmed.
    ageing: Ageing,
    oversized: Oversized,
    #[cfg(feature = "checks")]
    checker: crate::checks::Checker,
}

/// Buffers larger than the largest class: of no class, so that they do not pass for a
/// need of it.
#[derive(Debug)]
struct Oversized {
    made: AtomicU64,
    dropped: AtomicU64,
}

impl BufferPool {
    /// A pool that keeps at most 64 MiB idle. Nothing is allocated before the first
    /// use.
    #[must_use]
    pub const fn new() -> Self {
        // A buffer is emptied whatever happened to its contents, so a panic while it
        // was out is no reason to drop it.
        let pool = Self {
            classes: [const { Pool::new(Emptied).keep_after_panic(true) }; CLASSES],
            dealing: Dealing::new(),
            ageing: Ageing::new(None),
            oversized: Oversized {
                made: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            },
            #[cfg(feature = "checks")]
            checker: crate::checks::Checker::new(crate::Checks::none()),
        };
        pool.max_idle_bytes(DEFAULT_MAX_IDLE_BYTES)
    }

    /// Bounds the bytes of idle buffers, over all threads and sizes together; see
    /// [`set_max_idle_bytes`](Self::set_max_idle_bytes).
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// use std::time::Duration;
    /// static BUFFERS: BufferPool = BufferPool::new()
    ///     .max_idle_bytes(16 << 20)
    ///     .trim_every(Duration::from_secs(60));
    /// # BUFFERS.get(1);
    /// ```
    ///
    /// # Panics
    /// If the pool was used already.
    #[must_use]
    pub const fn max_idle_bytes(mut self, bytes: usize) -> Self {
        self.dealing.init(bytes);
        let mut class = 0;
        while class < CLASSES {
            self.classes[class].init_max_idle(bytes / CLASSES / Class(class).size());
            class += 1;
        }
        self
    }

    /// Sets the bound on idle bytes anew while the pool is in use, and drops what is
    /// idle beyond it.
    ///
    /// It is dealt out among the 13 sizes; a size whose share is less than one buffer
    /// keeps none, until it is asked for. A thread that has used a size may keep one buffer
    /// of it above a bound that is lowered by this, see [`Pool::set_max_idle`]; what deals
    /// take from one size for another counts until it is there.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop(pool.get(100_000));
    /// pool.set_max_idle_bytes(1 << 20);
    /// drop(pool.get(100_000));
    /// assert!(pool.idle_bytes() <= 1 << 20);
    /// ```
    pub fn set_max_idle_bytes(&self, bytes: usize) {
        self.dealing.deal(&self.classes, Some(bytes));
    }

    /// Has the pool [`trim`](Self::trim) itself when `period` has passed, all sizes
    /// together, whichever of them is in use; see [`Pool::trim_every`].
    #[must_use]
    pub const fn trim_every(mut self, period: Duration) -> Self {
        self.ageing = Ageing::new(Some(period));
        self
    }

    /// Has the pool look for misuse, at some cost: for tests. What is poisoned is the
    /// memory beyond a buffer's length.
    ///
    /// ```
    /// # use pool_object::{BufferPool, Checks};
    /// let pool = BufferPool::new().checks(Checks::all());
    /// let buf = pool.get(100);
    /// assert_eq!(pool.loans().len(), 1);
    /// # drop(buf);
    /// ```
    #[cfg(feature = "checks")]
    #[cfg_attr(docsrs, doc(cfg(feature = "checks")))]
    #[must_use]
    pub const fn checks(mut self, checks: crate::Checks) -> Self {
        let mut class = 0;
        while class < CLASSES {
            self.classes[class].init_checks(checks);
            class += 1;
        }
        self.checker.checks = checks;
        self
    }

    /// The buffers that have not come back yet, frozen ones too, the oldest first, if
    /// the pool tracks them.
    ///
    /// ```
    /// # use pool_object::{BufferPool, Checks};
    /// static POOL: BufferPool = BufferPool::new().checks(Checks::none().track_loans());
    /// let mut buf = POOL.get(100);
    /// buf.extend_from_slice(b"sent");
    /// let frozen = buf.freeze();
    /// assert_eq!(POOL.loans().len(), 1);
    /// drop(frozen);
    /// assert!(POOL.loans().is_empty());
    /// ```
    #[cfg(feature = "checks")]
    #[cfg_attr(docsrs, doc(cfg(feature = "checks")))]
    pub fn loans(&self) -> Vec<crate::OpenLoan> {
        self.checker.open_loans()
    }

    #[cfg(feature = "checks")]
    pub(crate) const fn checker(&self) -> &crate::checks::Checker {
        &self.checker
    }

    /// An empty buffer that holds at least `capacity` bytes before it must grow.
    ///
    /// More than 1 MiB is allocated for this use alone and not kept after it.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(5000);
    /// buf.extend_from_slice(b"more than it was asked for: ");
    /// assert_eq!(buf.capacity(), 8192);
    /// ```
    ///
    /// # Panics
    /// If `capacity` is more than `isize::MAX` bytes.
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get(&self, capacity: usize) -> Buffer<&Self> {
        Buffer::new(self, self.take(capacity))
    }

    /// As [`get`](Self::get), with a buffer that keeps the pool alive, and so can be
    /// frozen though the pool is in no `static`.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = std::sync::Arc::new(BufferPool::new());
    /// let mut buf = pool.get_owned(100);
    /// std::thread::spawn(move || buf.extend_from_slice(b"far from home")).join().unwrap();
    /// assert_eq!(pool.stats().idle, 1);
    /// ```
    ///
    /// # Panics
    /// If `capacity` is more than `isize::MAX` bytes.
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get_owned(self: &Arc<Self>, capacity: usize) -> Buffer<Arc<Self>> {
        Buffer::new(Arc::clone(self), self.take(capacity))
    }

    /// Drops the idle buffers; see [`Pool::clear`].
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop((pool.get(100), pool.get(10_000)));
    /// pool.clear();
    /// assert_eq!(pool.idle_bytes(), 0);
    /// ```
    pub fn clear(&self) {
        self.classes.iter().for_each(Pool::clear);
    }

    /// Drops the buffers that two trims in a row found unused, see [`Pool::trim`]; and
    /// deals out anew which sizes may keep how much.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop(pool.get(100));
    /// pool.trim();
    /// assert_eq!(pool.idle_bytes(), 256);
    /// pool.trim();
    /// assert_eq!(pool.idle_bytes(), 0);
    /// ```
    pub fn trim(&self) {
        self.ageing.restart();
        self.dealing.deal(&self.classes, None);
        self.classes.iter().for_each(Pool::trim);
    }

    /// The figures of all sizes together, in which buffers weigh their bytes. Those that
    /// are larger than the largest class are misses, too.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop((pool.get(100), pool.get(10_000)));
    /// let stats = pool.stats();
    /// assert_eq!((stats.misses, stats.idle, stats.idle_weight), (2, 2, 256 + 16_384));
    /// let used = pool.stats_by_class().filter(|(_, class)| class.misses > 0);
    /// assert_eq!(used.map(|(size, _)| size).collect::<Vec<_>>(), [256, 16_384]);
    /// ```
    pub fn stats(&self) -> Stats {
        let mut sum = self
            .stats_by_class()
            .fold(Stats::default(), |sum, (_, class)| sum + class);
        sum.misses += self.oversized.made.load(Ordering::Relaxed);
        sum.dropped.oversized += self.oversized.dropped.load(Ordering::Relaxed);
        sum
    }

    /// The figures of each size class, with its size in bytes. Buffers larger than the
    /// largest are in [`stats`](Self::stats) alone.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop(pool.get(1000));
    /// for (size, stats) in pool.stats_by_class().filter(|(_, stats)| stats.idle > 0) {
    ///     assert_eq!((size, stats.misses), (1024, 1));
    /// }
    /// ```
    pub fn stats_by_class(&self) -> impl Iterator<Item = (usize, Stats)> + '_ {
        self.classes.iter().enumerate().map(|(class, pool)| {
            let (size, mut stats) = (Class(class).size(), pool.stats());
            stats.idle_weight = stats.idle * size as u64;
            // A class counts buffers; what bounds it is its share of the bytes.
            stats.dropped.byte_budget += std::mem::take(&mut stats.dropped.full);
            (size, stats)
        })
    }

    /// Bytes of the buffers that are idle now.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// drop(pool.get(1000));
    /// assert_eq!(pool.idle_bytes(), 1024);
    /// ```
    pub fn idle_bytes(&self) -> u64 {
        self.stats().idle_weight
    }

    #[inline]
    pub(crate) fn take(&self, capacity: usize) -> Memory {
        match Class::holding(capacity) {
            Some(class) => self.classes[class.0]
                .take_from_slot()
                .unwrap_or_else(|| self.take_past_the_slot(class)),
            None => self.take_oversized(capacity),
        }
    }

    /// Out of line, as in [`Pool`].
    #[inline(never)]
    fn take_past_the_slot(&self, class: Class) -> Memory {
        let pool = &self.classes[class.0];
        pool.take_past_the_slot_and(|| self.look_at_the_time())
            .unwrap_or_else(|| {
                let made = pool.miss(|| Vec::with_capacity(class.size()));
                self.dealing.look_at_the_time(&self.classes, class);
                made
            })
    }

    fn look_at_the_time(&self) {
        if self.ageing.is_due() {
            self.trim();
        }
    }

    #[inline]
    pub(crate) fn put(&self, memory: Memory) {
        match Class::held_by(memory.capacity()) {
            Some(class) => self.classes[class.0].put(memory),
            None => self.count_unfit(memory.capacity()),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_oversized(&self, capacity: usize) -> Memory {
        debug_assert!(capacity > LARGEST);
        let memory = Box::new(Vec::with_capacity(capacity));
        self.oversized.made.fetch_add(1, Ordering::Relaxed);
        memory
    }

    #[cold]
    #[inline(never)]
    fn count_unfit(&self, capacity: usize) {
        // The other way to be unfit is to have been emptied by `Buffer::into_vec`.
        if capacity > LARGEST {
            self.oversized.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for BufferPool {
    fn default() -> Self {
        Self::new()
    }
}
