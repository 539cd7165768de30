//! A connection, as its callers see it: calls go in, answers come out.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::error::CallError;
use crate::wire::buffers::{self, Buffer, WRITE, either};
use crate::wire::frame::{self, VERSION};
use crate::wire::{CallType, Frame, FrameError, RequestProtocol};

/// So much that was not written yet, in bytes, lets nothing more be put behind it.
const MOST_UNWRITTEN: usize = 1 << 20;
/// So many timeouts in a row, without a byte from the server, and it is given up. Each
/// counts whose call was sent after the last one that counts: a burst of calls that end
/// together says no more than one of them.
const MOST_SILENT: u32 = 3;

/// What callers share with the task of a connection.
///
/// Before it sleeps the task looks once more and leaves its waker, under one
/// lock; a caller adds its request and takes the waker, under one lock. So no
/// wake-up is lost, and nobody pays for waking a task that is awake.
pub(super) struct Link {
    state: Mutex<State>,
    max_frame: usize,
    /// True when the task has ended.
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Requests to be written; held only while there are some.
    out: Option<Buffer>,
    /// Of callers that wait until it is shorter.
    room: Vec<Waker>,
    last_id: u32,
    calls: FxHashMap<u32, Call>,
    /// No call's time is over before.
    next_deadline: Option<Instant>,
    /// Timeouts that count, since something last came.
    silent: u32,
    /// The last call that was sent when one of them last came.
    silent_from: u32,
    /// The waker of the task, while it sleeps.
    task: Option<Waker>,
    /// Why there can be no more calls.
    broken: Option<CallError>,
    /// Its server is about to stop: those under way are still answered.
    retired: bool,
}

/// What became of a request that was to be sent.
enum Begun {
    Sent(u32),
    Unfit(FrameError),
    /// Nothing was sent: the connection is broken.
    Broken,
    /// Nothing was sent: too much before it is not written.
    Full,
}

enum Call {
    Waiting { waker: Waker, deadline: Instant },
    Ended(Result<Frame, CallError>),
}

/// What the task finds to do.
pub(super) struct Found {
    pub(super) next_deadline: Option<Instant>,
    /// It is to end: the client was closed.
    pub(super) closed: bool,
}

