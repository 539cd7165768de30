//! The sizes that buffers come in.

use crate::Policy;

/// The smallest size class, in bytes.
pub(crate) const SMALLEST: usize = 1 << SMALLEST_LOG2;
/// The largest size class, in bytes.
pub(crate) const LARGEST: usize = SMALLEST << (CLASSES - 1);
pub(crate) const CLASSES: usize = 13;
const SMALLEST_LOG2: u32 = 8;

/// One of the powers of two from [`SMALLEST`] to [`LARGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(pub(crate) usize);

impl Class {
    /// The least class that holds `bytes`; `None` if none does.
    #[inline]
    pub(crate) const fn holding(bytes: usize) -> Option<Self> {
        if bytes <= SMALLEST {
            return Some(Self(0));
        }
        let class = (usize::BITS - (bytes - 1).leading_zeros() - SMALLEST_LOG2) as usize;
        if class < CLASSES {
            Some(Self(class))
        } else {
            None
        }
    }

    /// The greatest class that a buffer of this `capacity` can serve; `None` if it is
    /// smaller than any or larger than all.
    #[inline]
    pub(crate) const fn held_by(capacity: usize) -> Option<Self> {
        if capacity < SMALLEST || capacity > LARGEST {
            return None;
        }
        Some(Self((capacity.ilog2() - SMALLEST_LOG2) as usize))
    }

    #[inline]
    pub(crate) const fn size(self) -> usize {
        SMALLEST << self.0
    }
}

/// The memory of a buffer, as a pool hands it out: behind a pointer of its own.
#[allow(clippy::box_collection)]
pub(crate) type Memory = Box<Vec<u8>>;

/// Buffers are empty while idle; how large they are made is said at each `get`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emptied;

impl Policy<Vec<u8>> for Emptied {
    fn create(&self) -> Vec<u8> {
        Vec::new()
    }

    #[inline]
    fn reset(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        true
    }

    fn poison(&self, bytes: &mut Vec<u8>) {
        bytes.resize(bytes.capacity(), 0xDB);
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_says_and_no_smaller_one_does() {
        for bytes in (0..=LARGEST).step_by(97).chain([255, 256, 257, LARGEST]) {
            let class = Class::holding(bytes).expect("up to the largest");
            assert!(bytes <= class.size());
            assert!(class.0 == 0 || bytes > Class(class.0 - 1).size());
            assert_eq!(Class::held_by(class.size()), Some(class));
        }
        assert_eq!(Class::holding(LARGEST + 1), None);
        assert_eq!(Class::holding(usize::MAX), None);
        assert_eq!(Class::held_by(300), Some(Class(0)));
        assert_eq!(Class::held_by(255), None);
        assert_eq!(Class::held_by(LARGEST + 1), None);
    }
}
