//! A job that a worker has.

use std::time::Duration;

use super::Desk;
use crate::outcome::Outcome;

/// A job that runs, until this is dropped.
pub(crate) struct Running<'a, T> {
    pub(super) desk: &'a Desk<T>,
    pub(super) since: Duration,
    pub(super) priority: u8,
    pub(super) became: Became,
}

#[derive(Clone, Copy)]
pub(super) enum Became {
    Ran,
    Panicked,
    Cancelled,
}

impl Became {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ran | Outcome::Limited(_) => Self::Ran,
            Outcome::Panicked(_) | Outcome::NamedPanicked(..) => Self::Panicked,
            Outcome::Cancelled | Outcome::CalledOff => Self::Cancelled,
            Outcome::LimitedOtherwise(limited) => Self::of(&limited.1),
        }
    }
}

impl<T> Running<'_, T> {
    /// It came to its end.
    pub(crate) fn ended(mut self, outcome: &Outcome) {
        self.became = Became::of(outcome);
    }
}

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.became = Became::Panicked;
        }
        let mut state = self.desk.state.lock();
        let now = self.desk.epoch.now();
        let took = now.saturating_sub(self.since);
        let account = state.figures.of(self.priority);
        *match self.became {
            Became::Ran => &mut account.ran,
            Became::Panicked => &mut account.panicked,
            Became::Cancelled => &mut account.cancelled,
        } += 1;
        state.figures.ended(took);
        let running = state.running;
        state.running -= 1;
        let stands = state.schedule.stands(now);
        if let Some(sizer) = &mut state.sizer {
            // What did not come to its end tells nothing of how long that takes.
            if matches!(self.became, Became::Ran) {
                sizer.ended(took, running);
            }
            sizer.delayed(now, stands, running - 1);
        }
        self.desk.resize(state);
    }
}