impl Link {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            state: Mutex::default(),
            max_frame,
            ended: watch::Sender::new(false),
        }
    }

    /// Whether no more calls go over it.
    pub(super) fn is_broken(&self) -> bool {
        let state = self.state.lock();
        state.retired || state.broken.is_some()
    }

    /// Makes no more calls; those under way go on to their ends.
    pub(super) fn retire(&self) {
        self.state.lock().retired = true;
    }

    /// Calls that wait for their answers.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().calls.len()
    }

    /// Whether it was given up because nothing came over it.
    pub(super) fn is_silent(&self) -> bool {
        self.state.lock().silent >= MOST_SILENT
    }

    /// Sends a request and waits for its answer; `None` when nothing was sent
    /// because the connection is broken. Of a one-way call there is no
    /// answer, and it is not waited for.
    ///
    /// Dropping the future forgets the call: an answer that comes after all
    /// is thrown away.
    pub(super) async fn call(
        &self,
        head: &mut RequestProtocol,
        body: &Bytes,
        deadline: Instant,
    ) -> Option<Result<Frame, CallError>> {
        let one_way = head.call_type == CallType::OneWay as i32;
        let id = loop {
            let begin = poll_fn(|cx| Poll::Ready(self.begin(head, body, deadline, !one_way, cx)));
            match begin.await {
                Begun::Sent(_) if one_way => return Some(Ok(Frame::default())),
                Begun::Sent(id) => break id,
                Begun::Unfit(error) => return Some(Err(CallError::Unfit(error))),
                Begun::Broken => return None,
                Begun::Full => {
                    let room = timeout_at(deadline, poll_fn(|cx| self.poll_room(cx)));
                    // Aside, so that the usual way's future is none the longer.
                    if Box::pin(room).await.is_err() {
                        return Some(Err(CallError::Timeout));
                    }
                }
            }
        };
        // Forgets the call when it goes.
        let place = Place { link: self, id };
        let mut first = true;
        let ended = poll_fn(|cx| {
            // The waker of the first time is there already.
            if std::mem::take(&mut first) {
                Poll::Pending
            } else {
                place.link.poll_ended(id, cx)
            }
        });
        let ended = ended.await;
        // Its place was taken with the answer.
        std::mem::forget(place);
        Some(ended)
    }

    fn begin(
        &self,
        head: &mut RequestProtocol,
        body: &Bytes,
        deadline: Instant,
        waits: bool,
        cx: &Context<'_>,
    ) -> Begun {
        let mut state = self.state.lock();
        if state.retired || state.broken.is_some() {
            return Begun::Broken;
        }
        if state.is_full() {
            return Begun::Full;
        }
        // After a turn of all numbers some may still be waiting.
        let id = loop {
            state.last_id = state.last_id.wrapping_add(1);
            if state.last_id != 0 && !state.calls.contains_key(&state.last_id) {
                break state.last_id;
            }
        };
        head.request_id = id;
        let out = state.out.get_or_insert_with(|| buffers::get(WRITE));
        let max = self.max_frame;
        let encoded = either!(out, out => frame::encode(out, id, VERSION, head, body, max));
        if out.is_empty() {
            state.out = None;
        }
        if let Err(error) = encoded {
            return Begun::Unfit(error);
        }
        if waits {
            state.calls.insert(
                id,
                Call::Waiting {
                    waker: cx.waker().clone(),
                    deadline,
                },
            );
            if state.next_deadline.is_none_or(|next| deadline < next) {
                state.next_deadline = Some(deadline);
            }
        }
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        Begun::Sent(id)
    }

    /// Waits until there may be room, or the connection is broken.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.broken.is_some() || !state.is_full() {
            return Poll::Ready(());
        }
        state.room.push(cx.waker().clone());
        Poll::Pending
    }

    fn poll_ended(&self, id: u32, cx: &Context<'_>) -> Poll<Result<Frame, CallError>> {
        let mut state = self.state.lock();
        match state.calls.get_mut(&id) {
            Some(Call::Waiting { waker, .. }) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            _ => match state.calls.remove(&id) {
                Some(Call::Ended(result)) => Poll::Ready(result),
                _ => unreachable!("a call stays until it is taken"),
            },
        }
    }

    /// Closes it: calls under way end with `error`.
    pub(super) fn close(&self, error: &CallError) {
        let task = {
            let mut state = self.state.lock();
            state.broken.get_or_insert_with(|| error.clone());
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Waits until its task has ended.
    pub(super) async fn ended(&self) {
        // The sender is here, as long as this borrow.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// For the task of the connection.
impl Link {
    /// Moves the requests to be written into `out` if that is empty.
    pub(super) fn collect(&self, out: &mut Option<Buffer>) -> Found {
        let mut state = self.state.lock();
        let mut room = Vec::new();
        if out.is_none() {
            *out = state.out.take();
            room = std::mem::take(&mut state.room);
        }
        let found = Found {
            next_deadline: state.next_deadline,
            closed: state.broken.is_some(),
        };
        drop(state);
        room.into_iter().for_each(Waker::wake);
        found
    }

    /// Whether there are requests to be written.
    pub(super) fn has_requests(&self) -> bool {
        self.state.lock().out.is_some()
    }

    /// Leaves the waker, unless there is something new: `false` then.
    pub(super) fn park(
        &self,
        writing: bool,
        next_deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> bool {
        let mut state = self.state.lock();
        if state.broken.is_some()
            || state.next_deadline != next_deadline
            || (state.out.is_some() && !writing)
        {
            return false;
        }
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            task => *task = Some(cx.waker().clone()),
        }
        true
    }

    /// Something came: hands over the answers in it; those that nobody waits for are
    /// thrown away.
    pub(super) fn hand_over(&self, answers: impl Iterator<Item = Frame>, wakers: &mut Vec<Waker>) {
        {
            let mut state = self.state.lock();
            state.silent = 0;
            for answer in answers {
                if let Some(call) = state.calls.get_mut(&answer.id) {
                    call.end(Ok(answer), wakers);
                }
            }
        }
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Ends the calls whose time is over; when that was one too many, the connection is
    /// broken.
    pub(super) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let mut next: Option<Instant> = None;
            let mut counts = false;
            for (id, call) in &mut state.calls {
                let Call::Waiting { deadline, .. } = *call else {
                    continue;
                };
                if deadline <= now {
                    // Of two numbers the later is less than half a turn ahead.
                    let ahead = id.wrapping_sub(state.silent_from);
                    counts |= (1..1 << 31).contains(&ahead);
                    call.end(Err(CallError::Timeout), wakers);
                } else if next.is_none_or(|next| deadline < next) {
                    next = Some(deadline);
                }
            }
            state.next_deadline = next;
            if counts {
                state.silent += 1;
                state.silent_from = state.last_id;
            }
            if state.silent >= MOST_SILENT {
                // Before those that are woken look.
                let gone = CallError::net(io::ErrorKind::TimedOut.into());
                state.broken.get_or_insert(gone);
            }
        }
        wakers.drain(..).for_each(Waker::wake);
    }

    /// The task has ended: so do all calls.
    pub(super) fn end(&self, error: &CallError) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            let error = state.broken.get_or_insert_with(|| error.clone()).clone();
            state.out = None;
            wakers.append(&mut state.room);
            for call in state.calls.values_mut() {
                call.end(Err(error.clone()), &mut wakers);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        self.ended.send_replace(true);
    }
}

impl State {
    fn is_full(&self) -> bool {
        let unwritten = self.out.as_ref().map_or(0, |out| out.len());
        unwritten >= MOST_UNWRITTEN
    }
}

impl Call {
    fn end(&mut self, result: Result<Frame, CallError>, wakers: &mut Vec<Waker>) {
        if let Self::Waiting { .. } = self
            && let Self::Waiting { waker, .. } = std::mem::replace(self, Self::Ended(result))
        {
            wakers.push(waker);
        }
    }
}

/// The place of a call among those that wait.
struct Place<'a> {
    link: &'a Link,
    id: u32,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // An answer is dropped outside the lock.
        let _call = self.link.state.lock().calls.remove(&self.id);
    }
}
