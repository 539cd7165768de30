//! The shared part of a pool: a few locked stacks that trade in batches.

use crate::{
    object::Idle,
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
    /// What they weigh together; written under the lock, for figures.
    weight: AtomicUsize,
    stack: Mutex<Stack>,
}

#[derive(Debug, Default)]
struct Stack {
    objects: Vec<Idle>,
    /// The least length since the last trim. The stack is used from the top, so
    /// as many objects at the bottom were not used since then.
    unused: usize,
}

impl Shard {
    /// Publishes what the stack holds, which now weighs so much more or less.
    fn publish(&self, stack: &Stack, more: usize, less: usize) {
        self.len.store(stack.objects.len(), Ordering::Relaxed);
        let weight = self.weight.load(Ordering::Relaxed) + more - less;
        self.weight.store(weight, Ordering::Relaxed);
    }

    fn push_all(&self, mut stack: MutexGuard<'_, Stack>, batch: impl Iterator<Item = Idle>) {
        let mut more = 0;
        stack
            .objects
            .extend(batch.inspect(|idle| more += idle.weight));
        self.publish(&stack, more, 0);
    }

    /// Takes up to `max` from the top into `sink`; how many it were.
    fn pop_into(
        &self,
        mut stack: MutexGuard<'_, Stack>,
        max: usize,
        sink: &mut impl FnMut(Idle),
    ) -> usize {
        let keep = stack.objects.len().saturating_sub(max);
        let taken = stack.objects.len() - keep;
        let mut less = 0;
        let batch = stack.objects.drain(keep..);
        batch.for_each(|idle| {
            less += idle.weight;
            sink(idle);
        });
        stack.unused = stack.unused.min(keep);
        self.publish(&stack, 0, less);
        taken
    }
}

/// All shards of a pool.
#[derive(Debug, Default)]
pub(crate) struct Shards([CachePadded<Shard>; SHARDS]);

impl Shards {
    /// Puts a batch in: into `home` if nobody is there, else into the first shard
    /// that is free, and waits at home only if all are taken.
    pub(crate) fn push(&self, home: usize, batch: impl Iterator<Item = Idle>) {
        for i in 0..SHARDS {
            let shard = &self.0[(home + i) % SHARDS];
            if let Some(stack) = try_lock(&shard.stack) {
                return shard.push_all(stack, batch);
            }
        }
        let shard = &self.0[home % SHARDS];
        shard.push_all(lock(&shard.stack), batch);
    }

    /// Takes up to `max` objects from one shard, `home` first; says from which. `None`
    /// only if every shard was seen empty.
    pub(crate) fn pop(&self, home: usize, max: usize, mut sink: impl FnMut(Idle)) -> Option<usize> {
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
                if shard.pop_into(stack, max, &mut sink) > 0 {
                    return Some(index);
                }
            }
        }
        None
    }

    /// Takes everything out.
    pub(crate) fn drain(&self) -> Vec<Idle> {
        let mut drained = Vec::new();
        for shard in &self.0 {
            let mut stack = lock(&shard.stack);
            let less = total_weight(&stack.objects);
            drained.append(&mut stack.objects);
            stack.unused = 0;
            shard.publish(&stack, 0, less);
        }
        drained
    }

    /// Takes out what was not used since the last trim.
    pub(crate) fn trim(&self) -> Vec<Idle> {
        let mut aged = Vec::new();
        for shard in &self.0 {
            let mut stack = lock(&shard.stack);
            let unused = stack.unused;
            let less = total_weight(&stack.objects[..unused]);
            aged.extend(stack.objects.drain(..unused));
            stack.unused = stack.objects.len();
            shard.publish(&stack, 0, less);
        }
        aged
    }

    /// Objects here, and their weight.
    pub(crate) fn idle(&self) -> (usize, usize) {
        self.0.iter().fold((0, 0), |(len, weight), shard| {
            (
                len + shard.len.load(Ordering::Relaxed),
                weight + shard.weight.load(Ordering::Relaxed),
            )
        })
    }
}

pub(crate) fn total_weight(idle: &[Idle]) -> usize {
    idle.iter().map(|idle| idle.weight).sum()
}
