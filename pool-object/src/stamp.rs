//! Names of pools that are never given out twice.

/// Names a pool in the tables of the threads: a small index, re-used after the
/// pool is dropped, in the low bits, and above it a sequence number that is
/// never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u64);

const INDEX_BITS: u32 = 20;
pub(crate) const MAX_INDEX: usize = (1 << INDEX_BITS) - 1;
/// At a million new pools a second this lasts for half a year; pools after that
/// work without thread caches.
const MAX_SEQUENCE: u64 = u64::MAX >> INDEX_BITS;

impl Stamp {
    /// Of a pool that has no thread caches (yet).
    pub(crate) const NONE: Self = Self(0);
    /// Of an entry that was never used: no sequence number gets there.
    pub(crate) const VACANT: Self = Self(u64::MAX);

    /// None when the sequence is used up.
    pub(crate) const fn new(sequence: u64, index: usize) -> Option<Self> {
        // The last number is `VACANT`'s.
        if sequence < MAX_SEQUENCE {
            Some(Self(sequence << INDEX_BITS | index as u64))
        } else {
            None
        }
    }

    pub(crate) const fn index(self) -> usize {
        self.low_bits() & MAX_INDEX
    }

    /// The index, and whatever of the sequence number a word holds beside it.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) const fn low_bits(self) -> usize {
        self.0 as usize
    }
}
