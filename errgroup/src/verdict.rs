//! The outcome of a group: why it was cancelled, and what `wait` shall say.

use crate::cause::Cause;
use crate::panic::Panic;

/// The cause is the first reason of any kind and never changes while tasks
/// run. What `wait` returns is the first *error*, also when a cancel by hand
/// came before it: the real error is not masked by "cancelled". A panic is
/// never masked at all.
#[derive(Debug)]
pub(crate) struct Verdict<E> {
    cause: Option<Cause<E>>,
    late_error: Option<E>,
    late_panic: Option<Panic>,
}

/// What became of a reason that was offered.
pub(crate) enum Offered<E> {
    /// It is the cause; the caller now cancels.
    First,
    /// There is a cause already. A reason that nobody will read comes back, to
    /// be dropped outside the lock.
    Late(Option<Cause<E>>),
}

/// What `wait` does at its end.
pub(crate) enum Ending<E> {
    Done,
    Failed(E),
    Panicked(Panic),
}

impl<E> Verdict<E> {
    pub(crate) fn new() -> Self {
        Self {
            cause: None,
            late_error: None,
            late_panic: None,
        }
    }

    pub(crate) fn cause(&self) -> Option<&Cause<E>> {
        self.cause.as_ref()
    }

    pub(crate) fn offer(&mut self, reason: Cause<E>) -> Offered<E> {
        let Some(cause) = &self.cause else {
            self.cause = Some(reason);
            return Offered::First;
        };
        Offered::Late(match reason {
            Cause::Error(error)
                if !matches!(cause, Cause::Error(_)) && self.late_error.is_none() =>
            {
                self.late_error = Some(error);
                None
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

    /// Hands the outcome out; readers of the cause see `Ended` from here on.
    pub(crate) fn end(&mut self) -> Ending<E> {
        let cause = self.cause.replace(Cause::Ended);
        match (self.late_panic.take(), cause, self.late_error.take()) {
            (Some(panic), ..) | (None, Some(Cause::Panicked(panic)), _) => Ending::Panicked(panic),
            (None, Some(Cause::Error(error)), _) | (None, _, Some(error)) => Ending::Failed(error),
            (None, _, None) => Ending::Done,
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
        assert!(matches!(verdict.end(), Ending::Failed(1)));
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
        assert!(matches!(verdict.end(), Ending::Failed(1)));
    }

    #[test]
    fn a_panic_is_never_masked() {
        let mut verdict = Verdict::new();
        verdict.offer(Cause::Error(1));
        verdict.offer(panic("late"));
        verdict.offer(panic("later"));
        match verdict.end() {
            Ending::Panicked(panic) => assert_eq!(panic.message(), Some("late")),
            _ => panic!("the panic was masked"),
        }
    }
}
