//! A connection, as its callers see it: calls go in, answers come out.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::CallError;
use crate::wire::buffers::{BUFFERS, Buffer, WRITE};
use crate::wire::frame::{self, VERSION};
use crate::wire::{CallType, Frame, RequestProtocol};

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
    last_id: u32,
    calls: FxHashMap<u32, Call>,
    /// No call's time is over before.
    next_deadline: Option<Instant>,
    /// The waker of the task, while it sleeps.
    task: Option<Waker>,
    /// Why there can be no more calls.
    broken: Option<CallError>,
    /// Its server is about to stop: those under way are still answered.
    retired: bool,
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
        let begun = poll_fn(|cx| Poll::Ready(self.begin(head, body, deadline, !one_way, cx))).await;
        let id = match begun? {
            Ok(_) if one_way => return Some(Ok(Frame::default())),
            Ok(id) => id,
            Err(error) => return Some(Err(error)),
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
    ) -> Option<Result<u32, CallError>> {
        let mut state = self.state.lock();
        if state.retired || state.broken.is_some() {
            return None;
        }
        // After a turn of all numbers some may still be waiting.
        let id = loop {
            state.last_id = state.last_id.wrapping_add(1);
            if state.last_id != 0 && !state.calls.contains_key(&state.last_id) {
                break state.last_id;
            }
        };
        head.request_id = id;
        let out = state.out.get_or_insert_with(|| BUFFERS.get(WRITE));
        let encoded = frame::encode(out, id, VERSION, head, body, self.max_frame);
        if out.is_empty() {
            state.out = None;
        }
        if let Err(error) = encoded {
            return Some(Err(CallError::Unfit(error)));
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
        Some(Ok(id))
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
        if out.is_none() {
            *out = state.out.take();
        }
        Found {
            next_deadline: state.next_deadline,
            closed: state.broken.is_some(),
        }
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

    /// Hands over answers; those that nobody waits for are thrown away.
    pub(super) fn hand_over(&self, answers: impl Iterator<Item = Frame>, wakers: &mut Vec<Waker>) {
        {
            let mut state = self.state.lock();
            for answer in answers {
                if let Some(call) = state.calls.get_mut(&answer.id) {
                    call.end(Ok(answer), wakers);
                }
            }
        }
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        {
            let mut state = self.state.lock();
            let mut next: Option<Instant> = None;
            for call in state.calls.values_mut() {
                let Call::Waiting { deadline, .. } = *call else {
                    continue;
                };
                if deadline <= now {
                    call.end(Err(CallError::Timeout), wakers);
                } else if next.is_none_or(|next| deadline < next) {
                    next = Some(deadline);
                }
            }
            state.next_deadline = next;
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
            for call in state.calls.values_mut() {
                call.end(Err(error.clone()), &mut wakers);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        self.ended.send_replace(true);
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
