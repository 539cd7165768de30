//! What the owner of a slot is at, and how many hits it had, in one word.

/// So many hits in a slot pass between two looks at the time.
pub const OFTEN: usize = 128;

/// What an owner is at. The lower bits are the hits that are left of this round of
/// [`OFTEN`], the others the rounds; what keeps the owner busy is taken off, which makes
/// the lower bits negative, as a signed number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(usize);

/// The lower bits: 16 are tested in one instruction, and leave enough for the rounds of
/// centuries; of 32 as few as do.
const LOWER: u32 = if usize::BITS >= 64 { 16 } else { 10 };

impl State {
    const ROUND: usize = 1 << LOWER;
    const TAKING: usize = Self::ROUND / 2;
    const LENT: usize = Self::ROUND / 4;

    /// Of a slot that is new: at the end of a round.
    pub const NEW: Self = Self(0);

    #[inline(always)]
    pub const fn of(word: usize) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> usize {
        self.0
    }

    /// The lower bits, as a signed number; a multiple of it.
    #[inline(always)]
    const fn lower(self) -> isize {
        (self.0 << (usize::BITS - LOWER)) as isize
    }

    /// Busy, or at the end of a round.
    #[inline(always)]
    pub const fn is_special(self) -> bool {
        self.lower() <= 0
    }

    pub const fn is_busy(self) -> bool {
        self.lower() < 0
    }

    pub const fn is_lent(self) -> bool {
        self.is_busy() && self.0 & Self::LENT != 0
    }

    pub const fn is_taking(self) -> bool {
        self.is_busy() && !self.is_lent()
    }

    /// Of a free one: with hits left, in a new round if need be.
    pub const fn renewed(self) -> Self {
        if self.lower() == 0 {
            Self(self.0.wrapping_add(Self::ROUND + OFTEN))
        } else {
            self
        }
    }

    #[inline(always)]
    pub const fn taking(self) -> Self {
        Self(self.0.wrapping_sub(Self::TAKING))
    }

    #[inline(always)]
    pub const fn lent(self) -> Self {
        Self(self.0.wrapping_sub(Self::LENT))
    }

    /// Of a free one that has hits left: one hit later.
    #[inline(always)]
    pub const fn hit(self) -> Self {
        Self(self.0 - 1)
    }

    /// What it was before it was busy.
    pub const fn free(self) -> Self {
        if self.is_lent() {
            Self(self.0.wrapping_add(Self::LENT))
        } else if self.is_taking() {
            Self(self.0.wrapping_add(Self::TAKING))
        } else {
            self
        }
    }

    /// Begins anew after as many rounds as there is room for.
    pub const fn hits(self) -> usize {
        let free = self.free().0;
        let (rounds, left) = (free / Self::ROUND, free % Self::ROUND);
        let most = OFTEN << (usize::BITS - LOWER);
        (rounds * OFTEN).wrapping_sub(left) % most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_where_the_owner_looks_at_the_time() {
        let mut state = State::NEW;
        for hits in 0..3 * OFTEN {
            assert_eq!(state.is_special(), hits % OFTEN == 0);
            assert_eq!(state.hits(), hits);
            state = state.renewed();
            assert_eq!((state.is_special(), state.hits()), (false, hits));
            state = state.hit();
        }
    }

    #[test]
    fn hits_begin_anew_without_a_jump() {
        let last = State(0_usize.wrapping_sub(State::ROUND));
        let anew = last.renewed();
        assert_eq!(anew.hits(), last.hits());
        assert_eq!(anew.hit().hits(), last.hits() + 1);
        let end = State(anew.0 - OFTEN);
        assert_eq!((end.is_special(), end.hits()), (true, 0));
    }

    #[test]
    fn who_is_busy_is_one_of_two_things_and_has_the_same_hits() {
        let free = State::NEW.renewed();
        for state in [free, free.hit(), State::NEW] {
            for (busy, lent) in [(state.taking(), false), (state.lent(), true)] {
                assert!(busy.is_special() && busy.is_busy());
                assert_eq!((busy.is_lent(), busy.is_taking()), (lent, !lent));
                assert_eq!((busy.free(), busy.hits()), (state, state.hits()));
            }
            assert!(!state.is_busy() && !state.is_lent() && !state.is_taking());
        }
    }
}
