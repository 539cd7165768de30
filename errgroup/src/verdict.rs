//! The outcome of a group: why it was cancelled, and what `wait` shall say.

use crate::cause::{Cause, Reason};
use crate::panic::Panic;
use crate::wait_error::WaitError;

/// The cause is the first reason of any kind and never changes while tasks
/// run. What `wait` returns is the first *error*, also when a cancel by hand
/// came before it: the real error is not masked by "cancelled". A panic is
/// never masked at all.
#[derive(Debug)]
pub(crate) struct Verdict<E> {
    cause: Option<Cause<E>>,
    /// What the cause was, after the end too.
    reason: Option<Reason>,
    late_error: Option<E>,
    late_panic: Option<Panic>,
    on_error: OnError,
    /// Tasks that returned an error or panicked.
    failures: usize,
    /// There was an error or a panic that is not tolerated.
    failed: bool,
}

/// What the error of a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Cancel,
    /// Only the first one is kept, for `wait`.
    GoOn,
    /// It is counted.
    Ignore,
}

/// What became of a reason that was offered.
pub(crate) enum Offered<E> {
    /// It is the cause; the caller now cancels.
    First,
    /// There is a cause already. A reason that nobody will read comes back, to
    /// be dropped outside the lock.
    Late(Option<Cause<E>>),
    /// The outcome was handed out before, so this is nothing any more. It comes
    /// back, to be dropped outside the lock.
    Ended(Cause<E>),
}

/// A cause and an error that came to nothing.
type Unread<E> = (Option<Cause<E>>, Option<E>);

impl<E> Verdict<E> {
    pub(crate) fn new() -> Self {
        Self {
            cause: None,
            reason: None,
            late_error: None,
            late_panic: None,
            on_error: OnError::Cancel,
            failures: 0,
            failed: false,
        }
    }

    pub(crate) fn set_on_error(&mut self, on_error: OnError) {
        self.on_error = on_error;
    }

