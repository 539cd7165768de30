//! Names of pools that are never given out twice.

/// Names a pool in the tables of the threads: a small index, re-used after the
/// pool is dropped, and above it a sequence number that is never given out twice.
///
/// The index begins at bit 3, so that the lowest byte is eight times the index modulo
/// [`PLACES`](Self::PLACES): the distance in bytes from the start of an array of that
/// many words, which a look-up then need not compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u64);

const INDEX_SHIFT: u32 = 3;
const INDEX_BITS: u32 = 20;
const SEQUENCE_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;
pub(crate) const MAX_INDEX: usize = (1 << INDEX_BITS) - 1;
/// At a million new pools a second this lasts for 25 days; pools after that work
/// without thread caches.
const MAX_SEQUENCE: u64 = u64::MAX >> SEQUENCE_SHIFT;

impl Stamp {
    /// Of a pool that has no thread caches (yet).
    pub(crate) const NONE: Self = Self(0);
    /// Of an entry that was never used: no sequence number gets there.
    pub(crate) const VACANT: Self = Self(u64::MAX);
    /// How many indices the lowest byte tells apart.
    pub(crate) const PLACES: usize = 1 << (u8::BITS - INDEX_SHIFT);

    /// None when the sequence is used up.
    pub(crate) const fn new(sequence: u64, index: usize) -> Option<Self> {
        // The last number is `VACANT`'s.
        if sequence < MAX_SEQUENCE {
            Some(Self(
                sequence << SEQUENCE_SHIFT | (index as u64) << INDEX_SHIFT,
            ))
        } else {
            None
        }
    }

    pub(crate) const fn index(self) -> usize {
        (self.0 >> INDEX_SHIFT) as usize & MAX_INDEX
    }

    /// Eight times the index modulo [`PLACES`](Self::PLACES). Not of a `VACANT` one.
    #[inline(always)]
    pub(crate) const fn offset(self) -> usize {
        self.0 as u8 as usize
    }
}
