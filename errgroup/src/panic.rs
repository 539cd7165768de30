//! A panic of a task, and what was asked to be known of it.

use std::any::{Any, TypeId};
use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{current, named};

/// What a panicking task threw.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A panic of a task, with its payload; and, after [`record_panics`], with the
/// place and the backtrace.
pub struct Panic {
    payload: Payload,
    task: Option<Cow<'static, str>>,
    origin: Option<Box<Origin>>,
}

/// Where a panic came from.
struct Origin {
    location: String,
    backtrace: Backtrace,
}

/// What the hook saw last on a thread.
struct Seen {
    origin: Box<Origin>,
    kind: TypeId,
    message: Option<String>,
}

thread_local! {
    static LAST: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Relaxed: it only says whether to look.
static RECORDING: AtomicBool = AtomicBool::new(false);

/// From here on the [`Panic`] of a task knows where it happened, with a backtrace.
///
/// Both are gone once a panic is caught, and only a panic hook sees them. So this
/// sets one, for the whole process, which calls the one that was there before;
/// that is why it has to be asked for. A hook that is set later has to call this
/// one in turn. The backtrace is taken whatever `RUST_BACKTRACE` says, which
/// takes some 10 ms the first time, and only of panics in tasks.
///
/// What [`resume`](Panic::resume) throws, hence what `wait` does, is the payload
/// alone, as ever: the language has no place for more. Read backtraces where the
/// `Panic` is at hand: in [`with_cause`](crate::Handle::with_cause), in
/// [`panics_as_errors`](crate::Group::panics_as_errors), in an
/// [`Outcome`](crate::Outcome).
///
/// May be called any number of times.
///
/// # Panics
///
/// In a thread that is panicking.
pub fn record_panics() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if current::is_any() {
                let origin = Origin {
                    location: info.location().map(ToString::to_string).unwrap_or_default(),
                    backtrace: Backtrace::force_capture(),
                };
                let seen = Seen {
                    origin: Box::new(origin),
                    kind: info.payload().type_id(),
                    message: message(info.payload()).map(ToOwned::to_owned),
                };
                // Not there while the thread goes down.
                let _ = LAST.try_with(|last| last.replace(Some(seen)));
            }
            before(info);
        }));
        RECORDING.store(true, Relaxed);
    });
}

/// Called before a task runs: what it may catch by itself and what it throws
/// without the hook (`resume_unwind`) shall not be taken for one another.
#[inline]
pub(crate) fn forget_last() {
    if RECORDING.load(Relaxed) {
        take_last();
    }
}

#[cold]
fn take_last() -> Option<Seen> {
    LAST.try_with(RefCell::take).ok().flatten()
}

/// The message, if the payload is text as `panic!` makes it.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Some(text)
    } else {
        payload.downcast_ref::<String>().map(String::as_str)
    }
}

/// Calls `f`; if it panics, that is the answer.
///
/// Unwind safety: whoever asks only drops what `f` was given, as after a panic that
/// passes by; what a job has borrowed is its owner's to look after, whom the panic
/// reaches.
#[inline]
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(f)).map_err(Panic::new)
}

impl Panic {
    /// Called by the thread that has just caught it.
    #[cold]
    pub(crate) fn new(payload: Payload) -> Self {
        // What the hook saw may be another one, that the task has caught by itself.
        let same = |seen: &Seen| {
            seen.kind == (*payload).type_id() && seen.message.as_deref() == message(&*payload)
        };
        let origin = take_last().filter(same).map(|seen| seen.origin);
        Self {
            payload,
            task: named::take_panicked(),
            origin,
        }
    }

    /// The name of the task, if it has one: see [`named`](crate::named()).
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The message, if the payload is text as `panic!` makes it.
    pub fn message(&self) -> Option<&str> {
        message(&*self.payload)
    }

    /// File, line and column; `None` without [`record_panics`].
    pub fn location(&self) -> Option<&str> {
        self.origin.as_ref().map(|origin| &*origin.location)
    }

    /// The stack of the task as it panicked; `None` without [`record_panics`].
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.origin.as_ref().map(|origin| &origin.backtrace)
    }

    /// Goes on with the panic, in this thread: throws the payload.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.payload)
    }

    /// What was thrown.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// What was thrown, to keep.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task() {
            Some(name) => write!(f, "task {name} panicked")?,
            None => f.write_str("a task panicked")?,
        }
        if let Some(location) = self.location() {
            write!(f, " at {location}")?;
        }
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("task", &self.task())
            .field("message", &self.message())
            .field("location", &self.location())
            .finish_non_exhaustive()
    }
}
