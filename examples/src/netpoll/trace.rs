//! What happened, in the order in which it happened.

use std::backtrace::Backtrace;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::interest::Interest;

/// How long one thing may take to follow another.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The steps of the notes, and the two that they take for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Step {
    /// A socket listens.
    Listen,
    /// A connection is taken.
    Accept,
    /// Bytes are read.
    Read,
    /// Who has nothing to do waits, without a thread or with it.
    Park,
    /// Who waited may go on.
    Wake,
    /// Bytes are written.
    Write,
    /// What this program does beside the server.
    Here,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A listener is bound, and registered with the driver.
    Listens(RawFd, SocketAddr, Option<Interest>),
    /// A connection was accepted, and registered with the driver.
    Accepted(RawFd, SocketAddr, Option<Interest>),
    /// So many bytes were read; 0 at the end of the stream.
    Read(usize),
    /// So many bytes were written.
    Wrote(usize),
    /// This operation cannot be done now: the task's waker stays with the socket.
    Pending(&'static str),
    /// The waker was called that this operation had left.
    Woken(&'static str),
    /// The runtime's thread has no task to run.
    ThreadParks,
    /// The runtime's thread looks for tasks again.
    ThreadRuns,
    /// Something that the client did, or the one who set all up.
    Here(String),
}

impl Event {
    /// The step that it belongs to.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Listens(..) => Step::Listen,
            Self::Accepted(..) => Step::Accept,
            Self::Read(_) => Step::Read,
            Self::Wrote(_) => Step::Write,
            Self::Pending(_) | Self::ThreadParks => Step::Park,
            Self::Woken(_) | Self::ThreadRuns => Step::Wake,
            Self::Here(_) => Step::Here,
        }
    }

    /// What does the same in Go.
    #[must_use]
    pub fn in_go(&self) -> &'static str {
        match self {
            Self::Listens(..) => "net.Listen, poll_runtime_pollOpen",
            Self::Accepted(..) => "netFD.accept, poll_runtime_pollOpen",
            Self::Read(_) => "FD.Read",
            Self::Wrote(_) => "FD.Write",
            Self::Pending(_) => "pollDesc.waitRead, gopark",
            Self::Woken(_) => "netpoll, netpollready",
            Self::ThreadParks => "findRunnable, netpoll(delay)",
            Self::ThreadRuns => "injectglist, schedule",
            Self::Here(_) => "",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = |f: &mut fmt::Formatter<'_>, interest: &Option<Interest>| match interest {
            Some(interest) => write!(f, "; {interest}"),
            None => Ok(()),
        };
        match self {
            Self::Listens(fd, addr, interest) => {
                write!(f, "fd {fd} listens at {addr}")?;
                watched(f, interest)
            }
            Self::Accepted(fd, peer, interest) => {
                write!(f, "poll_accept: Ready, fd {fd} from {peer}")?;
                watched(f, interest)
            }
            Self::Read(0) => f.write_str("poll_read: Ready, the end of the stream"),
            Self::Read(count) => write!(f, "poll_read: Ready, {count} bytes"),
            Self::Wrote(count) => write!(f, "poll_write: Ready, {count} bytes"),
            Self::Pending(operation) => write!(f, "{operation}: Pending, its waker is left"),
            Self::Woken(operation) => write!(f, "the waker that {operation} left is called"),
            Self::ThreadParks => f.write_str("no task is ready: the thread parks"),
            Self::ThreadRuns => f.write_str("the thread goes on"),
            Self::Here(what) => f.write_str(what),
        }
    }
}

/// An event, and when and where it happened.
#[derive(Debug)]
pub struct Entry {
    /// Since the start of the trace.
    pub at: Duration,
    /// The thread that did it.
    pub thread: String,
    /// The task that it is about; empty when it is about a thread.
    pub task: &'static str,
    /// What it was.
    pub event: Event,
    stack: Option<Backtrace>,
}

impl Entry {
    /// The functions of tokio that led here and where they are, from the innermost to
    /// the loop of the runtime's thread; nothing unless stacks were asked for.
    #[must_use]
    pub fn stack(&self) -> Vec<String> {
        let Some(stack) = &self.stack else {
            return Vec::new();
        };
        // Lines in pairs: "  9: function" and "    at file:line:column".
        let stack = stack.to_string();
        let lines: Vec<_> = stack.lines().map(str::trim_start).collect();
        let mut functions = Vec::new();
        for pair in lines.windows(2) {
            let (Some((_, function)), Some(place)) =
                (pair[0].split_once(": "), pair[1].strip_prefix("at "))
            else {
                continue;
            };
            let Some(at) = place.rfind("/tokio-") else {
                continue;
            };
            functions.push(format!("{function}, {}", &place[at + 1..]));
            if function.ends_with("worker::Context::run") {
                break;
            }
        }
        functions
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            thread,
            task,
            event,
            ..
        } = self;
        let (step, at) = (event.step().to_string(), at.as_micros());
        let event_text = event.to_string();
        write!(
            f,
            "{at:>7}  {thread:<6}  {task:<10}  {step:<6}  {event_text}"
        )?;
        if !event.in_go().is_empty() {
            write!(f, "  [{}]", event.in_go())?;
        }
        for function in self.stack() {
            write!(f, "\n{:>40}{function}", "in ")?;
        }
        Ok(())
    }
}

/// Takes down what happens, from any thread.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    stacks: bool,
    entries: Mutex<Vec<Entry>>,
    more: Condvar,
}

impl Trace {
    /// One that begins now. With `stacks`, it keeps who called a waker.
    #[must_use]
    pub fn new(stacks: bool) -> Self {
        Self {
            start: Instant::now(),
            stacks,
            entries: Mutex::default(),
            more: Condvar::new(),
        }
    }

    /// This has happened, here and now, to this task.
    pub fn tell(&self, task: &'static str, event: Event) {
        let thread = std::thread::current();
        let stack =
            (self.stacks && matches!(event, Event::Woken(_))).then(Backtrace::force_capture);
        let mut entries = self.entries.lock();
        entries.push(Entry {
            // Under the lock, so that times are in order too.
            at: self.start.elapsed(),
            thread: thread.name().unwrap_or("?").to_owned(),
            task,
            event,
            stack,
        });
        self.more.notify_all();
    }

    /// Blocks until the last thing that happened is that the server's thread parked.
    ///
    /// # Errors
    /// When nothing has happened for [`PATIENCE`].
    pub fn until_parked(&self) -> io::Result<()> {
        let mut entries = self.entries.lock();
        while !matches!(entries.last(), Some(last) if matches!(last.event, Event::ThreadParks)) {
            if self.more.wait_for(&mut entries, PATIENCE).timed_out() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the server does not park",
                ));
            }
        }
        Ok(())
    }

    /// What has happened until now.
    #[must_use]
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock())
    }
}
