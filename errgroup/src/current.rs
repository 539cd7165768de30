//! Which group's task this thread is polling just now.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// While this lives, the thread polls a task of one group.
pub(crate) struct Entered {
    outer: usize,
}

/// `group` is any number that is unique among live groups, and not 0.
#[inline]
pub(crate) fn enter(group: usize) -> Entered {
    Entered {
        outer: CURRENT.replace(group),
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Whether the caller is a task of `group`.
pub(crate) fn is(group: usize) -> bool {
    CURRENT.get() == group
}

/// Whether the caller is a task of any group.
pub(crate) fn is_any() -> bool {
    CURRENT.try_with(Cell::get).is_ok_and(|group| group != 0)
}
