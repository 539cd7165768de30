//! A sharded table whose entries age: what was not touched for a while goes,
//! so that instances which no longer report do not fill the memory.

use std::hash::{BuildHasher, Hash};

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

const SHARDS: usize = 64;
const FIRST_SWEEP: usize = 1024;

#[derive(Debug)]
struct Entry<V> {
    touched_ms: u64,
    value: V,
}

#[derive(Debug)]
struct Shard<K, V> {
    entries: FxHashMap<K, Entry<V>>,
    sweep_at: usize,
}

/// Entries by key, each with the time of its last touch.
#[derive(Debug)]
pub struct AgeingTable<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    keep_ms: u64,
}

impl<K: Hash + Eq, V> AgeingTable<K, V> {
    /// A table that may drop what was not touched for `keep_ms` milliseconds.
    #[must_use]
    pub fn new(keep_ms: u64) -> Self {
        let shard = || {
            Mutex::new(Shard {
                entries: FxHashMap::default(),
                sweep_at: FIRST_SWEEP,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            keep_ms,
        }
    }

    /// Lets `change` see and replace the value of `key`; `None` is no entry.
    pub fn update<R>(&self, key: K, now_ms: u64, change: impl FnOnce(&mut Option<V>) -> R) -> R {
        // The top bits: the map within the shard uses the low ones.
        let at = (FxBuildHasher.hash_one(&key) >> 58) as usize % SHARDS;
        let mut shard = self.shards[at].lock();
        let mut value = shard.entries.remove(&key).map(|entry| entry.value);
        let result = change(&mut value);
        if let Some(value) = value {
            shard.entries.insert(
                key,
                Entry {
                    touched_ms: now_ms,
                    value,
                },
            );
            if shard.entries.len() >= shard.sweep_at {
                let oldest = now_ms.saturating_sub(self.keep_ms);
                shard.entries.retain(|_, entry| entry.touched_ms >= oldest);
                // Twice what is left, so that a sweep is paid for by as many inserts.
                shard.sweep_at = (shard.entries.len() * 2).max(FIRST_SWEEP);
            }
        }
        result
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().entries.len())
            .sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_goes_before_the_table_grows() {
        let table = AgeingTable::new(1_000);
        let old = 40 * FIRST_SWEEP * SHARDS / 64;
        for key in 0..old {
            table.update(key, 0, |value| *value = Some(()));
        }
        for key in 0..10 * old {
            table.update(old + key, 10_000 + key as u64, |value| *value = Some(()));
        }
        assert!(table.len() < 5 * old, "{} entries are left", table.len());
    }

    #[test]
    fn an_entry_set_to_none_is_gone() {
        let table = AgeingTable::new(1_000);
        table.update(1, 0, |value| *value = Some('a'));
        assert_eq!(table.update(1, 0, Option::take), Some('a'));
        assert!(table.is_empty());
    }
}
