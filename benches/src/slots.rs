//! Work that can be checked: every job marks its own slot.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::contestant::Lost;

/// A slot for each job. A job carries this and its number: three words.
#[derive(Clone, Copy, Debug)]
pub struct Slots(&'static [AtomicU8]);

impl Slots {
    /// The job of this number was done.
    #[inline]
    pub fn mark(self, at: usize) {
        // Nobody else writes this slot, so it needs no locked instruction.
        self.0[at].store(self.0[at].load(Relaxed) + 1, Relaxed);
    }

    /// Waits until every slot is marked.
    pub fn wait(self) {
        for slot in self.0 {
            while slot.load(Relaxed) == 0 {
                std::thread::yield_now();
            }
        }
    }

    fn check(self) -> Result<(), Lost> {
        match self.0.iter().position(|slot| slot.load(Relaxed) != 1) {
            None => Ok(()),
            Some(at) => {
                let marks = self.0[at].load(Relaxed);
                Err(Lost(format!(
                    "job {at} of {} was done {marks} times",
                    self.0.len()
                )))
            }
        }
    }
}

/// Keeps slots from turn to turn, so that a turn does not pay for them.
///
/// They are leaked: a job that runs on after its turn must find them.
#[derive(Debug, Default)]
pub struct Ledger(Option<Slots>);

impl Ledger {
    /// Lets `work` have `count` unmarked slots, and checks that each was
    /// marked once. `work` says what it has measured.
    ///
    /// # Errors
    /// When a job was not done, or done twice.
    pub fn with<R>(&mut self, count: u64, work: impl FnOnce(Slots) -> R) -> Result<R, Lost> {
        let count = usize::try_from(count).expect("fits the memory");
        let slots = match self.0 {
            Some(slots) if slots.0.len() >= count => slots,
            _ => *self.0.insert(Slots(Vec::leak(
                (0..count).map(|_| AtomicU8::new(0)).collect(),
            ))),
        };
        let slots = Slots(&slots.0[..count]);
        slots.0.iter().for_each(|slot| slot.store(0, Relaxed));
        let result = work(slots);
        slots.check().map(|()| result)
    }
}
