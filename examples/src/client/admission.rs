//! What a client does not send, because its server has told that it would refuse it.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use pool_worker::overload::Level;
use tokio::time::Instant;

use super::error::CallError;
use crate::urgency;
use crate::wire::RequestProtocol;

/// What a server has told counts for so long; it is told again with every answer.
const COUNTS: Duration = Duration::from_secs(1);
/// One in so many calls that would be refused goes to the server all the same: who has no
/// others would not hear otherwise that they are let in again.
const LOOKS_AGAIN: u64 = 10;

/// The level that a server lets in, as it last told.
pub(super) struct Admission {
    /// Alone it decides nothing but whether to look further: any order will do.
    level: AtomicU16,
    told: Mutex<Told>,
}

struct Told {
    at: Instant,
    /// Calls that were above the level.
    above: u64,
}

impl Admission {
    pub(super) fn new() -> Self {
        Self {
            level: AtomicU16::new(Level::ALL.number()),
            told: Mutex::new(Told {
                at: Instant::now(),
                above: 0,
            }),
        }
    }

    /// What is let in, as far as is known.
    pub(super) fn level(&self) -> Level {
        Level::from_number(self.level.load(Relaxed))
    }

    /// Whether a call may be sent.
    #[inline]
    pub(super) fn admits(&self, head: &RequestProtocol) -> Result<(), CallError> {
        match self.level() {
            Level::ALL => Ok(()),
            level => self.admits_under(level, head),
        }
    }

    #[cold]
    fn admits_under(&self, level: Level, head: &RequestProtocol) -> Result<(), CallError> {
        let class = urgency::class_of(&head.trans_info, &head.caller);
        if class.level() <= level {
            return Ok(());
        }
        let mut told = self.told.lock();
        if told.at.elapsed() > COUNTS {
            self.level.store(Level::ALL.number(), Relaxed);
            return Ok(());
        }
        told.above += 1;
        if told.above.is_multiple_of(LOOKS_AGAIN) {
            return Ok(());
        }
        Err(CallError::Overloaded { admitted: level })
    }

    /// An answer told that this is let in.
    #[inline]
    pub(super) fn told(&self, level: Level) {
        // Nothing to be noted, as long as there is no overload.
        if level < Level::ALL || self.level() < Level::ALL {
            let mut told = self.told.lock();
            told.at = Instant::now();
            self.level.store(level.number(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(priority: u8) -> RequestProtocol {
        let mut head = RequestProtocol::default();
        let told = priority.to_string().into();
        head.trans_info.insert(urgency::PRIORITY.to_owned(), told);
        head
    }

    fn sent(admission: &Admission, priority: u8, calls: usize) -> usize {
        let sent = (0..calls).filter(|_| admission.admits(&call(priority)).is_ok());
        sent.count()
    }

    #[tokio::test(start_paused = true)]
    async fn one_in_ten_above_the_level_is_sent_and_all_below() {
        let admission = Admission::new();
        assert_eq!(sent(&admission, 20, 100), 100);
        admission.told(Level::of(9, 127));
        assert_eq!(sent(&admission, 20, 100), 10);
        assert_eq!(sent(&admission, 9, 100), 100);
        let refused = admission.admits(&call(20)).unwrap_err();
        assert!(matches!(refused, CallError::Overloaded { admitted } if admitted.business() == 9));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_is_forgotten_when_it_is_not_told_again() {
        let admission = Admission::new();
        admission.told(Level::of(9, 127));
        tokio::time::advance(COUNTS * 3 / 4).await;
        admission.told(Level::of(8, 127));
        tokio::time::advance(COUNTS * 3 / 4).await;
        assert_eq!(sent(&admission, 20, 20), 2);
        tokio::time::advance(COUNTS / 2).await;
        assert_eq!(sent(&admission, 20, 20), 20);
        assert_eq!(admission.level(), Level::ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_tells_nothing_lets_all_in() {
        let admission = Admission::new();
        admission.told(Level::of(9, 127));
        admission.told(Level::ALL);
        assert_eq!(sent(&admission, 20, 20), 20);
    }
}
