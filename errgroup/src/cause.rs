//! Why a group was cancelled.

use std::any::Any;
use std::fmt;

/// What a panicking task threw.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Why a group was cancelled: the first reason, stored before anyone can see
/// the cancel (Go: `context.Cause`).
///
/// Read it with [`Handle::with_cause`](crate::Handle::with_cause).
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<E> {
    /// A task returned this error, the first one.
    Error(E),
    /// A task panicked; [`Group::wait`](crate::Group::wait) goes on with it.
    Panicked(Panic),
    /// Somebody called `cancel`.
    Cancelled,
    /// The [`Group`](crate::Group) was dropped, or its `wait` before it was
    /// done.
    Dropped,
    /// The runtime dropped a task before it was done: the runtime shut down.
    Aborted,
    /// `wait` returned; the error, if there was one, went to its caller.
    Ended,
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Dropped => f.write_str("the group was dropped"),
            Self::Aborted => f.write_str("the runtime dropped a task of the group"),
            Self::Ended => f.write_str("the group has ended"),
        }
    }
}

/// A panic of a task, with its payload.
pub struct Panic {
    payload: Payload,
}

impl Panic {
    pub(crate) fn new(payload: Payload) -> Self {
        Self { payload }
    }

    /// The message, if the payload is text as `panic!` makes it.
    pub fn message(&self) -> Option<&str> {
        if let Some(text) = self.payload.downcast_ref::<&'static str>() {
            Some(text)
        } else {
            self.payload.downcast_ref::<String>().map(String::as_str)
        }
    }

    /// Goes on with the panic, in this thread.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.payload)
    }

    /// What was thrown.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "a task panicked: {message}"),
            None => f.write_str("a task panicked"),
        }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}
