//! The shared part of a pool: a few locked stacks that trade in batches.

use crate::{
    object::Object,
    sync::{AtomicUsize, Mutex, MutexGuard, Ordering, lock, try_lock},
};
use crossbeam_utils::CachePadded;

/// Enough that threads rarely meet, few enough that a search of all is short.
pub(crate) const SHARDS: usize = if cfg!(loom_models) { 2 } else { 8 };

#[derive(Debug, Default)]
struct Shard {
    /// Length of the stack, to pass by empty shards without locking them. Written
    /// under the lock; a stale value costs a search, never an object.
    len: AtomicUsize,
    stack: Mutex<Stack>,
}

#[derive(Debug, Default)]
struct Stack {
    objects: Vec<Object>,
    /// The least length since the last trim. The stack is used from the top, so
    /// as many objects at the bottom were not used since then.
    unused: usize,
}

impl Shard {
    fn store_len(&self, stack: &Stack) {
        self.len.store(stack.objects.len(), Ordering::Relaxed);
    }

    fn push_all(&self, mut stack: MutexGuard<'_, Stack>, batch: impl Iterator<Item = Object>) {
        stack.objects.extend(batch);
        self.store_len(&stack);
    }

    /// Takes up to `max` from the top into `sink`; how many it were.
    fn pop_into(
        &self,
        mut stack: MutexGuard<'_, Stack>,
        max: usize,
        sink: &mut impl FnMut(Object),
    ) -> usize {
        let keep = stack.objects.len().saturating_sub(max);
        let taken = stack.objects.len() - keep;
        stack.objects.drain(keep..).for_each(sink);
        stack.unused = stack.unused.min(keep);
        self.store_len(&stack);
        taken
    }
}

/// All shards of a pool.
#[derive(Debug, Default)]
pub(crate) struct Shards([CachePadded<Shard>; SHARDS]);

impl Shards {
    /// Puts a batch in: into `home` if nobody is there, else into the first shard
    /// that is free, and waits at home only if all are taken.
    pub(crate) fn push(&self, home: usize, batch: impl Iterator<Item = Object>) {
        for i in 0..SHARDS {
            let shard = &self.0[(home + i) % SHARDS];
            if let Some(stack) = try_lock(&shard.stack) {
                return shard.push_all(stack, batch);
            }
        }
        let shard = &self.0[home % SHARDS];
        shard.push_all(lock(&shard.stack), batch);
    }

    /// Takes up to `max` objects from one shard, `home` first; says from which and
    /// how many. `None` only if every shard was seen empty.
    pub(crate) fn pop(
        &self,
        home: usize,
        max: usize,
        mut sink: impl FnMut(Object),
    ) -> Option<(usize, usize)> {
        // The first round passes by shards that somebody is in; the second waits
        // for them, because an idle object there is still cheaper than a new one.
        for wait in [false, true] {
            for i in 0..SHARDS {
                let index = (home + i) % SHARDS;
                let shard = &self.0[index];
                if shard.len.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                let stack = if wait {
                    lock(&shard.stack)
                } else {
                    match try_lock(&shard.stack) {
                        Some(stack) => stack,
                        None => continue,
                    }
                };
                match shard.pop_into(stack, max, &mut sink) {
                    0 => {}
                    taken => return Some((index, taken)),
                }
            }
        }
        None
    }

    /// Takes everything out.
    pub(crate) fn drain(&self) -> Vec<Object> {
        let mut drained = Vec::new();
        for shard in &self.0 {
            let mut stack = lock(&shard.stack);
            drained.append(&mut stack.objects);
            stack.unused = 0;
            shard.store_len(&stack);
        }
        drained
    }

    /// Takes out what was not used since the last trim.
    pub(crate) fn trim(&self) -> Vec<Object> {
        let mut aged = Vec::new();
        for shard in &self.0 {
            let mut stack = lock(&shard.stack);
            let unused = stack.unused;
            aged.extend(stack.objects.drain(..unused));
            stack.unused = stack.objects.len();
            shard.store_len(&stack);
        }
        aged
    }

    pub(crate) fn len(&self) -> usize {
        self.0
            .iter()
            .map(|shard| shard.len.load(Ordering::Relaxed))
            .sum()
    }
}