    pub(crate) fn cause(&self) -> Option<&Cause<E>> {
        self.cause.as_ref()
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Counts that a task has failed, and takes its error if that shall cancel
    /// nothing; what nobody will read comes back, to be dropped outside the lock.
    /// Otherwise the reason comes back whole: cancel with it.
    pub(crate) fn tolerate(&mut self, reason: Cause<E>) -> Result<Option<E>, Cause<E>> {
        self.failures += usize::from(reason.is_failure());
        match (self.on_error, reason) {
            (OnError::GoOn, Cause::Error(error)) => Ok(self.keep(error)),
            (OnError::Ignore, Cause::Error(error)) => Ok(Some(error)),
            (_, reason) => Err(reason),
        }
    }

    /// Keeps the first error that is not the cause; a later one comes back.
    fn keep(&mut self, error: E) -> Option<E> {
        if self.late_error.is_some() {
            return Some(error);
        }
        self.late_error = Some(error);
        None
    }

    pub(crate) fn offer(&mut self, reason: Cause<E>) -> Offered<E> {
        if let Some(Cause::Ended) = self.cause {
            return Offered::Ended(reason);
        }
        self.failed |= reason.is_failure();
        let Some(cause) = &self.cause else {
            self.reason = Some(reason.reason());
            self.cause = Some(reason);
            return Offered::First;
        };
        Offered::Late(match reason {
            Cause::Error(error) if !matches!(cause, Cause::Error(_)) => {
                self.keep(error).map(Cause::Error)
            }
            Cause::Panicked(panic)
                if !matches!(cause, Cause::Panicked(_)) && self.late_panic.is_none() =>
            {
                self.late_panic = Some(panic);
                None
            }
            unread => Some(unread),
        })
    }

    /// Hands the outcome out, and beside it what nobody will read, to be dropped outside
    /// the lock; readers of the cause see `Ended` from here on.
    pub(crate) fn end(&mut self) -> (Result<(), WaitError<E>>, Unread<E>) {
        self.reason.get_or_insert(Reason::Ended);
        let cause = self.cause.replace(Cause::Ended);
        match (self.late_panic.take(), cause, self.late_error.take()) {
            (Some(panic), cause, error) => (Err(WaitError::Panicked(panic)), (cause, error)),
            (None, Some(Cause::Panicked(panic)), error) => {
                (Err(WaitError::Panicked(panic)), (None, error))
            }
            // One that did not cancel came before the one that did.
            (None, cause, Some(error)) => (Err(WaitError::Failed(error)), (cause, None)),
            (None, Some(Cause::Error(error)), None) => {
                (Err(WaitError::Failed(error)), (None, None))
            }
            (None, Some(Cause::Aborted), None) => (Err(WaitError::Aborted), (None, None)),
            (None, Some(Cause::Cancelled | Cause::Dropped | Cause::Ended), None) => {
                (Err(WaitError::Cancelled), (None, None))
            }
            (None, None, None) => (Ok(()), (None, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic(text: &'static str) -> Cause<u8> {
        Cause::Panicked(Panic::new(Box::new(text)))
    }

    #[test]
    fn the_first_error_is_the_outcome() {
        let mut verdict = Verdict::new();
        assert!(matches!(verdict.offer(Cause::Error(1)), Offered::First));
        assert!(matches!(
            verdict.offer(Cause::Error(2)),
            Offered::Late(Some(Cause::Error(2)))
        ));
        assert!(matches!(verdict.cause(), Some(Cause::Error(1))));
        assert!(matches!(verdict.end().0, Err(WaitError::Failed(1))));
        assert!(matches!(verdict.cause(), Some(Cause::Ended)));
    }

    #[test]
    fn an_error_after_a_cancel_by_hand_is_the_outcome_but_not_the_cause() {
        let mut verdict = Verdict::new();
        verdict.offer(Cause::Cancelled);
        assert!(matches!(
            verdict.offer(Cause::Error(1)),
            Offered::Late(None)
        ));
        assert!(matches!(verdict.cause(), Some(Cause::Cancelled)));
        assert!(matches!(verdict.end().0, Err(WaitError::Failed(1))));
    }

    #[test]
    fn what_was_the_cause_is_known_after_the_end() {
        let mut verdict = Verdict::new();
        verdict.offer(Cause::Cancelled);
        assert!(!verdict.has_failed());
        verdict.offer(Cause::Error(1));
        verdict.end().0.unwrap_err();
        assert_eq!(verdict.reason(), Some(Reason::Cancelled));
        assert!(verdict.has_failed());
        let mut verdict = Verdict::<u8>::new();
        verdict.end().0.unwrap();
        assert_eq!(verdict.reason(), Some(Reason::Ended));
    }

    #[test]
    fn what_comes_after_the_end_is_nothing() {
        let mut verdict = Verdict::new();
        verdict.end().0.unwrap();
        let offered = verdict.offer(Cause::Error(1));
        assert!(matches!(offered, Offered::Ended(Cause::Error(1))));
        assert!(!verdict.has_failed());
        assert_eq!(verdict.reason(), Some(Reason::Ended));
    }

    #[test]
    fn an_error_that_is_tolerated_is_counted_and_no_cause() {
        for (on_error, end) in [(OnError::GoOn, Some(1)), (OnError::Ignore, None)] {
            let mut verdict = Verdict::new();
            verdict.set_on_error(on_error);
            for error in 1..3 {
                assert!(verdict.tolerate(Cause::Error(error)).is_ok());
            }
            assert!(verdict.tolerate(panic("not this")).is_err());
            assert!(verdict.cause().is_none() && !verdict.has_failed());
            assert_eq!(verdict.failures(), 3);
            match verdict.end().0 {
                Ok(()) => assert_eq!(end, None),
                Err(WaitError::Failed(error)) => assert_eq!(end, Some(error)),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_panic_is_never_masked() {
        let mut verdict = Verdict::new();
        verdict.offer(Cause::Error(1));
        verdict.offer(panic("late"));
        verdict.offer(panic("later"));
        match verdict.end().0 {
            Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("late")),
            _ => panic!("the panic was masked"),
        }
    }
}
